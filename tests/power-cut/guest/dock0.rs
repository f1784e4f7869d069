//! dock0's own sequence, by the very code that ships: the menagerie command, and the taking of a bundle. No power cut at any write
//! loses anything, for init or for GRUB.

use crate::operation::{ConfigEntry, ConfigWhat, NewArtifact};
use crate::releases::{self, KEEP};
use anyhow::{Context, Result, anyhow, ensure};
use bundles::gzip;
use bundles::tar::{Archive, Header};
use init::config::{self, THIS_PROGRAM, Undone};
use init::store::{Disk, loader, survey, trials};
use init::{command, failure::Failure, trial};
use menagerie::layout::{CONFIG, LATEST};
use menagerie::state::{TRIES, Trial};
use menagerie::{Layout, ReleaseId};
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

/// Where a new release or configuration stands before it is taken: in memory.
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

/// Takes a bundle as PID 1 takes one that was pushed.
pub fn configure(boot: &Path, entries: &[ConfigEntry]) -> Result<()> {
    fs::create_dir_all(INCOMING).with_context(|| format!("making {INCOMING}"))?;
    let file = format!("{INCOMING}/bundle");
    fs::write(&file, bundle(entries)).with_context(|| format!("writing {file}"))?;
    let bundle = File::open(&file).with_context(|| format!("opening {file}"))?;
    let disk = Disk::open(&boot.to_string_lossy()).map_err(as_error)?;
    disk.claim().map_err(as_error)?;
    match config::take(&disk, bundle, Path::new(THIS_PROGRAM)) {
        Ok(_) => Ok(()),
        Err(Undone::Refused(failure) | Undone::Failed(failure)) => Err(as_error(failure)),
    }
}

/// Lets the configuration and the one before change places.
pub fn roll_back_config(boot: &Path) -> Result<()> {
    menagerie(boot, &["config".into(), "rollback".into()])
}

/// Spends a try of release 0 as a boot does just before the root takes over, unless it is good.
pub fn spend(boot: &Path) -> Result<()> {
    let disk = Disk::open(&boot.to_string_lossy()).map_err(as_error)?;
    let (newest, marks) = (newest(&disk)?, survey::marks(&disk).0);
    if marks.is_good(newest) {
        return Ok(());
    }
    let before = marks.trial(newest);
    let left = marks.tries_left(newest, TRIES).saturating_sub(1);
    trials::spend(&disk, before, Trial { id: newest, left }).map_err(as_error)?;
    loader::set(&disk, Some(TRIES)).map_err(as_error)
}

/// Calls release 0 good.
pub fn approve(boot: &Path) -> Result<()> {
    menagerie(boot, &["good".into(), "0".into()])
}

/// What the boot loaders leave where the kernel of release 0 never comes up.
pub fn count_out(boot: &Path) -> Result<()> {
    let disk = Disk::open(&boot.to_string_lossy()).map_err(as_error)?;
    loader::set(&disk, Some(0)).map_err(as_error)
}

/// Goes back from release 0, which is bad, as a boot does.
pub fn fall_back(boot: &Path) -> Result<()> {
    let disk = Disk::open(&boot.to_string_lossy()).map_err(as_error)?;
    let (inventory, _) = survey::inventory(&disk, &Layout::default(), None);
    let good = inventory.last_good().context("no release is good")?;
    disk.claim().map_err(as_error)?;
    trial::turn(&disk, Some(newest(&disk)?), good, TRIES).map_err(as_error)
}

fn newest(disk: &Disk) -> Result<ReleaseId> {
    let (listing, _) = survey::listing(disk, &Layout::default()).map_err(as_error)?;
    Ok(listing.release(0).context("there is no release 0")?.id())
}

fn menagerie(boot: &Path, words: &[String]) -> Result<()> {
    let boot = boot.to_string_lossy();
    let words: Vec<&str> = ["--root", &boot].into_iter().chain(words.iter().map(String::as_str)).collect();
    ensure!(command::run(&words) == ExitCode::SUCCESS, "menagerie {words:?} failed");
    Ok(())
}

/// The configuration as an operator's command sends it.
fn bundle(entries: &[ConfigEntry]) -> Vec<u8> {
    let add = |archive: Archive, ConfigEntry { path, what }: &ConfigEntry| {
        let path = format!("{CONFIG}/{path}");
        match what {
            ConfigWhat::File(text) => archive.add(Header::file(&path, text.len()), text.as_bytes()),
            ConfigWhat::Link(target) => archive.add(Header::link(&path, target), b""),
        }
    };
    gzip::compress(&entries.iter().fold(Archive::default(), add).end())
}

fn as_error(failure: Failure) -> anyhow::Error {
    anyhow!("{failure}")
}
