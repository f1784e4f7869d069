//! Which release a boot takes where a new one has to prove itself first: trials, and the way back out of them.
//!
//! A release that a running system has called good is booted as often as it comes. Any other has so many tries, of which a boot
//! spends one. Out of them it is bad, and the last good one takes its place.

use crate::layout::{INITRD, KERNEL};
use crate::state::{Marks, Trial};
use crate::{Impossible, Listing, Release, ReleaseId, Selection};
use core::iter;

/// What the boot loader has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// What was asked for: the newest release, or the one that somebody has chosen.
    Asked(Selection),
    /// This one, since the newest could not be loaded, or was started as often as it may be and never got as far as this.
    Instead(u32),
}

/// What is booted, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'l> {
    /// This release, and nothing is counted.
    Boot(&'l Release),
    /// This release, which has so many tries left after this one.
    Try {
        /// The newest one.
        release: &'l Release,
        /// What is to be written down of it.
        spent: Trial,
        /// When.
        cost: Cost,
    },
    /// The first is bad, and the second takes its place.
    FallBack {
        /// It is out of tries, or was bad before.
        from: &'l Release,
        /// The last good one; where none is good, the newest that is not bad.
        to: &'l Release,
        /// What is wrong with the first.
        why: Why,
    },
    /// There is nothing better than this one, which begins anew: the newest that is whole.
    BeginAnew(&'l Release),
    /// This one, the newest, never came up, and nothing else can be booted. Its kernel is not started once more from here: it may
    /// hang, and what runs now can call for help.
    Stuck(&'l Release),
}

/// When a try is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// By every boot: there is a good release to go back to.
    EveryBoot,
    /// By a boot that fails before the root takes over: there is another release, but nobody has called it good, so that silence
    /// means nothing.
    EveryFailure,
}

/// What is wrong with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was tried as often as it may be.
    OutOfTries,
    /// The boot loader could not start it, or its kernel never came to the boot partition.
    NeverStarted,
    /// It was bad before.
    Bad,
}

/// What a boot does. `tries` is how many a release has; with 0 nothing is counted and nothing falls back. `is_whole` says whether
/// everything that a release has stands on the disk; nobody is asked on the way of a good release.
pub fn judge<'l>(
    listing: &'l Listing,
    marks: &Marks,
    entry: Entry,
    tries: u8,
    is_whole: &mut dyn FnMut(&Release) -> bool,
) -> Result<Verdict<'l>, Impossible<'l>> {
    let named = |number| listing.release(number).ok_or(Impossible::Missing(number, listing.releases()));
    let newest = || named(listing.latest.ok_or(Impossible::NoLatest)?);
    let (started, newest) = match entry {
        _ if listing.releases().is_empty() => return Err(Impossible::NoReleases),
        Entry::Asked(Selection::Number(number)) => return named(number).map(Verdict::Boot),
        Entry::Asked(Selection::Latest) => newest().map(|newest| (newest, newest))?,
        Entry::Instead(number) => (named(number)?, newest().or_else(|_| named(number))?),
    };
    let id = newest.id();
    if tries == 0 {
        return Ok(Verdict::Boot(started));
    }
    let mut whole = |release: &&Release| is_whole(release);
    if marks.is_good(id) {
        let boots = |release: &&Release| release.has_root() && !marks.is_bad(release.id());
        // The boot loader may have started a bad one: its count was set back too late.
        let instead = || iter::once(newest).chain(others(listing, marks, newest)).filter(boots).find(&mut whole);
        return Ok(Verdict::Boot(Some(started).filter(boots).or_else(instead).unwrap_or(started)));
    }
    let (left, never_started) = (marks.tries_left(id, tries), started.number != newest.number);
    let why = if marks.is_bad(id) {
        Why::Bad
    } else if never_started {
        Why::NeverStarted
    } else if left == 0 {
        Why::OutOfTries
    } else {
        return Ok(spend(listing, marks, newest, left));
    };
    if let Some(to) = others(listing, marks, newest).find(&mut whole) {
        return Ok(Verdict::FallBack { from: newest, to, why });
    }
    let boots = |release: &&Release| release.has_root() && whole(release);
    if !never_started {
        return Ok(Verdict::BeginAnew(listing.releases().iter().find(boots).unwrap_or(started)));
    }
    // The one whose kernel does come up, bad as it is.
    let to = Some(started).filter(boots);
    Ok(to.map_or(Verdict::Stuck(newest), |to| Verdict::FallBack { from: newest, to, why }))
}

/// What boots where these cannot be booted, whatever the rules say of them, and nobody can be called: the newest good release, or else
/// the newest that is not bad, or else the newest.
pub fn another<'l>(
    listing: &'l Listing,
    marks: &Marks,
    without: &[ReleaseId],
    is_whole: &mut dyn FnMut(&Release) -> bool,
) -> Option<&'l Release> {
    let rest = listing.releases().iter().filter(|release| release.has_root() && !without.contains(&release.id()));
    let rank = |release: &&Release| {
        let id = release.id();
        (!marks.is_good(id), marks.is_bad(id), release.number)
    };
    rest.filter(|release| is_whole(release)).min_by_key(rank)
}

/// One try less, if there is anything to go back to when they are spent.
fn spend<'l>(listing: &'l Listing, marks: &Marks, release: &'l Release, left: u8) -> Verdict<'l> {
    let id = release.id();
    let spent = Trial { id, left: left.saturating_sub(1) };
    match others(listing, marks, release).next().map(|other| marks.is_good(other.id())) {
        None => Verdict::Boot(release),
        Some(true) => Verdict::Try { release, spent, cost: Cost::EveryBoot },
        Some(false) => Verdict::Try { release, spent, cost: Cost::EveryFailure },
    }
}

/// The releases that may take the place of this one: the good ones, newest first, then those of which nothing is known. The boot
/// loader must find in them what it loads now.
fn others<'l>(listing: &'l Listing, marks: &Marks, but: &Release) -> impl Iterator<Item = &'l Release> {
    let (but, loaded) = (but.id(), [KERNEL, INITRD].map(|name| but.artifact(name).map(|_| name)));
    let loads = move |release: &Release| loaded.iter().flatten().all(|name| release.artifact(name).is_some());
    let fits = move |release: &&Release, good: bool| {
        let id = release.id();
        id != but && release.has_root() && loads(release) && !marks.is_bad(id) && marks.is_good(id) == good
    };
    let all = listing.releases().iter();
    all.clone().filter(move |release| fits(release, true)).chain(all.filter(move |release| fits(release, false)))
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
