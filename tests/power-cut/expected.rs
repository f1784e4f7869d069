//! What may stand on a disk: the states that the guest reported, and which of them a marker allows.

use anyhow::{Context, Result, bail};
use power_cut_guest::state::{Configurations, Content, Files, Leaf, Promise, Release};
use power_cut_guest::{Kind, Line, State};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The states of a recording, by the number of the operation after which they held.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What the sequence promises.
    pub promise: Promise,
    states: BTreeMap<u32, State>,
    /// What the configurations may be besides, while the operation with this number takes a new one.
    between: BTreeMap<u32, Vec<Configurations>>,
    /// After which operations the boot loaders had started a release as often as they may. While the next one goes back from it they
    /// count again, as before.
    counted_out: BTreeSet<u32>,
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
        let (mut states, mut between) = (BTreeMap::<u32, State>::new(), BTreeMap::new());
        let mut counted_out = BTreeSet::new();
        let mut last: Option<&State> = None;
        for line in lines {
            match line {
                Line::Runs { .. } => {}
                Line::After { operation, kind, state } => {
                    if let (Some(Kind::Configure), Some(last), Some((_, first))) = (kind, last, states.iter().next()) {
                        // The guest runs from the one that was there at the start.
                        let running = &first.config.current;
                        between.insert(*operation, while_taken(running, &last.config, &state.config));
                    }
                    if *kind == Some(Kind::CountOut) {
                        counted_out.insert(*operation);
                    }
                    states.insert(*operation, state.clone());
                    last = Some(state);
                }
                Line::Failed(sentence) => bail!("the guest failed: {sentence}"),
            }
        }
        if states.is_empty() {
            bail!("the guest reported no state");
        }
        Ok(Expected { promise, states, between, counted_out })
    }

    /// The number of the last operation.
    pub fn last(&self) -> u32 {
        self.states.keys().next_back().copied().unwrap_or_default()
    }

    /// The state after an operation.
    pub fn after(&self, operation: u32) -> Result<&State> {
        self.states.get(&operation).with_context(|| format!("no state after operation {operation} was reported"))
    }

    /// How each part of a state fits where this many operations were reported done.
    pub fn fits(&self, done: u32, found: &State) -> [(&'static str, Fit); 5] {
        let between = self.between.iter().flat_map(|(number, all)| all.iter().map(|one| (during(*number), one)));
        let config = self.held(|state| &state.config).chain(between);
        let loaders: fn(&State) -> &BTreeMap<String, Content> = |state| &state.trials.loaders;
        let counting_again = self.counted_out.iter().filter_map(|number| {
            Some((during(number.saturating_add(1)), loaders(self.states.get(&number.saturating_sub(1))?)))
        });
        let loaders: Vec<_> = self.held(loaders).chain(counting_again).collect();
        let marks: Vec<_> = self.held(|state| &state.trials.marks).collect();
        [
            ("latest", fit(done, &found.latest, self.held(|state| &state.latest))),
            ("releases", fit(done, &found.releases, self.held(|state| &state.releases))),
            ("config", fit(done, &found.config, config)),
            ("marks", fit_each(done, &found.trials.marks, &marks)),
            ("loaders", fit_each(done, &found.trials.loaders, &loaders)),
        ]
    }

    /// Whether the newest release is one that the boot loaders have to count the starts of, and they do not. To count too early
    /// harms nobody.
    pub fn is_unwatched(&self, done: u32, found: &State) -> bool {
        let may_be = [done, done.saturating_add(1)].map(|number| self.states.get(&number));
        let alike: Vec<&State> = may_be.into_iter().flatten().filter(|state| state.latest == found.latest).collect();
        let first = self.states.values().next().map(|state| &state.trials.loaders);
        let idle = first == Some(&found.trials.loaders);
        idle && !alike.is_empty() && alike.iter().all(|state| first != Some(&state.trials.loaders))
    }

    /// Whether a boot loader has given up another release than the one that is the newest now, and so starts what it should not.
    pub fn is_given_up(&self, found: &State) -> bool {
        let given_up = |path: &String, count: &Content| {
            let states = self.counted_out.iter().filter_map(|number| self.states.get(number));
            let mut alike = states.filter(|state| state.trials.loaders.get(path) == Some(count)).peekable();
            alike.peek().is_some() && alike.all(|state| state.latest != found.latest)
        };
        found.trials.loaders.iter().any(|(path, count)| given_up(path, count))
    }

    /// A part of each state, by when it held.
    fn held<'s, P: 's>(&'s self, part: fn(&State) -> &P) -> impl Iterator<Item = (u64, &'s P)> {
        self.states.iter().map(move |(number, state)| (after(*number), part(state)))
    }

    /// What any file of any state holds.
    pub fn contents(&self) -> HashSet<Content> {
        let releases = |state: &State| -> Vec<Release> {
            std::iter::once(state.latest.clone())
                .chain(state.releases.iter().flatten().map(|(_, r)| r.clone()))
                .collect()
        };
        let artifacts = self.states.values().flat_map(releases).flat_map(BTreeMap::into_values);
        let configs = self.states.values().map(|state| &state.config);
        let files = configs.flat_map(|config| config.before.iter().chain([&config.current])).flat_map(Files::values);
        let config = files.filter_map(|leaf| match leaf {
            Leaf::File(content) => Some(content.clone()),
            Leaf::Link(_) => None,
        });
        artifacts.map(|artifact| artifact.content).chain(config).collect()
    }
}

