//! What is remembered of releases between boots: names of empty files in `dock0/state`, so that each change is one atomic
//! step that needs no space.

use crate::ReleaseId;
use crate::layout::{Path, STATE};
use crate::listing::MAX_RELEASES;
use core::fmt::{self, Write};
use heapless::Vec;

/// What one release is remembered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is never pruned: `pinned-<id>`.
    Pinned,
    /// A running system called it good, and it stays that: `good-<id>`.
    Good,
    /// It ran out of tries, and is neither booted nor installed again: `bad-<id>`. The mark outlives the release.
    Bad,
}

impl Mark {
    const ALL: [Mark; 3] = [Mark::Pinned, Mark::Good, Mark::Bad];

    fn prefix(self) -> &'static str {
        match self {
            Mark::Pinned => "pinned-",
            Mark::Good => "good-",
            Mark::Bad => "bad-",
        }
    }

    /// The path of the file that says so.
    pub fn path(self, id: ReleaseId) -> Path {
        path(format_args!("{}{id}", self.prefix()))
    }

    fn parse(file_name: &str) -> Option<(Mark, ReleaseId)> {
        let read = |mark: Mark| Some((mark, file_name.strip_prefix(mark.prefix())?.parse().ok()?));
        Mark::ALL.into_iter().find_map(read)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix().trim_end_matches('-'))
    }
}

/// How a release stands, by its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A running system called it good.
    Good,
    /// It has still to prove itself.
    OnTrial,
    /// It is not booted again.
    Bad,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Standing::Good => "good",
            Standing::OnTrial => "on trial",
            Standing::Bad => "bad",
        })
    }
}

/// How often a release that nobody has called good may still be tried: `trial-<id>-<left>`. Without such a file it has all its
/// tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The release.
    pub id: ReleaseId,
    /// How many tries it has left; 0 is none. At most [`MAX_TRIES`].
    pub left: u8,
}

/// The most tries that a release can have: one digit.
pub const MAX_TRIES: u8 = 9;
/// How many it has where nobody says otherwise.
pub const TRIES: u8 = 3;

const TRIAL: &str = "trial-";

impl Trial {
    /// The path of the file that says so.
    pub fn path(self) -> Path {
        path(format_args!("{TRIAL}{}-{}", self.id, self.left))
    }

    fn parse(file_name: &str) -> Option<Trial> {
        let (id, left) = file_name.strip_prefix(TRIAL)?.split_once('-')?;
        let left = left.parse().ok().filter(|left| *left <= MAX_TRIES && file_name.ends_with(&*digit(*left)))?;
        Some(Trial { id: id.parse().ok()?, left })
    }
}

/// `-3`: a number of tries as it is written, without a sign or zeros in front.
fn digit(left: u8) -> heapless::String<4> {
    let mut text = heapless::String::new();
    // There is room for any byte.
    write!(text, "-{left}").unwrap_or_default();
    text
}

fn path(name: fmt::Arguments<'_>) -> Path {
    let mut path = Path::new();
    // Cannot overflow: these have fewer than 50 bytes.
    write!(path, "{STATE}/{name}").unwrap_or_default();
    path
}

/// What is remembered of all releases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The one whose root this machine runs from, if it runs from this boot partition.
    pub running: Option<ReleaseId>,
    /// At most [`MAX_RELEASES`], like all of these.
    pub pinned: Vec<ReleaseId, MAX_RELEASES>,
    /// Whatever was called good.
    pub good: Vec<ReleaseId, MAX_RELEASES>,
    /// Whatever ran out of tries.
    pub bad: Vec<ReleaseId, MAX_RELEASES>,
    /// Those that have spent a try, and are not good.
    pub trials: Vec<Trial, MAX_RELEASES>,
    /// Whether there are more than there is room for. Then nobody knows which, and all are protected.
    pub more: bool,
}

impl Marks {
    /// Takes what the name of a file in `dock0/state` says; any other name says nothing.
    pub fn read(&mut self, file_name: &str) {
        if let Some((mark, id)) = Mark::parse(file_name) {
            self.insert(mark, id);
        } else if let Some(trial) = Trial::parse(file_name) {
            self.more |= self.trials.push(trial).is_err();
        }
    }

    /// Takes a mark.
    pub fn insert(&mut self, mark: Mark, id: ReleaseId) {
        let ids = match mark {
            Mark::Pinned => &mut self.pinned,
            Mark::Good => &mut self.good,
            Mark::Bad => &mut self.bad,
        };
        let taken = ids.contains(&id) || ids.push(id).is_ok();
        self.more |= !taken;
    }

    /// Whether a release is pinned.
    pub fn is_pinned(&self, id: ReleaseId) -> bool {
        self.pinned.contains(&id)
    }

    /// Whether it was called good.
    pub fn is_good(&self, id: ReleaseId) -> bool {
        self.good.contains(&id)
    }

