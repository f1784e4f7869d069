//! The configuration on a disk: taking a bundle, whole or not at all, and going back to the one before (docs/config.md).
//!
//! Whoever reads the bundle is a child process ([`child`]), which has nothing but the bundle and an empty directory. PID 1 hashes
//! the bundle, looks at what came of it ([`adopt`]), and lets it take its place.

mod adopt;
pub mod child;
mod place;
mod unpack;

pub use place::{Configuration, before, is_there, note_running, present, rollback, tidy};

use crate::failure::{Doing, Failure};
use crate::store::{Disk, Files};
use menagerie::record::{Hex, Record};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// The name (`argv[0]`) under which the program is the unpacking child.
pub const NAME: &str = "dock0-unpack";

/// The program that runs, which is every one of its children too.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The bundle's SHA-256, in hexadecimal.
    pub sha256: String,
    /// How many files and links it has.
    pub files: u64,
    /// How many bytes are in its files.
    pub bytes: u64,
}

/// Why something was not done. Nothing has changed.
#[derive(Debug)]
pub enum Undone {
    /// It is not what it should be: the sender's fault.
    Refused(Failure),
    /// It could not be done here.
    Failed(Failure),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Undone {
        Undone::Failed(failure)
    }
}

/// Takes a bundle, which nobody has looked at yet: unpacked beside the present configuration, it takes its place in one
/// exchange, and the present one becomes the one before. `program` is the one that unpacks it: [`THIS_PROGRAM`].
pub fn take(disk: &Disk, mut bundle: File, program: &Path) -> Result<Stored, Undone> {
    let record = hash(&mut bundle)?;
    place::clear(disk)?;
    let stored = place::make(disk).map_err(Undone::Failed).and_then(|()| {
        unpack::unpack(disk, place::NEW, bundle, program)?;
        let counted = adopt::adopt(disk, place::NEW)?;
        place::turn(disk, &record)?;
        Ok(Stored { sha256: Hex(&record.sha256).to_string(), files: counted.files, bytes: counted.bytes })
    });
    if stored.is_err() {
        // Worst case: it stays until the next one comes, in nobody's way.
        place::clear(disk).unwrap_or_default();
    }
    stored
}

/// What the bundle's bytes are; it stands at its beginning again.
fn hash(bundle: &mut File) -> Result<Record, Failure> {
    let doing = || "reading the bundle".to_string();
    let (mut digest, mut size, mut bytes) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let count = bundle.read(&mut bytes).doing(doing)?;
        if count == 0 {
            break;
        }
        digest.update(bytes.get(..count).unwrap_or_default());
        size += u64::try_from(count).unwrap_or_default();
    }
    bundle.rewind().doing(doing)?;
    Ok(Record { sha256: digest.finalize().into(), size })
}

/// A sentence about a path of the disk.
fn doing<'d>(disk: &'d Disk, what: &'d str, path: &'d str) -> impl Fn() -> String + Copy + 'd {
    move || format!("{what} {}", disk.show(path))
}
