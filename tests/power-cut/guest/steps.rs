//! Single steps on a boot partition that every sequence is made of.

use crate::operation::{ConfigEntry, ConfigWhat, NewArtifact};
use crate::releases::Links;
use anyhow::{Context, Result};
use menagerie::layout;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Brings what was written to a directory or a file onto the disk.
pub fn fsync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.with_context(|| format!("syncing {}", path.display()))
}

/// Makes the raw metadata on the disk what the journal says.
pub fn checkpoint(boot: &Path) -> Result<()> {
    let root = File::open(boot).with_context(|| format!("opening {}", boot.display()))?;
    init::sys::checkpoint_ext4(root).with_context(|| format!("checkpointing {}", boot.display()))
}

/// Exchanges two names in one step.
pub fn exchange(one: &Path, other: &Path) -> Result<()> {
    let exchanged = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
    exchanged.with_context(|| format!("exchanging {} and {}", one.display(), other.display()))
}

/// Gives a file or directory another name.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("renaming {} to {}", from.display(), to.display()))
}

/// Writes an artifact under another name, then gives it its own. One that is there already is whole and is kept.
pub fn write_artifact(boot: &Path, artifact: &NewArtifact) -> Result<()> {
    let directory = boot.join(layout::ARTIFACTS).join(artifact.name);
    let (place, part) = (directory.join(&artifact.version), directory.join(format!("{}.part", artifact.version)));
    write_file(&part, &artifact.bytes)?;
    match renameat_with(CWD, &part, CWD, &place, RenameFlags::NOREPLACE) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => remove(&part)?,
        renamed => renamed.with_context(|| format!("renaming {}", part.display()))?,
    }
    fsync(&directory)
}

/// Builds a directory of releases and brings it onto the disk; whatever stood there is removed first.
pub fn build_releases(directory: &Path, releases: &[Links]) -> Result<()> {
    remove(directory)?;
    make_directory(directory)?;
    for (number, links) in releases.iter().enumerate() {
        build_release(&directory.join(number.to_string()), links)?;
    }
    fsync(directory)
}

/// Builds one release and brings it onto the disk.
pub fn build_release(directory: &Path, links: &Links) -> Result<()> {
    make_directory(directory)?;
    for (name, version) in links {
        let link = directory.join(name);
        // From any directory of releases the artifacts are two steps up.
        let target = format!("../../{}/{name}/{version}", layout::ARTIFACTS);
        symlink(target, &link).with_context(|| format!("linking {}", link.display()))?;
    }
    fsync(directory)
}

/// Builds a configuration and brings it onto the disk; whatever stood there is removed first.
pub fn build_config(directory: &Path, entries: &[ConfigEntry]) -> Result<()> {
    remove(directory)?;
    make_directory(directory)?;
    let mut directories = BTreeSet::from([directory.to_path_buf()]);
    for ConfigEntry { path, what } in entries {
        let path = directory.join(path);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        match what {
            ConfigWhat::File(text) => write_file(&path, text.as_bytes())?,
            ConfigWhat::Link(target) => {
                symlink(target, &path).with_context(|| format!("linking {}", path.display()))?;
            }
        }
        directories.extend(parent.ancestors().take_while(|above| above.starts_with(directory)).map(Path::to_path_buf));
    }
    directories.iter().rev().try_for_each(|directory| fsync(directory))
}

/// Removes a file or a whole directory, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("removing {}", path.display()))
}

/// Removes every artifact that none of these releases needs.
pub fn remove_unneeded(boot: &Path, releases: &[Links]) -> Result<()> {
    let artifacts = boot.join(layout::ARTIFACTS);
    for kind in fs::read_dir(&artifacts).context("listing the artifacts")? {
        let kind = kind?;
        let needed: BTreeSet<&str> =
            releases.iter().filter_map(|links| links.get(kind.file_name().to_str()?)).map(String::as_str).collect();
        for version in fs::read_dir(kind.path()).context("listing an artifact's versions")? {
            let version = version?;
            if !version.file_name().to_str().is_some_and(|version| needed.contains(version)) {
                remove(&version.path())?;
            }
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("making {}", path.display()))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}
