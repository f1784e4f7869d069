//! The judgement on one disk that a power cut may have left: as GRUB sees it, and as init does once the journal is replayed.

use crate::expected::{Expected, Fit};
use crate::library::Library;
use crate::view::View;
use crate::{fsck, grub};
use anyhow::{Context, Result};
use power_cut_guest::{State, marker, state};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

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

/// Judges the disk in this file, whose journal is replayed by that. An error is not about the disk but about the rig.
pub fn judge(file: &File, path: &Path, expected: &Expected, library: &Library) -> Result<Judgement> {
    let done = read_marker(file)?;
    let mut judgement = Judgement::default();
    match see_as_grub(file, path, expected, library, done) {
        Ok(stale) => judgement.stale = stale,
        Err(why) => judgement.grub = Some(why),
    }
    // Read to the end whatever was found before: each column of the table stands for itself.
    match fsck::replay(path).and_then(|()| fsck::check(path)) {
        Ok(()) => {}
        Err(error) => judgement.unclean = Some(format!("{error:#}")),
    }
    judgement.init = see_as_init(file, expected, library, done).err();
    Ok(judgement)
}

/// How many operations were reported done, by the marker on the disk.
pub fn read_marker(file: &File) -> Result<u32> {
    let size = file.metadata().context("looking at the image")?.len();
    let mut block = vec![0; marker::SIZE as usize];
    file.read_exact_at(&mut block, size.saturating_sub(marker::SIZE)).context("reading the marker")?;
    marker::parse(&block).map_err(anyhow::Error::msg)
}

/// What is older than it should be, if anything. An error says what GRUB cannot read, or what never was like that.
fn see_as_grub(
    file: &File,
    path: &Path,
    expected: &Expected,
    library: &Library,
    done: u32,
) -> Result<Option<String>, String> {
    let found = View::raw(file, library).and_then(|view| state::read(&view, expected.promise))?;
    let stale = compare(&found, expected, done)?;
    let directory = library.lay_out(&found.latest).map_err(|error| format!("latest: {error:#}"))?;
    grub::compare(path, "/latest", &directory).map_err(|error| format!("GRUB's own code: {error:#}"))?;
    Ok(stale)
}

fn see_as_init(file: &File, expected: &Expected, library: &Library, done: u32) -> Result<(), String> {
    let view = View::raw(file, library)?;
    match compare(&state::read(&view, expected.promise)?, expected, done)? {
        None => Ok(()),
        Some(stale) => Err(stale),
    }
}

/// What of the state is older than it should be, if anything. An error says what of it never was like that.
fn compare(found: &State, expected: &Expected, done: u32) -> Result<Option<String>, String> {
    let fits = [
        ("latest", expected.fit(done, &found.latest, |state| &state.latest)),
        ("releases", expected.fit(done, &found.releases, |state| &state.releases)),
        ("config", expected.fit(done, &found.config, |state| &state.config)),
    ];
    if let Some((part, _)) = fits.iter().find(|(_, fit)| *fit == Fit::Never) {
        return Err(format!("{part} is neither as after {done} operations nor as after the next: {}", shown(found)));
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
    parts.push(format!("{} files of configuration", state.config.len()));
    parts.join("; ")
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
