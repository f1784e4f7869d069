//! What is to be done to have a Linode as it is wanted: computed of what stands there, shown before it is done, and done a step at a
//! time. Stopping anywhere is harmless: what stands there then makes another plan, which leads to the same end.

use super::model::{Device, Disk, Linode, Profile};
use super::section::Section;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::fmt;

/// The name of the profile.
pub const PROFILE: &str = "dock0";
/// The name of the scratch disk.
pub const SCRATCH: &str = "scratch";
/// What the name of a boot disk begins with: that of its image follows.
const BOOT: &str = "dock0-";
/// Where the boot disk and the scratch disk stand.
const PLACES: [&str; 2] = ["sda", "sdb"];

/// What stands there.
#[derive(Clone, Copy, Debug)]
pub struct Found<'f> {
    /// The Linode.
    pub linode: &'f Linode,
    /// Its disks.
    pub disks: &'f [Disk],
    /// Its profiles.
    pub profiles: &'f [Profile],
    /// Whether it stands behind the firewall that is wanted, or none is.
    pub is_guarded: bool,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Its name.
    pub name: &'w str,
    /// As the configuration says.
    pub section: &'w Section,
    /// The name of the boot image, which the boot disk gets.
    pub image: &'w str,
    /// What goes although it could stay.
    pub replace: Replace,
    /// Whether one that dock0 did not make may be taken, with all that is on it.
    pub taking: Taking,
}

/// What of a Linode that dock0 made goes although it could stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Nothing. A boot disk of another image goes, and the scratch disk with it.
    Changed,
    /// The boot disk; the scratch disk stays.
    Boot,
    /// Both.
    Both,
}

/// Whose Linode may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// One that dock0 made.
    Own,
    /// Anybody's.
    Any,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes the Linode.
    Create,
    /// Gives it these tags.
    Tag(Vec<String>),
    /// Puts it behind the firewall.
    Guard,
    /// Stops it.
    ShutDown,
    /// Removes a profile.
    RemoveProfile(u64, String),
    /// Removes a disk of so many MB.
    RemoveDisk(u64, String, u64),
    /// Makes the boot disk of the image.
    MakeBoot,
    /// Makes the scratch disk.
    MakeScratch,
    /// Makes the profile, or changes the one of this number.
    MakeProfile(Option<u64>),
    /// Starts it.
    Boot,
}

impl Step {
    /// Whether something is lost that somebody may still want.
    pub fn destroys(&self) -> bool {
        matches!(self, Step::ShutDown | Step::RemoveProfile(..) | Step::RemoveDisk(..))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Create => f.write_str("create the Linode"),
            Step::Tag(tags) => write!(f, "give it the tags {}", tags.join(", ")),
            Step::Guard => f.write_str("put it behind the firewall"),
            Step::ShutDown => f.write_str("shut it down"),
            Step::RemoveProfile(id, label) => write!(f, "remove the profile {label} ({id})"),
            Step::RemoveDisk(id, label, size) => write!(f, "remove the disk {label} ({id}, {size} MB)"),
            Step::MakeBoot => f.write_str("make the boot disk"),
            Step::MakeScratch => f.write_str("make the scratch disk"),
            Step::MakeProfile(None) => f.write_str("make the profile"),
            Step::MakeProfile(Some(_)) => f.write_str("change the profile"),
            Step::Boot => f.write_str("boot it"),
        }
    }
}

/// What is to be done, and what of that which is there stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// The boot disk that stays.
    pub boot: Option<u64>,
    /// The scratch disk that stays.
    pub scratch: Option<u64>,
    /// The profile that stays, changed or not.
    pub profile: Option<u64>,
}

impl Plan {
    /// From nothing.
    pub fn of_new() -> Plan {
        let steps = vec![Step::Create, Step::MakeBoot, Step::MakeScratch, Step::MakeProfile(None), Step::Boot];
        Plan { steps, ..Plan::default() }
    }