    /// Whether it ran out of tries.
    pub fn is_bad(&self, id: ReleaseId) -> bool {
        self.bad.contains(&id)
    }

    /// How it stands. What is good and bad is on its way from one to the other, and is not relied on.
    pub fn standing(&self, id: ReleaseId) -> Standing {
        match (self.is_bad(id), self.is_good(id)) {
            (true, _) => Standing::Bad,
            (false, true) => Standing::Good,
            (false, false) => Standing::OnTrial,
        }
    }

    /// What is written down of its trial; where that was done twice, the fewest tries count.
    pub fn trial(&self, id: ReleaseId) -> Option<Trial> {
        self.trials.iter().filter(|trial| trial.id == id).min_by_key(|trial| trial.left).copied()
    }

    /// How many tries it has left of so many that it had at first.
    pub fn tries_left(&self, id: ReleaseId, tries: u8) -> u8 {
        self.trial(id).map_or(tries, |trial| trial.left.min(tries))
    }

    /// Whether it must not be pruned, wherever it stands.
    pub fn protect(&self, id: ReleaseId) -> bool {
        self.more || self.running == Some(id) || self.is_pinned(id)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn id(digit: &str) -> ReleaseId {
        digit.repeat(16).parse().unwrap()
    }

    fn read(name: &str) -> Marks {
        let mut marks = Marks::default();
        marks.read(name);
        marks
    }

    #[test]
    fn marks_read_back_from_their_file_names() {
        for (mark, path) in [
            (Mark::Pinned, "dock0/state/pinned-1111111111111111"),
            (Mark::Good, "dock0/state/good-1111111111111111"),
            (Mark::Bad, "dock0/state/bad-1111111111111111"),
        ] {
            assert_eq!(mark.path(id("1")).as_str(), path);
            let mut marks = Marks::default();
            marks.insert(mark, id("1"));
            assert_eq!(read(path.rsplit_once('/').unwrap().1), marks);
        }
        let trial = Trial { id: id("2"), left: 9 };
        assert_eq!(trial.path().as_str(), "dock0/state/trial-2222222222222222-9");
        assert_eq!(read("trial-2222222222222222-9").trials, [trial]);
        for other in [
            "last-failure",
            "pinned-",
            "pinned-0123456789abcdeg",
            "good-0123456789abcdef.new",
            "trial-2222222222222222",
            "trial-2222222222222222-",
            "trial-2222222222222222-10",
            "trial-2222222222222222-03",
            "trial-2222222222222222-+3",
            "trial-222222222222222-3",
        ] {
            assert_eq!(read(other), Marks::default(), "{other}");
        }
    }

    #[test]
    fn each_mark_protects_or_does_not() {
        let mut marks = Marks { running: Some(id("1")), ..Marks::default() };
        marks.insert(Mark::Pinned, id("2"));
        marks.insert(Mark::Pinned, id("2"));
        marks.insert(Mark::Good, id("3"));
        marks.insert(Mark::Bad, id("4"));
        assert_eq!(marks.pinned.len(), 1, "a mark twice is one mark");
        for (digit, protected) in [("1", true), ("2", true), ("3", false), ("4", false), ("5", false)] {
            assert_eq!(marks.protect(id(digit)), protected, "{digit}");
        }
        assert!(marks.is_pinned(id("2")) && marks.is_good(id("3")) && marks.is_bad(id("4")));
        assert!(!marks.is_pinned(id("1")) && !marks.is_good(id("4")) && !marks.is_bad(id("3")));
        for number in 100..200 {
            marks.insert(Mark::Pinned, std::format!("{number:016}").parse().unwrap());
        }
        assert!(marks.more && marks.protect(id("5")), "with more marks than can be known, everything is protected");
    }

    #[test]
    fn a_release_stands_as_its_marks_say() {
        let mut marks = Marks::default();
        for name in ["good-1111111111111111", "bad-2222222222222222", "trial-3333333333333333-2"] {
            marks.read(name);
        }
        marks.insert(Mark::Pinned, id("5"));
        for mark in [Mark::Good, Mark::Bad] {
            marks.insert(mark, id("6"));
        }
        for (digit, words) in
            [("1", "good"), ("2", "bad"), ("3", "on trial"), ("4", "on trial"), ("5", "on trial"), ("6", "bad")]
        {
            assert_eq!(std::format!("{}", marks.standing(id(digit))), words, "{digit}");
        }
    }

    #[test]
    fn of_two_counts_the_lower_one_counts() {
        let mut marks = Marks::default();
        for name in ["trial-1111111111111111-2", "trial-1111111111111111-1", "trial-2222222222222222-3"] {
            marks.read(name);
        }
        assert_eq!(marks.trial(id("1")), Some(Trial { id: id("1"), left: 1 }));
        assert_eq!(marks.trial(id("3")), None);
        for number in 0..100 {
            marks.read(&std::format!("trial-{number:016}-1"));
        }
        assert!(marks.more);
    }
}
