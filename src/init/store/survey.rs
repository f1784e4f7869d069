//! Reading what stands on a boot partition. What is not ours is said and left out: one odd release must not keep the others
//! from booting. What could not be read is said apart, since nothing may be removed on such grounds.

use super::files::{Entry, Files, Kind, Look};
use super::{loader, tree};
use crate::failure::{Cause, Doing, Failure};
use menagerie::layout::{STATE, parse_number, parse_part};
use menagerie::listing::{MAX_ARTIFACTS, MAX_RELEASES};
use menagerie::state::Marks;
use menagerie::{Artifact, Inventory, Layout, Leftover, Listing, Name, Release, ReleaseId, Stored};
use rustix::io::Errno;

/// No healthy directory has more names, and a full one shall cost neither memory nor time.
const ENOUGH: usize = 1024;

/// What is to be said besides what stands there, a sentence each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Below the releases: what was left out because it is none of ours, or one too many.
    pub foreign: Vec<String>,
    /// Elsewhere: what was left out and harms nobody.
    pub oddities: Vec<String>,
    /// What could not be read.
    pub unread: Vec<String>,
}

impl Remarks {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.unread.iter().chain(&self.foreign).chain(&self.oddities)
    }
}

/// Where `latest` leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latest {
    /// There is none.
    Missing,
    /// To this release.
    Release(u32),
    /// It is something else.
    Odd,
}

/// Everything a plan is computed from.
pub fn inventory(files: &impl Files, layout: &Layout, running: Option<ReleaseId>) -> (Box<Inventory>, Remarks) {
    // Half a megabyte, too much to be moved about.
    let mut inventory = Box::<Inventory>::default();
    inventory.marks.running = running;
    let mut reader = Reader::new(files, layout);
    reader.read_latest(&mut inventory.listing);
    reader.read_releases(&mut inventory.listing);
    let Counts { foreign, surplus, odd_latest, has_releases } = reader.counts;
    (inventory.foreign, inventory.surplus) = (foreign, surplus);
    (inventory.odd_latest, inventory.has_releases) = (odd_latest, has_releases);
    reader.read_marks(&mut inventory.marks);
    let (loader, oddities) = loader::state(files);
    inventory.loader = loader;
    reader.remarks.oddities.extend(oddities);
    reader.read_leftovers(&mut inventory);
    reader.read_artifacts(&mut inventory);
    (inventory, reader.remarks)
}

/// Lists the releases for a boot, which needs nothing else; what is odd or cannot be read is said.
pub fn listing(files: &impl Files, layout: &Layout) -> Result<(Box<Listing>, Remarks), Failure> {
    let mut listing = Box::<Listing>::default();
    let mut reader = Reader::new(files, layout);
    reader.read_latest(&mut listing);
    reader.list_releases(&mut listing)?;
    Ok((listing, reader.remarks))
}

/// Reads what is remembered of releases, for a boot; what cannot be read is said.
pub fn marks(files: &impl Files) -> (Box<Marks>, Remarks) {
    let (layout, mut marks) = (Layout::default(), Box::<Marks>::default());
    let mut reader = Reader::new(files, &layout);
    reader.read_marks(&mut marks);
    (marks, reader.remarks)
}

/// Whether everything that a release has stands on the disk.
pub fn is_whole(files: &impl Files, layout: &Layout, release: &Release) -> bool {
    let stands = |artifact: &Artifact| files.look(&layout.artifact(artifact)).is_ok_and(|look| look.kind == Kind::File);
    release.artifacts.iter().all(stands)
}

/// Where `latest` leads.
pub fn latest(files: &impl Files, layout: &Layout) -> Result<Latest, Failure> {
    match files.read_link(layout.latest()) {
        Ok(target) => Ok(layout.parse_latest(&target).map_or(Latest::Odd, Latest::Release)),
        Err(Errno::NOENT) => Ok(Latest::Missing),
        Err(Errno::INVAL | Errno::ILSEQ | Errno::NOTDIR) => Ok(Latest::Odd),
        Err(error) => Err(error).doing(|| format!("reading the link {}", files.show(layout.latest()))),
    }
}

struct Reader<'r, F> {
    files: &'r F,
    layout: &'r Layout,
    remarks: Remarks,
    counts: Counts,
}

