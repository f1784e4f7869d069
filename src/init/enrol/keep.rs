//! What is kept of an enrolment, on the boot partition. The operators come last: as long as they are not there, the next boot asks
//! again, and power may go in between.

use super::Told;
use crate::failure::Failure;
use crate::receive::identity::{OPERATORS, PROOF};
use crate::store::{Files, whole};
use wire::settings;

/// Keeps it. Settings that are there already stay.
pub fn keep(files: &impl Files, told: &Told) -> Result<(), Failure> {
    whole::write(files, PROOF, told.proof.as_bytes())?;
    if let Some(json) = &told.settings
        && !whole::is_there(files, settings::PATH)?
    {
        whole::write(files, settings::PATH, json)?;
    }
    whole::write(files, OPERATORS, told.operators.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faults::{Fault, Faulty};
    use crate::store::memory::{Memory, Node};

    fn told() -> Told {
        Told { proof: "ab".repeat(32), operators: "the CAs".into(), settings: Some(b"{}".to_vec()) }
    }

    fn kept(memory: &Memory, path: &str) -> Option<(String, u32)> {
        match memory.nodes.borrow().get(path) {
            Some(Node::File(bytes, mode, ..)) => Some((String::from_utf8(bytes.clone()).unwrap(), *mode)),
            Some(Node::Directory | Node::Link(_)) | None => None,
        }
    }

    #[test]
    fn all_of_it_is_kept_and_settings_that_are_there_stay() {
        let memory = Memory::default();
        keep(&memory, &told()).unwrap();
        assert_eq!(kept(&memory, PROOF), Some(("ab".repeat(32), 0o600)));
        assert_eq!(kept(&memory, settings::PATH), Some(("{}".into(), 0o600)));
        assert_eq!(kept(&memory, OPERATORS), Some(("the CAs".into(), 0o600)));
        memory.nodes.borrow_mut().remove(OPERATORS);
        let other = Told { proof: "cd".repeat(32), settings: Some(b"{\"tries\":1}".to_vec()), ..told() };
        keep(&memory, &other).unwrap();
        assert_eq!(kept(&memory, PROOF), Some(("cd".repeat(32), 0o600)), "another token has another proof");
        assert_eq!(kept(&memory, settings::PATH), Some(("{}".into(), 0o600)));
    }

    #[test]
    fn wherever_power_is_cut_the_next_boot_asks_again_or_has_it_all() {
        let whole = Memory::default();
        let count = Faulty::new(&whole, Fault::Never);
        keep(&count, &told()).unwrap();
        let steps = count.steps.get();
        assert!(steps > 15, "{steps} steps");
        for step in 0..steps {
            let memory = Memory::default();
            let failure = keep(&Faulty::new(&memory, Fault::FromThenOn(step)), &told()).unwrap_err();
            assert!(failure.to_string().contains("/disk/"), "{failure}");
            if kept(&memory, OPERATORS).is_some() {
                // Only the directory was not known to be on the disk.
                assert_eq!(*memory.nodes.borrow(), *whole.nodes.borrow(), "step {step}");
            }
            keep(&memory, &told()).unwrap();
            assert_eq!(*memory.nodes.borrow(), *whole.nodes.borrow(), "step {step}");
        }
    }
}
