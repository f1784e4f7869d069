//! The guest's lines on the console, each a JSON value.

use crate::State;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    /// The guest runs from this version of `vm_root`.
    Runs(String),
    /// The disk's state after the operation with this number; the number that was reached before stands for the start.
    After {
        /// As on the marker.
        operation: u32,
        /// What was done; `None` at the start.
        kind: Option<Kind>,
        /// What an intact disk holds from now on.
        state: State,
    },
    /// An operation went wrong, and nothing comes after it.
    Failed(String),
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A new release with a new `vm_root`.
    Install,
    /// A new release with a new `vm_root` and a new `kernel`.
    InstallWithKernel,
    /// Release 1 becomes release 0.
    RollBack,
    /// A new configuration.
    Configure,
}

impl Kind {
    /// What the operation with this number does in a recording: every second is an install, and every third install
    /// brings a kernel.
    pub fn of(operation: u32) -> Kind {
        match operation % 4 {
            0 => Kind::RollBack,
            2 => Kind::Configure,
            _ if operation.div_ceil(2).is_multiple_of(3) => Kind::InstallWithKernel,
            _ => Kind::Install,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_turn() {
        let letters: String = (1..=12)
            .map(|operation| match Kind::of(operation) {
                Kind::Install => 'i',
                Kind::InstallWithKernel => 'k',
                Kind::RollBack => 'r',
                Kind::Configure => 'c',
            })
            .collect();
        assert_eq!(letters, "icirkcirickr");
    }

    #[test]
    fn a_line_reads_back_as_written() {
        let line = Line::After { operation: 3, kind: Some(Kind::RollBack), state: State::default() };
        let json = serde_json::to_string(&line).expect("JSON");
        assert!(!json.contains('\n'));
        assert_eq!(serde_json::from_str::<Line>(&json).expect("the line"), line);
    }
}
