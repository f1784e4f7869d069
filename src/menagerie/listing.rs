//! What stands on a boot partition, as a value: read once, then every rule works on this and not on the disk.

use crate::layout::VM_ROOT;
use crate::{Name, Refused, Version, Which};
use core::fmt;
use heapless::Vec;

/// The most artifacts one release may have.
pub const MAX_ARTIFACTS: usize = 16;
/// The most releases that are listed; older ones than the first 64 found are left alone.
pub const MAX_RELEASES: usize = 64;

/// One artifact of a release, as its link says. Sorted by name, then by version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artifact {
    /// What it is.
    pub name: Name,
    /// Which one it is.
    pub version: Version,
}

/// One release: its number and its artifacts, in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// 0 is the newest.
    pub number: u32,
    /// At most [`MAX_ARTIFACTS`].
    pub artifacts: Vec<Artifact, MAX_ARTIFACTS>,
}

impl Release {
    /// The artifact called `name`, if the release has it.
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.name.as_str() == name)
    }

    /// Whether it has something to boot from, beside its kernel.
    pub fn has_root(&self) -> bool {
        self.artifact(VM_ROOT).is_some()
    }
}

/// `kernel 6.12.117`
impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// `kernel 6.12.117, vm_root 3`; `nothing` for an empty release.
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Artifacts(&self.artifacts).fmt(f)
    }
}

/// A release's artifacts, as they are printed.
pub struct Artifacts<'a>(pub &'a [Artifact]);

impl fmt::Display for Artifacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (place, artifact) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{artifact}")?;
        }
        Ok(())
    }
}

/// Why a release was not taken into a [`Listing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotListed {
    /// The listing has [`MAX_RELEASES`].
    Full,
    /// The listing has this number.
    Twice,
}

/// The releases of one boot partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Which release the `latest` link means; `None` where there is no such link or it points elsewhere.
    pub latest: Option<u32>,
    /// Sorted by number, at most [`MAX_RELEASES`].
    releases: Vec<Release, MAX_RELEASES>,
}

impl Listing {
    /// The releases, newest first.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The release with this number.
    pub fn release(&self, number: u32) -> Option<&Release> {
        self.releases.iter().find(|r| r.number == number)
    }

    /// The release that `latest` leads to, if it is there.
    pub fn newest(&self) -> Option<&Release> {
        self.release(self.latest?)
    }

    /// The release that is meant.
    pub fn find(&self, which: Which) -> Result<&Release, Refused<'_>> {
        let found = match which {
            Which::Older => self.releases.get(1),
            Which::Number(_) | Which::Id(_) => self.releases.iter().find(|release| which.is(release)),
        };
        found.ok_or(Refused::Missing(which, &self.releases))
    }

    /// Adds a release at its place.
    pub fn insert(&mut self, release: Release) -> Result<(), NotListed> {
        match self.releases.binary_search_by_key(&release.number, |r| r.number) {
            Ok(_) => Err(NotListed::Twice),
            Err(place) => self.releases.insert(place, release).map_err(|_| NotListed::Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(number: u32) -> Release {
        Release { number, artifacts: Vec::new() }
    }

    #[test]
    fn releases_are_sorted_whatever_the_order_they_came_in() {
        let mut listing = Listing::default();
        for number in [5, 0, 17, 1] {
            listing.insert(empty(number)).unwrap();
        }
        let numbers: Vec<u32, 8> = listing.releases().iter().map(|r| r.number).collect();
        assert_eq!(numbers, [0, 1, 5, 17]);
    }

    #[test]
    fn a_number_twice_and_a_65th_release_are_given_back() {
        let mut listing = Listing::default();
        for number in 0..64 {
            listing.insert(empty(number)).unwrap();
        }
        assert_eq!(listing.insert(empty(3)), Err(NotListed::Twice));
        assert_eq!(listing.insert(empty(64)), Err(NotListed::Full));
        assert_eq!(listing.releases().len(), 64);
    }
}
