//! The config bundle: `config/…` as ustar in gzip (POSIX.1-1988; RFC 1952). It is taken whole or refused whole: what a bundle
//! may hold is the list in [`entry`], and what is not in that list is refused.
//!
//! ```text
//! packed bytes ──gzip──► an archive of at most 16 MiB ──tar──► entries, each checked ──tree──► together they make one tree
//! ```

pub mod entry;
pub mod gzip;
pub mod refused;
mod tar;
mod tree;

use crate::bundle::gzip::Unpacker;
pub use entry::{Entry, Path, What};
use heapless::Vec;
pub use refused::{Flaw, NotGzip, Refused, Why};

/// The longest archive, in bytes; what the files of a bundle hold together is less than that.
pub const MAX_UNPACKED: usize = 16 << 20;
/// The longest bundle as it comes, in bytes: what cannot be compressed gets longer by 5 bytes in 32 KiB, header and trailer
/// are short.
pub const MAX_PACKED: usize = MAX_UNPACKED + (64 << 10);
/// The most files, directories and links; directories count that are only named in the path of something.
pub const MAX_ENTRIES: usize = 1024;
/// The longest file, in bytes.
pub const MAX_FILE: usize = 4 << 20;
/// The longest path, in bytes: a ustar header has room for no more.
pub const MAX_PATH: usize = 256;
/// The most components of a path, `config` being one.
pub const MAX_COMPONENTS: usize = 16;
/// What everything in a bundle is, or lies below.
pub const CONFIG: &str = "config";
/// The part of it that is laid over the root.
pub const TEMPLATES: &str = "config/templates";

/// A bundle, all of it checked.
pub struct Bundle<'t> {
    /// Directories before what lies in them.
    entries: Vec<Entry<'t>, MAX_ENTRIES>,
}

impl<'t> Bundle<'t> {
    /// Checks an archive as it is when unpacked.
    pub fn read(archive: &'t [u8]) -> Result<Bundle<'t>, Refused<'t>> {
        let mut entries = tar::entries(archive)?;
        tree::check(&mut entries)?;
        Ok(Bundle { entries })
    }

    /// Unpacks a bundle into `room`, which shall have [`MAX_UNPACKED`] bytes, and checks it.
    pub fn unpack(packed: &[u8], room: &'t mut [u8]) -> Result<Bundle<'t>, Refused<'t>> {
        let mut unpacker = Unpacker::new(room);
        unpacker.feed(packed)?;
        Bundle::read(unpacker.finish()?)
    }

    /// What is in it, a directory before what lies in it. Directories that are only named in the path of something have no
    /// entry of their own.
    pub fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }
}

#[cfg(test)]
mod tests;
