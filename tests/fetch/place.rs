//! A place to fetch into, and a fetch into it.

use crate::watched::{self, Watched};
use anyhow::Result;
use init::failure::Failure;
use init::fetch::fetched::Fetched;
use init::fetch::job::{Job, Patience, What};
use init::fetch::parent::{Progress, Terms, fetch};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Patience for tests: everything a child waits for is over within half a second, and nothing is tried twice.
pub const QUICK: Patience = Patience {
    connect: 2_000,
    answer: 600,
    read: 600,
    rate: 10 << 10,
    window: 500,
    rounds: 1,
    pause: 20,
    durable: 1 << 20,
};

/// A directory with a file that is being fetched.
pub struct Place {
    /// The directory.
    pub directory: tempfile::TempDir,
    /// The program that is the child.
    pub program: PathBuf,
    ca: PathBuf,
}

impl Place {
    /// One that trusts this CA. It lies beside the tests' build, since extended attributes need a real file system.
    pub fn new(program: &str, ca: &str) -> Result<Place> {
        let directory = tempfile::tempdir_in(Path::new(program).parent().unwrap_or(Path::new(".")))?;
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, ca)?;
        Ok(Place { directory, program: program.into(), ca: path })
    }

    /// The path of the file.
    pub fn part(&self) -> PathBuf {
        self.directory.path().join(".2.part")
    }

    /// The path of the CA file.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The file, as the store would hand it out.
    pub fn open(&self) -> Result<File> {
        Ok(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.part())?)
    }

    /// What the file holds.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.part())?)
    }

    /// Fetches into it.
    pub fn fetch(&self, job: &Job) -> (Result<Fetched, Failure>, Vec<Progress>) {
        self.fetch_within(job, Duration::from_secs(60))
    }

    /// The same with a deadline.
    pub fn fetch_within(&self, job: &Job, deadline: Duration) -> (Result<Fetched, Failure>, Vec<Progress>) {
        let mut heard = Vec::new();
        let fetched = self.fetch_telling(job, deadline, &mut |progress| heard.push(progress));
        (fetched, heard)
    }

    /// The same, and looks at the child whenever it says something.
    pub fn fetch_watched(&self, job: &Job, deadline: Duration) -> (Result<Fetched, Failure>, Option<Watched>) {
        let mut watched = None;
        // The last time it may be gone already.
        let fetched = self.fetch_telling(job, deadline, &mut |_| watched = watched::look().or(watched));
        (fetched, watched)
    }

    fn fetch_telling(&self, job: &Job, deadline: Duration, tell: &mut dyn FnMut(Progress)) -> Result<Fetched, Failure> {
        let terms = Terms { program: Some(&self.program), ca: Some(&self.ca), deadline };
        let file = self.open().map_err(|error| Failure::new(error.to_string()))?;
        fetch(job, file, &terms, tell)
    }
}

/// The order for these bytes.
///
/// # Panics
/// If the addresses are none.
pub fn job(bytes: &[u8], urls: &[&str]) -> Job {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let what = What::Artifact { size, sha256: Sha256::digest(bytes).into() };
    let job = Job::new("vm_root 2", urls, what).unwrap_or_else(|why| panic!("{why}"));
    Job { patience: QUICK, ..job }
}

/// The notes among what was heard.
pub fn notes(heard: &[Progress]) -> Vec<&str> {
    heard.iter().filter_map(note).collect()
}

fn note(progress: &Progress) -> Option<&str> {
    match progress {
        Progress::Note(text) => Some(text),
        Progress::Gap(_) | Progress::Mirror(_) | Progress::At(_) => None,
    }
}
