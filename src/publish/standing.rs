//! What GitHub has of a version already, and whether it may be published in spite of that.

use crate::assets::MADE;
use crate::dist::{IS_NOT_BUILT, SUMS};
use crate::github::Release;
use crate::plan::Plan;
use anyhow::{Result, bail, ensure};

/// What GitHub has of the version.
#[derive(Debug)]
pub enum Standing {
    /// Nothing, or a draft without files; the serial that is its turn.
    Vacant(u64),
    /// A draft that was signed: it has the sums, which come after the other signed files and before all else.
    Begun(Release),
    /// Files that are to be replaced, under this serial: published ones, or the first ones of a draft that broke off before
    /// the sums.
    Replaced(u64),
}

impl Standing {
    /// Looks at the releases that are there.
    pub fn of(plan: &Plan, clobber: bool) -> Result<Standing> {
        let version = &plan.version;
        let (own, others) = plan.releases()?;
        let Some(own) = own else { return plan.serial(&others).map(Standing::Vacant) };
        if clobber {
            return plan.serial_after(&own, &others).map(Standing::Replaced);
        }
        ensure!(own.draft, "{version} is published already: take another version, or --clobber replaces its files");
        if own.assets.is_empty() {
            return plan.serial(&others).map(Standing::Vacant);
        }
        if let Some(other) = own.assets.iter().find(|asset| !is_ours(&asset.name)) {
            bail!("there is a draft of {version} with other files, {}: --clobber replaces them", other.name);
        }
        match own.asset(SUMS) {
            Some(_) => Ok(Standing::Begun(own)),
            None => plan.serial_after(&own, &others).map(Standing::Replaced),
        }
    }
}

fn is_ours(name: &str) -> bool {
    MADE.contains(&name) || IS_NOT_BUILT.contains(&name)
}
