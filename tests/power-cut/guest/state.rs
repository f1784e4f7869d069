//! The state of a boot partition as a value, read the same way from a mounted one and from the image of one.

use menagerie::{Layout, layout};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// All that a power cut may leave old or new, and never as a third thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The release that `latest` leads to.
    pub latest: Release,
    /// Every release, by its number; `None` where the sequence promises nothing about those that `latest` does not lead to.
    pub releases: Option<BTreeMap<u32, Release>>,
    /// The files below `config`, by path.
    pub config: BTreeMap<String, Content>,
}

/// The artifacts of a release, by name.
pub type Release = BTreeMap<String, Artifact>;

/// An artifact that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Which one it is.
    pub version: String,
    /// What it holds.
    pub content: Content,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Content {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Content {
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Content { size: bytes.len() as u64, sha256 }
    }
}

/// Which releases a sequence promises to keep whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The one that `latest` leads to.
    Latest,
    /// That one and every other.
    Every,
}

/// A tree of files, wherever it stands. Paths are relative to its root; an error is a sentence.
pub trait Tree {
    /// The names in a directory, without `.` and `..`.
    fn names(&self, directory: &str) -> Result<Vec<String>, String>;
    /// Whether it is a directory, links not followed.
    fn is_directory(&self, path: &str) -> Result<bool, String>;
    /// Where a link leads.
    fn target(&self, link: &str) -> Result<String, String>;
    /// What a file holds.
    fn content(&self, file: &str) -> Result<Content, String>;
}

/// Reads the state; anything odd or missing in it is an error.
pub fn read(tree: &dyn Tree, promise: Promise) -> Result<State, String> {
    let target = tree.target(layout::LATEST)?;
    let number = Layout::default()
        .parse_latest(&target)
        .ok_or_else(|| format!("latest leads to {target}, which is no release"))?;
    let latest = read_release(tree, number)?;
    let releases = match promise {
        Promise::Latest => None,
        Promise::Every => Some(read_releases(tree)?),
    };
    let mut config = BTreeMap::new();
    read_files(tree, "config", &mut config)?;
    Ok(State { latest, releases, config })
}

fn read_releases(tree: &dyn Tree) -> Result<BTreeMap<u32, Release>, String> {
    let mut releases = BTreeMap::new();
    for name in tree.names(layout::RELEASES)? {
        let number = layout::parse_number(&name).ok_or_else(|| format!("releases/{name} is no release"))?;
        releases.insert(number, read_release(tree, number)?);
    }
    Ok(releases)
}

fn read_release(tree: &dyn Tree, number: u32) -> Result<Release, String> {
    let directory = format!("{}/{number}", layout::RELEASES);
    let mut release = Release::new();
    for name in tree.names(&directory)? {
        let link = format!("{directory}/{name}");
        let target = tree.target(&link)?;
        let artifact = Layout::default()
            .parse_link_target(&target)
            .filter(|artifact| artifact.name.as_str() == name)
            .ok_or_else(|| format!("{link} leads to {target}, which is no such artifact"))?;
        let content = tree.content(&Layout::default().artifact(&artifact))?;
        release.insert(name, Artifact { version: artifact.version.to_string(), content });
    }
    Ok(release)
}

fn read_files(tree: &dyn Tree, directory: &str, files: &mut BTreeMap<String, Content>) -> Result<(), String> {
    for name in tree.names(directory)? {
        let path = format!("{directory}/{name}");
        if tree.is_directory(&path)? {
            read_files(tree, &path, files)?;
        } else {
            let content = tree.content(&path)?;
            files.insert(path, content);
        }
    }
    Ok(())
}
