//! What GitHub has of a version already, and whether it may be published in spite of that.

use crate::assets::MADE;
use crate::dist::{IS_NOT_BUILT, SUMS};
use crate::github::Release;
use crate::plan::Plan;
use anyhow::{Result, bail, ensure};

/// What GitHub has of the version.
#[derive(Debug)]
pub enum Standing {
    /// Nothing, or a draft without files.
    Vacant,
    /// A draft that was signed: it has the sums, which come after the other signed files and before all else.
    Begun(Release),
    /// Files that are to be replaced: published ones, or the first ones of a draft that broke off before the sums.
    Replaced,
}

impl Standing {
    /// Looks at the release that is there.
    pub fn of(plan: &Plan, own: Option<Release>, clobber: bool) -> Result<Standing> {
        let version = &plan.version;
        let Some(own) = own else { return Ok(Standing::Vacant) };
        if clobber {
            return Ok(Standing::Replaced);
        }
        ensure!(own.draft, "{version} is published already: take another version, or --clobber replaces its files");
        if own.assets.is_empty() {
            return Ok(Standing::Vacant);
        }
        if let Some(other) = own.assets.iter().find(|asset| !is_ours(&asset.name)) {
            bail!("there is a draft of {version} with other files, {}: --clobber replaces them", other.name);
        }
        Ok(if own.asset(SUMS).is_some() { Standing::Begun(own) } else { Standing::Replaced })
    }
}

fn is_ours(name: &str) -> bool {
    MADE.contains(&name) || IS_NOT_BUILT.contains(&name)
}
