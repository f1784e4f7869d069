//! The sequences that lose something: kept for good, so that the rig proves with each run that it would notice.

use crate::operation::{ConfigEntry, NewArtifact};
use crate::releases::{self, Links};
use crate::steps::{
    build_config, build_release, build_releases, checkpoint, exchange, fsync, remove, remove_unneeded, rename,
    write_artifact,
};
use anyhow::{Context, Result};
use menagerie::{Layout, layout};
use power_cut_guest::Sequence;
use power_cut_guest::state::{CONFIG, CONFIG_BEFORE};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Adds these artifacts and a release made of them and of what the current one has besides.
pub fn install(sequence: Sequence, boot: &Path, new: &[NewArtifact]) -> Result<()> {
    new.iter().try_for_each(|artifact| write_artifact(boot, artifact))?;
    match sequence {
        Sequence::Symlink | Sequence::SymlinkCheckpoint => install_beside(sequence, boot, new),
        Sequence::Rotate | Sequence::RotateCheckpoint => rotate_in(sequence, boot, new),
        Sequence::Exchange | Sequence::ConfigByRenames | Sequence::Dock0 => {
            let releases = releases::read(&boot.join(layout::RELEASES))?;
            exchange_releases(boot, &releases::after_install(&releases, new))
        }
    }
}

/// Makes release 1 the current one.
pub fn roll_back(sequence: Sequence, boot: &Path) -> Result<()> {
    match sequence {
        Sequence::Symlink | Sequence::SymlinkCheckpoint => {
            let other = other_release(boot)?;
            lead_latest_to(sequence, boot, other)
        }
        Sequence::Rotate | Sequence::RotateCheckpoint => rotate_back(sequence, boot),
        Sequence::Exchange | Sequence::ConfigByRenames | Sequence::Dock0 => {
            let releases = releases::read(&boot.join(layout::RELEASES))?;
            exchange_releases(boot, &releases::after_roll_back(&releases))
        }
    }
}

/// Makes a new configuration the current one, and the current one the one before.
pub fn configure(sequence: Sequence, boot: &Path, entries: &[ConfigEntry]) -> Result<()> {
    let [config, new, before] = [CONFIG, "config.new", CONFIG_BEFORE].map(|name| boot.join(name));
    build_config(&new, entries)?;
    fsync(boot)?;
    if sequence == Sequence::ConfigByRenames {
        remove(&before)?;
        rename(&config, &before)?;
        fsync(boot)?;
        rename(&new, &config)?;
        return finish(sequence, boot);
    }
    if before.try_exists()? {
        exchange(&new, &before)?;
    } else {
        rename(&new, &before)?;
    }
    exchange(&config, &before)?;
    finish(sequence, boot)?;
    remove(&new)
}

/// Lets the configuration and the one before change places.
pub fn roll_back_config(sequence: Sequence, boot: &Path) -> Result<()> {
    exchange(&boot.join(CONFIG), &boot.join(CONFIG_BEFORE))?;
    finish(sequence, boot)
}

/// fsync of the boot partition's root, and the checkpoint of those that have one.
fn finish(sequence: Sequence, boot: &Path) -> Result<()> {
    fsync(boot)?;
    match sequence {
        Sequence::SymlinkCheckpoint | Sequence::RotateCheckpoint => checkpoint(boot),
        Sequence::Symlink | Sequence::Rotate | Sequence::Exchange | Sequence::ConfigByRenames | Sequence::Dock0 => {
            Ok(())
        }
    }
}

/// `latest` leads to one of two directories, and the new release is built in the other one.
fn install_beside(sequence: Sequence, boot: &Path, new: &[NewArtifact]) -> Result<()> {
    let current = releases::read_one(&boot.join(layout::LATEST))?.context("latest leads nowhere")?;
    let next = releases::renewed(&current, new);
    let (directory, other) = (boot.join(layout::RELEASES), other_release(boot)?);
    let built = directory.join(other.to_string());
    remove(&built)?;
    build_release(&built, &next)?;
    fsync(&directory)?;
    lead_latest_to(sequence, boot, other)?;
    remove_unneeded(boot, &[current, next])
}

/// Of the directories 0 and 1 the one that `latest` does not lead to.
fn other_release(boot: &Path) -> Result<u32> {
    let target = fs::read_link(boot.join(layout::LATEST)).context("reading latest")?;
    let current = target
        .to_str()
        .and_then(|target| Layout::default().parse_latest(target))
        .context("latest leads to no release")?;
    Ok(1 - current.min(1))
}

fn lead_latest_to(sequence: Sequence, boot: &Path, number: u32) -> Result<()> {
    let new = boot.join("latest.new");
    remove(&new)?;
    symlink(format!("{}/{number}", layout::RELEASES), &new).context("making latest.new")?;
    rename(&new, &boot.join(layout::LATEST))?;
    finish(sequence, boot)
}

/// The new release moves in at 0 after every other one has moved up.
fn rotate_in(sequence: Sequence, boot: &Path, new: &[NewArtifact]) -> Result<()> {
    let directory = boot.join(layout::RELEASES);
    let releases = releases::read(&directory)?;
    let next = releases::after_install(&releases, new);
    let (incoming, outgoing) = (boot.join("release.new"), boot.join("release.old"));
    remove(&incoming)?;
    build_release(&incoming, next.first().context("there is no release")?)?;
    fsync(boot)?;
    for number in (0..releases.len()).rev() {
        let up = if number + 1 < next.len() { directory.join((number + 1).to_string()) } else { outgoing.clone() };
        rotate(sequence, boot, &directory.join(number.to_string()), &up)?;
    }
    rotate(sequence, boot, &incoming, &directory.join("0"))?;
    fsync(&directory)?;
    finish(sequence, boot)?;
    remove(&outgoing)?;
    remove_unneeded(boot, &next)
}

/// Releases 0 and 1 change places by way of a third name.
fn rotate_back(sequence: Sequence, boot: &Path) -> Result<()> {
    let directory = boot.join(layout::RELEASES);
    let (zero, one, aside) = (directory.join("0"), directory.join("1"), boot.join("release.old"));
    rotate(sequence, boot, &zero, &aside)?;
    rotate(sequence, boot, &one, &zero)?;
    rotate(sequence, boot, &aside, &one)?;
    fsync(&directory)?;
    finish(sequence, boot)
}

fn rotate(sequence: Sequence, boot: &Path, from: &Path, to: &Path) -> Result<()> {
    rename(from, to)?;
    if sequence == Sequence::Rotate {
        fsync(&boot.join(layout::RELEASES))?;
        fsync(boot)?;
    }
    Ok(())
}

fn exchange_releases(boot: &Path, next: &[Links]) -> Result<()> {
    let (releases, new) = (boot.join(layout::RELEASES), boot.join("releases.new"));
    build_releases(&new, next)?;
    fsync(boot)?;
    exchange(&releases, &new)?;
    fsync(boot)?;
    remove(&new)?;
    remove_unneeded(boot, next)
}
