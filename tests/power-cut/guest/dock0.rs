//! dock0's own sequence: no power cut at any write loses anything, for init or for GRUB.

use crate::operation::{ConfigFile, NewArtifact};
use crate::releases;
use crate::releases::Links;
use crate::steps::{
    build_config, build_releases, checkpoint, exchange, fsync, remove, remove_unneeded, write_artifact,
};
use anyhow::Result;
use menagerie::layout;
use std::path::Path;

/// Adds these artifacts and a release made of them and of what the current one has besides.
pub fn install(boot: &Path, new: &[NewArtifact]) -> Result<()> {
    new.iter().try_for_each(|artifact| write_artifact(boot, artifact))?;
    let releases = releases::read(&boot.join(layout::RELEASES))?;
    commit(boot, &releases::after_install(&releases, new))
}

/// Makes release 1 release 0.
pub fn roll_back(boot: &Path) -> Result<()> {
    let releases = releases::read(&boot.join(layout::RELEASES))?;
    commit(boot, &releases::after_roll_back(&releases))
}

/// Replaces the configuration.
pub fn configure(boot: &Path, files: &[ConfigFile]) -> Result<()> {
    build_config(&boot.join("config.new"), files)?;
    turn(boot, "config", "config.new")
}

fn commit(boot: &Path, next: &[Links]) -> Result<()> {
    build_releases(&boot.join("releases.new"), next)?;
    turn(boot, layout::RELEASES, "releases.new")?;
    remove_unneeded(boot, next)
}

/// The raw metadata must hold the whole new tree before the exchange can reach the disk, and the exchange before the old
/// tree may go.
fn turn(boot: &Path, current: &str, next: &str) -> Result<()> {
    fsync(boot)?;
    checkpoint(boot)?;
    exchange(&boot.join(current), &boot.join(next))?;
    fsync(boot)?;
    checkpoint(boot)?;
    remove(&boot.join(next))
}