    /// With a Linode that is there, and is neither on its way up nor down.
    pub fn of(found: &Found, wanted: &Wanted) -> Result<Plan> {
        let Found { linode, disks, profiles, .. } = *found;
        check(linode, wanted)?;
        let is_own = linode.is_ours();
        // What somebody else has put on a Linode of ours stays; with somebody else's everything goes.
        let at_hand = |label: &str| !is_own || label.starts_with(BOOT) || label == SCRATCH;
        let keeps_boot = is_own && wanted.replace == Replace::Changed;
        let boot = disks.iter().find(|disk| keeps_boot && disk.label == wanted.image).map(|disk| disk.id);
        // Where no boot disk is left a run has broken off, and what it kept is not lost by going on.
        let has_boot = disks.iter().any(|disk| disk.label.starts_with(BOOT));
        let keeps_scratch = is_own
            && match wanted.replace {
                Replace::Changed => boot.is_some() || !has_boot,
                Replace::Boot => true,
                Replace::Both => false,
            };
        let scratch = disks.iter().find(|disk| keeps_scratch && disk.label == SCRATCH).map(|disk| disk.id);
        let profile = profiles.iter().find(|profile| is_own && profile.label == PROFILE);
        let is_right = profile.is_some_and(|profile| boots(profile, [boot, scratch], wanted.section));

        let gone_profiles = profiles.iter().filter(|one| {
            let is_kept = profile.is_some_and(|kept| kept.id == one.id);
            !is_kept && (!is_own || one.label == PROFILE)
        });
        let gone_disks = disks.iter().filter(|disk| at_hand(&disk.label) && ![boot, scratch].contains(&Some(disk.id)));
        let removed: Vec<Step> = gone_profiles
            .map(|profile| Step::RemoveProfile(profile.id, profile.label.clone()))
            .chain(gone_disks.map(|disk| Step::RemoveDisk(disk.id, disk.label.clone(), disk.size)))
            .collect();
        let is_changed = !removed.is_empty() || boot.is_none() || scratch.is_none() || !is_right;
        let is_off = linode.status == "offline";

        let mut steps = Vec::new();
        let tags = tags(linode, wanted.section);
        let tag = (tags != linode.tags).then_some(Step::Tag(tags));
        // The tag says that what is on it is ours: one that is taken over has it when that is so.
        let (tag_first, tag_last) = if is_own { (tag, None) } else { (None, tag) };
        steps.extend(tag_first);
        steps.extend((!found.is_guarded).then_some(Step::Guard));
        steps.extend((is_changed && !is_off).then_some(Step::ShutDown));
        steps.extend(removed);
        steps.extend(boot.is_none().then_some(Step::MakeBoot));
        steps.extend(scratch.is_none().then_some(Step::MakeScratch));
        steps.extend((!is_right).then_some(Step::MakeProfile(profile.map(|profile| profile.id))));
        steps.extend(tag_last);
        steps.extend((is_changed || is_off).then_some(Step::Boot));
        Ok(Plan { steps, boot, scratch, profile: profile.map(|profile| profile.id) })
    }

    /// Whether it makes a boot disk.
    pub fn makes_boot(&self) -> bool {
        self.steps.contains(&Step::MakeBoot)
    }

    /// What of it is lost.
    pub fn destroyed(&self) -> Vec<String> {
        self.steps.iter().filter(|step| step.destroys()).map(Step::to_string).collect()
    }
}

/// Whether this Linode can be the one that is wanted.
fn check(linode: &Linode, wanted: &Wanted) -> Result<()> {
    let Wanted { name, section, taking, .. } = *wanted;
    let id = linode.id;
    if !linode.is_ours() && taking == Taking::Own {
        bail!("Linode {id} is called {name} and was not made by dock0 (--take-over replaces all that is on it)");
    }
    let kind = linode.kind.as_deref().unwrap_or_default();
    for (what, has, wants) in [("region", linode.region.as_str(), &section.region), ("type", kind, &section.kind)] {
        if has != wants {
            bail!(
                "the {what} of Linode {id} is {has}, and {wants} is wanted: change one of them, or dock0 destroy {name}"
            );
        }
    }
    Ok(())
}

/// Its own, and what is missing.
fn tags(linode: &Linode, section: &Section) -> Vec<String> {
    let missing = section.tags().into_iter().filter(|tag| !linode.tags.contains(tag));
    linode.tags.iter().cloned().chain(missing).collect()
}

/// Whether a profile boots these disks, as it is wanted.
fn boots(profile: &Profile, disks: [Option<u64>; 2], section: &Section) -> bool {
    let stands: BTreeMap<&str, u64> = profile
        .devices
        .iter()
        .filter_map(|(place, device)| Some((place.as_str(), device.as_ref()?.disk_id?)))
        .collect();
    let is_there = |(place, disk): (&&str, Option<u64>)| disk.is_some() && stands.get(*place).copied() == disk;
    PLACES.iter().zip(disks).all(is_there)
        && profile.kernel == section.kernel.name()
        && section.helpers().iter().all(|(name, on)| profile.helpers.get(name).unwrap_or(&false) == on)
}

/// What stands where in the profile.
pub fn devices(boot: u64, scratch: u64) -> BTreeMap<&'static str, Device> {
    PLACES.into_iter().zip([boot, scratch].map(|id| Device { disk_id: Some(id) })).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