/// What an inventory knows of the releases besides their listing.
#[derive(Clone, Copy, Default)]
struct Counts {
    foreign: u32,
    surplus: u32,
    odd_latest: bool,
    has_releases: bool,
}

impl<'r, F: Files> Reader<'r, F> {
    fn new(files: &'r F, layout: &'r Layout) -> Self {
        Reader { files, layout, remarks: Remarks::default(), counts: Counts::default() }
    }

    fn read_latest(&mut self, listing: &mut Listing) {
        match latest(self.files, self.layout) {
            Ok(Latest::Release(number)) => listing.latest = Some(number),
            Ok(Latest::Missing) => {}
            Ok(Latest::Odd) => self.counts.odd_latest = true,
            Err(failure) => self.remarks.unread.push(failure.to_string()),
        }
    }

    fn read_releases(&mut self, listing: &mut Listing) {
        if let Err(failure) = self.list_releases(listing) {
            self.remarks.unread.push(failure.to_string());
        }
    }

    fn list_releases(&mut self, listing: &mut Listing) -> Result<(), Failure> {
        let directory = self.layout.releases();
        let Some(entries) = self.list(directory)? else { return Ok(()) };
        self.counts.has_releases = true;
        self.counts.foreign = u32::from(entries.len() == ENOUGH);
        let (mut numbers, mut foreign) = (Vec::new(), Vec::new());
        for Entry { name, kind } in entries {
            match (parse_number(&name), kind) {
                (Some(number), Kind::Directory) => numbers.push(number),
                _ => foreign.push(name),
            }
        }
        self.leave_out(directory, foreign, "no directories of releases", "no directory of a release");
        numbers.sort_unstable();
        numbers.into_iter().for_each(|number| self.read_release(listing, number));
        Ok(())
    }

    fn read_release(&mut self, listing: &mut Listing, number: u32) {
        let directory = format!("{}/{number}", self.layout.releases());
        let artifacts = match self.read_links(&directory) {
            Ok(artifacts) => artifacts,
            Err(failure) => return self.remarks.unread.push(format!("release {number} left out: {failure}")),
        };
        if listing.insert(Release { number, artifacts }).is_err() {
            self.counts.surplus += 1;
            self.remarks.foreign.push(format!("release {number} left out: there are more than {MAX_RELEASES}"));
        }
    }

    fn read_links(&mut self, directory: &str) -> Result<heapless::Vec<Artifact, MAX_ARTIFACTS>, Failure> {
        let mut artifacts = heapless::Vec::new();
        let mut foreign = Vec::new();
        for Entry { name, kind } in self.list(directory)?.unwrap_or_default() {
            let path = format!("{directory}/{name}");
            let artifact = match kind {
                Kind::Link => match self.files.read_link(&path) {
                    Err(Errno::ILSEQ) => None,
                    target => self
                        .layout
                        .parse_link_target(&target.doing(|| format!("reading the link {}", self.files.show(&path)))?),
                },
                Kind::File | Kind::Directory | Kind::Special | Kind::Unnameable => None,
            };
            let ours = artifact.filter(|artifact| artifact.name.as_str() == name);
            if ours.is_none_or(|artifact| artifacts.push(artifact).is_err()) {
                foreign.push(name);
            }
        }
        const ONE: &str = "no link to an artifact of that name";
        self.leave_out(directory, foreign, "no links to an artifact of that name", ONE);
        Ok(artifacts)
    }

