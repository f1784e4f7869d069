//! The guest's lines on the console, each a JSON value.

use crate::State;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    /// The guest runs.
    Runs {
        /// From this version of `vm_root`.
        root: String,
        /// What the boot has left in the boot partition's root that has to do with configurations, by name.
        configs: Vec<String>,
    },
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
    /// The configuration and the one before it change places.
    RollBackConfig,
    /// A try of release 0 is spent, unless it is good, and the boot loaders may start it as often as at first.
    Spend,
    /// Release 0 is called good.
    Approve,
    /// The boot loaders have started release 0 as often as they may.
    CountOut,
    /// Release 0 is bad, and the last good one takes its place.
    FallBack,
}

/// What the operations of a recording do, in turn. A configuration is taken where there is none before it, where the one before
/// it is what the guest runs from, and where it is not.
const TURNS: [Kind; 14] = [
    Kind::InstallWithKernel,
    Kind::Configure,
    Kind::RollBack,
    Kind::Configure,
    Kind::RollBackConfig,
    Kind::Configure,
    Kind::Spend,
    Kind::Approve,
    Kind::Install,
    Kind::Spend,
    Kind::CountOut,
    Kind::FallBack,
    Kind::Install,
    Kind::RollBack,
];

impl Kind {
    /// What the operation with this number, counted from 1, does in a recording.
    pub fn of(operation: u32) -> Kind {
        let [first, ..] = TURNS;
        let before = operation.saturating_sub(1) as usize;
        TURNS.get(before % TURNS.len()).copied().unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_turn() {
        let letters: String = (1..=28)
            .map(|operation| match Kind::of(operation) {
                Kind::Install => 'i',
                Kind::InstallWithKernel => 'k',
                Kind::RollBack => 'r',
                Kind::Configure => 'c',
                Kind::RollBackConfig => 'b',
                Kind::Spend => 's',
                Kind::Approve => 'g',
                Kind::CountOut => 'o',
                Kind::FallBack => 'f',
            })
            .collect();
        assert_eq!(letters, "kcrcbcsgisofirkcrcbcsgisofir");
    }

    #[test]
    fn a_line_reads_back_as_written() {
        let line = Line::After { operation: 3, kind: Some(Kind::RollBack), state: State::default() };
        let json = serde_json::to_string(&line).expect("JSON");
        assert!(!json.contains('\n'));
        assert_eq!(serde_json::from_str::<Line>(&json).expect("the line"), line);
    }
}
