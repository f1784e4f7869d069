//! Trees that change as a whole: the next one is built beside the present one, takes its place in one exchange, and only
//! then the old one is removed. GRUB reads the disk without replaying the journal, which is what the checkpoints are for.

use super::files::{Files, Kind, Look, parent};
use crate::failure::{Doing, Failure};
use menagerie::layout::NEW;
use rustix::io::Errno;

/// How many levels are gone down at once, and how long a path may get (the kernel takes 4096 bytes). Ours have at most 16 levels
/// and 256 bytes below `config`; whoever was taken over may leave others.
const DEEPEST: usize = 32;
const LONGEST: usize = 2048;
/// How many things of a directory are removed before it is listed again.
const SOME: usize = 1024;

/// Where the next tree is built.
pub fn next(place: &str) -> String {
    format!("{place}{NEW}")
}

/// Replaces the tree, file or link at `place` by what `build` makes at the path it is given. Stopped anywhere, the old one
/// is there or the new one, whole, and a next call finishes.
pub fn replace<F: Files>(
    files: &F,
    place: &str,
    build: impl FnOnce(&F, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = next(place);
    files.checkpoint().doing(|| format!("checkpointing {}", files.show("")))?;
    remove(files, &next)?;
    build(files, &next)?;
    turn(files, place)?;
    remove(files, &next)
}

/// Lets what was built take its place: on the disk before the exchange, and after it where GRUB sees it too.
pub fn turn(files: &impl Files, place: &str) -> Result<(), Failure> {
    let (next, directory) = (next(place), parent(place));
    let doing = || format!("exchanging {} and {}", files.show(&next), files.show(place));
    settle(files, directory)?;
    match files.look(place) {
        Ok(_) => files.exchange(&next, place).doing(doing)?,
        Err(Errno::NOENT) => files.rename(&next, place).doing(doing)?,
        Err(error) => return Err(error).doing(doing),
    }
    settle(files, directory)
}

/// Waits until what was done to a directory is on the disk, and where GRUB sees it too.
pub fn settle(files: &impl Files, directory: &str) -> Result<(), Failure> {
    files.sync_directory(directory).doing(|| format!("syncing {}", files.show(directory)))?;
    files.checkpoint().map(drop).doing(|| format!("checkpointing {}", files.show("")))
}

/// Removes whatever stands at a path, if anything does, and all below it, however deep that goes.
pub fn remove(files: &impl Files, path: &str) -> Result<(), Failure> {
    remove_below(files, path, DEEPEST, &mut Lifted { top: path, next: 0 })
}

/// Where directories go that lie too deep: up to the top of the tree, which is listed until it is empty.
struct Lifted<'t> {
    top: &'t str,
    next: u64,
}

impl Lifted<'_> {
    /// Under the first name that is free; none is tried twice.
    fn lift(&mut self, files: &impl Files, path: &str) -> rustix::io::Result<()> {
        loop {
            let to = format!("{}/lifted-{}", self.top, self.next);
            self.next += 1;
            match files.rename(path, &to) {
                Err(Errno::EXIST) => {}
                renamed => return renamed,
            }
        }
    }
}

fn remove_below(files: &impl Files, path: &str, deepest: usize, lifted: &mut Lifted) -> Result<(), Failure> {
    let doing = || format!("removing {}", files.show(path));
    match files.look(path) {
        Err(Errno::NOENT) => return Ok(()),
        Ok(Look { kind: Kind::Directory, .. }) => {}
        Ok(_) => return files.remove_file(path).doing(doing),
        Err(error) => return Err(error).doing(doing),
    }
    if deepest == 0 || path.len() > LONGEST {
        return lifted.lift(files, path).doing(doing);
    }
    loop {
        let entries = files.list(path, SOME).doing(|| format!("listing {}", files.show(path)))?;
        if entries.is_empty() {
            return files.remove_directory(path).doing(doing);
        }
        for entry in entries {
            let path = format!("{path}/{}", entry.name);
            match entry.kind {
                Kind::Directory => remove_below(files, &path, deepest - 1, lifted)?,
                Kind::File | Kind::Link | Kind::Special => {
                    files.remove_file(&path).doing(|| format!("removing {}", files.show(&path)))?;
                }
                // All of them at once; its directories have another name when it is listed again.
                Kind::Unnameable => files.remove_unnameable(parent(&path)).doing(doing)?,
            }
        }
    }
}
