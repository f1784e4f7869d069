//! Making one's own what somebody else has written: every file, directory and link is looked at, given to root, and on the disk.

use super::doing;
use crate::failure::{Doing, Failure};
use crate::store::{Disk, Files};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchown, fstat, fsync, openat, statat};
use rustix::io::retry_on_intr;
use std::os::fd::OwnedFd;
use wire::bundle::{MAX_COMPONENTS, MAX_ENTRIES, MAX_FILE, MAX_UNPACKED};

/// What there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Files and links.
    pub files: u64,
    /// What is in the files.
    pub bytes: u64,
    directories: u64,
}

/// Adopts all below a directory, and the directory.
pub fn adopt(disk: &Disk, path: &str) -> Result<Counted, Failure> {
    let directory = disk.open_directory(path).doing(doing(disk, "opening", path))?;
    let mut counted = Counted::default();
    adopt_directory(&directory, &disk.show(path), MAX_COMPONENTS, &mut counted)?;
    Ok(counted)
}

fn adopt_directory(directory: &OwnedFd, shown: &str, deepest: usize, counted: &mut Counted) -> Result<(), Failure> {
    own(directory).doing(|| format!("taking {shown} over"))?;
    let list = || format!("listing {shown}");
    for entry in Dir::read_from(directory).doing(list)? {
        let entry = entry.doing(list)?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let shown = format!("{shown}/{}", entry.file_name().to_string_lossy().escape_debug());
        let found = statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
        let found = found.doing(|| format!("looking at {shown}"))?;
        count(&found, counted).map_err(|what| Failure::new(format!("unpacking the bundle: {shown} {what}")))?;
        let open = |flags| {
            let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(directory, entry.file_name(), flags, Mode::empty()).doing(|| format!("opening {shown}"))
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory if deepest == 0 => {
                return Err(Failure::new(format!("unpacking the bundle: {shown} lies too deep")));
            }
            FileType::Directory => adopt_directory(&open(OFlags::DIRECTORY)?, &shown, deepest - 1, counted)?,
            FileType::RegularFile => {
                let file = open(OFlags::NONBLOCK)?;
                own(&file).and_then(|()| retry_on_intr(|| fsync(&file))).doing(|| format!("taking {shown} over"))?;
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                let (user, group) = (Some(Uid::ROOT), Some(Gid::ROOT));
                if rustix::process::geteuid().is_root() {
                    chownat(directory, entry.file_name(), user, group, AtFlags::SYMLINK_NOFOLLOW)
                        .doing(|| format!("taking {shown} over"))?;
                }
            }
        }
    }
    retry_on_intr(|| fsync(directory)).doing(|| format!("syncing {shown}"))
}

/// Counts it, or says what is wrong with it.
fn count(found: &Stat, counted: &mut Counted) -> Result<(), &'static str> {
    let size = u64::try_from(found.st_size).unwrap_or(u64::MAX);
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => counted.directories += 1,
        FileType::Symlink => counted.files += 1,
        FileType::RegularFile if found.st_nlink != 1 => return Err("has another name"),
        FileType::RegularFile if size > u64::try_from(MAX_FILE).unwrap_or(u64::MAX) => return Err("is too long"),
        FileType::RegularFile => {
            counted.files += 1;
            counted.bytes = counted.bytes.saturating_add(size);
        }
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            return Err("is neither a file nor a directory nor a link");
        }
    }
    let things = counted.files.saturating_add(counted.directories);
    match () {
        () if found.st_mode & 0o7000 != 0 => Err("has a mode that a bundle cannot give it"),
        () if things > u64::try_from(MAX_ENTRIES).unwrap_or(u64::MAX) => Err("is one too many"),
        () if counted.bytes > u64::try_from(MAX_UNPACKED).unwrap_or(u64::MAX) => Err("makes it too long"),
        () => Ok(()),
    }
}

/// Gives it to root. Who is not root can give nothing away.
fn own(file: &OwnedFd) -> rustix::io::Result<()> {
    match rustix::process::geteuid().is_root() {
        true => fchown(file, Some(Uid::ROOT), Some(Gid::ROOT)),
        false => fstat(file).map(drop),
    }
}
