//! Small texts in `dock0/state`: each in a file of its own, replaced whole. For [`crate::rescue`], which works with whatever is
//! there by then, and so with nothing but the directory that the boot partition is mounted on.

use menagerie::layout::STATE;
use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The name of one before it is whole.
const UNFINISHED: &str = "unfinished";

/// When it has to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurry {
    /// When the writer comes back.
    Now,
    /// When the kernel comes to it: a power cut may lose it, and leaves the old one.
    Sometime,
}

/// Writes a file beside the old one and renames it over that: the disk holds one or the other. No link leads it elsewhere.
pub fn replace(boot_partition: impl AsFd, name: &str, text: &str, hurry: Hurry) -> io::Result<()> {
    for directory in Path::new(STATE).ancestors().collect::<Vec<_>>().into_iter().rev().skip(1) {
        match fs::mkdirat(&boot_partition, directory, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {}
            made => made?,
        }
    }
    let state = open_state(boot_partition)?;
    match fs::unlinkat(&state, UNFINISHED, AtFlags::empty()) {
        Err(Errno::NOENT) => {}
        removed => removed?,
    }
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(fs::openat(&state, UNFINISHED, new, Mode::from_raw_mode(0o644))?);
    file.write_all(text.as_bytes())?;
    if hurry == Hurry::Now {
        file.sync_all()?;
    }
    fs::renameat(&state, UNFINISHED, &state, name)?;
    match hurry {
        Hurry::Now => Ok(fs::fsync(&state)?),
        Hurry::Sometime => Ok(()),
    }
}

/// What a file says, as far as it is text and at most this long; nothing where there is none.
pub fn read(boot_partition: impl AsFd, name: &str, longest: u64) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open_state(boot_partition).and_then(|state| fs::openat(&state, name, flags, Mode::empty())) {
        Err(Errno::NOENT) => return Ok(String::new()),
        file => File::from(file?),
    };
    let mut bytes = Vec::new();
    file.take(longest).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn open_state(boot_partition: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    fs::openat2(&boot_partition, STATE, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Cause;

    fn disk() -> (tempfile::TempDir, File) {
        let disk = tempfile::tempdir().unwrap();
        let open = File::open(disk.path()).unwrap();
        (disk, open)
    }

    #[test]
    fn a_file_replaces_the_last_one_whole() {
        let (disk, open) = disk();
        assert_eq!(read(&open, "a", 100).unwrap(), "");
        for hurry in [Hurry::Now, Hurry::Sometime] {
            replace(&open, "a", "first, and quite a bit longer", hurry).unwrap();
            std::fs::write(disk.path().join("dock0/state/unfinished"), "half a").unwrap();
            replace(&open, "a", "second\n", hurry).unwrap();
            assert_eq!(std::fs::read_to_string(disk.path().join("dock0/state/a")).unwrap(), "second\n");
            assert_eq!(std::fs::read_dir(disk.path().join("dock0/state")).unwrap().count(), 1);
        }
        assert_eq!(read(&open, "a", 100).unwrap(), "second\n");
        assert_eq!(read(&open, "a", 3).unwrap(), "sec");
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_not_a_panic() {
        let (disk, open) = disk();
        std::fs::write(disk.path().join("dock0"), "a file in the way").unwrap();
        assert_eq!(replace(&open, "a", "x", Hurry::Now).unwrap_err().words(), "not a directory");
    }

    #[test]
    fn no_link_leads_it_elsewhere() {
        let ((disk, open), (elsewhere, _)) = (disk(), disk());
        std::os::unix::fs::symlink(elsewhere.path(), disk.path().join("dock0")).unwrap();
        std::fs::create_dir(elsewhere.path().join("state")).unwrap();
        assert_eq!(replace(&open, "a", "x", Hurry::Now).unwrap_err().words(), "too many levels of symbolic links");
        assert_eq!(std::fs::read_dir(elsewhere.path().join("state")).unwrap().count(), 0);
    }
}
