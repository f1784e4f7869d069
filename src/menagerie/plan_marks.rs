//! The steps of a plan that change what is remembered of releases, and what the boot loaders count.

use crate::inventory::{Inventory, Loader};
use crate::listing::MAX_RELEASES;
use crate::plan::{Bad, Plan, Policy, Wish};
use crate::refused::Refused;
use crate::state::Mark;
use crate::{Release, ReleaseId, Step, Which};
use heapless::Vec;

/// How many releases that are gone are remembered as bad.
const MAX_BAD_AND_GONE: usize = MAX_RELEASES / 2;

/// What was found out in a trial is not tried again by mistake.
pub(crate) fn check_bad<'a>(inventory: &Inventory, policy: Policy, id: ReleaseId) -> Result<(), Refused<'a>> {
    match policy.bad {
        Bad::Refuse if inventory.marks.is_bad(id) => Err(Refused::Bad(id)),
        Bad::Refuse | Bad::Forgive => Ok(()),
    }
}

impl<'a> Plan<'a> {
    /// For a wish that leaves the releases as they are.
    pub(crate) fn change_marks(&mut self, inventory: &'a Inventory, wish: Wish<'_>) -> Result<(), Refused<'a>> {
        let (listing, marks) = (&inventory.listing, &inventory.marks);
        match wish {
            Wish::Pin(which) => {
                let id = listing.find(which)?.id();
                if !marks.is_pinned(id) {
                    self.push(Step::Mark(Mark::Pinned, id));
                }
            }
            Wish::Unpin(which) => {
                let id = find_pinned(inventory, which)?;
                if marks.is_pinned(id) {
                    self.push(Step::Unmark(Mark::Pinned, id));
                }
            }
            Wish::Approve(which) => self.approve(inventory, listing.find(which)?),
            Wish::Renew(which) => self.forget(inventory, listing.find(which)?.id()),
            Wish::Install(_) | Wish::Rollback(_) | Wish::FallBack(..) | Wish::Reap => {}
        }
        Ok(())
    }

    /// What comes before the releases turn: whoever takes the first place has all its tries, and the boot loader counts them. One
    /// that counts too early does no harm, since PID 1 sets it right; one that counts too late could. So could one that has counted
    /// to the end and stays there, which starts another release than the one that has its place: it begins anew even where the
    /// next release is good.
    pub(crate) fn prepare_trial(&mut self, inventory: &'a Inventory, wish: Wish<'a>, policy: Policy, turn: bool) {
        let Some(front) = self.front().filter(|_| !matches!(wish, Wish::Reap)) else { return };
        self.begin_trial(inventory, front, wish, turn);
        let is_new = inventory.listing.releases().first().map(Release::id) != Some(front);
        let counts = match inventory.loader {
            Loader::Simple => false,
            Loader::Idle => policy.tries > 0 && !inventory.marks.is_good(front),
            Loader::Counting => policy.tries > 0 || inventory.marks.is_good(front),
        };
        if is_new && counts && self.next.len() > 1 {
            self.push(Step::Arm(policy.tries.max(1)));
        }
    }

    /// What comes after they have turned: the starts of a good release are not counted, and neither are those of the only one.
    pub(crate) fn let_loader_rest(&mut self, inventory: &Inventory) {
        let is_good = self.front().is_some_and(|id| inventory.marks.is_good(id));
        if inventory.loader == Loader::Counting && (is_good || self.next.len() == 1) {
            self.push(Step::Disarm);
        }
    }

    /// The release that is 0 afterwards.
    fn front(&self) -> Option<ReleaseId> {
        self.next.first().map(|artifacts| ReleaseId::of(artifacts))
    }

    /// Whoever takes the first place has all its tries, and is forgiven if it was bad and is wanted all the same.
    fn begin_trial(&mut self, inventory: &'a Inventory, id: ReleaseId, wish: Wish<'a>, turn: bool) {
        let forgiven = inventory.marks.is_bad(id) && !matches!(wish, Wish::FallBack(..));
        if forgiven {
            self.push(Step::Unmark(Mark::Bad, id));
        }
        if forgiven || turn || matches!(wish, Wish::FallBack(..)) {
            self.forget(inventory, id);
        }
    }

    /// Its trial is over, and the boot loader's too if it is the one that starts.
    fn approve(&mut self, inventory: &'a Inventory, release: &Release) {
        let (id, marks) = (release.id(), &inventory.marks);
        if !marks.is_good(id) {
            self.push(Step::Mark(Mark::Good, id));
        }
        if marks.is_bad(id) {
            self.push(Step::Unmark(Mark::Bad, id));
        }
        self.forget(inventory, id);
        if inventory.loader == Loader::Counting && release.number == 0 {
            self.push(Step::Disarm);
        }
    }

    fn forget(&mut self, inventory: &Inventory, id: ReleaseId) {
        inventory.marks.trials.iter().filter(|trial| trial.id == id).for_each(|trial| self.push(Step::Forget(*trial)));
    }

    /// What is remembered of releases that are there no more. That they were bad is forgotten only of so many that nothing else would
    /// be known soon.
    pub(crate) fn forget_gone(&mut self, inventory: &Inventory) {
        let next: Vec<ReleaseId, MAX_RELEASES> = self.next.iter().map(|artifacts| ReleaseId::of(artifacts)).collect();
        let is_gone = |id: &ReleaseId| !next.contains(id);
        inventory.marks.good.iter().filter(|id| is_gone(id)).for_each(|id| self.push(Step::Unmark(Mark::Good, *id)));
        let trials = inventory.marks.trials.iter().filter(|trial| is_gone(&trial.id));
        trials.for_each(|trial| self.push(Step::Forget(*trial)));
        let bad = inventory.marks.bad.iter().filter(|id| is_gone(id));
        bad.skip(MAX_BAD_AND_GONE).for_each(|id| self.push(Step::Unmark(Mark::Bad, *id)));
    }
}

/// A pinned release may be gone; its mark is there.
fn find_pinned(inventory: &Inventory, which: Which) -> Result<ReleaseId, Refused<'_>> {
    match which {
        Which::Id(id) if inventory.marks.is_pinned(id) => Ok(id),
        Which::Id(_) | Which::Number(_) | Which::Older => inventory.listing.find(which).map(Release::id),
    }
}
