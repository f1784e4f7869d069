//! What to do to a boot partition so that a wish comes true: a list of steps, computed from what stands there.
//!
//! Nothing is decided while the steps are carried out. Stopping after any of them is harmless: a plan for the same wish,
//! computed from what then stands there, leads to the same end.

use crate::inventory::{Inventory, Leftover, MAX_LEFTOVERS, MAX_STORED};
use crate::layout::{INITRD, KERNEL, VM_ROOT};
use crate::listing::{Artifacts, MAX_ARTIFACTS, MAX_RELEASES};
use crate::new_release::{NewRelease, Source};
use crate::plan_marks::check_bad;
use crate::refused::Refused;
use crate::state::{Mark, TRIES};
use crate::{Artifact, Release, ReleaseId, Step, Which};
use core::fmt;
use heapless::Vec;

/// How many old releases are kept besides the newest where nobody says otherwise.
pub const RETAIN: u32 = 5;
/// The most that can be asked for: with the newest these are [`MAX_RELEASES`].
pub const MAX_RETAIN: u32 = 63;
/// The mode of a new artifact's file where nobody says otherwise.
pub const MODE: u32 = 0o644;
/// The most steps a plan can have.
const MAX_STEPS: usize = MAX_LEFTOVERS + MAX_STORED + 2 * MAX_ARTIFACTS + 3 * MAX_RELEASES + 16;

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// A release that becomes 0. If it is there already, it becomes 0 again; if it is 0, it stays.
    Install(&'a NewRelease),
    /// This release becomes 0; the others keep their order.
    Rollback(Which),
    /// This release is never pruned.
    Pin(Which),
    /// It may be pruned again.
    Unpin(Which),
    /// This release is good: its trial is over.
    Approve(Which),
    /// Its trial begins anew.
    Renew(Which),
    /// The first of these is bad, if there is one, and the second takes its place.
    FallBack(Option<ReleaseId>, ReleaseId),
    /// Old releases and orphans go.
    Reap,
}

/// What to keep, and what to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many old releases besides release 0; at most [`MAX_RETAIN`]. Those that are protected stay beyond it.
    pub retain: u32,
    /// What becomes of artifacts that no release has.
    pub orphans: Orphans,
    /// What becomes of a wish for a release that is bad.
    pub bad: Bad,
    /// How often the boot loader may start a release that is not good; at most [`crate::state::MAX_TRIES`], and 0 is as often
    /// as it comes.
    pub tries: u8,
}

/// What becomes of a wish for a release that is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It is refused.
    Refuse,
    /// It is forgiven, and has all its tries again.
    Forgive,
}

/// What becomes of artifacts that no release has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They are removed, at the end.
    Remove,
    /// They are removed before anything is written, for want of room.
    RemoveFirst,
    /// They stay.
    Keep,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { retain: RETAIN, orphans: Orphans::Remove, bad: Bad::Refuse, tries: TRIES }
    }
}

/// The steps to a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'a> {
    /// In their order.
    pub steps: Vec<Step<'a>, MAX_STEPS>,
    /// What the releases are afterwards: their artifacts, by number.
    pub next: Vec<&'a [Artifact], MAX_RELEASES>,
}

/// A line a step; under the one that builds the releases a line for each.
impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return writeln!(f, "nothing to do");
        }
        for step in &self.steps {
            writeln!(f, "{step}")?;
            if *step == Step::Build {
                for (number, artifacts) in self.next.iter().enumerate() {
                    writeln!(f, "  {number}: {}", Artifacts(artifacts))?;
                }
            }
        }
        Ok(())
    }
}

/// The plan for a wish, or why there is none.
pub fn plan<'a>(inventory: &'a Inventory, wish: Wish<'a>, policy: Policy) -> Result<Plan<'a>, Refused<'a>> {
    let listed = inventory.listing.releases();
    let kept = |place: usize, artifacts: &[Artifact]| {
        // The place is at most MAX_RELEASES.
        let is_young = u32::try_from(place).is_ok_and(|place| place <= policy.retain);
        (is_young && !is_spent_bootstrap(inventory, place, artifacts)) || inventory.protects(ReleaseId::of(artifacts))
    };
    let mut plan = Plan { steps: Vec::new(), next: Vec::new() };
    match wish {
        Wish::Install(new) => {
            check_new(inventory, new)?;
            check_bad(inventory, policy, ReleaseId::of(&new.artifacts))?;
            plan.next = in_front(Some(&new.artifacts), listed, kept)?;
        }
        Wish::FallBack(_, to) => {
            plan.next = in_front(Some(&inventory.listing.find(Which::Id(to))?.artifacts), listed, |_, _| true)?;
        }
        Wish::Rollback(which) => {
            let release = inventory.listing.find(which)?;
            check_bad(inventory, policy, release.id())?;
            if let Some(artifact) = inventory.missing(release) {
                return Err(Refused::Incomplete { which, artifact });
            }
            if let Some(name) = lacking(inventory, &release.artifacts) {
                return Err(Refused::WouldNotBoot { which, name });
            }
            plan.next = in_front(Some(&release.artifacts), listed, |_, _| true)?;
        }
        Wish::Reap => plan.next = in_front(None, listed, kept)?,
        Wish::Pin(_) | Wish::Unpin(_) | Wish::Approve(_) | Wish::Renew(_) => {
            plan.sweep(inventory, wish);
            plan.change_marks(inventory, wish)?;
            return Ok(plan);
        }
    }
    plan.change_releases(inventory, wish, policy)?;
    Ok(plan)
}

