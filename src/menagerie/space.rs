//! Whether a plan has room: said before anything is written, with what is missing and what could go.

use crate::inventory::{Inventory, Leftover};
use crate::plan::{Plan, Policy, Wish, plan};
use crate::step::Step;
use core::fmt;

/// What ext4 hands out, in bytes.
const BLOCK: u64 = 4096;
/// What a block of a seal's hashes covers, in blocks.
const HASHES: u64 = BLOCK / 32;
/// For whatever a file system wants besides when files are written.
const SLACK: u64 = 16 * BLOCK;

/// What a file system has left for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// In bytes.
    pub bytes: u64,
    /// Bytes more that only root can have, and that we take for directories and never for artifacts.
    pub reserve: u64,
    /// Files, directories and links that can still be made.
    pub inodes: u64,
}

/// Why a plan has no room. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// Bytes are missing.
    Bytes {
        /// What the plan needs.
        needed: u64,
        /// How much of that is missing, whatever the plan itself removes before.
        missing: u64,
        /// What reaping could do about it.
        way_out: Option<WayOut>,
    },
    /// The file system has room, but not for so many files.
    Inodes {
        /// What the plan needs.
        needed: u64,
        /// What there is.
        free: u64,
    },
}

/// The reaping that takes the fewest releases away and makes enough room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// How many old releases it retains.
    pub retain: u32,
    /// How many it takes away.
    pub releases: usize,
    /// What that frees, in bytes.
    pub frees: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Short::Bytes { needed, missing, way_out } => {
                let (missing, needed) = (Megabytes(*missing), Megabytes(*needed));
                write!(f, "{missing} of the {needed} that it takes are missing; ")?;
                match way_out {
                    Some(WayOut { retain, releases, frees }) => {
                        let what = if *releases == 1 { "old release" } else { "old releases" };
                        let frees = Megabytes(*frees);
                        write!(f, "reap --retain {retain} takes {releases} {what} away and frees {frees}")
                    }
                    None => f.write_str("nothing that may be reaped makes enough room, a larger disk does"),
                }
            }
            Short::Inodes { needed, free } => {
                write!(f, "the file system can hold {free} more files and links, and {needed} are needed")
            }
        }
    }
}

/// `104.9 MB`: a million bytes each, rounded up.
pub struct Megabytes(pub u64);

impl fmt::Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.div_ceil(100_000);
        write!(f, "{}.{} MB", tenths / 10, tenths % 10)
    }
}

/// What a sealed file of so many bytes takes on the disk: its blocks, and the tree of hashes behind them.
pub fn on_disk(size: u64) -> u64 {
    let mut level = size.div_ceil(BLOCK);
    let mut blocks = level.saturating_add(2); // the seal's own description, and a block of extents
    while level > 1 {
        level = level.div_ceil(HASHES);
        blocks = blocks.saturating_add(level);
    }
    blocks.saturating_mul(BLOCK)
}

/// Whether the plan for a wish fits into what is free.
pub fn check(plan: &Plan<'_>, inventory: &Inventory, wish: Wish<'_>, free: Free) -> Result<(), Short> {
    let mut account = Account { free: free.bytes, reserve: free.reserve, ..Account::default() };
    plan.steps.iter().for_each(|step| account.book(step, plan, inventory));
    let Account { needed, missing, inodes, .. } = account;
    if inodes > free.inodes {
        return Err(Short::Inodes { needed: inodes, free: free.inodes });
    }
    match missing {
        0 => Ok(()),
        missing => Err(Short::Bytes { needed, missing, way_out: find_way_out(inventory, wish, missing, free) }),
    }
}

/// The bytes of a plan, step by step.
#[derive(Default)]
struct Account {
    free: u64,
    reserve: u64,
    needed: u64,
    missing: u64,
    inodes: u64,
    wrote: bool,
}

