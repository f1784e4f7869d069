//! A mounted ext4 that grows to the size of its device.

use crate::failure::{Doing, Failure};
use crate::sys;
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// How many bytes a file system may lack: fewer are no group of blocks of their own, and would be tried at every boot.
const SPARE: u64 = 16 << 20;

/// Grows it; one that has its device's size already is left as it is.
pub fn grow(path: &str, mounted_on: &str) -> Result<(), Failure> {
    let doing = || format!("growing the file system on {path}");
    let root = File::open(mounted_on).doing(doing)?;
    let block = rustix::fs::fstatvfs(&root).doing(doing)?.f_bsize;
    let blocks = device_size(path).doing(doing)?.checked_div(block).unwrap_or_default();
    sys::resize_ext4(&root, blocks).doing(doing)
}

/// Whether the device has so much more than this file system takes that growing is worth it.
pub fn is_worth_it(path: &str, takes: u64) -> bool {
    // A device that does not tell its size stays as it is.
    device_size(path).is_ok_and(|size| size.saturating_sub(takes) >= SPARE)
}

/// In bytes.
pub fn device_size(path: &str) -> std::io::Result<u64> {
    File::open(path)?.seek(SeekFrom::End(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_more_is_not_worth_it() {
        let device = tempfile::NamedTempFile::new().unwrap();
        device.as_file().set_len(100 << 20).unwrap();
        let path = device.path().to_str().unwrap();
        for (takes, worth) in [(84 << 20, true), ((84 << 20) + 1, false), (100 << 20, false), (200 << 20, false)] {
            assert_eq!(is_worth_it(path, takes), worth, "{takes}");
        }
        assert!(!is_worth_it("/nowhere", 0));
    }
}
