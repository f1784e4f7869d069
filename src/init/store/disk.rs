//! A directory of this machine as [`Files`], the root of a boot partition for one.

use super::files::{Checkpoint, Entry, Files, Kind, Look, Seal, parent};
use crate::failure::{Doing, Failure};
use crate::sys;
use menagerie::record::{self, Record};
use menagerie::space::Free;
use rustix::fs::{
    self, Advice, AtFlags, FallocateFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags,
    XattrFlags,
};
use rustix::io::{Errno, Result, retry_on_intr};
use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// What a directory is locked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// One at a time.
    ToChange,
    /// Any number, as long as nobody changes it.
    ToLook,
}

/// A directory, held open.
pub struct Disk {
    root: OwnedFd,
    shown: String,
}

impl Disk {
    /// Opens a directory, to look at it.
    pub fn open(root: &str) -> std::result::Result<Disk, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| fs::open(root, flags, Mode::empty())).doing(|| format!("opening {root}"))?;
        Ok(Disk { root: fd, shown: root.trim_end_matches('/').to_string() })
    }

    /// Keeps everybody else from changing it for as long as it is open; `false` if somebody does just now.
    pub fn lock(&self, lock: Lock) -> std::result::Result<bool, Failure> {
        let operation = match lock {
            Lock::ToChange => FlockOperation::NonBlockingLockExclusive,
            Lock::ToLook => FlockOperation::NonBlockingLockShared,
        };
        match retry_on_intr(|| fs::flock(&self.root, operation)) {
            Err(Errno::WOULDBLOCK) => Ok(false),
            locked => locked.map(|()| true).doing(|| format!("locking {}", self.shown)),
        }
    }

    /// Keeps everybody else from changing it; somebody who does just now is a failure.
    pub fn claim(&self) -> std::result::Result<(), Failure> {
        match self.lock(Lock::ToChange)? {
            true => Ok(()),
            false => Err(Failure::new(format!(
                "{}: another menagerie is changing it; try again when that is done",
                self.show("")
            ))),
        }
    }

    /// The same directory once more, with a lock of its own.
    pub fn again(&self) -> std::result::Result<Disk, Failure> {
        let root = self.open_at("", OFlags::RDONLY | OFlags::DIRECTORY).doing(|| format!("opening {}", self.shown))?;
        Ok(Disk { root, shown: self.shown.clone() })
    }

    /// The same for PID 1, which says what it was doing.
    pub fn claim_for(&self, doing: &str) -> std::result::Result<(), Failure> {
        match self.lock(Lock::ToChange)? {
            true => Ok(()),
            false => Err(Failure::new(format!("{doing}: somebody else is changing the boot partition"))),
        }
    }

    /// The device that it lies on, as stat(2) has it.
    pub fn device(&self) -> std::result::Result<u64, Failure> {
        fs::fstat(&self.root).map(|stat| stat.st_dev).doing(|| format!("looking at {}", self.shown))
    }

    /// The path of the directory, links resolved.
    pub fn path(&self) -> std::result::Result<String, Failure> {
        sys::path_of(&self.root).doing(|| format!("looking for the place of {}", self.shown))
    }

    /// The directory itself.
    pub fn directory(&self) -> std::io::Result<OwnedFd> {
        Ok(self.open_at("", OFlags::RDONLY | OFlags::DIRECTORY)?)
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // Without waiting: it may be a pipe. openat2(2) knows no such thing of a mere path.
        let wait = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NONBLOCK };
        let flags = flags | wait | OFlags::CLOEXEC;
        retry_on_intr(|| fs::openat2(&self.root, path, flags, Mode::empty(), resolve))
    }

    /// The directory a path stands in, and the name it has there.
    fn at<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str)> {
        let directory = self.open_at(parent(path), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok((directory, path.rsplit_once('/').map_or(path, |(_, name)| name)))
    }

    fn open_file(&self, path: &str) -> Result<File> {
        let file = self.open_at(path, OFlags::RDONLY)?;
        match kind_of(fs::fstat(&file)?.st_mode) {
            Kind::File => Ok(file.into()),
            Kind::Directory | Kind::Link | Kind::Special | Kind::Unnameable => Err(Errno::INVAL),
        }
    }
}

impl Files for Disk {
    type Writer = File;

    fn show(&self, path: &str) -> String {
        match path {
            "" if self.shown.is_empty() => "/".into(),
            "" => self.shown.clone(),
            // Names on a disk may hold what a terminal would obey.
            path => format!("{}/{}", self.shown, path.escape_debug()),
        }
    }

