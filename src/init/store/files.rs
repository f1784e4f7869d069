//! What a file system can be asked for, a step each. Paths are relative to the boot partition's root, and no link in them
//! is followed.

use menagerie::Record;
use menagerie::space::Free;
use rustix::io::Result;
use std::io::Read;

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name; what is not UTF-8 in it is replaced, and the kind says so.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, a device or a socket.
    Special,
    /// Anything whose name is not UTF-8, so that nothing can be done to it.
    Unnameable,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it is; a link is not followed.
    pub kind: Kind,
    /// A file's length, in bytes.
    pub size: u64,
    /// What it takes on the disk, in bytes.
    pub takes: u64,
    /// Its file mode, without the type.
    pub mode: u32,
}

/// Where the file system's changes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// Where they belong, or there is no journal in which they could wait.
    Home,
    /// On the disk, but some may still be in the journal, which GRUB does not read.
    NotPossible,
}

/// Whether the kernel checks a file's bytes from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It does.
    Sealed,
    /// It cannot, or the file system cannot.
    NotPossible,
}

/// The steps. Each one that changes something has happened, or has not.
pub trait Files {
    /// A file that is being written.
    type Writer;

    /// A path as a person finds it.
    fn show(&self, path: &str) -> String;
    /// What stands in a directory, in no order; at most `most` of it.
    fn list(&self, directory: &str, most: usize) -> Result<Vec<Entry>>;
    /// Where a link points. `EINVAL` of anything but a link, `EILSEQ` where that is not UTF-8.
    fn read_link(&self, path: &str) -> Result<String>;
    /// What stands at a path.
    fn look(&self, path: &str) -> Result<Look>;
    /// A file's bytes, from the disk and not from memory as far as that can be had.
    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>>;
    /// What was written down with a file; `None` where nothing was, or can be.
    fn record(&self, path: &str) -> Result<Option<Record>>;
    /// The fs-verity digest of a sealed file; `None` of any other.
    fn measure(&self, path: &str) -> Result<Option<[u8; 32]>>;
    /// What is left of the file system.
    fn free(&self) -> Result<Free>;

    /// Makes a directory. `EEXIST` where anything stands.
    fn make_directory(&self, path: &str) -> Result<()>;
    /// Makes a link. `EEXIST` where anything stands.
    fn link(&self, target: &str, path: &str) -> Result<()>;
    /// Makes an empty file of mode 0600 with room reserved for its bytes. `EEXIST` where anything stands.
    fn create(&self, path: &str, size: u64) -> Result<Self::Writer>;
    /// Writes the next bytes of a file.
    fn write(&self, file: &mut Self::Writer, bytes: &[u8]) -> Result<()>;
    /// Writes something down with a file, where the file system can.
    fn write_record(&self, file: &Self::Writer, record: &Record) -> Result<()>;
    /// Waits until a file is on the disk, and closes it.
    fn finish(&self, file: Self::Writer) -> Result<()>;
    /// Gives a file its mode.
    fn set_mode(&self, path: &str, mode: u32) -> Result<()>;
    /// Seals a file with fs-verity, where kernel and file system can.
    fn seal(&self, path: &str) -> Result<Seal>;
    /// Writes a whole file in place, on the disk when it returns; its length stays. `EINVAL` where that is another one.
    fn overwrite(&self, path: &str, bytes: &[u8]) -> Result<()>;
    /// Gives a thing another name. `EEXIST` where anything stands.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Lets two things change places, at once.
    fn exchange(&self, one: &str, other: &str) -> Result<()>;
    /// Removes a file or link.
    fn remove_file(&self, path: &str) -> Result<()>;
    /// Removes the files and links of a directory whose names are not UTF-8; its directories get names that are.
    fn remove_unnameable(&self, directory: &str) -> Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &str) -> Result<()>;
    /// Waits until a directory is on the disk; `""` is the root.
    fn sync_directory(&self, path: &str) -> Result<()>;
    /// Waits until all is on the disk where it belongs, and not only in the journal.
    fn checkpoint(&self) -> Result<Checkpoint>;
}

/// The directory that a path stands in; `""` is the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
