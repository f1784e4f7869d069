//! Reading what stands on a boot partition. What is not ours is said and left out: one odd release must not keep the others
//! from booting.

use super::files::{Entry, Files, Kind};
use super::tree;
use crate::failure::{Doing, Failure};
use menagerie::layout::{CONFIG, STATE, parse_number, parse_part};
use menagerie::listing::{MAX_ARTIFACTS, MAX_RELEASES};
use menagerie::state::Mark;
use menagerie::{Artifact, Inventory, Layout, Leftover, Listing, Release, ReleaseId, Stored};
use rustix::io::Errno;

/// No healthy directory has more names, and a full one shall cost neither memory nor time.
const ENOUGH: usize = 1024;

/// What is to be said of the releases of a boot partition besides which they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether there is a directory for them.
    pub exists: bool,
    /// How many things were left out.
    pub foreign: u32,
    /// What was left out, a sentence each.
    pub oddities: Vec<String>,
}

/// Everything a plan is computed from, and what was left out of it, a sentence each.
pub fn inventory(
    files: &impl Files,
    layout: &Layout,
    running: Option<ReleaseId>,
) -> Result<(Box<Inventory>, Vec<String>), Failure> {
    // Some 300 KB, too much to be moved about.
    let mut inventory = Box::<Inventory>::default();
    let Found { exists, foreign, mut oddities } = releases(files, layout, &mut inventory.listing)?;
    inventory.listing.latest = latest(files, layout)?;
    inventory.has_releases = exists;
    inventory.foreign = foreign;
    inventory.marks.running = running;
    read_marks(files, &mut inventory)?;
    read_leftovers(files, layout, &mut inventory)?;
    read_artifacts(files, layout, &mut inventory, &mut oddities)?;
    Ok((inventory, oddities))
}

/// Where `latest` points; `None` where it is missing, is no link, or points at no release.
pub fn latest(files: &impl Files, layout: &Layout) -> Result<Option<u32>, Failure> {
    match files.read_link(layout.latest()) {
        Ok(target) => Ok(layout.parse_latest(&target)),
        Err(Errno::NOENT | Errno::INVAL | Errno::ILSEQ) => Ok(None),
        Err(error) => Err(error).doing(|| format!("reading the link {}", files.show(layout.latest()))),
    }
}

/// Lists the releases, but not where `latest` points.
pub fn releases(files: &impl Files, layout: &Layout, listing: &mut Listing) -> Result<Found, Failure> {
    let mut found = Found::default();
    let Some(entries) = list(files, layout.releases(), &mut found.oddities)? else { return Ok(found) };
    found.exists = true;
    found.foreign = u32::from(entries.len() == ENOUGH);
    let (mut numbers, mut foreign) = (Vec::new(), Vec::new());
    for Entry { name, .. } in entries {
        match parse_number(&name) {
            Some(number) => numbers.push(number),
            None => foreign.push(name),
        }
    }
    found.leave_out(files, layout.releases(), foreign, "no releases");
    numbers.sort_unstable();
    for number in numbers {
        if let Err(failure) = found.read_release(files, layout, listing, number) {
            found.leave_out_release(number, &failure.to_string());
        }
    }
    Ok(found)
}

impl Found {
    fn read_release(
        &mut self,
        files: &impl Files,
        layout: &Layout,
        listing: &mut Listing,
        number: u32,
    ) -> Result<(), Failure> {
        let directory = format!("{}/{number}", layout.releases());
        let mut artifacts = heapless::Vec::<Artifact, MAX_ARTIFACTS>::new();
        let mut foreign = Vec::new();
        for Entry { name, kind } in list(files, &directory, &mut self.oddities)?.unwrap_or_default() {
            let target = match kind {
                Kind::Link => Some(files.read_link(&format!("{directory}/{name}"))),
                Kind::File | Kind::Directory | Kind::Special | Kind::Unnameable => None,
            };
            let artifact = target.and_then(Result::ok).and_then(|target| layout.parse_link_target(&target));
            let ours = artifact.filter(|artifact| artifact.name.as_str() == name);
            if ours.is_none_or(|artifact| artifacts.push(artifact).is_err()) {
                foreign.push(name);
            }
        }
        self.leave_out(files, &directory, foreign, "no links to an artifact of that name");
        if listing.insert(Release { number, artifacts }).is_err() {
            self.leave_out_release(number, &format!("there are more than {MAX_RELEASES}"));
        }
        Ok(())
    }

