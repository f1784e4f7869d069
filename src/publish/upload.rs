//! Uploading: the files of `dist/` into a draft, whichever of them it lacks, and all of them back for a look.

use crate::assets;
use crate::dist::{self, Dist};
use crate::github::{GitHub, Release};
use anyhow::{Context, Result, ensure};
use dock0::progress::step;
use menagerie::Version;

/// Hides a release and removes its files.
pub fn empty(github: &GitHub, version: &Version, own: &Release) -> Result<()> {
    if !own.draft {
        github.hide(version)?;
    }
    own.assets.iter().try_for_each(|asset| github.remove(version, &asset.name))
}

/// Uploads what the draft lacks. The sums come first: they tell whose draft it is.
pub fn upload(github: &GitHub, version: &Version, own: &Release, dist: &Dist) -> Result<()> {
    let mut lacking = own.lacks(&dist.assets);
    lacking.sort_by_key(|name| *name != dist::SUMS);
    for name in lacking {
        let bytes = dist.assets.get(name).map_or(0, |sum| sum.bytes);
        step(&format!("uploading {name} ({bytes} bytes)"), || github.upload(version, &dist.folder.join(name)))
            .with_context(|| format!("uploading {name}"))?;
    }
    Ok(())
}

/// Fetches the draft's files: what is shown then is what was built.
pub fn check(github: &GitHub, version: &Version, dist: &Dist) -> Result<()> {
    let place = tempfile::tempdir().context("making a directory")?;
    step("fetching all of it back", || github.download(version, place.path()))?;
    let there = assets::read(place.path())?;
    let differences = assets::differences(("in dist/", &dist.assets), ("at GitHub", &there));
    ensure!(differences.is_empty(), "GitHub has other bytes, --clobber replaces them:\n  {}", differences.join("\n  "));
    Ok(())
}
