//! The contents that files may have, known by all their bytes once one has been seen: comparing is quicker than digesting.

use crate::expected::Expected;
use anyhow::{Context, Result};
use power_cut_guest::state::{Content, Release};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of the contents that a recording's states have.
pub struct Library {
    wanted: HashSet<Content>,
    shelves: Mutex<Shelves>,
    /// Releases as directories, for GRUB's own code to compare with.
    directory: PathBuf,
}

/// A content and all its bytes.
pub type Known = (Content, Arc<Vec<u8>>);

#[derive(Default)]
struct Shelves {
    known: Vec<Known>,
    releases: BTreeMap<String, PathBuf>,
}

impl Library {
    /// Nothing known yet; releases are laid out below `directory`.
    pub fn new(expected: &Expected, directory: &Path) -> Library {
        Library { wanted: expected.contents(), shelves: Mutex::default(), directory: directory.into() }
    }

    /// The known contents of this size, in bytes.
    pub fn candidates(&self, size: u64) -> Vec<Known> {
        self.shelves().known.iter().filter(|(content, _)| content.size == size).cloned().collect()
    }

    /// The content that these bytes are; from now on it is known.
    pub fn add(&self, bytes: Vec<u8>) -> Content {
        let content = Content::of(&bytes);
        let mut shelves = self.shelves();
        if self.wanted.contains(&content) && !shelves.known.iter().any(|(known, _)| *known == content) {
            shelves.known.push((content.clone(), Arc::new(bytes)));
        }
        content
    }

    /// A directory with the artifacts of a release, each of which must have been identified before.
    pub fn lay_out(&self, release: &Release) -> Result<PathBuf> {
        let key = format!("{release:?}");
        let mut shelves = self.shelves();
        if let Some(directory) = shelves.releases.get(&key) {
            return Ok(directory.clone());
        }
        let directory = self.directory.join(format!("release{}", shelves.releases.len()));
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        for (name, artifact) in release {
            let known = shelves.known.iter().find(|(content, _)| *content == artifact.content);
            let (content, bytes) = known.with_context(|| format!("{name} {} was never seen", artifact.version))?;
            let (file, link) = (self.directory.join(&content.sha256), directory.join(name));
            // Once for all releases that have it: this is memory.
            let written = if file.exists() { Ok(()) } else { fs::write(&file, &**bytes) };
            let linked = written.and_then(|()| fs::hard_link(&file, &link));
            linked.with_context(|| format!("writing {}", link.display()))?;
        }
        shelves.releases.insert(key, directory.clone());
        Ok(directory)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
