//! Which manifests were accepted: reading their file names in `dock0/state`, and the one step that remembers the next.

use super::artifact::make_directories;
use super::files::Files;
use crate::failure::{Doing, Failure};
use menagerie::layout::STATE;
use menagerie::seen::{Change, Memory, Seen};
use rustix::io::Errno;

/// More names than a healthy state has. Beyond them one could be overlooked, so that is a failure.
const ENOUGH: usize = 1024;

/// All that are remembered. Other names in the directory are somebody else's.
pub fn read(files: &impl Files) -> Result<Memory, Failure> {
    let mut memory = Memory::default();
    let entries = match files.list(STATE, ENOUGH) {
        Err(Errno::NOENT) => return Ok(memory),
        entries => entries.doing(|| format!("listing {}", files.show(STATE)))?,
    };
    if entries.len() == ENOUGH {
        return Err(Failure::new(format!("{} holds too much to be looked through", files.show(STATE))));
    }
    for seen in entries.iter().filter_map(|entry| Seen::parse(&entry.name)) {
        memory.insert(seen).map_err(|full| Failure::new(full.to_string()))?;
    }
    Ok(memory)
}

/// Remembers a manifest that was accepted, on the disk, before anything of it is installed.
pub fn remember(files: &impl Files, memory: &Memory, accepted: &Seen) -> Result<(), Failure> {
    let Some(Change { from, to }) = memory.remember(accepted).map_err(|full| Failure::new(full.to_string()))? else {
        return Ok(());
    };
    make_directories(files, STATE)?;
    let doing = || format!("remembering the manifest as {}", files.show(&to));
    match from {
        Some(from) => files.rename(&from, &to).doing(doing)?,
        None => files.create(&to, 0).and_then(|file| files.finish(file)).doing(doing)?,
    }
    files.sync_directory(STATE).doing(|| format!("syncing {}", files.show(STATE)))
}

#[cfg(test)]
mod tests {
    use super::super::faults::{Fault, Faulty};
    use super::super::memory::{Memory as Disk, Node};
    use super::*;

    fn seen(serial: u64) -> Seen {
        let name = format!("serial-E7620F1842B4E81F-{serial}-e3b0c44298fc1c14-1795600800-stable");
        Seen::parse(&name).unwrap()
    }

    fn accept(files: &impl Files, serial: u64) -> Result<(), Failure> {
        remember(files, &read(files)?, &seen(serial))
    }

    fn serials(files: &impl Files) -> Vec<u64> {
        read(files).unwrap().all().iter().map(|seen| seen.serial).collect()
    }

    #[test]
    fn the_newest_serial_is_remembered_alone() {
        let disk = Disk::default();
        assert_eq!(serials(&disk), [0; 0]);
        disk.put("dock0/state/good-0123456789abcdef", Node::File(Vec::new(), 0o644, None, false));
        for serial in [41, 42, 42, 43] {
            accept(&disk, serial).unwrap();
            assert_eq!(serials(&disk), [serial]);
        }
        assert_eq!(disk.nodes.borrow().len(), 4, "two directories, the mark and the serial");
    }

    #[test]
    fn cut_at_any_step_it_remembers_the_old_one_or_the_new_one_and_finishes_when_done_again() {
        for before in [None, Some(41)] {
            for step in 0.. {
                let disk = Disk::default();
                before.map_or(Ok(()), |serial| accept(&disk, serial)).unwrap();
                let cut = Faulty::new(&disk, Fault::FromThenOn(step));
                let done = accept(&cut, 42).is_ok();
                let found = serials(&disk);
                assert!(found == [42] || found == Vec::from_iter(before), "step {step}: {found:?}");
                accept(&disk, 42).unwrap();
                assert_eq!(serials(&disk), [42], "step {step}");
                if done {
                    break;
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_remembered_is_said() {
        let empty = Node::File(Vec::new(), 0o644, None, false);
        let disk = Disk::default();
        (0..33).for_each(|serial| disk.put(&seen(serial).path(), empty.clone()));
        let full = "dock0/state remembers 32 keys and channels, and no more can be: remove the files serial-… of keys \
                    that are trusted no longer";
        assert_eq!(read(&disk).unwrap_err().to_string(), full);
        let disk = Disk::default();
        (0..1024).for_each(|number| disk.put(&format!("dock0/state/{number}"), empty.clone()));
        let sentence = "/disk/dock0/state holds too much to be looked through";
        assert_eq!(read(&disk).unwrap_err().to_string(), sentence);
        let disk = Disk::default();
        disk.put("dock0/state", empty.clone());
        assert_eq!(read(&disk).unwrap_err().to_string(), "listing /disk/dock0/state: not a directory");
    }
}
