//! Uploading: the files of `dist/` into a draft, whichever of them it lacks, all of them back for a look, and then to be seen.

use crate::assets;
use crate::dist::{Dist, MANIFEST, MANIFEST_SIGNATURE, SUMS, SUMS_SIGNATURE};
use crate::github::{Look, Release};
use crate::plan::Plan;
use crate::standing::Standing;
use anyhow::{Context, Result, bail, ensure};
use dock0::progress::step;

/// What goes up first, in this order, and away last: the sums say that what else was signed is there, from which any machine
/// goes on; and as long as there is a manifest, its serial is known.
const FIRST: [&str; 4] = [MANIFEST, MANIFEST_SIGNATURE, SUMS_SIGNATURE, SUMS];

/// Uploads what is missing, looks at all of it once more, and shows it. Building took its time: what GitHub has is asked anew.
pub fn publish(plan: &Plan, standing: &Standing, dist: &Dist, mut look: Look) -> Result<()> {
    let Plan { github, version, .. } = plan;
    match (plan.releases()?.0, standing) {
        (None, _) => github.create_draft(version, plan.target()?, &dist.notes())?,
        (Some(own), Standing::Replaced(_)) => {
            // An old version with other files does not become what people get who name none.
            look.not_latest = !own.draft && github.latest()?.is_some_and(|latest| latest != version.as_str());
            empty(plan, &own, dist)?;
        }
        (Some(_), Standing::Vacant(_) | Standing::Begun(_)) => {}
    }
    upload(plan, &draft(plan)?.0, dist)?;
    check(plan, dist)?;
    let (_, others) = draft(plan)?;
    plan.check_grows(&others, dist.manifest.serial)?;
    github.show(version, plan.target()?, look)?;
    match plan.target()? {
        Some(_) if !look.draft => bail!("GitHub has not tagged it {version}"),
        Some(_) | None => Ok(()),
    }
}

/// The release, which nobody else sees yet, and all others.
fn draft(plan: &Plan) -> Result<(Release, Vec<Release>)> {
    let (own, others) = plan.releases()?;
    let own = own.with_context(|| format!("GitHub has no {} any more", plan.version))?;
    ensure!(
        own.draft,
        "somebody else has published {} meanwhile, look at it: --clobber replaces its files",
        plan.version
    );
    Ok((own, others))
}

/// Hides a release, removes its files, and gives it new notes.
fn empty(plan: &Plan, own: &Release, dist: &Dist) -> Result<()> {
    let Plan { github, version, .. } = plan;
    if !own.draft {
        github.hide(version)?;
    }
    let mut names: Vec<&str> = own.assets.iter().map(|asset| asset.name.as_str()).collect();
    names.sort_by_key(|name| std::cmp::Reverse(rank(name)));
    names.into_iter().try_for_each(|name| github.remove(version, name))?;
    github.note(version, &dist.notes())
}

/// Uploads what the draft lacks.
fn upload(plan: &Plan, own: &Release, dist: &Dist) -> Result<()> {
    let mut lacking = own.lacks(&dist.assets);
    lacking.sort_by_key(|name| rank(name));
    for name in lacking {
        let bytes = dist.assets.get(name).map_or(0, |sum| sum.bytes);
        let doing = format!("uploading {name}");
        step(&format!("{doing} ({bytes} bytes)"), || plan.github.upload(&plan.version, &dist.folder, name))
            .context(doing)?;
    }
    Ok(())
}

/// Its place in [`FIRST`], or behind it.
fn rank(name: &str) -> usize {
    FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len())
}

/// Fetches the draft's files: what is shown then is what was built.
fn check(plan: &Plan, dist: &Dist) -> Result<()> {
    let place = tempfile::tempdir().context("making a directory")?;
    step("fetching all of it back", || plan.github.download(&plan.version, place.path()))?;
    let there = assets::read(place.path())?;
    let differences = assets::differences(("in dist/", &dist.assets), ("at GitHub", &there));
    ensure!(differences.is_empty(), "GitHub has other bytes, --clobber replaces them:\n  {}", differences.join("\n  "));
    Ok(())
}
