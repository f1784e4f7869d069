//! Which release a boot takes.

use crate::layout::{LATEST, VM_ROOT};
use crate::state::Marks;
use crate::{Artifact, Listing, Release};
use core::fmt;

/// What the boot was asked for: `dock0.release=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Where the `latest` link points.
    #[default]
    Latest,
    /// This number.
    Number(u32),
}

/// Why no release could be selected. Prints itself as a sentence.
#[derive(Debug, PartialEq, Eq)]
pub enum Impossible<'l> {
    /// There is no release at all.
    NoReleases,
    /// The `latest` link is missing or does not point at a release.
    NoLatest,
    /// The release does not exist; these do.
    Missing(u32, &'l [Release]),
    /// The release has no `vm_root`.
    NoRoot(&'l Release),
}

impl fmt::Display for Impossible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impossible::NoReleases => f.write_str("the boot partition holds no releases"),
            Impossible::NoLatest => write!(f, "the link {LATEST} is missing or does not point at releases/<number>"),
            Impossible::Missing(number, have) => {
                write!(f, "release {number} does not exist; the boot partition holds")?;
                have.iter().try_for_each(|release| write!(f, " {}", release.number))
            }
            Impossible::NoRoot(release) => {
                write!(f, "release {} has no {VM_ROOT}; it has {release}", release.number)
            }
        }
    }
}

/// The wanted release and its root image.
pub fn select(listing: &Listing, wanted: Selection) -> Result<(&Release, &Artifact), Impossible<'_>> {
    if listing.releases().is_empty() {
        return Err(Impossible::NoReleases);
    }
    let number = match wanted {
        Selection::Latest => listing.latest.ok_or(Impossible::NoLatest)?,
        Selection::Number(number) => number,
    };
    let release = listing.release(number).ok_or(Impossible::Missing(number, listing.releases()))?;
    let root = release.artifact(VM_ROOT).ok_or(Impossible::NoRoot(release))?;
    Ok((release, root))
}

/// The newest release that has a root image, a bad one only where there is no other: what is booted where none of the newest can be
/// had.
pub fn newest_with_root<'l>(listing: &'l Listing, marks: &Marks) -> Option<&'l Release> {
    let with_root = listing.releases().iter().filter(|release| release.has_root());
    with_root.min_by_key(|release| (marks.is_bad(release.id()), release.number))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::state::Mark;
    use std::string::ToString;

    fn release(number: u32, artifacts: &[(&str, &str)]) -> Release {
        let artifacts = artifacts
            .iter()
            .map(|(name, version)| Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() })
            .collect();
        Release { number, artifacts }
    }

    fn listing(latest: Option<u32>) -> Listing {
        let mut listing = Listing::default();
        listing.latest = latest;
        listing.insert(release(0, &[("kernel", "2"), ("vm_root", "b")])).unwrap();
        listing.insert(release(5, &[("kernel", "1"), ("vm_root", "a")])).unwrap();
        listing.insert(release(7, &[("kernel", "1")])).unwrap();
        listing.insert(release(8, &[])).unwrap();
        listing
    }

    #[test]
    fn the_wanted_release_is_selected() {
        for (latest, wanted, number, version) in [
            (Some(0), Selection::Latest, 0, "b"),
            (Some(5), Selection::Latest, 5, "a"),
            (Some(0), Selection::Number(5), 5, "a"),
            (None, Selection::Number(0), 0, "b"),
        ] {
            let listing = listing(latest);
            let (release, root) = select(&listing, wanted).unwrap();
            assert_eq!((release.number, root.version.as_str()), (number, version), "{wanted:?} of {latest:?}");
        }
    }

    #[test]
    fn each_impossible_wish_has_its_sentence() {
        for (latest, wanted, sentence) in [
            (None, Selection::Latest, "the link latest is missing or does not point at releases/<number>"),
            (Some(3), Selection::Latest, "release 3 does not exist; the boot partition holds 0 5 7 8"),
            (Some(0), Selection::Number(1), "release 1 does not exist; the boot partition holds 0 5 7 8"),
            (Some(0), Selection::Number(7), "release 7 has no vm_root; it has kernel 1"),
            (Some(0), Selection::Number(8), "release 8 has no vm_root; it has nothing"),
        ] {
            assert_eq!(select(&listing(latest), wanted).unwrap_err().to_string(), sentence);
        }
        let empty = Listing::default();
        assert_eq!(select(&empty, Selection::Latest).unwrap_err().to_string(), "the boot partition holds no releases");
    }

    #[test]
    fn the_newest_release_with_a_root_is_found_whatever_stands_before_it() {
        let mut marks = Marks::default();
        let found = |listing: &Listing, marks: &Marks| newest_with_root(listing, marks).map(|release| release.number);
        assert_eq!(found(&listing(Some(0)), &marks), Some(0));
        let mut listing = Listing::default();
        for (number, artifacts) in
            [(9, &[("vm_root", "a")][..]), (0, &[("kernel", "1")]), (4, &[("vm_root", "b")]), (5, &[("vm_root", "c")])]
        {
            listing.insert(release(number, artifacts)).unwrap();
        }
        for want in [4, 5, 9, 4] {
            assert_eq!(found(&listing, &marks), Some(want));
            let bad = listing.release(want).unwrap().id();
            marks.insert(Mark::Bad, bad);
        }
        assert_eq!(found(&Listing::default(), &marks), None);
    }
}
