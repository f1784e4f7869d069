//! The boot image: a boot disk in gzip, as `dock0 disk --linode` makes it and as Linode makes disks of it.

use super::gzip::{self, Found, LIMITS};
use crate::ext4;
use crate::manifest::hex;
use crate::nameless::Nameless;
use crate::origin::GivenFile;
use crate::output::{Access, Existing, Output, directory_of};
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many bytes of its digest an image is known by: Linode's labels have 50 letters at most, and no two images have the
/// same 64 bits by accident.
const KNOWN_BY: usize = 8;

/// A file that was looked at from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootImage {
    path: PathBuf,
    found: Found,
}

impl BootImage {
    /// Reads one, and refuses what Linode would not take or could not boot.
    pub fn read(path: &Path) -> Result<BootImage> {
        let found = gzip::unpack(path, LIMITS, None)?;
        Ok(BootImage { path: path.into(), found })
    }

    /// Makes one at `path` of the disk that `make` fills a file with. The file has no name: what is on a disk is secret.
    pub fn make(output: Output<'_>, make: impl FnOnce(&Path) -> Result<()>) -> Result<BootImage> {
        let path = output.path;
        let mut image = None;
        output.write(|to| {
            let disk = Nameless::beside(directory_of(to))?;
            make(&disk.path())?;
            image = Some(pack(disk.file(), to)?);
            Ok(())
        })?;
        let image = image.context("nothing was packed")?;
        Ok(BootImage { path: path.into(), ..image })
    }

    /// A copy of it, at a path where nothing is, with these files added below `dock0/`: what is one VM's alone, where no
    /// metadata service brings it. None of them may be there already. Nobody but its owner can read it.
    pub fn with(&self, files: &[GivenFile], path: &Path) -> Result<BootImage> {
        let output = Output { path, existing: Existing::Refuse, access: Access::Secret, made_from: None };
        BootImage::make(output, |disk| {
            let unpacked = File::options().write(true).open(disk).context("opening the file for the disk")?;
            let found = gzip::unpack(&self.path, LIMITS, Some(&unpacked))?;
            ensure!(found == self.found, "{} has changed since it was read", self.path.display());
            ext4::add_files(disk, files).with_context(|| format!("adding to {}", self.path.display()))
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its label at Linode, by which it is found again.
    pub fn label(&self) -> String {
        format!("dock0-{}", hex(&self.found.sha256[..KNOWN_BY]))
    }

    /// Its SHA-256, packed as it is.
    pub fn sha256(&self) -> [u8; 32] {
        self.found.sha256
    }

    /// How many bytes are uploaded.
    pub fn packed(&self) -> u64 {
        self.found.packed
    }

    /// How many bytes the disk needs.
    pub fn unpacked(&self) -> u64 {
        self.found.unpacked
    }
}

/// Packs a disk into a file, and reads that back.
fn pack(mut disk: &File, to: &Path) -> Result<BootImage> {
    disk.seek(SeekFrom::Start(0)).context("going back to the beginning of the disk")?;
    gzip::pack(disk, to)?;
    BootImage::read(to)
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