impl<'a> Plan<'a> {
    /// From the releases of the inventory to those in `next`.
    fn change_releases(&mut self, inventory: &'a Inventory, wish: Wish<'a>, policy: Policy) -> Result<(), Refused<'a>> {
        let turn = self.turns(inventory);
        let orphans = match wish {
            Wish::Rollback(_) | Wish::FallBack(..) => Orphans::Keep,
            Wish::Install(_) | Wish::Reap | Wish::Pin(_) | Wish::Unpin(_) | Wish::Approve(_) | Wish::Renew(_) => {
                policy.orphans
            }
        };
        self.push(Step::Checkpoint);
        if let Wish::FallBack(Some(bad), _) = wish
            && !inventory.marks.is_bad(bad)
        {
            self.push(Step::Mark(Mark::Bad, bad));
        }
        self.sweep_all(inventory, wish);
        if orphans == Orphans::RemoveFirst {
            self.remove(inventory, |artifact| !inventory.is_used(artifact));
        }
        if let Wish::Install(new) = wish {
            self.write(inventory, new);
        }
        self.prepare_trial(inventory, wish, policy, turn);
        if turn {
            self.push(Step::Build);
            self.push(Step::Turn);
        }
        self.let_loader_rest(inventory);
        if inventory.listing.latest.is_none() && !self.next.is_empty() {
            self.push(Step::Link);
        }
        if turn && inventory.has_releases {
            self.push(Step::Discard);
        }
        match orphans {
            Orphans::Keep => {}
            Orphans::RemoveFirst => self.remove(inventory, |artifact| inventory.is_used(artifact)),
            Orphans::Remove => self.remove(inventory, |_| true),
        }
        self.forget_gone(inventory);
        if self.steps.len() == 1 {
            self.steps.clear(); // a checkpoint for nothing
        }
        self.check_losses(inventory, wish)
    }

    /// Nothing may go that is none of ours, or that somebody may need whom we do not know.
    fn check_losses(&self, inventory: &'a Inventory, wish: Wish<'a>) -> Result<(), Refused<'a>> {
        let has = |fits: fn(&Step) -> bool| self.steps.iter().any(fits);
        let (turns, removes) = (has(|step| *step == Step::Build), has(|step| matches!(step, Step::Remove(_))));
        let ours = |artifact: &Artifact| matches!(wish, Wish::Install(new) if new.artifacts.contains(artifact));
        let strange = |step: &&Step| matches!(step, Step::Remove(stored) if !ours(&stored.artifact));
        let strangers = self.steps.iter().filter(strange).count();
        if (turns || removes) && inventory.surplus > 0 {
            return Err(Refused::TooMany(inventory.surplus));
        }
        if (turns || removes) && inventory.foreign > 0 {
            return Err(Refused::Foreign(inventory.foreign));
        }
        if inventory.listing.releases().is_empty() && strangers > 0 {
            return Err(Refused::NoReleases(strangers));
        }
        if turns || has(|step| *step == Step::Link) {
            return match inventory.listing.latest {
                Some(number @ 1..) => Err(Refused::LatestElsewhere(number)),
                None if inventory.odd_latest => Err(Refused::OddLatest),
                Some(0) | None => Ok(()),
            };
        }
        Ok(())
    }

    /// Whether the tree of releases is any other than what `next` says.
    fn turns(&self, inventory: &Inventory) -> bool {
        let listed = inventory.listing.releases();
        let same = |(release, (number, next)): (&Release, (u32, &&[Artifact]))| {
            release.number == number && release.id() == ReleaseId::of(next)
        };
        listed.len() != self.next.len() || !listed.iter().zip((0..).zip(&self.next)).all(same)
    }

    /// For a wish that leaves the releases as they are.
    fn sweep(&mut self, inventory: &'a Inventory, wish: Wish<'_>) {
        if !inventory.leftovers.is_empty() {
            self.push(Step::Checkpoint);
            self.sweep_all(inventory, wish);
        }
    }

    /// Everything but what the wish goes on with.
    fn sweep_all(&mut self, inventory: &'a Inventory, wish: Wish<'_>) {
        for leftover in &inventory.leftovers {
            let taken_up = match (wish, leftover) {
                (Wish::Install(new), Leftover::Part(artifact, _)) => new.takes_up(artifact),
                _ => false,
            };
            if !taken_up {
                self.push(Step::Sweep(leftover));
            }
        }
    }

    /// Removes the artifacts that fit and that no release of `next` has.
    fn remove(&mut self, inventory: &'a Inventory, fits: impl Fn(&Artifact) -> bool) {
        for stored in &inventory.stored {
            let kept = self.next.iter().any(|artifacts| artifacts.contains(&stored.artifact));
            if !kept && fits(&stored.artifact) {
                self.push(Step::Remove(stored));
            }
        }
    }

    /// Writes what is not there, and anew what is there with other bytes and belongs to no release.
    fn write(&mut self, inventory: &'a Inventory, new: &'a NewRelease) {
        for (artifact, source) in new.artifacts.iter().zip(&new.sources) {
            let (size, mode) = match source {
                Source::Standing => continue,
                Source::File { size, mode, .. } => (*size, mode.unwrap_or(MODE)),
                Source::Remote { size, .. } => (Some(*size), MODE),
            };
            let stored = inventory.stored(artifact);
            if let Some(stored) = stored.filter(|_| source.differs()) {
                self.push(Step::Remove(stored));
            }
            if stored.is_none() || source.differs() {
                self.push(Step::Write(artifact, size, mode));
            }
        }
    }

    pub(crate) fn push(&mut self, step: Step<'a>) {
        // There is room for a removal of everything that an inventory can hold; one that found none would only be left to
        // the next run.
        self.steps.push(step).unwrap_or_default();
    }
}

