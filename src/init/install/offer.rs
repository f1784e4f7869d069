//! A manifest and its signature, from a file of this machine or from the network. Nobody believes either yet.

use super::How;
use crate::failure::{Doing, Failure};
use crate::fetch::job::{Job, MAX_DOCUMENT, What};
use crate::fetch::parent::{Progress, Terms, fetch};
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// What the signature's name has behind the manifest's.
const SIGNATURE: &str = ".minisig";
/// The longest signature.
const MAX_SIGNATURE: u64 = wire::minisig::MAX_BYTES as u64;
/// How long each of the two may take, all rounds over all mirrors included.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is offered.
pub struct Offer {
    /// `release.json`
    pub manifest: Vec<u8>,
    /// `release.json.minisig`
    pub minisig: Vec<u8>,
}

impl Offer {
    /// Fetches both; a server is waited for as `how` says, and what happens meanwhile is said.
    pub fn fetch(url: &str, ca: Option<&Path>, how: &How) -> Result<Offer, Failure> {
        (how.say)(&format!("fetching {url}"));
        let manifest = document("the manifest", url, MAX_DOCUMENT, ca, how)?;
        let minisig = document("the manifest's signature", &signature_of(url), MAX_SIGNATURE, ca, how)?;
        Ok(Offer { manifest, minisig })
    }

    /// Reads both.
    pub fn read(path: &str) -> Result<Offer, Failure> {
        let signature = format!("{path}{SIGNATURE}");
        let open = |path: &str| File::open(path).doing(|| format!("reading {path}"));
        Ok(Offer {
            manifest: read(open(path)?, path, MAX_DOCUMENT)?,
            minisig: read(open(&signature)?, &signature, MAX_SIGNATURE)?,
        })
    }

    /// Reads both from files that are open.
    pub fn of(manifest: File, minisig: File) -> Result<Offer, Failure> {
        Ok(Offer {
            manifest: read(manifest, "the manifest", MAX_DOCUMENT)?,
            minisig: read(minisig, "the manifest's signature", MAX_SIGNATURE)?,
        })
    }
}

/// All of a file, and one byte more of one that is too long, which whoever checks it refuses.
fn read(file: File, name: &str, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).doing(|| format!("reading {name}"))?;
    Ok(bytes)
}

/// The address of the signature: beside the manifest, with the same query.
fn signature_of(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}{SIGNATURE}?{query}"),
        None => format!("{url}{SIGNATURE}"),
    }
}

fn document(name: &str, url: &str, limit: u64, ca: Option<&Path>, how: &How) -> Result<Vec<u8>, Failure> {
    let job = Job::new(name, &[url], What::Document { limit }).map_err(Failure::new)?;
    let job = Job { patience: how.patience, ..job };
    let doing = || format!("making a file in memory for {name}");
    let file = rustix::fs::memfd_create("dock0", MemfdFlags::CLOEXEC).doing(doing)?;
    let terms = Terms { program: None, ca, deadline: how.at_most(DEADLINE) };
    let fetched = fetch(&job, file.into(), &terms, &mut |progress| match progress {
        Progress::Gap(text) => (how.say)(&format!("the child that fetches is not locked up entirely: {text}")),
        Progress::Note(text) => (how.say)(&text),
        Progress::Mirror(_) | Progress::At(_) => {}
    })?;
    fetched.document()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_beside_the_manifest() {
        for (url, want) in [
            ("https://a/release.json", "https://a/release.json.minisig"),
            ("https://a/release.json?token=x", "https://a/release.json.minisig?token=x"),
        ] {
            assert_eq!(signature_of(url), want);
        }
    }
}
