//! Whether a manifest may be installed on this machine: every check, in the one order in which nothing is believed too early.

use crate::failure::Failure;
use crate::store::{Files, seen};
use crate::trust;
use menagerie::{Clock, Expected, Judge, KeyId, ManifestId, Memory, Seen, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::manifest::Manifest;

/// A manifest that may be installed.
#[derive(Debug)]
pub struct Admitted<'m> {
    /// What it says.
    pub manifest: Manifest<'m>,
    /// What is to be remembered of it.
    seen: Seen,
    memory: Memory,
}

impl Admitted<'_> {
    /// Remembers it on the disk; to be done before anything of it is installed, so that from then on nothing older is.
    pub fn remember(&self, files: &impl Files) -> Result<(), Failure> {
        seen::remember(files, &self.memory, &self.seen)
    }
}

/// What time it is, as far as this machine knows.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// What its clock says.
    pub system: Timestamp,
    /// When init was built.
    pub built: Timestamp,
}

/// What the machine's clock says; 1970 where it says something before that.
pub fn system_time() -> Timestamp {
    Timestamp::from_unix(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// Checks a manifest and its signature against the pinned keys and what is remembered. Nothing is changed.
pub fn admit<'m>(
    files: &impl Files,
    expected: &Expected<'_>,
    times: Times,
    manifest: &'m [u8],
    minisig: &[u8],
) -> Result<Admitted<'m>, Failure> {
    let keys = trust::read_keys(files)?;
    let signer = trust::verify(&keys, manifest, minisig)?;
    let id = ManifestId::of(manifest);
    let refused = |why: &dyn ToString| Failure::new(format!("refusing the manifest: {}", why.to_string()));
    let manifest = Manifest::parse(manifest).map_err(|why| refused(&why))?;
    let memory = seen::read(files)?;
    let trusted: Vec<KeyId> = keys.iter().map(|key| key.id).collect();
    let clock = Clock { system: times.system, floor: memory.floor(times.built, &trusted) };
    let judge = Judge { expected: *expected, memory: &memory, trusted: &trusted, clock };
    let seen = judge.accept(&manifest.offer(signer, id)).map_err(|why| refused(&why))?;
    Ok(Admitted { manifest, seen, memory })
}

/// The earliest that it can be now: what the clock of a machine that wants to believe certificates is set to, at least.
pub fn floor(files: &impl Files, built: Timestamp) -> Result<Timestamp, Failure> {
    let trusted: Vec<KeyId> = trust::pinned_keys(files)?.iter().map(|key| key.id).collect();
    Ok(seen::read(files)?.floor(built, &trusted))
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
