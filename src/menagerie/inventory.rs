//! All that stands on a boot partition and concerns releases, as a value: a plan is computed from nothing else.

use crate::state::Marks;
use crate::{Artifact, Listing, Release};
use core::fmt;
use heapless::Vec;

/// The most artifacts that are looked at; more than these are left alone.
pub const MAX_STORED: usize = 1024;
/// The most leftovers that one run clears away.
pub const MAX_LEFTOVERS: usize = 64;

/// One artifact that stands at its place, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub artifact: Artifact,
    /// In bytes.
    pub size: u64,
}

/// What something that was cut short has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// `releases.new`: a tree that did not take its place, or one that has lost it.
    Releases,
    /// `latest.new`
    Latest,
    /// `config.new`
    Config,
    /// `artifacts/<name>/.<version>.part`
    Part(Artifact),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leftover::Releases => f.write_str("an unused tree of releases"),
            Leftover::Latest => f.write_str("an unused link to the latest release"),
            Leftover::Config => f.write_str("an unused configuration"),
            Leftover::Part(artifact) => write!(f, "the unfinished {artifact}"),
        }
    }
}

/// Everything a plan is computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The releases, and where `latest` points.
    pub listing: Listing,
    /// How many things below `releases` are no part of the listing, and would be lost with the tree they stand in.
    pub foreign: u32,
    /// Whether the directory of releases exists.
    pub has_releases: bool,
    /// The artifacts, in no particular order.
    pub stored: Vec<Stored, MAX_STORED>,
    /// What was left half done.
    pub leftovers: Vec<Leftover, MAX_LEFTOVERS>,
    /// The releases that are never pruned.
    pub marks: Marks,
}

impl Inventory {
    /// The artifact, if it stands.
    pub fn stored(&self, artifact: &Artifact) -> Option<&Stored> {
        self.stored.iter().find(|stored| stored.artifact == *artifact)
    }

    /// Whether any release has the artifact.
    pub fn is_used(&self, artifact: &Artifact) -> bool {
        self.listing.releases().iter().any(|release| release.artifacts.contains(artifact))
    }

    /// The artifacts that no release has.
    pub fn orphans(&self) -> impl Iterator<Item = &Stored> {
        self.stored.iter().filter(|stored| !self.is_used(&stored.artifact))
    }

    /// The first artifact that a release has and the disk has not.
    pub fn missing<'r>(&self, release: &'r Release) -> Option<&'r Artifact> {
        release.artifacts.iter().find(|artifact| self.stored(artifact).is_none())
    }
}
