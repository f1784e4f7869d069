//! Artifacts of a manifest, brought to their places over the network: fetched into `.part`, where a later attempt goes on;
//! sealed, and measured by the kernel; only then given their names.

use super::How;
use crate::failure::{Doing, Failure};
use crate::fetch::job::{Job, What};
use crate::fetch::parent::{Checked, Progress, Terms, fetch};
use crate::fetch::show::{On, Shown};
use crate::store::artifact::{New, make_directories, record_of};
use crate::store::change::Given;
use crate::store::files::parent;
use crate::store::supply::Supply;
use crate::store::{Disk, Files, Kind, Seal};
use menagerie::{Artifact, Layout, Record, Source};
use rustix::io::Errno;
use std::cell::Cell;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wire::manifest::{Entry, Manifest};

/// How long the fetching of one artifact may take in all: a gigabyte at the slowest rate that is accepted.
const DEADLINE: Duration = Duration::from_secs(30 * 3600);

/// The artifacts of a manifest.
pub struct Remote<'m> {
    manifest: &'m Manifest<'m>,
    ca: Option<PathBuf>,
    how: &'m How<'m>,
    /// Whether it was said how far the child that fetches could not be locked up.
    gaps_said: Cell<bool>,
}

impl<'m> Remote<'m> {
    /// Those of an admitted manifest; how far each is is shown on a terminal, or else said.
    pub fn new(manifest: &'m Manifest<'m>, ca: Option<PathBuf>, how: &'m How<'m>) -> Self {
        Remote { manifest, ca, how, gaps_said: Cell::new(false) }
    }

    fn entry(&self, artifact: &Artifact) -> Result<&Entry<'m>, Failure> {
        let found = self.manifest.artifacts.iter().find(|entry| entry.artifact == *artifact);
        found.ok_or_else(|| Failure::new(format!("the manifest has no {artifact}")))
    }

    /// Into the unfinished file, from where an earlier attempt got to.
    fn fetch(&self, files: &Disk, entry: &Entry, part: &str, told: &mut dyn FnMut(u64)) -> Result<Checked, Failure> {
        let name = entry.artifact.to_string();
        let urls: Vec<&str> = entry.urls.iter().map(|url| url.as_str()).collect();
        let what = What::Artifact { size: entry.size, sha256: entry.sha256 };
        let job = Job { patience: self.how.patience, ..Job::new(&name, &urls, what).map_err(Failure::new)? };
        let file = files.open_part(part, entry.size).doing(|| format!("opening {}", files.show(part)))?;
        let terms = Terms { program: None, ca: self.ca.as_deref(), deadline: self.how.at_most(DEADLINE) };
        let (mut shown, start) = (Shown::new(&name, entry.size, self.how.on), Instant::now());
        let fetched = fetch(&job, file, &terms, &mut |progress| match progress {
            Progress::At(bytes) => {
                told(bytes);
                self.show(shown.at(bytes, start.elapsed()));
            }
            Progress::Mirror(_) => {}
            Progress::Gap(text) if !self.gaps_said.replace(true) => {
                (self.how.say)(&format!("the child that fetches is not locked up entirely: {text}"));
            }
            Progress::Gap(_) => {}
            Progress::Note(text) => {
                self.show(Some(shown.aside().to_string()).filter(|aside| !aside.is_empty()));
                (self.how.say)(&text);
            }
        })?;
        self.show(Some(shown.done(start.elapsed())));
        fetched.by_measure(entry.verity, || {
            match files.seal(part).doing(|| format!("sealing {}", files.show(part)))? {
                Seal::Sealed => measure(files, part),
                Seal::NotPossible => Ok(None),
            }
        })
    }

    /// On a terminal as it is, for it is written over.
    fn show(&self, line: Option<String>) {
        match (line, self.how.on) {
            (None, _) => {}
            (Some(line), On::Log) => (self.how.say)(line.trim_end()),
            // Nobody is harmed by a progress that is not seen.
            (Some(line), On::Terminal) => std::io::stderr().write_all(line.as_bytes()).unwrap_or_default(),
        }
    }
}

impl Supply<Disk> for Remote<'_> {
    fn look(&self, files: &Disk, layout: &Layout, given: &Given) -> Result<Source, Failure> {
        let entry = self.entry(&given.artifact)?;
        let alike = stands(files, &layout.artifact(&entry.artifact), entry)?;
        Ok(Source::Remote { size: entry.size, alike })
    }

    fn bring(&self, files: &Disk, layout: &Layout, new: &New, told: &mut dyn FnMut(u64)) -> Result<Seal, Failure> {
        let entry = self.entry(new.artifact)?;
        let (part, place) = (layout.part(new.artifact), layout.artifact(new.artifact));
        make_directories(files, parent(&place))?;
        // Power was cut between the seal and the name: it is whole, or somebody else's.
        if measure(files, &part)?.is_some_and(|measured| measured != entry.verity) {
            files.remove_file(&part).doing(|| format!("removing {}", files.show(&part)))?;
        }
        let record = match measure(files, &part)? {
            Some(_) => Record { sha256: entry.sha256, size: entry.size },
            None => {
                let checked = self.fetch(files, entry, &part, told)?;
                Record { sha256: checked.sha256(), size: checked.size() }
            }
        };
        files.write_record_at(&part, &record).doing(|| format!("writing down what {} is", files.show(&part)))?;
        let seal = if measure(files, &part)?.is_some() { Seal::Sealed } else { Seal::NotPossible };
        new.name(files, &part, &place)?;
        Ok(seal)
    }
}

/// Whether the bytes of a manifest's entry stand at a path: by the kernel's measurement where they are sealed, or else read.
pub fn stands(files: &Disk, path: &str, entry: &Entry) -> Result<bool, Failure> {
    match files.look(path) {
        Ok(look) if look.kind == Kind::File && look.size == entry.size => match measure(files, path)? {
            Some(measured) => Ok(measured == entry.verity),
            None => Ok(record_of(files, path)?.sha256 == entry.sha256),
        },
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error).doing(|| format!("looking at {}", files.show(path))),
    }
}

/// The kernel's measurement of a sealed file; `None` of one that is not sealed, or not there.
fn measure(files: &Disk, path: &str) -> Result<Option<[u8; 32]>, Failure> {
    match files.measure(path) {
        Err(Errno::NOENT) => Ok(None),
        measured => measured.doing(|| format!("measuring {}", files.show(path))),
    }
}
