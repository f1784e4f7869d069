//! Whether a plan has room: said before anything is written, with what is missing and what could go.

use crate::inventory::{Inventory, Stored};
use crate::plan::{Plan, Policy, Step};
use crate::{Artifact, ReleaseId};
use core::fmt;

/// What ext4 hands out, in bytes.
const BLOCK: u64 = 4096;
/// What a block of a seal's hashes covers, in blocks.
const HASHES: u64 = BLOCK / 32;
/// For blocks of directories that grow, and whatever a file system wants besides.
const SLACK: u64 = 16 * BLOCK;

/// What a file system has left for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// In bytes.
    pub bytes: u64,
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
        /// What it would have.
        free: u64,
        /// What `menagerie reap` could do about it.
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

/// The least that makes enough room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// How many old releases to retain.
    pub retain: u32,
    /// How many releases would go.
    pub releases: u32,
    /// What that frees, in bytes.
    pub frees: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Short::Bytes { needed, free, way_out } => {
                let (missing, needed) = (Megabytes(needed.saturating_sub(*free)), Megabytes(*needed));
                write!(f, "{missing} are missing: it needs {needed}, and {} are free; ", Megabytes(*free))?;
                match way_out {
                    Some(WayOut { retain, releases, frees }) => {
                        let what = if *releases == 1 { "old release" } else { "old releases" };
                        let frees = Megabytes(*frees);
                        write!(f, "menagerie reap --retain {retain} takes {releases} {what} away and frees {frees}")
                    }
                    None => f.write_str("nothing that may be reaped makes enough room, so it takes a larger disk"),
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

/// Whether the plan fits into what is free.
pub fn check(plan: &Plan<'_>, inventory: &Inventory, policy: Policy, free: Free) -> Result<(), Short> {
    let (mut bytes, mut inodes, mut gained) = (0_u64, 0_u64, 0_u64);
    for step in &plan.steps {
        match step {
            // Only what goes before it is needed makes room for it.
            Step::Remove(stored) if bytes == 0 => gained = gained.saturating_add(stored.size / BLOCK * BLOCK),
            Step::Write(_, size, _) => {
                bytes = bytes.saturating_add(on_disk(*size)).saturating_add(BLOCK); // its directory
                inodes = inodes.saturating_add(2);
            }
            Step::Build => {
                let directories = u64::try_from(plan.next.len()).unwrap_or(u64::MAX).saturating_add(1);
                let links = plan.next.iter().map(|artifacts| artifacts.len()).sum::<usize>();
                bytes = bytes.saturating_add(directories.saturating_mul(BLOCK));
                inodes = inodes.saturating_add(directories).saturating_add(u64::try_from(links).unwrap_or(u64::MAX));
            }
            Step::Mark(..) | Step::Link => inodes = inodes.saturating_add(1),
            Step::Checkpoint | Step::Sweep(_) | Step::Remove(_) | Step::Turn | Step::Discard | Step::Unmark(..) => {}
        }
    }
    if inodes > free.inodes {
        return Err(Short::Inodes { needed: inodes, free: free.inodes });
    }
    let (needed, have) = (if bytes == 0 { 0 } else { bytes.saturating_add(SLACK) }, free.bytes.saturating_add(gained));
    match needed > have {
        true => Err(Short::Bytes { needed, free: have, way_out: find_way_out(inventory, policy, needed - have) }),
        false => Ok(()),
    }
}

/// The most old releases that can be kept if so many bytes have to be freed.
fn find_way_out(inventory: &Inventory, policy: Policy, missing: u64) -> Option<WayOut> {
    (0..policy.retain).rev().map(|retain| reaped(inventory, retain)).find(|way_out| way_out.frees >= missing)
}

/// What `menagerie reap` would free with this many old releases retained.
fn reaped(inventory: &Inventory, retain: u32) -> WayOut {
    let kept =
        |place: u32, artifacts: &[Artifact]| place <= retain || inventory.marks.protect(ReleaseId::of(artifacts));
    let releases = || (0_u32..).zip(inventory.listing.releases());
    let goes = |stored: &&Stored| {
        let mut users = releases().filter(|(_, release)| release.artifacts.contains(&stored.artifact)).peekable();
        users.peek().is_some() && !users.any(|(place, release)| kept(place, &release.artifacts))
    };
    WayOut {
        retain,
        releases: releases().map(|(place, release)| u32::from(!kept(place, &release.artifacts))).sum(),
        frees: inventory.stored.iter().filter(goes).map(|stored| stored.size / BLOCK * BLOCK).sum(),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
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

    #[test]
    fn what_is_missing_and_what_could_go_is_said() {
        // Releases 0 to 3, each with a vm_root of 1 MiB of its own.
        let inventory = inventory(&["vm_root/3", "vm_root/2", "vm_root/1", "vm_root/0"], MIB);
        let wish = new(&["vm_root/4"], 2 * MIB);
        let plan = plan_of(&inventory, Wish::Install(&wish));
        let check = |bytes: u64| check(&plan, &inventory, Policy::default(), Free { bytes, inodes: 100 });
        assert_eq!(check(3 * MIB), Ok(()));
        for (free, sentence) in [
            (
                2 * MIB,
                "0.2 MB are missing: it needs 2.3 MB, and 2.1 MB are free; menagerie reap --retain 2 takes 1 old release \
                 away and frees 1.1 MB",
            ),
            (
                MIB,
                "1.2 MB are missing: it needs 2.3 MB, and 1.1 MB are free; menagerie reap --retain 1 takes 2 old releases \
                 away and frees 2.1 MB",
            ),
        ] {
            assert_eq!(check(free).unwrap_err().to_string(), sentence);
        }
        let large = new(&["vm_root/4"], 100 * MIB);
        let plan = plan_of(&inventory, Wish::Install(&large));
        let short = super::check(&plan, &inventory, Policy::default(), Free { bytes: MIB, inodes: 100 }).unwrap_err();
        let sentence = short.to_string();
        assert!(sentence.ends_with("makes enough room, so it takes a larger disk"), "{sentence}");
    }

    #[test]
    fn a_file_system_can_run_out_of_inodes_alone() {
        let inventory = inventory(&["vm_root/1"], MIB);
        let wish = new(&["vm_root/2"], 1);
        let plan = plan_of(&inventory, Wish::Install(&wish));
        let short = check(&plan, &inventory, Policy::default(), Free { bytes: 1 << 40, inodes: 6 }).unwrap_err();
        assert_eq!(short.to_string(), "the file system can hold 6 more files and links, and 7 are needed");
    }
}
