//! dock0's own sequence, by the very code that ships: the menagerie command, and its replacing of whole trees. No power cut at
//! any write loses anything, for init or for GRUB.

use crate::operation::{ConfigFile, NewArtifact};
use crate::releases::{self, KEEP};
use anyhow::{Context, Result, anyhow, ensure};
use init::store::files::{Files, parent};
use init::store::{Disk, Lock, tree};
use init::{command, failure::Doing, failure::Failure};
use menagerie::layout::{CONFIG, LATEST};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Where the files of a new release stand before they are installed: in memory.
const INCOMING: &str = "/run/incoming";

/// Adds these artifacts and a release made of them and of what the current one has besides.
pub fn install(boot: &Path, new: &[NewArtifact]) -> Result<()> {
    fs::create_dir_all(INCOMING).with_context(|| format!("making {INCOMING}"))?;
    let mut links = releases::read_one(&boot.join(LATEST))?.context("latest leads nowhere")?;
    for NewArtifact { name, version, bytes } in new {
        let file = format!("{INCOMING}/{name}");
        fs::write(&file, bytes).with_context(|| format!("writing {file}"))?;
        links.insert(name.to_string(), format!("{version}@{file}"));
    }
    let specs: Vec<String> = links.iter().map(|(name, version)| format!("{name}={version}")).collect();
    let retain = KEEP.to_string();
    let options = ["add", "--retain", &retain].map(String::from);
    menagerie(boot, &[&options[..], &specs].concat())
}

/// Makes release 1 release 0.
pub fn roll_back(boot: &Path) -> Result<()> {
    menagerie(boot, &["rollback".into()])
}

/// Replaces the configuration.
pub fn configure(boot: &Path, files: &[ConfigFile]) -> Result<()> {
    let disk = Disk::open(&boot.to_string_lossy()).map_err(as_error)?;
    ensure!(disk.lock(Lock::ToChange).map_err(as_error)?, "somebody else changes the disk");
    tree::replace(&disk, CONFIG, |disk, next| build(disk, next, files)).map_err(as_error)
}

fn menagerie(boot: &Path, words: &[String]) -> Result<()> {
    let boot = boot.to_string_lossy();
    let words: Vec<&str> = ["--root", &boot].into_iter().chain(words.iter().map(String::as_str)).collect();
    ensure!(command::run(&words) == ExitCode::SUCCESS, "menagerie {words:?} failed");
    Ok(())
}

/// Builds a configuration, every file and directory of it on the disk when it returns.
fn build(disk: &Disk, next: &str, files: &[ConfigFile]) -> Result<(), Failure> {
    let doing = |path: &str| format!("building {}", disk.show(path));
    disk.make_directory(next).doing(|| doing(next))?;
    let mut directories = BTreeSet::from([next.to_string()]);
    for (path, bytes) in files {
        let path = format!("{next}/{path}");
        for (at, _) in path.match_indices('/') {
            let directory = path.get(..at).unwrap_or_default().to_string();
            if directory.len() > next.len() && directories.insert(directory.clone()) {
                disk.make_directory(&directory).doing(|| doing(&directory))?;
            }
        }
        let mut file = disk.create(&path, bytes.len() as u64).doing(|| doing(&path))?;
        disk.write(&mut file, bytes).doing(|| doing(&path))?;
        disk.finish(file).doing(|| doing(parent(&path)))?;
        disk.set_mode(&path, 0o644).doing(|| doing(&path))?;
    }
    directories.iter().rev().try_for_each(|directory| disk.sync_directory(directory).doing(|| doing(directory)))
}

fn as_error(failure: Failure) -> anyhow::Error {
    anyhow!("{failure}")
}
