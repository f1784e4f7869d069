//! One change of the releases, from what somebody asks for to the last step of its plan.

use super::apply::{Event, take};
use super::files::Files;
use super::supply::Supply;
use super::survey::{self, Remarks};
use crate::failure::{Doing, Failure};
use menagerie::plan::Orphans;
use menagerie::{Artifact, Inventory, Layout, NewRelease, Plan, Policy, ReleaseId, Step, Which, Wish, space};

/// What somebody asks for.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new release of these artifacts.
    Add(Vec<Given>),
    /// This release becomes 0.
    Rollback(Which),
    /// This release is never pruned.
    Pin(Which),
    /// It may be pruned again.
    Unpin(Which),
    /// This release is good.
    Approve(Which),
    /// Its trial begins anew.
    Renew(Which),
    /// The first is bad, if one is named, and the second becomes 0.
    FallBack(Option<ReleaseId>, ReleaseId),
    /// Old releases and orphans go.
    Reap,
}

/// An artifact of a new release.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which one.
    pub artifact: Artifact,
    /// Where its bytes are.
    pub origin: Origin,
}

/// Where the bytes of an artifact are.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// On the disk already.
    Standing,
    /// In a file; the artifact gets this mode, if one was said.
    File(Option<u32>),
    /// On the network.
    Remote,
}

/// How a change is made.
pub struct Terms<'t, F> {
    /// Where things stand.
    pub layout: &'t Layout,
    /// What is kept.
    pub policy: Policy,
    /// The release that this machine runs from.
    pub running: Option<ReleaseId>,
    /// Where new artifacts come from.
    pub supply: &'t dyn Supply<F>,
}

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It is.
    Given,
    /// It is only shown.
    Withheld,
}

/// How a change ended that was not made as asked.
#[derive(Debug)]
pub enum Unmade {
    /// Nothing that anybody would boot from has changed.
    Nothing(Failure),
    /// The change is made, but what the old state needed could not all be cleared away; the next change does it.
    Uncleared(Failure),
}

impl Unmade {
    /// The sentence.
    pub fn failure(&self) -> &Failure {
        match self {
            Unmade::Nothing(failure) | Unmade::Uncleared(failure) => failure,
        }
    }
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Self {
        Unmade::Nothing(failure)
    }
}

/// Makes a change. `show` sees the plan, what it was made from, and what was left out of that, before its first step, and may
/// withhold its consent; `tell` hears each step.
pub fn make<F: Files>(
    files: &F,
    terms: &Terms<F>,
    change: &Change,
    show: &mut dyn FnMut(&Plan, &Inventory, &Remarks) -> Consent,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Unmade> {
    let (inventory, remarks) = survey::inventory(files, terms.layout, terms.running);
    if let [first, ..] = &remarks.unread[..] {
        return Err(Failure::new(format!("{first}; nothing is changed on such grounds")).into());
    }
    let new;
    let wish = match change {
        Change::Add(given) => {
            new = new_release(files, terms, given)?;
            Wish::Install(&new)
        }
        Change::Rollback(which) => Wish::Rollback(*which),
        Change::Pin(which) => Wish::Pin(*which),
        Change::Unpin(which) => Wish::Unpin(*which),
        Change::Approve(which) => Wish::Approve(*which),
        Change::Renew(which) => Wish::Renew(*which),
        Change::FallBack(bad, to) => Wish::FallBack(*bad, *to),
        Change::Reap => Wish::Reap,
    };
    let plan = plan_with_room(files, terms, wish, &inventory, &remarks)?;
    match show(&plan, &inventory, &remarks) {
        Consent::Given => carry_out(files, terms, &plan, tell),
        Consent::Withheld => Ok(()),
    }
}

/// The plan; where there is no room for it, one that removes orphans first.
fn plan_with_room<'a, F: Files>(
    files: &F,
    terms: &Terms<F>,
    wish: Wish<'a>,
    inventory: &'a Inventory,
    remarks: &Remarks,
) -> Result<Plan<'a>, Failure> {
    let plan = |policy| {
        menagerie::plan(inventory, wish, policy).map_err(|refused| {
            let foreign = remarks.foreign.iter().map(|line| format!("\n  {line}")).collect::<String>();
            Failure::new(format!("{refused}{foreign}"))
        })
    };
    let free = files.free().doing(|| format!("asking how full {} is", files.show("")))?;
    let first = plan(terms.policy)?;
    let Err(short) = space::check(&first, inventory, wish, free) else { return Ok(first) };
    if terms.policy.orphans == Orphans::Remove {
        let second = plan(Policy { orphans: Orphans::RemoveFirst, ..terms.policy })?;
        if space::check(&second, inventory, wish, free).is_ok() {
            return Ok(second);
        }
    }
    Err(Failure::new(format!("{} is too full: {short}", files.show(""))))
}

/// Takes the steps. Once the trees have changed places the change is made, whatever comes after.
fn carry_out<F: Files>(files: &F, terms: &Terms<F>, plan: &Plan, tell: &mut dyn FnMut(Event)) -> Result<(), Unmade> {
    let turn = plan.steps.iter().rposition(|step| matches!(step, Step::Turn | Step::Link));
    for (place, step) in plan.steps.iter().enumerate() {
        tell(Event::Begins(step));
        if let Err(failure) = take(files, terms.layout, plan, step, terms.supply, tell) {
            let turned = turn.is_some_and(|turn| place >= turn) && is_made(files, terms.layout, plan);
            return Err(if turned { Unmade::Uncleared(failure) } else { Unmade::Nothing(failure) });
        }
    }
    Ok(())
}

/// Whether the releases are what the plan wants them to be.
fn is_made(files: &impl Files, layout: &Layout, plan: &Plan) -> bool {
    let Ok((listing, _)) = survey::listing(files, layout) else { return false };
    let ids = listing.releases().iter().map(|release| release.id());
    listing.latest == Some(0) && ids.eq(plan.next.iter().map(|artifacts| ReleaseId::of(artifacts)))
}

fn new_release<F: Files>(files: &F, terms: &Terms<F>, given: &[Given]) -> Result<NewRelease, Failure> {
    let mut new = NewRelease::default();
    for given in given {
        let source = terms.supply.look(files, terms.layout, given)?;
        let artifact = &given.artifact;
        new.add(terms.layout, artifact.clone(), source).map_err(|why| Failure::new(format!("{artifact} {why}")))?;
    }
    Ok(new)
}
