//! One change of the releases, from what somebody asks for to the last step of its plan.

use super::apply::{Event, Sources, apply};
use super::files::Files;
use super::survey;
use crate::failure::{Doing, Failure};
use menagerie::{Artifact, Layout, NewRelease, Plan, Policy, ReleaseId, Source, Which, Wish, space};
use rustix::io::Errno;
use std::io::Read;

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
    /// Old releases and orphans go.
    Reap,
}

/// An artifact of a new release.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which one.
    pub artifact: Artifact,
    /// The mode of the file it is made from; `None` where it has to stand already.
    pub mode: Option<u32>,
}

/// How a change is made.
pub struct Terms<'t> {
    /// Where things stand.
    pub layout: &'t Layout,
    /// What is kept.
    pub policy: Policy,
    /// The release that this machine runs from.
    pub running: Option<ReleaseId>,
    /// The bytes of new artifacts.
    pub sources: &'t Sources<'t>,
}

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It is.
    Given,
    /// It is only shown.
    Withheld,
}

/// Makes a change. `show` sees the plan, and what was left out of the inventory it was made from, before its first step, and
/// may withhold its consent; `tell` hears each step.
pub fn make(
    files: &impl Files,
    terms: &Terms,
    change: &Change,
    show: &mut dyn FnMut(&Plan, &[String]) -> Consent,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Failure> {
    let (inventory, oddities) = survey::inventory(files, terms.layout, terms.running)?;
    let new;
    let wish = match change {
        Change::Add(given) => {
            new = new_release(files, terms, given)?;
            Wish::Install(&new)
        }
        Change::Rollback(which) => Wish::Rollback(*which),
        Change::Pin(which) => Wish::Pin(*which),
        Change::Unpin(which) => Wish::Unpin(*which),
        Change::Reap => Wish::Reap,
    };
    let plan = menagerie::plan(&inventory, wish, terms.policy).map_err(|refused| {
        let oddities = oddities.iter().map(|oddity| format!("\n  {oddity}")).collect::<String>();
        Failure::new(format!("{refused}{}", if inventory.foreign > 0 { &oddities } else { "" }))
    })?;
    let free = files.free().doing(|| format!("asking how full {} is", files.show("")))?;
    space::check(&plan, &inventory, terms.policy, free)
        .map_err(|short| Failure::new(format!("{} is too full: {short}", files.show(""))))?;
    match show(&plan, &oddities) {
        Consent::Given => apply(files, terms.layout, &plan, terms.sources, tell),
        Consent::Withheld => Ok(()),
    }
}

fn new_release(files: &impl Files, terms: &Terms, given: &[Given]) -> Result<NewRelease, Failure> {
    let mut new = NewRelease::default();
    for Given { artifact, mode } in given {
        let source = match mode {
            None => Source::Standing,
            Some(mode) => {
                let doing = || format!("comparing {artifact} with what stands there");
                let (size, bytes) = (terms.sources)(artifact).doing(|| format!("opening the file for {artifact}"))?;
                let alike = stands_alike(files, &terms.layout.artifact(artifact), size, bytes).doing(doing)?;
                Source::File { size, mode: *mode, alike }
            }
        };
        new.add(terms.layout, artifact.clone(), source).map_err(|why| Failure::new(format!("{artifact} {why}")))?;
    }
    Ok(new)
}

/// Whether these bytes stand at a path. Nothing is read where there is no file of this size.
fn stands_alike(files: &impl Files, path: &str, size: u64, mut bytes: Box<dyn Read>) -> std::io::Result<bool> {
    match files.look(path) {
        Ok((_, standing)) if standing == size => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let mut standing = files.open(path)?;
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = bytes.read(&mut one)?;
        let (Some(one), Some(other)) = (one.get(..count), other.get_mut(..count)) else { return Ok(false) };
        match standing.read_exact(other) {
            // What cannot be read, or was cut off meanwhile, is not what we want.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if one != other {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}
