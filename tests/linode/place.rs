//! The directory everything is kept in.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How much of a disk is looked at at once; a run of zeros of that length takes no room.
const PIECE: usize = 64 * 1024;

/// A directory.
#[derive(Clone, Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Makes it, if it is not there.
    pub fn new(path: &Path) -> Result<Place> {
        for folder in ["images", "disks", "consoles"] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        Ok(Place(path.into()))
    }

    /// What is remembered.
    pub fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// An image, unpacked.
    pub fn image(&self, id: u64) -> PathBuf {
        self.0.join(format!("images/{id}.raw"))
    }

    /// A disk.
    pub fn disk(&self, id: u64) -> PathBuf {
        self.0.join(format!("disks/{id}.raw"))
    }

    /// What a Linode said on its serial console since it was booted.
    pub fn console(&self, linode: u64) -> PathBuf {
        self.0.join(format!("consoles/{linode}.log"))
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a file of what comes, at most `limit` bytes, with holes where it is zero. Returns how much came; more than the limit
/// is an error of the kind `FileTooLarge`.
pub fn write_sparse(mut from: impl Read, path: &Path, limit: u64) -> io::Result<u64> {
    let mut file = File::create(path)?;
    let (mut piece, zeros, mut length) = (vec![0; PIECE], vec![0; PIECE], 0);
    loop {
        let count = fill(&mut from, &mut piece)?;
        let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        length += count as u64;
        if length > limit {
            return Err(ErrorKind::FileTooLarge.into());
        }
        if zeros.starts_with(bytes) {
            file.seek(SeekFrom::Start(length))?;
        } else {
            file.write_all(bytes)?;
        }
    }
    file.set_len(length)?;
    Ok(length)
}

/// Reads until the buffer is full or nothing comes.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn zeros_take_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let mut bytes = vec![0; 10 * PIECE + 3];
        bytes[5 * PIECE + 7] = 1;
        assert_eq!(write_sparse(&bytes[..], &path, bytes.len() as u64).unwrap(), bytes.len() as u64);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let room = fs::metadata(&path).unwrap().blocks() * 512;
        assert!(room <= 2 * PIECE as u64, "{room}");
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_sparse(&[1; 9][..], &folder.path().join("disk"), 8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}
