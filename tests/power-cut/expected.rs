//! What may stand on a disk: the states that the guest reported, and which of them a marker allows.

use anyhow::{Context, Result, bail};
use power_cut_guest::state::{Content, Promise, Release};
use power_cut_guest::{Line, State};
use std::collections::{BTreeMap, HashSet};

/// The states of a recording, by the number of the operation after which they held.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What the sequence promises.
    pub promise: Promise,
    states: BTreeMap<u32, State>,
}

/// How something found on a disk fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is as after the last operation reported done, or as after the one that was under way.
    Current,
    /// It is as it was before the last operation reported done.
    Stale,
    /// It never was like that.
    Never,
}

impl Expected {
    /// From the guest's lines.
    pub fn from_lines(lines: &[Line], promise: Promise) -> Result<Expected> {
        let mut states = BTreeMap::new();
        for line in lines {
            match line {
                Line::Runs(_) => {}
                Line::After { operation, state, .. } => {
                    states.insert(*operation, state.clone());
                }
                Line::Failed(sentence) => bail!("the guest failed: {sentence}"),
            }
        }
        if states.is_empty() {
            bail!("the guest reported no state");
        }
        Ok(Expected { promise, states })
    }

    /// The number of the last operation.
    pub fn last(&self) -> u32 {
        self.states.keys().next_back().copied().unwrap_or_default()
    }

    /// The state after an operation.
    pub fn after(&self, operation: u32) -> Result<&State> {
        self.states.get(&operation).with_context(|| format!("no state after operation {operation} was reported"))
    }

    /// How one part of a state fits where this many operations were reported done.
    pub fn fit<P: PartialEq>(&self, done: u32, found: &P, part: fn(&State) -> &P) -> Fit {
        let equal: Vec<u32> = self.states.iter().filter(|(_, state)| part(state) == found).map(|(n, _)| *n).collect();
        match equal {
            numbers if numbers.iter().any(|&number| number == done || number == done + 1) => Fit::Current,
            numbers if numbers.iter().any(|&number| number < done) => Fit::Stale,
            _ => Fit::Never,
        }
    }

    /// What any file of any state holds.
    pub fn contents(&self) -> HashSet<Content> {
        let releases = |state: &State| -> Vec<Release> {
            std::iter::once(state.latest.clone())
                .chain(state.releases.iter().flatten().map(|(_, r)| r.clone()))
                .collect()
        };
        let artifacts = self.states.values().flat_map(releases).flat_map(BTreeMap::into_values);
        let config = self.states.values().flat_map(|state| state.config.values().cloned());
        artifacts.map(|artifact| artifact.content).chain(config).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state whose configuration is told apart by a letter.
    fn state(letter: char) -> State {
        State { config: [(letter.to_string(), Content::of(b"x"))].into(), ..State::default() }
    }

    fn after(operation: u32, letter: char) -> Line {
        Line::After { operation, kind: None, state: state(letter) }
    }

    #[test]
    fn the_marker_says_which_states_fit() {
        let lines = [Line::Runs("1".into()), after(0, 'a'), after(1, 'b'), after(2, 'c'), after(3, 'a')];
        let expected = Expected::from_lines(&lines, Promise::Every).expect("states");
        assert_eq!(expected.last(), 3);
        for (done, letters) in [(0, "CCNCN"), (1, "SCCSN"), (2, "CSCCN"), (3, "CSSCN")] {
            let fits: String = ['a', 'b', 'c', 'a', 'x']
                .map(|letter| match expected.fit(done, &state(letter).config, |state| &state.config) {
                    Fit::Current => 'C',
                    Fit::Stale => 'S',
                    Fit::Never => 'N',
                })
                .iter()
                .collect();
            assert_eq!(fits, letters, "{done} done");
        }
    }

    #[test]
    fn a_guest_that_failed_is_an_error() {
        let table = [("no line", vec![]), ("no state", vec![Line::Runs("1".into())])];
        for (name, lines) in table {
            assert!(Expected::from_lines(&lines, Promise::Every).is_err(), "{name}");
        }
        let failed = [after(0, 'a'), Line::Failed("no space".into())];
        let error = Expected::from_lines(&failed, Promise::Every).expect_err("it failed").to_string();
        assert_eq!(error, "the guest failed: no space");
    }
}