impl Account {
    fn book(&mut self, step: &Step, plan: &Plan<'_>, inventory: &Inventory) {
        match step {
            Step::Sweep(Leftover::Part(_, takes)) => self.gain(*takes),
            Step::Remove(stored) => self.gain(stored.takes),
            Step::Write(artifact, size, _) => {
                // What is there of it already, and is not swept, has its room.
                let part = inventory.leftovers.iter().find_map(|leftover| match leftover {
                    Leftover::Part(part, takes)
                        if part == *artifact && !plan.steps.contains(&Step::Sweep(leftover)) =>
                    {
                        Some(*takes)
                    }
                    Leftover::Releases | Leftover::Latest | Leftover::Part(..) => None,
                });
                self.gain(part.unwrap_or_default());
                let slack = if core::mem::replace(&mut self.wrote, true) { 0 } else { SLACK };
                // And its directory. Of a size that nobody knows, whoever writes finds out whether there is room.
                self.take(on_disk(size.unwrap_or_default()).saturating_add(BLOCK).saturating_add(slack));
                self.inodes = self.inodes.saturating_add(2);
            }
            Step::Build => {
                let directories = u64::try_from(plan.next.len()).unwrap_or(u64::MAX).saturating_add(1);
                let links = plan.next.iter().map(|artifacts| artifacts.len()).sum::<usize>();
                self.free = self.free.saturating_add(core::mem::take(&mut self.reserve));
                self.take(directories.saturating_mul(BLOCK));
                let links = u64::try_from(links).unwrap_or(u64::MAX);
                self.inodes = self.inodes.saturating_add(directories).saturating_add(links);
            }
            Step::Mark(..) | Step::Link => self.inodes = self.inodes.saturating_add(1),
            Step::Checkpoint
            | Step::Sweep(_)
            | Step::Turn
            | Step::Discard
            | Step::Unmark(..)
            | Step::Forget(_)
            | Step::Arm(_)
            | Step::Disarm => {}
        }
    }

    fn gain(&mut self, bytes: u64) {
        self.free = self.free.saturating_add(bytes);
    }

    fn take(&mut self, bytes: u64) {
        self.needed = self.needed.saturating_add(bytes);
        self.missing = self.missing.saturating_add(bytes.saturating_sub(self.free));
        self.free = self.free.saturating_sub(bytes);
    }
}

fn find_way_out(inventory: &Inventory, wish: Wish<'_>, missing: u64, free: Free) -> Option<WayOut> {
    let most = u32::try_from(inventory.listing.releases().len()).unwrap_or(u32::MAX);
    let ways = (0..most).rev().filter_map(|retain| reaped(inventory, wish, retain, free));
    ways.into_iter().find(|way_out| way_out.frees >= missing)
}

