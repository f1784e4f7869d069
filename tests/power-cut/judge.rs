//! The judgement on one disk that a power cut may have left: as GRUB sees it, and as init does once the journal is replayed.

use crate::expected::{Expected, Fit};
use crate::library::Library;
use crate::view::View;
use crate::{fsck, grub};
use anyhow::{Context, Result};
use power_cut_guest::{State, marker, state};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is wrong with a disk; each a sentence, `None` where all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Init would find something that is neither old nor new, or not whole.
    pub init: Option<String>,
    /// So would GRUB.
    pub grub: Option<String>,
    /// GRUB finds something whole that is older than what was reported done.
    pub stale: Option<String>,
    /// e2fsck finds fault with the file system.
    pub unclean: Option<String>,
}

impl Judgement {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        *self == Judgement::default()
    }
}

/// Judges the disks of one recording.
pub struct Judge<'e> {
    expected: &'e Expected,
    library: Library,
    /// What GRUB saw, by what the disk held besides its journal, which GRUB does not read.
    seen_by_grub: Mutex<HashMap<u128, Sight>>,
}

/// What is older than it should be, if anything; an error says what cannot be read, or what never was like that.
type Sight = Result<Option<String>, String>;

impl<'e> Judge<'e> {
    /// Nothing seen yet; what GRUB's own code compares with is laid out below `directory`.
    pub fn new(expected: &'e Expected, directory: &Path) -> Judge<'e> {
        Judge { expected, library: Library::new(expected, directory), seen_by_grub: Mutex::default() }
    }

    /// Judges the disk in this file, whose journal is replayed by that. `raw` must be equal only for disks that hold the
    /// same besides their journals. An error is not about the disk but about the rig.
    pub fn judge(&self, file: &File, path: &Path, raw: u128) -> Result<Judgement> {
        let done = read_marker(file)?;
        let known = self.seen_by_grub().get(&raw).cloned();
        let seen = known.map_or_else(|| self.see_as_grub(file, path, done), Ok)?;
        self.seen_by_grub().insert(raw, seen.clone());
        // To the end whatever was found before: each column of the table stands for itself.
        let unclean = fsck::replay(path).and_then(|()| fsck::check(path)).err().map(|error| format!("{error:#}"));
        let init = self.see_as_init(file, done).err();
        let (stale, grub) = match seen {
            Ok(stale) => (stale, None),
            Err(why) => (None, Some(why)),
        };
        Ok(Judgement { init, grub, stale, unclean })
    }

    fn seen_by_grub(&self) -> MutexGuard<'_, HashMap<u128, Sight>> {
        self.seen_by_grub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see_as_grub(&self, file: &File, path: &Path, done: u32) -> Result<Sight> {
        let compare = |found: &State| compare(found, self.expected, done, Eyes::Grub);
        let found = self.read(file).and_then(|found| Ok((compare(&found)?, found.latest)));
        let (stale, latest) = match found {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let directory = self.library.lay_out(&latest)?;
        let compared = grub::compare(path, "/latest", &directory);
        Ok(compared.map(|()| stale).map_err(|error| format!("GRUB's own code: {error:#}")))
    }

    fn read(&self, file: &File) -> Result<State, String> {
        state::read(&View::raw(file, &self.library)?, self.expected.promise)
    }

    fn see_as_init(&self, file: &File, done: u32) -> Result<(), String> {
        compare(&self.read(file)?, self.expected, done, Eyes::Init)?.map_or(Ok(()), Err)
    }
}

/// How many operations were reported done, by the marker on the disk.
pub fn read_marker(file: &File) -> Result<u32> {
    let size = file.metadata().context("looking at the image")?.len();
    let mut block = vec![0; marker::SIZE as usize];
    file.read_exact_at(&mut block, size.saturating_sub(marker::SIZE)).context("reading the marker")?;
    marker::parse(&block).map_err(anyhow::Error::msg)
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eyes {
    /// GRUB, without the journal, and not at what is remembered of releases.
    Grub,
    /// Init, at everything.
    Init,
}

/// What of the state is older than it should be, if anything. An error says what of it never was like that.
fn compare(found: &State, expected: &Expected, done: u32, eyes: Eyes) -> Sight {
    let sees = |part: &&(&str, Fit)| eyes == Eyes::Init || part.0 != "marks";
    let fits: Vec<(&str, Fit)> = expected.fits(done, found).iter().filter(sees).copied().collect();
    if let Some((part, _)) = fits.iter().find(|(_, fit)| *fit == Fit::Never) {
        return Err(format!("{part} is neither as after {done} operations nor as after the next: {}", shown(found)));
    }
    if expected.is_unwatched(done, found) {
        return Err(format!("the boot loaders do not count the starts of a release on trial: {}", shown(found)));
    }
    if expected.is_given_up(found) {
        return Err(format!("the boot loaders have given up the release that has the first place: {}", shown(found)));
    }
    let stale = fits.iter().find(|(_, fit)| *fit == Fit::Stale);
    Ok(stale.map(|(part, _)| format!("{part} is older than after {done} operations: {}", shown(found))))
}

/// The versions alone, in one line.
fn shown(state: &State) -> String {
    let versions = |release: &state::Release| {
        release.iter().map(|(name, artifact)| format!("{name} {}", artifact.version)).collect::<Vec<_>>().join(", ")
    };
    let mut parts = vec![format!("latest {}", versions(&state.latest))];
    let releases = state.releases.iter().flatten();
    parts.extend(releases.map(|(number, release)| format!("{number}: {}", versions(release))));
    let state::Configurations { current, before } = &state.config;
    let before = before.as_ref().map_or("none".to_string(), |before| format!("one of {}", before.len()));
    parts.extend(state.trials.marks.iter().map(|(id, what)| format!("{id} {what}")));
    parts.push(format!("a configuration of {} files, {before} before it", current.len()));
    parts.join("; ")
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
