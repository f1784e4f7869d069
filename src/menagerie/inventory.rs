//! All that stands on a boot partition and concerns releases, as a value: a plan is computed from nothing else.

use crate::listing::{MAX_ARTIFACTS, MAX_RELEASES};
use crate::state::Marks;
use crate::{Artifact, Listing, Release, ReleaseId};
use core::fmt;
use heapless::Vec;

/// The most artifacts that are looked at: room for those of all releases, none shared, and as many orphans. More wait for the
/// next run.
pub const MAX_STORED: usize = 2 * MAX_RELEASES * MAX_ARTIFACTS;
/// The most leftovers that one run clears away.
pub const MAX_LEFTOVERS: usize = 64;

/// One artifact that stands at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub artifact: Artifact,
    /// In bytes.
    pub size: u64,
    /// What it takes on the disk, in bytes.
    pub takes: u64,
    /// Its file mode.
    pub mode: u32,
}

/// What something that was cut short has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// `releases.new`: a tree that did not take its place, or one that has lost it.
    Releases,
    /// `latest.new`
    Latest,
    /// `artifacts/<name>/.<version>.part`, and what it takes on the disk, in bytes.
    Part(Artifact, u64),
}

/// Whether the boot loader counts how often it starts release 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loader {
    /// It cannot.
    #[default]
    Simple,
    /// It does not.
    Idle,
    /// It does.
    Counting,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leftover::Releases => f.write_str("an unused tree of releases"),
            Leftover::Latest => f.write_str("an unused link to the latest release"),
            Leftover::Part(artifact, _) => write!(f, "the unfinished {artifact}"),
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
    /// How many releases there are beyond those that can be listed.
    pub surplus: u32,
    /// Whether `latest` is something else than missing or a link to a release.
    pub odd_latest: bool,
    /// Whether the directory of releases exists.
    pub has_releases: bool,
    /// The artifacts, in no particular order: all that the releases have, and as many others as there is room for.
    pub stored: Vec<Stored, MAX_STORED>,
    /// Artifacts in whose place something else stands.
    pub taken: Vec<Artifact, MAX_LEFTOVERS>,
    /// What was left half done.
    pub leftovers: Vec<Leftover, MAX_LEFTOVERS>,
    /// What is remembered of releases.
    pub marks: Marks,
    /// What the boot loader is like.
    pub loader: Loader,
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

    /// The release that a fall back leads to: the newest one that was called good.
    pub fn last_good(&self) -> Option<ReleaseId> {
        self.listing.releases().iter().map(Release::id).find(|id| self.marks.is_good(*id))
    }

    /// Whether a release must not be pruned.
    pub fn protects(&self, id: ReleaseId) -> bool {
        self.marks.protect(id) || self.last_good() == Some(id)
    }

    /// The first artifact that a release has and the disk has not.
    pub fn missing<'r>(&self, release: &'r Release) -> Option<&'r Artifact> {
        release.artifacts.iter().find(|artifact| self.stored(artifact).is_none())
    }
}