    fn list(&self, directory: &str, most: usize) -> Result<Vec<Entry>> {
        let directory = self.open_at(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut entries = Vec::new();
        for entry in fs::Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if entries.len() == most {
                break;
            }
            let kind = match (name.to_str(), entry.file_type()) {
                (Err(_), _) => Kind::Unnameable,
                // Not every file system says so in the directory.
                (Ok(name), FileType::Unknown) => {
                    kind_of(fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
                }
                (Ok(_), kind) => kind_of(kind.as_raw_mode()),
            };
            entries.push(Entry { name: name.to_string_lossy().into_owned(), kind });
        }
        Ok(entries)
    }

    fn read_link(&self, path: &str) -> Result<String> {
        let (directory, name) = self.at(path)?;
        fs::readlinkat(&directory, name, Vec::new())?.into_string().map_err(|_| Errno::ILSEQ)
    }

    fn look(&self, path: &str) -> Result<Look> {
        let (directory, name) = self.at(path)?;
        let stat = fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let number = |signed: i64| u64::try_from(signed).unwrap_or_default();
        Ok(Look {
            kind: kind_of(stat.st_mode),
            size: number(stat.st_size),
            takes: number(stat.st_blocks).saturating_mul(512),
            mode: stat.st_mode & 0o7777,
        })
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        let file = self.open_file(path)?;
        // What the page cache holds is not what the disk holds. Pages in use stay; then it is the cache that is read.
        fs::fadvise(&file, 0, None, Advice::DontNeed)?;
        Ok(Box::new(file))
    }

    fn record(&self, path: &str) -> Result<Option<Record>> {
        record_of(self.open_file(path)?)
    }

    fn measure(&self, path: &str) -> Result<Option<[u8; 32]>> {
        match sys::measure_verity(self.open_file(path)?) {
            Ok(digest) => Ok(Some(digest)),
            Err(Errno::NODATA | Errno::NOTTY | Errno::OPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn free(&self) -> Result<Free> {
        let space = fs::fstatvfs(&self.root)?;
        // A file system that makes inodes as it needs them counts none.
        let inodes = if space.f_files == 0 { u64::MAX } else { space.f_favail };
        let bytes = space.f_bavail.saturating_mul(space.f_frsize);
        let reserve = space.f_bfree.saturating_mul(space.f_frsize).saturating_sub(bytes);
        Ok(Free { bytes, reserve: if rustix::process::geteuid().is_root() { reserve } else { 0 }, inodes })
    }

    fn make_directory(&self, path: &str) -> Result<()> {
        let (directory, name) = self.at(path)?;
        fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755))
    }

    fn link(&self, target: &str, path: &str) -> Result<()> {
        let (directory, name) = self.at(path)?;
        fs::symlinkat(target, &directory, name)
    }

    fn create(&self, path: &str, size: u64) -> Result<File> {
        let (directory, name) = self.at(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = retry_on_intr(|| fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600)))?;
        if size > 0 {
            match retry_on_intr(|| fs::fallocate(&file, FallocateFlags::empty(), 0, size)) {
                // It cannot reserve; the space was counted before, and writing says if it was taken since.
                Err(Errno::OPNOTSUPP) => {}
                reserved => reserved?,
            }
        }
        Ok(file.into())
    }

    fn write(&self, file: &mut File, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = retry_on_intr(|| rustix::io::write(&*file, bytes))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn write_record(&self, file: &File, record: &Record) -> Result<()> {
        match fs::fsetxattr(file, record::ATTRIBUTE, &record.to_bytes(), XattrFlags::empty()) {
            // `verify` says that it has nothing to compare with.
            Err(Errno::OPNOTSUPP) => Ok(()),
            written => written,
        }
    }

    fn finish(&self, file: File) -> Result<()> {
        retry_on_intr(|| fs::fsync(&file))
    }

    fn seal(&self, path: &str) -> Result<Seal> {
        match sys::enable_verity(self.open_file(path)?) {
            Ok(()) | Err(Errno::EXIST) => Ok(Seal::Sealed),
            Err(Errno::NOTTY | Errno::OPNOTSUPP) => Ok(Seal::NotPossible),
            Err(error) => Err(error),
        }
    }

    fn set_mode(&self, path: &str, mode: u32) -> Result<()> {
        let (directory, name) = self.at(path)?;
        fs::chmodat(&directory, name, Mode::from_raw_mode(mode), AtFlags::empty())
    }

    fn overwrite(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.open_at(path, OFlags::WRONLY)?;
        let stat = fs::fstat(&file)?;
        if kind_of(stat.st_mode) != Kind::File || u64::try_from(stat.st_size) != u64::try_from(bytes.len()) {
            return Err(Errno::INVAL);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = retry_on_intr(|| rustix::io::write(&file, rest))?;
            rest = rest.get(count..).unwrap_or_default();
        }
        retry_on_intr(|| fs::fsync(&file))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.rename_with(from, to, RenameFlags::NOREPLACE)
    }

    fn exchange(&self, one: &str, other: &str) -> Result<()> {
        self.rename_with(one, other, RenameFlags::EXCHANGE)
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        let (directory, name) = self.at(path)?;
        fs::unlinkat(&directory, name, AtFlags::empty())
    }

    fn remove_unnameable(&self, directory: &str) -> Result<()> {
        let directory = self.open_at(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = (0_u64..).map(|number| format!("renamed-{number}"));
        for entry in fs::Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            match name.to_str() {
                Ok(_) => {}
                Err(_) => match fs::unlinkat(&directory, name, AtFlags::empty()) {
                    Err(Errno::ISDIR) => rename_to_any(&directory, name, &mut names)?,
                    removed => removed?,
                },
            }
        }
        Ok(())
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        let (directory, name) = self.at(path)?;
        fs::unlinkat(&directory, name, AtFlags::REMOVEDIR)
    }

    fn sync_directory(&self, path: &str) -> Result<()> {
        let directory = self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        retry_on_intr(|| fs::fsync(&directory))
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        const EXT4: i64 = 0xef53;
        match retry_on_intr(|| sys::checkpoint_ext4(&self.root)) {
            Ok(()) => Ok(Checkpoint::Home),
            // An ext4 without a journal, and every other file system, which GRUB reads as it is or not at all.
            Err(Errno::OPNOTSUPP | Errno::NODEV) => Ok(Checkpoint::Home),
            Err(Errno::NOTTY | Errno::PERM) if fs::fstatfs(&self.root)?.f_type != EXT4 => Ok(Checkpoint::Home),
            // Not root, or Linux before 5.15.
            Err(Errno::NOTTY | Errno::PERM) => Ok(Checkpoint::NotPossible),
            Err(error) => Err(error),
        }
    }
}

impl Disk {
    /// Opens an unfinished file for reading and writing, with room reserved; made if it is not there.
    pub fn open_part(&self, path: &str, size: u64) -> Result<File> {
        let (directory, name) = self.at(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = retry_on_intr(|| fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600)))?;
        let stat = fs::fstat(&file)?;
        if kind_of(stat.st_mode) != Kind::File {
            return Err(Errno::INVAL);
        }
        // The length stays what was written, so that whoever goes on sees how far it got.
        match retry_on_intr(|| fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size)) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(error) => {
                // ext4 keeps what it could reserve, which is all that the disk had; the worst case is that it goes on to.
                fs::ftruncate(&file, u64::try_from(stat.st_size).unwrap_or_default()).unwrap_or_default();
                return Err(error);
            }
        }
        Ok(file.into())
    }

    /// Opens a directory, to work in it.
    pub fn open_directory(&self, path: &str) -> Result<OwnedFd> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The number of what stands at a path (st_ino of stat(2)); it keeps it wherever it is moved.
    pub fn number(&self, path: &str) -> Result<u64> {
        let (directory, name) = self.at(path)?;
        Ok(fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino)
    }

    /// What was written down with a directory.
    pub fn directory_record(&self, path: &str) -> Result<Option<Record>> {
        record_of(self.open_directory(path)?)
    }

    /// Writes something down with a directory, where the file system can, and waits until it is on the disk.
    pub fn write_directory_record(&self, path: &str, record: &Record) -> Result<()> {
        let directory = self.open_directory(path)?;
        match fs::fsetxattr(&directory, record::ATTRIBUTE, &record.to_bytes(), XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => {}
            written => written?,
        }
        retry_on_intr(|| fs::fsync(&directory))
    }

    /// Writes something down with a file that nobody can write to any more.
    pub fn write_record_at(&self, path: &str, record: &Record) -> Result<()> {
        let file = self.open_file(path)?;
        self.write_record(&file, record)?;
        retry_on_intr(|| fs::fsync(&file))
    }

    fn rename_with(&self, from: &str, to: &str, flags: RenameFlags) -> Result<()> {
        let ((from, old), (to, new)) = (self.at(from)?, self.at(to)?);
        fs::renameat_with(&from, old, &to, new, flags)
    }
}

/// Gives something in a directory the first of these names that is free there.
fn rename_to_any(directory: &OwnedFd, from: &CStr, names: &mut dyn Iterator<Item = String>) -> Result<()> {
    for to in names {
        match fs::renameat_with(directory, from, directory, &to, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            renamed => return renamed,
        }
    }
    Err(Errno::EXIST)
}

fn record_of(file: impl AsFd) -> Result<Option<Record>> {
    let mut value = [0; record::LENGTH];
    match fs::fgetxattr(file, record::ATTRIBUTE, &mut value[..]) {
        Ok(length) => Ok(value.get(..length).and_then(Record::parse)),
        // A longer one is not ours.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(None),
        Err(error) => Err(error),
    }
}

fn kind_of(mode: u32) -> Kind {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            Kind::Special
        }
    }
}