    fn leave_out_release(&mut self, number: u32, because: &str) {
        self.foreign += 1;
        self.oddities.push(format!("release {number} left out: {because}"));
    }

    /// One line for all that was left out of a directory; its first name is enough to go and look.
    fn leave_out(&mut self, files: &impl Files, directory: &str, mut names: Vec<String>, because: &str) {
        names.sort();
        if let [first, ..] = &names[..] {
            let count = names.len();
            self.foreign = self.foreign.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            self.oddities.push(format!("{}: left out {count} that are {because}: {first}", files.show(directory)));
        }
    }
}

fn read_marks(files: &impl Files, inventory: &mut Inventory) -> Result<(), Failure> {
    for Entry { name, .. } in list(files, STATE, &mut Vec::new())?.unwrap_or_default() {
        if let Some((mark, id)) = Mark::parse(&name)
            && !inventory.marks.insert(mark, id)
        {
            return Err(Failure::new(format!("{}: it holds more than {MAX_RELEASES} marks", files.show(STATE))));
        }
    }
    Ok(())
}

fn read_leftovers(files: &impl Files, layout: &Layout, inventory: &mut Inventory) -> Result<(), Failure> {
    for (path, leftover) in [
        (tree::next(layout.releases()), Leftover::Releases),
        (tree::next(layout.latest()), Leftover::Latest),
        (tree::next(CONFIG), Leftover::Config),
    ] {
        match files.look(&path) {
            // There is room for these three.
            Ok(_) => inventory.leftovers.push(leftover).unwrap_or_default(),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error).doing(|| format!("looking at {}", files.show(&path))),
        }
    }
    Ok(())
}

fn read_artifacts(
    files: &impl Files,
    layout: &Layout,
    inventory: &mut Inventory,
    oddities: &mut Vec<String>,
) -> Result<(), Failure> {
    for Entry { name, .. } in list(files, layout.artifacts(), oddities)?.unwrap_or_default() {
        let directory = format!("{}/{name}", layout.artifacts());
        let Ok(name) = name.parse::<menagerie::Name>() else { continue };
        let entries = match files.look(&directory).doing(|| format!("looking at {}", files.show(&directory)))? {
            (Kind::Directory, _) => list(files, &directory, oddities)?.unwrap_or_default(),
            _ => continue,
        };
        for Entry { name: file, kind } in entries {
            let artifact = |version| Artifact { name: name.clone(), version };
            let path = format!("{directory}/{file}");
            // Beyond what an inventory holds, orphans and leftovers wait for the next run.
            match (parse_part(&file), file.parse()) {
                (Some(version), _) => inventory.leftovers.push(Leftover::Part(artifact(version))).unwrap_or_default(),
                (None, Ok(version)) if kind == Kind::File => {
                    let (_, size) = files.look(&path).doing(|| format!("looking at {}", files.show(&path)))?;
                    inventory.stored.push(Stored { artifact: artifact(version), size }).unwrap_or_default();
                }
                _ => oddities.push(format!("{} left out: it is no artifact", files.show(&path))),
            }
        }
    }
    Ok(())
}

/// What stands in a directory, by name; `None` where there is no such directory.
fn list(files: &impl Files, directory: &str, oddities: &mut Vec<String>) -> Result<Option<Vec<Entry>>, Failure> {
    let mut entries = match files.list(directory, ENOUGH) {
        Err(Errno::NOENT) => return Ok(None),
        entries => entries.doing(|| format!("listing {}", files.show(directory)))?,
    };
    if entries.len() == ENOUGH {
        oddities.push(format!("{}: only the first {ENOUGH} names were looked at", files.show(directory)));
    }
    entries.sort();
    Ok(Some(entries))
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
