//! The state of a boot partition as a value, read the same way from a mounted one and from the image of one.

use menagerie::state::Marks;
use menagerie::{Layout, layout};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use wire::grubenv::{DEFAULT, GRUBENV};

/// All that a power cut may leave old or new, and never as a third thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The release that `latest` leads to.
    pub latest: Release,
    /// Every release, by its number; `None` where the sequence promises nothing about those that `latest` does not lead to.
    pub releases: Option<BTreeMap<u32, Release>>,
    /// The configurations.
    pub config: Configurations,
    /// What is remembered of trials.
    pub trials: Trials,
}

/// What is remembered of trials. Each of these is old or new by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trials {
    /// What a release's marks come to, by its id: `good`, `bad`, or the tries that are left.
    pub marks: BTreeMap<String, String>,
    /// What the boot loaders count, by the path of the file that they do it in.
    pub loaders: BTreeMap<String, Content>,
}

/// The configuration and the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configurations {
    /// What stands below `config`.
    pub current: Files,
    /// What stands below `config.prev`, where there is one.
    pub before: Option<Files>,
}

/// Files and links, by their paths below the directory that they stand in.
pub type Files = BTreeMap<String, Leaf>;

/// What is no directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaf {
    /// A file, and what it holds.
    File(Content),
    /// A link, and where it leads.
    Link(String),
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

/// What can stand at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    File,
}

/// Where the configuration that is in force stands.
pub const CONFIG: &str = menagerie::layout::CONFIG;
/// Where the one before it stands.
pub const CONFIG_BEFORE: &str = "config.prev";

/// How many steps there may be from the root of a tree to a file of a configuration. Without the journal a directory may seem to
/// lie in itself.
const DEEPEST: usize = 32;

/// A tree of files, wherever it stands. Paths are relative to its root, which is `""`; an error is a sentence.
pub trait Tree {
    /// The names in a directory, without `.` and `..`.
    fn names(&self, directory: &str) -> Result<Vec<String>, String>;
    /// What stands at a path; a link is not followed.
    fn what(&self, path: &str) -> Result<What, String>;
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
    let current = read_files(tree, CONFIG)?;
    let has_before = tree.names("")?.iter().any(|name| name == CONFIG_BEFORE);
    let before = if has_before { Some(read_files(tree, CONFIG_BEFORE)?) } else { None };
    let trials = Trials { marks: read_marks(tree)?, loaders: read_loaders(tree)? };
    Ok(State { latest, releases, config: Configurations { current, before }, trials })
}

fn read_marks(tree: &dyn Tree) -> Result<BTreeMap<String, String>, String> {
    let mut all = Box::<Marks>::default();
    if has(tree, layout::STATE)? {
        tree.names(layout::STATE)?.iter().for_each(|name| all.read(name));
    }
    let left = all.trials.iter().map(|trial| (trial.id, format!("{} left", trial.left)));
    let bad = all.bad.iter().map(|id| (*id, "bad".to_string()));
    let good = all.good.iter().map(|id| (*id, "good".to_string()));
    // The last one counts: whatever was called good is good, and what is bad is tried no more.
    Ok(left.chain(bad).chain(good).map(|(id, what)| (id.to_string(), what)).collect())
}

fn read_loaders(tree: &dyn Tree) -> Result<BTreeMap<String, Content>, String> {
    let mut loaders = BTreeMap::new();
    for path in [GRUBENV, DEFAULT] {
        if has(tree, path)? {
            loaders.insert(path.to_string(), tree.content(path)?);
        }
    }
    Ok(loaders)
}

/// Whether anything stands at a path.
fn has(tree: &dyn Tree, path: &str) -> Result<bool, String> {
    let mut directory = String::new();
    for name in path.split('/') {
        if !tree.names(&directory)?.iter().any(|other| other == name) {
            return Ok(false);
        }
        directory = format!("{directory}/{name}").trim_start_matches('/').to_string();
    }
    Ok(true)
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

fn read_files(tree: &dyn Tree, directory: &str) -> Result<Files, String> {
    let mut files = Files::new();
    let mut left = vec![directory.to_string()];
    while let Some(now) = left.pop() {
        for name in tree.names(&now)? {
            let path = format!("{now}/{name}");
            if path.split('/').count() > DEEPEST {
                return Err(format!("{path} lies too deep"));
            }
            let leaf = match tree.what(&path)? {
                What::Directory => {
                    left.push(path);
                    continue;
                }
                What::Link => Leaf::Link(tree.target(&path)?),
                What::File => Leaf::File(tree.content(&path)?),
            };
            let below = path.strip_prefix(directory).unwrap_or(&path).trim_start_matches('/').to_string();
            files.insert(below, leaf);
        }
    }
    Ok(files)
}
