//! The one step that spends a try: a file in `dock0/state` gets another name, or its first one.

use super::artifact::make_directories;
use super::files::Files;
use crate::failure::{Doing, Failure};
use menagerie::layout::STATE;
use menagerie::state::Trial;
use rustix::io::Errno;

/// Writes down how many tries are left, where `before` was written down or nothing was. On the disk when this returns.
pub fn spend(files: &impl Files, before: Option<Trial>, spent: Trial) -> Result<(), Failure> {
    let (from, to) = (before.map(Trial::path), spent.path());
    let doing = || format!("spending a try: writing {}", files.show(&to));
    match from {
        Some(from) if from == to => {}
        Some(from) => match files.rename(&from, &to) {
            // Two counts of one release: the lower one counts.
            Err(Errno::EXIST) => files.remove_file(&from).doing(doing)?,
            renamed => renamed.doing(doing)?,
        },
        None => {
            make_directories(files, STATE)?;
            match files.create(&to, 0) {
                Err(Errno::EXIST) => {}
                created => created.and_then(|file| files.finish(file)).doing(doing)?,
            }
        }
    }
    files.sync_directory(STATE).doing(doing)
}

#[cfg(test)]
mod tests {
    use super::super::faults::{Fault, Faulty};
    use super::super::memory::Memory;
    use super::super::survey;
    use super::*;

    fn trial(left: u8) -> Trial {
        Trial { id: "0123456789abcdef".parse().unwrap(), left }
    }

    fn left(disk: &Memory) -> Option<u8> {
        survey::marks(disk).0.trial(trial(0).id).map(|trial| trial.left)
    }

    #[test]
    fn tries_go_down_one_by_one() {
        let disk = Memory::default();
        let mut before = None;
        for tries in [2, 1, 0, 0] {
            spend(&disk, before, trial(tries)).unwrap();
            before = Some(trial(tries));
            assert_eq!((left(&disk), survey::marks(&disk).0.trials.len()), (Some(tries), 1));
        }
        spend(&disk, None, trial(2)).unwrap();
        spend(&disk, Some(trial(2)), trial(0)).unwrap();
        assert_eq!(survey::marks(&disk).0.trials.len(), 1, "of two counts the lower one stays");
    }

    #[test]
    fn cut_anywhere_the_count_is_the_old_one_or_the_new_one() {
        for before in [None, Some(trial(2))] {
            for step in 0.. {
                let disk = Memory::default();
                if let Some(before) = before {
                    spend(&disk, None, before).unwrap();
                }
                let done = spend(&Faulty::new(&disk, Fault::FromThenOn(step)), before, trial(1)).is_ok();
                let found = left(&disk);
                assert!(found == before.map(|trial| trial.left) || found == Some(1), "step {step}: {found:?}");
                if done {
                    assert_eq!(found, Some(1));
                    break;
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let disk = Memory::default();
        let failure = spend(&disk, Some(trial(2)), trial(1)).unwrap_err().to_string();
        let path = "/disk/dock0/state/trial-0123456789abcdef-1";
        assert_eq!(failure, format!("spending a try: writing {path}: no such file or directory"));
    }
}