/// Releases with anything in them. An empty one is what a rotation that was cut short has left.
fn filled(releases: &[Release]) -> impl Iterator<Item = &[Artifact]> {
    releases.iter().map(|release| &release.artifacts[..]).filter(|artifacts| !artifacts.is_empty())
}

/// `front`, and behind it the others in their order, as far as `keeps` says so.
fn in_front<'a>(
    front: Option<&'a [Artifact]>,
    releases: &'a [Release],
    keeps: impl Fn(usize, &[Artifact]) -> bool,
) -> Result<Vec<&'a [Artifact], MAX_RELEASES>, Refused<'a>> {
    let mut next = Vec::new();
    let id = front.map(ReleaseId::of);
    let others = filled(releases).filter(|artifacts| Some(ReleaseId::of(artifacts)) != id);
    for (place, artifacts) in front.into_iter().chain(others).enumerate() {
        if keeps(place, artifacts) {
            next.push(artifacts).map_err(|_| Refused::Full)?;
        }
    }
    Ok(next)
}

/// Whether it is a release to start with, of kernel and initrd alone, that is needed no more: a real one was called good.
fn is_spent_bootstrap(inventory: &Inventory, place: usize, artifacts: &[Artifact]) -> bool {
    let is = |name: &str| artifacts.iter().any(|artifact| artifact.name.as_str() == name);
    place > 0 && is(KERNEL) && is(INITRD) && !is(VM_ROOT) && !inventory.marks.good.is_empty()
}

/// Whether a new release can take the place of the present one.
fn check_new<'a>(inventory: &'a Inventory, new: &'a NewRelease) -> Result<(), Refused<'a>> {
    for (artifact, source) in new.artifacts.iter().zip(&new.sources) {
        match (source, inventory.stored(artifact)) {
            (_, None) if inventory.taken.contains(artifact) => return Err(Refused::Taken(artifact)),
            (Source::Standing, None) => return Err(Refused::NotThere(artifact)),
            (source, Some(_)) if source.differs() && inventory.is_used(artifact) => {
                return Err(Refused::Differs(artifact));
            }
            (Source::File { alike: true, mode: Some(mode), .. }, Some(stored)) if stored.mode != *mode => {
                return Err(Refused::OtherMode(artifact, stored.mode));
            }
            _ => {}
        }
    }
    match lacking(inventory, &new.artifacts) {
        Some(name) => Err(Refused::Lacks(name)),
        None => Ok(()),
    }
}

/// What GRUB or init needs and the present release has, but these artifacts have not. It would strand the VM.
fn lacking(inventory: &Inventory, artifacts: &[Artifact]) -> Option<&'static str> {
    let has = |artifacts: &[Artifact], name: &str| artifacts.iter().any(|artifact| artifact.name.as_str() == name);
    let present = filled(inventory.listing.releases()).next().unwrap_or_default();
    [KERNEL, INITRD, VM_ROOT].into_iter().find(|name| has(present, name) && !has(artifacts, name))
}
