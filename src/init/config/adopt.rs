//! Making one's own what somebody else has written: every file, directory and link is looked at, given to root, and on the disk.

use super::doing;
use crate::failure::{Doing, Failure};
use crate::store::files::{Kind, Look};
use crate::store::{Disk, Files};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchown, fstat, fsync, openat, statat};
use rustix::io::{Errno, retry_on_intr};
use std::os::fd::OwnedFd;
use wire::bundle::{CONFIG, MAX_COMPONENTS, MAX_ENTRIES, MAX_FILE, MAX_UNPACKED, TEMPLATES};

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
    for needed in [CONFIG, TEMPLATES] {
        check_directory(disk, &format!("{path}/{needed}"))?;
    }
    Ok(counted)
}

/// With anything else in its place every boot would end in rescue.
fn check_directory(disk: &Disk, path: &str) -> Result<(), Failure> {
    match disk.look(path) {
        Ok(Look { kind: Kind::Directory, .. }) => Ok(()),
        Ok(_) | Err(Errno::NOENT) => {
            Err(Failure::new(format!("unpacking the bundle: {} is no directory", disk.show(path))))
        }
        Err(error) => Err(error).doing(doing(disk, "looking at", path)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    /// A directory as a child might leave it: `config/templates`, and what `change` does to that.
    fn adopted(change: &dyn Fn(&Path)) -> Result<Counted, String> {
        let place = tempfile::tempdir().unwrap();
        let new = place.path().join("config.new");
        fs::create_dir_all(new.join("config/templates")).unwrap();
        change(&new);
        let shown = place.path().to_str().unwrap();
        let adopted = adopt(&Disk::open(shown).unwrap(), "config.new");
        adopted.map_err(|failure| failure.to_string().replace(&format!("{shown}/config.new"), "NEW"))
    }

    fn long(path: &Path, bytes: usize) {
        File::create(path).unwrap().set_len(u64::try_from(bytes).unwrap()).unwrap();
    }

    fn deep(new: &Path, components: usize) {
        fs::create_dir_all(new.join(format!("config{}", "/d".repeat(components - 1)))).unwrap();
    }

    #[test]
    fn what_a_bundle_may_hold_is_counted() {
        let counted = adopted(&|new| {
            fs::write(new.join("config/templates/a"), "12345").unwrap();
            symlink("a", new.join("config/templates/b")).unwrap();
        });
        assert_eq!(counted, Ok(Counted { files: 2, bytes: 5, directories: 2 }));
        assert!(adopted(&|new| deep(new, MAX_COMPONENTS)).is_ok());
        assert!(adopted(&|new| (0..4).for_each(|n| long(&new.join(format!("config/{n}")), MAX_FILE))).is_ok());
    }

    type Row = (&'static str, &'static dyn Fn(&Path), &'static str);

    /// What no child that obeys leaves behind, and one that was taken over may.
    const REFUSED: &[Row] = &[
        ("nothing", &|new| fs::remove_dir_all(new.join("config")).unwrap(), "NEW/config is no directory"),
        (
            "a link instead of it",
            &|new| {
                fs::remove_dir_all(new.join("config")).unwrap();
                symlink("/", new.join("config")).unwrap();
            },
            "NEW/config is no directory",
        ),
        ("no templates", &|new| fs::remove_dir(new.join(TEMPLATES)).unwrap(), "NEW/config/templates is no directory"),
        (
            "a link instead of the templates",
            &|new| {
                fs::rename(new.join(TEMPLATES), new.join("config/others")).unwrap();
                symlink("others", new.join(TEMPLATES)).unwrap();
            },
            "NEW/config/templates is no directory",
        ),
        (
            "a file instead of the templates",
            &|new| {
                fs::remove_dir(new.join(TEMPLATES)).unwrap();
                long(&new.join(TEMPLATES), 0);
            },
            "NEW/config/templates is no directory",
        ),
        (
            "two names",
            &|new| {
                long(&new.join("config/a"), 1);
                fs::hard_link(new.join("config/a"), new.parent().unwrap().join("elsewhere")).unwrap();
            },
            "NEW/config/a has another name",
        ),
        ("a long file", &|new| long(&new.join("config/a"), MAX_FILE + 1), "NEW/config/a is too long"),
        (
            "too much",
            &|new| {
                (0..4).for_each(|n| long(&new.join(format!("config/templates/{n}")), MAX_FILE));
                fs::create_dir(new.join("config/templates/last")).unwrap();
                long(&new.join("config/templates/last/a"), 1);
            },
            "makes it too long",
        ),
        (
            "too many",
            &|new| (0..MAX_ENTRIES - 1).for_each(|n| long(&new.join(format!("config/{n}")), 0)),
            "is one too many",
        ),
        ("too deep", &|new| deep(new, MAX_COMPONENTS + 1), "/d/d lies too deep"),
        (
            "a socket",
            &|new| drop(UnixListener::bind(new.join("config/s")).unwrap()),
            "NEW/config/s is neither a file nor a directory nor a link",
        ),
        (
            "a setuid file",
            &|new| {
                long(&new.join("config/a"), 1);
                fs::set_permissions(new.join("config/a"), Permissions::from_mode(0o4755)).unwrap();
            },
            "NEW/config/a has a mode that a bundle cannot give it",
        ),
        (
            "a sticky directory",
            &|new| fs::set_permissions(new.join("config"), Permissions::from_mode(0o1777)).unwrap(),
            "NEW/config has a mode that a bundle cannot give it",
        ),
        (
            "an order to a terminal",
            &|new| drop(UnixListener::bind(new.join("config/\u{1b}[2J")).unwrap()),
            "NEW/config/\\u{1b}[2J is neither a file nor a directory nor a link",
        ),
    ];

    #[test]
    fn what_it_may_not_hold_is_refused() {
        for (case, change, sentence) in REFUSED {
            let refused = adopted(change).unwrap_err();
            assert!(refused.starts_with("unpacking the bundle: NEW/config"), "{case}: {refused}");
            assert!(refused.ends_with(sentence), "{case}: {refused}");
        }
    }
}
