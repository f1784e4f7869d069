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
    /// It is the last one that a running system called good: `good-<id>`.
    Good,
}

impl Mark {
    const ALL: [Mark; 2] = [Mark::Pinned, Mark::Good];

    fn prefix(self) -> &'static str {
        match self {
            Mark::Pinned => "pinned-",
            Mark::Good => "good-",
        }
    }

    /// The path of the file that says so.
    pub fn path(self, id: ReleaseId) -> Path {
        let mut path = Path::new();
        // Cannot overflow: these have fewer than 50 bytes.
        write!(path, "{STATE}/{}{id}", self.prefix()).unwrap_or_default();
        path
    }

    /// What the name of a file in `dock0/state` says; `None` for any other name.
    pub fn parse(file_name: &str) -> Option<(Mark, ReleaseId)> {
        let read = |mark: Mark| Some((mark, file_name.strip_prefix(mark.prefix())?.parse().ok()?));
        Mark::ALL.into_iter().find_map(read)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix().trim_end_matches('-'))
    }
}

/// The releases that are never pruned, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The one whose root this machine runs from, if it runs from this boot partition.
    pub running: Option<ReleaseId>,
    /// At most [`MAX_RELEASES`].
    pub pinned: Vec<ReleaseId, MAX_RELEASES>,
    /// One; more only between two steps of something that was cut short.
    pub good: Vec<ReleaseId, MAX_RELEASES>,
    /// Whether there are more than there is room for. Then nobody knows which, and all are protected.
    pub more: bool,
}

impl Marks {
    /// Takes a mark.
    pub fn insert(&mut self, mark: Mark, id: ReleaseId) {
        let ids = match mark {
            Mark::Pinned => &mut self.pinned,
            Mark::Good => &mut self.good,
        };
        let taken = ids.contains(&id) || ids.push(id).is_ok();
        self.more |= !taken;
    }

    /// Whether a release is pinned.
    pub fn is_pinned(&self, id: ReleaseId) -> bool {
        self.pinned.contains(&id)
    }

    /// Whether it must not be pruned.
    pub fn protect(&self, id: ReleaseId) -> bool {
        self.more || self.running == Some(id) || self.is_pinned(id) || self.good.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn marks_read_back_from_their_file_names() {
        let id: ReleaseId = "0123456789abcdef".parse().unwrap();
        for (mark, path) in
            [(Mark::Pinned, "dock0/state/pinned-0123456789abcdef"), (Mark::Good, "dock0/state/good-0123456789abcdef")]
        {
            assert_eq!(mark.path(id).as_str(), path);
            assert_eq!(Mark::parse(path.rsplit_once('/').unwrap().1), Some((mark, id)));
        }
        for other in ["last-failure", "pinned-", "pinned-0123456789abcdeg", "good-0123456789abcdef.new"] {
            assert_eq!(Mark::parse(other), None, "{other}");
        }
    }

    #[test]
    fn each_mark_protects() {
        let id = |digit: &str| digit.repeat(16).parse::<ReleaseId>().unwrap();
        let mut marks = Marks { running: Some(id("1")), ..Marks::default() };
        marks.insert(Mark::Pinned, id("2"));
        marks.insert(Mark::Pinned, id("2"));
        marks.insert(Mark::Good, id("3"));
        assert_eq!(marks.pinned.len(), 1, "a mark twice is one mark");
        for (digit, protected) in [("1", true), ("2", true), ("3", true), ("4", false)] {
            assert_eq!(marks.protect(id(digit)), protected, "{digit}");
        }
        assert!(marks.is_pinned(id("2")) && !marks.is_pinned(id("1")));
        for number in 100..200 {
            marks.insert(Mark::Pinned, std::format!("{number:016}").parse().unwrap());
        }
        assert!(marks.more && marks.protect(id("4")), "with more marks than can be known, everything is protected");
    }
}