/// The moment after an operation, on a scale that has one for each operation and one for the time behind it.
fn after(operation: u32) -> u64 {
    2 * u64::from(operation)
}

/// The moment while an operation is under way.
fn during(operation: u32) -> u64 {
    after(operation).saturating_sub(1)
}

/// How the parts of a map fit, each by itself, by all that held and when it did: that of the worst.
fn fit_each<V: PartialEq>(done: u32, found: &BTreeMap<String, V>, held: &[(u64, &BTreeMap<String, V>)]) -> Fit {
    let keys: BTreeSet<&String> = held.iter().flat_map(|(_, map)| map.keys()).chain(found.keys()).collect();
    let of_key = |key: &String| {
        let held: Vec<(u64, Option<&V>)> = held.iter().map(|(moment, map)| (*moment, map.get(key))).collect();
        fit(done, &found.get(key), held.iter().map(|(moment, value)| (*moment, value)))
    };
    let fits: Vec<Fit> = keys.into_iter().map(of_key).collect();
    [Fit::Never, Fit::Stale].into_iter().find(|worst| fits.contains(worst)).unwrap_or(Fit::Current)
}

/// How something fits where this many operations were reported done, by all that held and when it did.
fn fit<'p, P: PartialEq + 'p>(done: u32, found: &P, held: impl Iterator<Item = (u64, &'p P)>) -> Fit {
    let moments: Vec<u64> = held.filter(|(_, part)| *part == found).map(|(moment, _)| moment).collect();
    let now = after(done);
    match moments {
        moments if moments.iter().any(|moment| (now..=now + 2).contains(moment)) => Fit::Current,
        moments if moments.iter().any(|&moment| moment < now) => Fit::Stale,
        _ => Fit::Never,
    }
}

/// What the configurations may be between the steps of taking a new one, as init does it: for a moment the new one is the one
/// before, and where that is what the system runs from, it has given way first.
fn while_taken(running: &Files, old: &Configurations, new: &Configurations) -> Vec<Configurations> {
    let with = |before| Configurations { current: old.current.clone(), before };
    let gave_way = old.before.as_ref() == Some(running);
    let waiting = with(Some(new.current.clone()));
    if gave_way { vec![with(None), waiting] } else { vec![waiting] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Configurations that are told apart by letters: the current one, and the one before or a dash.
    fn pair(letters: &str) -> Configurations {
        let files = |letter: char| Files::from([(letter.to_string(), Leaf::File(Content::of(b"x")))]);
        let mut letters = letters.chars();
        let (current, before) = (letters.next().map(files), letters.next().filter(|letter| *letter != '-'));
        Configurations { current: current.expect("a letter"), before: before.map(files) }
    }

    fn state(letters: &str) -> State {
        State { config: pair(letters), ..State::default() }
    }

    fn line(operation: u32, kind: Kind, letters: &str) -> Line {
        Line::After { operation, kind: (operation > 0).then_some(kind), state: state(letters) }
    }

    fn shown(expected: &Expected, done: u32, letters: &str) -> char {
        match expected.fits(done, &state(letters)) {
            [
                ("latest", Fit::Current),
                ("releases", Fit::Current),
                ("config", fit),
                (_, Fit::Current),
                (_, Fit::Current),
            ] => match fit {
                Fit::Current => 'C',
                Fit::Stale => 'S',
                Fit::Never => 'N',
            },
            fits => panic!("{fits:?}"),
        }
    }

    #[test]
    fn the_marker_says_which_states_fit() {
        let runs = Line::Runs { root: "1".into(), configs: vec![] };
        let after = |operation, letters| line(operation, Kind::Install, letters);
        let lines = [runs, after(0, "a-"), after(1, "b-"), after(2, "c-"), after(3, "a-")];
        let expected = Expected::from_lines(&lines, Promise::Every).expect("states");
        assert_eq!(expected.last(), 3);
        for (done, wanted) in [(0, "CCNCN"), (1, "SCCSN"), (2, "CSCCN"), (3, "CSSCN")] {
            let fits: String =
                ["a-", "b-", "c-", "a-", "x-"].map(|letters| shown(&expected, done, letters)).iter().collect();
            assert_eq!(fits, wanted, "{done} done");
        }
    }

    /// What may be in force, with what before it, at each moment of two takings, a way back and a third taking.
    #[test]
    fn a_configuration_is_taken_by_way_of_the_one_before() {
        let lines = [
            line(0, Kind::Configure, "a-"),
            line(1, Kind::Configure, "ba"),
            line(2, Kind::Configure, "cb"),
            line(3, Kind::RollBackConfig, "bc"),
            line(4, Kind::Configure, "db"),
        ];
        let expected = Expected::from_lines(&lines, Promise::Every).expect("states");
        let all = [
            "a-", "ab", "ba", "b-", "bc", "cb", "c-", "b-", "bd", "db", "d-", "aa", "bb", "cc", "ca", "da", "xa", "bx",
        ];
        let wanted = [
            // While the first is taken, it is the one before.
            (0, "a- ab ba", ""),
            // What the guest runs from gives way, and is missing for a moment.
            (1, "ba b- bc cb", "a- ab"),
            // A way back is one step: c was the one before for a moment while it was taken, and is it again.
            (2, "cb bc", "a- ab ba b-"),
            // What it does not run from changes places with the new one: nothing is missing.
            (3, "bc bd db", "a- ab ba b- cb"),
            (4, "db", "a- ab ba b- bc cb bd"),
        ];
        for (done, current, stale) in wanted {
            let is_one_of = |list: &str, letters: &str| list.split(' ').any(|one| one == letters);
            for letters in all {
                let fit = match () {
                    () if is_one_of(current, letters) => 'C',
                    () if is_one_of(stale, letters) => 'S',
                    () => 'N',
                };
                assert_eq!(shown(&expected, done, letters), fit, "{letters}, {done} done");
            }
        }
    }

    /// `A good, B 2` and whether the boot loaders count, with the name of the newest release.
    fn trials(newest: &str, marks: &str, counting: bool) -> State {
        counted(newest, marks, if counting { "3" } else { "-" })
    }

    /// The same with what they have counted.
    fn counted(newest: &str, marks: &str, count: &str) -> State {
        let pairs = marks.split(", ").filter_map(|mark| mark.split_once(' '));
        let marks = pairs.map(|(id, what)| (id.to_string(), what.to_string())).collect();
        let loader = Content::of(count.as_bytes());
        let artifact = power_cut_guest::state::Artifact { version: newest.into(), content: Content::of(b"") };
        State {
            latest: [("vm_root".to_string(), artifact)].into(),
            trials: power_cut_guest::state::Trials { marks, loaders: [("grubenv".to_string(), loader)].into() },
            ..State::default()
        }
    }

    #[test]
    fn each_mark_and_each_boot_loader_is_old_or_new_by_itself() {
        let states = [
            trials("A", "A good", false),
            trials("B", "A good", true),
            trials("B", "A good, B 2", true),
            trials("A", "A good, B bad, C 1", false),
        ];
        let lines: Vec<Line> =
            (0..).zip(states).map(|(number, state)| Line::After { operation: number, kind: None, state }).collect();
        let expected = Expected::from_lines(&lines, Promise::Every).expect("states");
        for (done, found, marks, loaders, unwatched) in [
            (0, trials("A", "A good", true), Fit::Current, Fit::Current, false),
            (0, trials("B", "A good", false), Fit::Current, Fit::Current, true),
            (1, trials("B", "A good, B 2", true), Fit::Current, Fit::Current, false),
            (1, trials("B", "B 2", true), Fit::Never, Fit::Current, false),
            (1, trials("B", "A good, B 1", true), Fit::Never, Fit::Current, false),
            (2, trials("B", "A good, B bad", true), Fit::Current, Fit::Current, false),
            (2, trials("B", "A good, B bad, C 1", false), Fit::Current, Fit::Current, true),
            (2, trials("A", "A good, B bad", true), Fit::Current, Fit::Current, false),
            (3, trials("A", "A good, B 2, C 1", false), Fit::Stale, Fit::Current, false),
            (3, trials("A", "A good, B bad", true), Fit::Stale, Fit::Stale, false),
        ] {
            let [.., (_, marks_fit), (_, loaders_fit)] = expected.fits(done, &found);
            let shown = format!("{done}: {:?}", found.trials.marks);
            assert_eq!((marks_fit, loaders_fit), (marks, loaders), "{shown}");
            assert_eq!(expected.is_unwatched(done, &found), unwatched, "{shown}");
        }
    }

    /// A count that has come to its end belongs to the release that it was counted for.
    #[test]
    fn a_boot_loader_that_has_given_up_one_release_must_not_keep_another_from_starting() {
        let states = [
            (Kind::Spend, trials("B", "A good, B 2", true)),
            (Kind::CountOut, counted("B", "A good, B 2", "0")),
            (Kind::FallBack, trials("A", "A good, B bad", false)),
        ];
        let after = |(number, (kind, state))| Line::After { operation: number, kind: Some(kind), state };
        let lines: Vec<Line> = (0..).zip(states).map(after).collect();
        let expected = Expected::from_lines(&lines, Promise::Every).expect("states");
        for (done, newest, count, fit, given_up) in [
            (0, "B", "0", Fit::Current, false),
            (1, "B", "0", Fit::Current, false),
            (1, "B", "3", Fit::Current, false),
            (1, "A", "3", Fit::Current, false),
            (1, "A", "-", Fit::Current, false),
            (1, "A", "0", Fit::Current, true),
            (2, "A", "3", Fit::Stale, false),
        ] {
            let found = counted(newest, "A good", count);
            let [.., (_, fits)] = expected.fits(done, &found);
            assert_eq!((fits, expected.is_given_up(&found)), (fit, given_up), "{done}: {newest} {count}");
        }
    }

    #[test]
    fn a_guest_that_failed_is_an_error() {
        let table = [("no line", vec![]), ("no state", vec![Line::Runs { root: "1".into(), configs: vec![] }])];
        for (name, lines) in table {
            assert!(Expected::from_lines(&lines, Promise::Every).is_err(), "{name}");
        }
        let failed = [line(0, Kind::Install, "a-"), Line::Failed("no space".into())];
        let error = Expected::from_lines(&failed, Promise::Every).expect_err("it failed").to_string();
        assert_eq!(error, "the guest failed: no space");
    }
}