    /// One line for all that was left out of a directory; its first name is enough to go and look.
    fn leave_out(&mut self, directory: &str, mut names: Vec<String>, many: &str, one: &str) {
        names.sort();
        let shown = self.files.show(directory);
        let line = match &names[..] {
            [] => return,
            [name] => format!("{shown}: left out {}, which is {one}", name.escape_debug()),
            [first, ..] => {
                format!("{shown}: left out {} that are {many}, the first is {}", names.len(), first.escape_debug())
            }
        };
        self.counts.foreign = self.counts.foreign.saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX));
        self.remarks.foreign.push(line);
    }

    fn read_marks(&mut self, marks: &mut Marks) {
        self.list_or_say(STATE).iter().for_each(|entry| marks.read(&entry.name));
        if marks.more {
            let state = self.files.show(STATE);
            self.remarks
                .oddities
                .push(format!("{state}: it holds more than {MAX_RELEASES} marks, so nothing is pruned"));
        }
    }

    fn read_leftovers(&mut self, inventory: &mut Inventory) {
        for (path, leftover) in [
            (tree::next(self.layout.releases()), Leftover::Releases),
            (tree::next(self.layout.latest()), Leftover::Latest),
        ] {
            match self.files.look(&path) {
                // There is room for these two.
                Ok(_) => inventory.leftovers.push(leftover).unwrap_or_default(),
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => self.remarks.unread.push(self.looking_at(&path, error)),
            }
        }
    }

    /// First those that the releases have, for which there is room; then whatever else stands there.
    fn read_artifacts(&mut self, inventory: &mut Inventory) {
        let named: Vec<Artifact> =
            inventory.listing.releases().iter().flat_map(|release| &release.artifacts).cloned().collect();
        for artifact in named {
            self.read_artifact(inventory, artifact);
        }
        for Entry { name, kind } in self.list_or_say(self.layout.artifacts()) {
            let directory = format!("{}/{name}", self.layout.artifacts());
            match (kind, name.parse::<Name>()) {
                (Kind::Directory, Ok(name)) => self.read_versions(inventory, &directory, &name),
                _ => self.leave_out_artifact(&directory, "it is no directory of an artifact"),
            }
        }
    }

    fn read_versions(&mut self, inventory: &mut Inventory, directory: &str, name: &Name) {
        for Entry { name: file, kind } in self.list_or_say(directory) {
            let artifact = |version| Artifact { name: name.clone(), version };
            let path = format!("{directory}/{file}");
            match (parse_part(&file), file.parse()) {
                (Some(version), _) => self.read_part(inventory, &path, artifact(version)),
                (None, Ok(version)) if kind == Kind::File => self.read_artifact(inventory, artifact(version)),
                (None, Ok(version)) => {
                    self.leave_out_artifact(&path, "it is no file");
                    // One that does not fit is noticed when it is to be written.
                    inventory.taken.push(artifact(version)).unwrap_or_default();
                }
                (None, Err(_)) => self.leave_out_artifact(&path, "it has not the name of a version"),
            }
        }
    }

    fn read_artifact(&mut self, inventory: &mut Inventory, artifact: Artifact) {
        let path = self.layout.artifact(&artifact);
        if inventory.stored(&artifact).is_some() {
            return;
        }
        match self.files.look(&path) {
            Ok(Look { kind: Kind::File, size, takes, mode }) => {
                if inventory.stored.push(Stored { artifact, size, takes, mode }).is_err() {
                    self.leave_out_artifact(&path, "there are too many");
                }
            }
            // It is missing, and whoever lists its release says so.
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => self.remarks.unread.push(self.looking_at(&path, error)),
        }
    }

    fn read_part(&mut self, inventory: &mut Inventory, path: &str, artifact: Artifact) {
        match self.files.look(path) {
            // Beyond what there is room for, leftovers wait for the next run.
            Ok(look) => inventory.leftovers.push(Leftover::Part(artifact, look.takes)).unwrap_or_default(),
            Err(error) => self.remarks.unread.push(self.looking_at(path, error)),
        }
    }

    fn leave_out_artifact(&mut self, path: &str, because: &str) {
        self.remarks.oddities.push(format!("{} left out: {because}", self.files.show(path)));
    }

    fn looking_at(&self, path: &str, error: Errno) -> String {
        format!("looking at {}: {}", self.files.show(path), error.words())
    }

    /// What stands in a directory, by name; `None` where there is no such directory.
    fn list(&mut self, directory: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let mut entries = match self.files.list(directory, ENOUGH) {
            Err(Errno::NOENT) => return Ok(None),
            entries => entries.doing(|| format!("listing {}", self.files.show(directory)))?,
        };
        if entries.len() == ENOUGH {
            let shown = self.files.show(directory);
            self.remarks.oddities.push(format!("{shown}: only the first {ENOUGH} names were looked at"));
        }
        entries.sort();
        Ok(Some(entries))
    }

    /// The same; what cannot be read is said.
    fn list_or_say(&mut self, directory: &str) -> Vec<Entry> {
        match self.list(directory) {
            Ok(entries) => entries.unwrap_or_default(),
            Err(failure) => {
                self.remarks.unread.push(failure.to_string());
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