/// What reaping would free besides orphans, with so many old releases retained; none where it would take what the wish
/// needs, or could not be done itself.
fn reaped(inventory: &Inventory, wish: Wish<'_>, retain: u32, free: Free) -> Option<WayOut> {
    let reap = plan(inventory, Wish::Reap, Policy { retain, ..Policy::default() }).ok()?;
    let wanted = |artifact| matches!(wish, Wish::Install(new) if new.artifacts.contains(artifact));
    let mut account = Account { free: free.bytes, reserve: free.reserve, ..Account::default() };
    let mut frees = 0_u64;
    for step in &reap.steps {
        account.book(step, &reap, inventory);
        if let Step::Remove(stored) = step
            && inventory.is_used(&stored.artifact)
        {
            if wanted(&stored.artifact) {
                return None;
            }
            frees = frees.saturating_add(stored.takes);
        }
    }
    let releases = inventory.listing.releases().len().checked_sub(reap.next.len())?;
    (account.missing == 0 && releases > 0).then_some(WayOut { retain, releases, frees })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::plan::Orphans;
    use crate::plan_tests::{inventory, new, plan_of};
    use crate::{Policy, Wish};
    use std::string::ToString;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_sealed_file_takes_its_blocks_and_its_hashes() {
        for (size, blocks) in [(0, 2), (1, 3), (4096, 3), (4097, 5), (128 * 4096, 131), (129 * 4096, 129 + 2 + 2 + 1)] {
            assert_eq!(on_disk(size), blocks * 4096, "{size}");
        }
    }

    fn free(bytes: u64) -> Free {
        Free { bytes, reserve: 0, inodes: 100 }
    }

    #[test]
    fn what_is_missing_and_what_could_go_is_said() {
        // Releases 0 to 3, each with a vm_root of 1 MiB of its own.
        let inventory = inventory(&["vm_root/3", "vm_root/2", "vm_root/1", "vm_root/0"], MIB);
        let wish = new(&["vm_root/4"], 2 * MIB);
        let plan = plan_of(&inventory, Wish::Install(&wish));
        let check = |bytes: u64| check(&plan, &inventory, Wish::Install(&wish), free(bytes));
        assert_eq!(check(3 * MIB), Ok(()));
        for (free, sentence) in [
            (
                2 * MIB,
                "0.2 MB of the 2.3 MB that it takes are missing; reap --retain 2 takes 1 old release away and frees 1.1 MB",
            ),
            (
                MIB,
                "1.2 MB of the 2.3 MB that it takes are missing; reap --retain 1 takes 2 old releases away and frees 2.1 MB",
            ),
        ] {
            assert_eq!(check(free).unwrap_err().to_string(), sentence);
        }
        let large = new(&["vm_root/4"], 100 * MIB);
        let plan = plan_of(&inventory, Wish::Install(&large));
        let short = super::check(&plan, &inventory, Wish::Install(&large), free(MIB)).unwrap_err().to_string();
        assert!(
            short.ends_with("are missing; nothing that may be reaped makes enough room, a larger disk does"),
            "{short}"
        );
    }

    /// The way out is the mildest one, whatever the policy of the wish, and takes nothing that the wish needs.
    #[test]
    fn the_way_out_is_one() {
        let texts: std::vec::Vec<_> = (0..10).rev().map(|number| std::format!("k/{number} v/{number}")).collect();
        let texts: std::vec::Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        let inventory = inventory(&texts, MIB);
        let policy = Policy { retain: 3, ..Policy::default() };
        let short = |wish: &crate::NewRelease| {
            let plan = crate::plan(&inventory, Wish::Install(wish), policy).unwrap();
            check(&plan, &inventory, Wish::Install(wish), free(MIB)).unwrap_err().to_string()
        };
        let mut wish = new(&["k/0", "v/10"], 2 * MIB);
        wish.sources[0] = crate::Source::Standing;
        assert!(
            short(&wish).ends_with("nothing that may be reaped makes enough room, a larger disk does"),
            "{}",
            short(&wish)
        );
        let wish = new(&["k/10", "v/10"], MIB);
        assert!(
            short(&wish).ends_with("reap --retain 8 takes 1 old release away and frees 2.1 MB"),
            "{}",
            short(&wish)
        );
    }

    /// What goes before it is needed counts: what was left half done, and orphans that are removed first or written anew.
    #[test]
    fn what_goes_makes_room() {
        let mut inventory = inventory(&["vm_root/1"], MIB);
        let orphan = crate::plan_tests::artifact("vm_root/0");
        inventory.stored.push(crate::plan_tests::stored(orphan.clone(), 5 * MIB)).unwrap();
        inventory.leftovers.push(Leftover::Part(orphan, 5 * MIB)).unwrap();
        let wish = new(&["vm_root/2"], 9 * MIB);
        for (orphans, want) in [(Orphans::Keep, false), (Orphans::Remove, false), (Orphans::RemoveFirst, true)] {
            let plan = crate::plan(&inventory, Wish::Install(&wish), Policy { orphans, ..Policy::default() }).unwrap();
            assert_eq!(check(&plan, &inventory, Wish::Install(&wish), free(0)).is_ok(), want, "{orphans:?}");
        }
    }

    /// What was fetched of an artifact before is not swept, and its room is not wanted twice.
    #[test]
    fn what_is_taken_up_has_its_room() {
        let mut inventory = inventory(&["vm_root/1"], MIB);
        let part = Leftover::Part(crate::plan_tests::artifact("vm_root/2"), 8 * MIB);
        inventory.leftovers.push(part.clone()).unwrap();
        let mut wish = new(&["vm_root/2"], 8 * MIB);
        wish.sources[0] = crate::Source::Remote { size: 8 * MIB, alike: false };
        let plan = plan_of(&inventory, Wish::Install(&wish));
        assert!(!plan.steps.contains(&Step::Sweep(&part)));
        assert_eq!(check(&plan, &inventory, Wish::Install(&wish), free(MIB)), Ok(()));
        let mut inventory = inventory.clone();
        inventory.leftovers.clear();
        let plan = plan_of(&inventory, Wish::Install(&wish));
        assert!(check(&plan, &inventory, Wish::Install(&wish), free(MIB)).is_err());
    }

    /// A full disk can be reaped and rolled back as long as there is a reserve for directories.
    #[test]
    fn a_full_disk_is_no_dead_end() {
        let inventory = inventory(&["v/3", "v/2", "v/1"], MIB);
        for wish in [Wish::Reap, Wish::Rollback(crate::Which::Older)] {
            let plan = crate::plan(&inventory, wish, Policy { retain: 0, ..Policy::default() }).unwrap();
            assert_eq!(check(&plan, &inventory, wish, Free { reserve: MIB, ..free(0) }), Ok(()), "{wish:?}");
            assert!(check(&plan, &inventory, wish, free(0)).is_err(), "{wish:?}");
        }
    }

    #[test]
    fn a_file_system_can_run_out_of_inodes_alone() {
        let inventory = inventory(&["vm_root/1"], MIB);
        let wish = new(&["vm_root/2"], 1);
        let plan = plan_of(&inventory, Wish::Install(&wish));
        let short = check(&plan, &inventory, Wish::Install(&wish), Free { inodes: 6, ..free(1 << 40) }).unwrap_err();
        assert_eq!(short.to_string(), "the file system can hold 6 more files and links, and 7 are needed");
    }
}
