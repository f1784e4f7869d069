//! What the boot loaders count: how often they may still start the newest release. Each has a file of its own, which `dock0 disk`
//! makes; a boot partition without them has boot loaders that do not count. Neither do they with a file that is none of that kind:
//! it is left alone, and said.

use super::files::Files;
use crate::failure::{Doing, Failure};
use menagerie::Loader;
use rustix::io::Errno;
use std::io::Read;
use wire::grubenv::{DEFAULT, DEFAULT_SIZE, GRUBENV, GRUBENV_SIZE, legacy_default, with_tries};

/// What a boot loader counts in.
struct Counter {
    path: &'static str,
    /// In bytes.
    size: usize,
    /// What the file holds once it may start the newest release so many times, or as often as it comes; `None` where it holds nothing of
    /// the kind now.
    next: fn(&[u8], Option<u8>) -> Option<Vec<u8>>,
    /// What is wrong with one of which that is said.
    odd: &'static str,
}

const COUNTERS: [Counter; 2] = [
    Counter {
        path: GRUBENV,
        size: GRUBENV_SIZE,
        next: |now, tries| with_tries(now, tries).map(Vec::from),
        odd: "it is no environment block of GRUB, or full (grub-editenv makes one), so GRUB 2 counts no starts",
    },
    Counter {
        path: DEFAULT,
        size: DEFAULT_SIZE,
        next: |now, tries| (now.len() == DEFAULT_SIZE).then(|| legacy_default(tries).into()),
        odd: "it has not the 512 bytes that dock0 disk makes, so GRUB Legacy counts no starts",
    },
];

/// What they are like, and what is odd about their files. One that cannot be read counts, for all that is known.
pub fn state(files: &impl Files) -> (Loader, Vec<String>) {
    let (mut loader, mut oddities) = (Loader::Simple, Vec::new());
    for Counter { path, size, next, odd } in &COUNTERS {
        match read(files, path, *size) {
            Ok(None) => {}
            Err(_) => loader = Loader::Counting,
            Ok(Some(now)) => match next(&now, None) {
                None => oddities.push(format!("{}: {odd}", files.show(path))),
                Some(idle) if idle == now && loader == Loader::Simple => loader = Loader::Idle,
                Some(idle) if idle == now => {}
                Some(_) => loader = Loader::Counting,
            },
        }
    }
    (loader, oddities)
}

/// Lets them start the newest release so many times, or as often as it comes; on the disk, where they see it, when this returns. What
/// says that already is not written.
pub fn set(files: &impl Files, tries: Option<u8>) -> Result<(), Failure> {
    // One that fails keeps nobody from setting the other.
    COUNTERS.iter().map(|counter| counter.set(files, tries)).fold(Ok(()), Result::and)
}

impl Counter {
    fn set(&self, files: &impl Files, tries: Option<u8>) -> Result<(), Failure> {
        let Counter { path, size, next, .. } = self;
        let Some(now) = read(files, path, *size)? else { return Ok(()) };
        match next(&now, tries).filter(|next| *next != now) {
            Some(next) => files.overwrite(path, &next).doing(|| format!("writing {}", files.show(path))),
            None => Ok(()),
        }
    }
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
        assert_eq!(state(&disk).0, Loader::Simple);
        set(&disk, Some(3)).unwrap();
        assert!(disk.nodes.borrow().is_empty(), "where none counts nothing is written");
        put(&disk, GRUBENV, &empty_grubenv());
        put(&disk, DEFAULT, &legacy_default(None));
        assert_eq!(state(&disk).0, Loader::Idle);
        set(&disk, Some(2)).unwrap();
        assert_eq!(state(&disk).0, Loader::Counting);
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
        put(&disk, DEFAULT, &legacy_default(None));
        set(&disk, Some(3)).unwrap();
        assert_eq!(bytes(&disk, GRUBENV), b"mine");
        assert!(bytes(&disk, DEFAULT).starts_with(b"7\n"), "the other one counts all the same");
        let said = "/disk/boot/grub/grubenv: it is no environment block of GRUB, or full (grub-editenv makes one), so GRUB 2 \
                    counts no starts";
        assert_eq!(state(&disk), (Loader::Counting, vec![said.into()]));
        put(&disk, GRUBENV, &empty_grubenv());
        put(&disk, DEFAULT, b"0\n");
        set(&disk, None).unwrap();
        assert_eq!(bytes(&disk, DEFAULT), b"0\n");
        let said =
            "/disk/boot/grub/default: it has not the 512 bytes that dock0 disk makes, so GRUB Legacy counts no starts";
        assert_eq!(state(&disk), (Loader::Idle, vec![said.into()]));
    }

    #[test]
    fn what_cannot_be_read_counts_for_all_that_is_known() {
        let disk = Memory::default();
        disk.put(GRUBENV, Node::Link("elsewhere".into()));
        assert_eq!(state(&disk).0, Loader::Counting);
        put(&disk, DEFAULT, &legacy_default(None));
        assert!(set(&disk, Some(3)).unwrap_err().to_string().starts_with("reading /disk/boot/grub/grubenv: "));
        assert!(bytes(&disk, DEFAULT).starts_with(b"7\n"), "the other one is set all the same");
    }
}
