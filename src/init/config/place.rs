//! Where configurations stand, and how they change places: `config`, the one before it, the one that is being made, and the one
//! that the running system lies on while both others are newer.

use super::doing;
use crate::failure::{Doing, Failure};
use crate::places::RUNNING_CONFIG;
use crate::store::{Disk, Files, tree};
use menagerie::layout::CONFIG;
use menagerie::record::{Hex, Record};
use rustix::io::Errno;
use std::io::ErrorKind;
use std::path::Path;

/// The one that is being made. It is nothing until it is whole.
pub const NEW: &str = "config.new";
/// The one before.
const BEFORE: &str = "config.prev";
/// One that the running root is laid over, and that is neither of the two any more; a boot removes it.
const RUNNING: &str = "config.running";

/// Whether there is a configuration.
pub fn is_there(disk: &Disk) -> Result<bool, Failure> {
    stands(disk, CONFIG)
}

/// What stands in the place of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// None does.
    Missing,
    /// One that came as a bundle with this SHA-256, in hexadecimal.
    Bundle(String),
    /// One of which nothing is known: the predecessor's, or one that was copied.
    Unrecorded,
}

impl Configuration {
    /// The SHA-256 of its bundle, where that is known.
    pub fn sha256(self) -> Option<String> {
        match self {
            Configuration::Bundle(sha256) => Some(sha256),
            Configuration::Missing | Configuration::Unrecorded => None,
        }
    }
}

/// The configuration.
pub fn present(disk: &Disk) -> Result<Configuration, Failure> {
    configuration(disk, CONFIG)
}

/// The one that a rollback brings back.
pub fn before(disk: &Disk) -> Result<Configuration, Failure> {
    configuration(disk, BEFORE)
}

fn configuration(disk: &Disk, path: &str) -> Result<Configuration, Failure> {
    if !stands(disk, path)? {
        return Ok(Configuration::Missing);
    }
    let record = disk.directory_record(path).doing(doing(disk, "reading what is known of", path))?;
    Ok(record.map_or(Configuration::Unrecorded, |record| Configuration::Bundle(Hex(&record.sha256).to_string())))
}

/// Lets the configuration and the one before it change places.
pub fn rollback(disk: &Disk) -> Result<(), Failure> {
    if !stands(disk, BEFORE)? {
        return Err(Failure::new(format!("{}: there is no configuration before this one", disk.show(BEFORE))));
    }
    exchange(disk)
}

/// Removes what was left half made.
pub fn clear(disk: &Disk) -> Result<(), Failure> {
    tree::remove(disk, NEW)
}

/// What a boot does first, while nobody uses any of it: it removes what was left, if anything was.
pub fn tidy(disk: &Disk) -> Result<(), Failure> {
    [NEW, RUNNING].iter().try_for_each(|path| tree::remove(disk, path))
}

/// Makes the directory for a new one.
pub fn make(disk: &Disk) -> Result<(), Failure> {
    disk.make_directory(NEW).doing(doing(disk, "making", NEW))
}

/// Lets the new one take its place, with what is known of it. Stopped anywhere, `config` is the old one or the new one, whole; and
/// so is the one before, unless it is what the system runs from, which gives way first.
pub fn turn(disk: &Disk, record: &Record) -> Result<(), Failure> {
    // The bundle's root is its `config`.
    disk.write_directory_record(&inner(), record).doing(doing(disk, "writing down what is known of", NEW))?;
    sync(disk, NEW)?;
    // It is all in its place before any name but its own leads to it.
    tree::settle(disk, "")?;
    if is_there(disk)? {
        become_the_one_before(disk)?;
        exchange(disk)?;
    } else {
        move_to(disk, &inner(), CONFIG)?;
        tree::settle(disk, "")?;
    }
    // Worst case: what was the one before stays there until the next one comes, or the VM boots.
    clear(disk).unwrap_or_default();
    Ok(())
}

/// What a bundle holds below the directory that it is unpacked into.
fn inner() -> String {
    format!("{NEW}/{CONFIG}")
}

/// Writes down which configuration the root is laid over, for whoever changes it while the system runs.
pub fn note_running(disk: &Disk, note: &str) -> Result<(), Failure> {
    let number = disk.number(CONFIG).doing(doing(disk, "looking at", CONFIG))?;
    std::fs::write(note, format!("{number}\n")).doing(|| format!("writing {note}"))
}

/// The new one becomes the one before. What that was has to go, but whole, since removing it takes its time; and not from under the
/// running system.
fn become_the_one_before(disk: &Disk) -> Result<(), Failure> {
    match stands(disk, BEFORE)? {
        false => move_to(disk, &inner(), BEFORE),
        true if runs(disk, BEFORE)? => {
            tree::remove(disk, RUNNING)?;
            move_to(disk, BEFORE, RUNNING)?;
            move_to(disk, &inner(), BEFORE)
        }
        true => disk.exchange(&inner(), BEFORE).doing(doing(disk, "exchanging the new configuration and", BEFORE)),
    }
}

/// Whether the running root is laid over it, as PID 1 has left a note beside where it mounted this disk.
fn runs(disk: &Disk, path: &str) -> Result<bool, Failure> {
    let note = Path::new(&disk.path()?).with_file_name(RUNNING_CONFIG);
    let noted = match std::fs::read_to_string(&note) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        noted => noted.doing(|| format!("reading {}", note.display()))?,
    };
    let number = disk.number(path).doing(doing(disk, "looking at", path))?;
    Ok(noted.trim_end().parse() == Ok(number))
}

fn exchange(disk: &Disk) -> Result<(), Failure> {
    tree::settle(disk, "")?;
    disk.exchange(CONFIG, BEFORE).doing(doing(disk, "exchanging the configuration and", BEFORE))?;
    tree::settle(disk, "")
}

fn move_to(disk: &Disk, from: &str, to: &str) -> Result<(), Failure> {
    disk.rename(from, to).doing(|| format!("moving {} to {}", disk.show(from), disk.show(to)))
}

fn sync(disk: &Disk, path: &str) -> Result<(), Failure> {
    disk.sync_directory(path).doing(doing(disk, "syncing", path))
}

fn stands(disk: &Disk, path: &str) -> Result<bool, Failure> {
    match disk.look(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error).doing(doing(disk, "looking for", path)),
    }
}
