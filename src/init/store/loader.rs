//! What the boot loaders count: how often they may still start the newest release. Each has a file of its own, which `dock0 disk`
//! makes; a boot partition without them has boot loaders that do not count.

use super::files::Files;
use crate::failure::{Doing, Failure};
use menagerie::Loader;
use rustix::io::Errno;
use std::io::Read;
use wire::grubenv::{DEFAULT, DEFAULT_SIZE, GRUBENV, GRUBENV_SIZE, legacy_default, with_tries};

/// What they are like. One that cannot be read counts, for all that is known.
pub fn state(files: &impl Files) -> Loader {
    let idle = [
        is_idle(files, GRUBENV, GRUBENV_SIZE, |now| with_tries(now, None).map(Vec::from)),
        is_idle(files, DEFAULT, DEFAULT_SIZE, |_| Some(legacy_default(None).into())),
    ];
    match (idle.iter().flatten().count(), idle.iter().flatten().all(|idle| *idle)) {
        (0, _) => Loader::Simple,
        (_, true) => Loader::Idle,
        (_, false) => Loader::Counting,
    }
}

/// Whether this file says that nothing is counted; `None` where there is no such file.
fn is_idle(files: &impl Files, path: &str, size: usize, idle: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<bool> {
    match read(files, path, size) {
        Ok(None) => None,
        Ok(Some(now)) => Some(idle(&now).as_deref() == Some(&now[..])),
        Err(_) => Some(false),
    }
}

/// Lets them start the newest release so many times, or as often as it comes; on the disk, where they see it, when this returns.
pub fn set(files: &impl Files, tries: Option<u8>) -> Result<(), Failure> {
    set_file(files, GRUBENV, GRUBENV_SIZE, |now| {
        with_tries(now, tries).map(Vec::from).ok_or_else(|| {
            Failure::new(format!("{} is no environment block of GRUB: grub-editenv makes one", files.show(GRUBENV)))
        })
    })?;
    set_file(files, DEFAULT, DEFAULT_SIZE, |_| Ok(legacy_default(tries).into()))
}

/// Writes a file in place, if it is there and says anything else.
fn set_file(
    files: &impl Files,
    path: &str,
    size: usize,
    next: impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let Some(now) = read(files, path, size)? else { return Ok(()) };
    let next = next(&now)?;
    if next == now {
        return Ok(());
    }
    files.overwrite(path, &next).doing(|| format!("writing {}", files.show(path)))
}

/// What a file holds, and a byte more than it should have if it has that; `None` where there is no such file.
fn read(files: &impl Files, path: &str, size: usize) -> Result<Option<Vec<u8>>, Failure> {
    let doing = || format!("reading {}", files.show(path));
    match files.look(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        look => look.doing(doing)?,
    };
    let file = files.open(path).doing(doing)?;
    let (mut now, most) = (Vec::new(), u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1));
    file.take(most).read_to_end(&mut now).doing(doing)?;
    Ok(Some(now))
}

#[cfg(test)]
mod tests {
    use super::super::memory::{Memory, Node};
    use super::*;
    use wire::grubenv::empty_grubenv;

    fn put(disk: &Memory, path: &str, bytes: &[u8]) {
        disk.put(path, Node::File(bytes.into(), 0o644, None, false));
    }

    fn bytes(disk: &Memory, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        disk.open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn both_are_set_and_back() {
        let disk = Memory::default();
        assert_eq!(state(&disk), Loader::Simple);
        set(&disk, Some(3)).unwrap();
        assert!(disk.nodes.borrow().is_empty(), "where none counts nothing is written");
        put(&disk, GRUBENV, &empty_grubenv());
        put(&disk, DEFAULT, &legacy_default(None));
        assert_eq!(state(&disk), Loader::Idle);
        set(&disk, Some(2)).unwrap();
        assert_eq!(state(&disk), Loader::Counting);
        assert!(bytes(&disk, GRUBENV).windows(14).any(|window| window == b"dock0_tries=2\n"));
        assert!(bytes(&disk, DEFAULT).starts_with(b"8\n"));
        set(&disk, None).unwrap();
        assert_eq!(
            (bytes(&disk, GRUBENV), bytes(&disk, DEFAULT)),
            (empty_grubenv().into(), legacy_default(None).into())
        );
    }

    #[test]
    fn what_is_something_else_is_said_and_left_alone() {
        let disk = Memory::default();
        put(&disk, GRUBENV, b"mine");
        let sentence = "/disk/boot/grub/grubenv is no environment block of GRUB: grub-editenv makes one";
        assert_eq!(set(&disk, None).unwrap_err().to_string(), sentence);
        assert_eq!((bytes(&disk, GRUBENV), state(&disk)), (b"mine".into(), Loader::Counting));
        put(&disk, GRUBENV, &empty_grubenv());
        put(&disk, DEFAULT, b"0\n");
        assert_eq!(set(&disk, None).unwrap_err().to_string(), "writing /disk/boot/grub/default: invalid argument");
    }
}
