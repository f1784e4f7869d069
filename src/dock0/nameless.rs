//! Temporary files without a name, for what nobody else shall read: whatever becomes of us, nothing of them is left.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file without a name, open for reading and writing.
pub struct Nameless(File);

impl Nameless {
    /// An empty one on the disk that `directory` is on.
    pub fn beside(directory: &Path) -> Result<Nameless> {
        let file = tempfile::tempfile_in(directory);
        file.map(Nameless).with_context(|| format!("making a temporary file in {}", directory.display()))
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Where other programs of this user find it as long as it is open here: not among their own descriptors, none of which
    /// they inherit, but among ours.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}
