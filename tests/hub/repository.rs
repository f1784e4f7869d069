//! The repository: commits, tags and releases, and GitHub's rules for them. Knows nothing of HTTP.

use crate::release::{Asset, Release, State};
use std::collections::BTreeMap;

/// The branch that is released from where nothing else is said.
pub const BRANCH: &str = "main";

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing, or not for who asks.
    NotFound,
    /// Nothing was pushed, and so there is nothing to tag.
    Empty,
    /// The commit was not pushed.
    NoCommit(String),
    /// An asset of no bytes.
    NoBytes,
    /// A field of a document is not as it should be.
    Invalid {
        /// `Release` or `ReleaseAsset`.
        resource: &'static str,
        /// The field.
        field: &'static str,
        /// `already_exists`, `invalid` or `missing_field`.
        code: &'static str,
    },
}

/// Which release is called the latest (`make_latest`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latest {
    /// This one, if it becomes one that counts.
    #[default]
    Automatic,
    /// This one.
    This,
    /// The one that is.
    Other,
}

/// What somebody wants a release to be. What is `None` stays as it is.
#[derive(Debug, Default)]
pub struct Wish {
    /// `tag_name`
    pub tag: Option<String>,
    /// `name`
    pub name: Option<String>,
    /// `body`
    pub notes: Option<String>,
    /// `target_commitish`
    pub target: Option<String>,
    /// `draft`
    pub draft: Option<bool>,
    /// `prerelease`
    pub prerelease: Option<bool>,
    /// `make_latest`
    pub latest: Latest,
}

/// One repository.
#[derive(Debug, Default)]
pub struct Repository {
    /// In the order of their making.
    pub releases: Vec<Release>,
    /// What each tag names.
    pub tags: BTreeMap<String, String>,
    /// What was pushed; the last one is the branch's.
    commits: Vec<String>,
    /// Counts what happens: it gives numbers to releases and assets, and their times.
    clock: u64,
}

impl Repository {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Takes a commit, as the branch's newest.
    pub fn push(&mut self, commit: &str) {
        self.commits.push(commit.into());
    }

    /// The commit of this name: its hash, or the branch.
    pub fn commit(&self, name: &str) -> Option<&str> {
        let mut newest = self.commits.iter().rev();
        newest.find(|commit| name == BRANCH || *commit == name).map(String::as_str)
    }

    /// The release of this number.
    pub fn release(&self, id: u64) -> Result<&Release, Refusal> {
        self.releases.iter().find(|release| release.id == id).ok_or(Refusal::NotFound)
    }

    fn release_mut(&mut self, id: u64) -> Result<&mut Release, Refusal> {
        self.releases.iter_mut().find(|release| release.id == id).ok_or(Refusal::NotFound)
    }

    /// The published release of a tag.
    pub fn published(&self, tag: &str) -> Result<&Release, Refusal> {
        self.releases.iter().find(|release| !release.draft && release.tag == tag).ok_or(Refusal::NotFound)
    }

    /// The release people get who name none: of those that count, the one that was last made the latest.
    pub fn latest(&self) -> Result<&Release, Refusal> {
        let candidates = self.releases.iter().filter(|release| release.counts());
        candidates.max_by_key(|release| (release.rank, release.id)).ok_or(Refusal::NotFound)
    }

    /// Makes a release; published, if it is not said to be a draft.
    pub fn create(&mut self, wish: Wish) -> Result<&Release, Refusal> {
        let (id, target) = (self.tick(), BRANCH.into());
        let release =
            self.granted(Release { id, created: id, target, draft: true, ..Release::default() }, wish, false)?;
        self.releases.push(release);
        self.release(id)
    }

    /// Changes a release.
    pub fn change(&mut self, id: u64, wish: Wish) -> Result<&Release, Refusal> {
        let release = self.release(id)?.clone();
        let draft = release.draft;
        let changed = self.granted(release, wish, draft)?;
        *self.release_mut(id)? = changed;
        self.release(id)
    }

    /// What a release becomes by a wish, or why not. Publishing makes its tag.
    fn granted(&mut self, release: Release, wish: Wish, draft: bool) -> Result<Release, Refusal> {
        let counted = release.counts();
        let mut release = Release {
            tag: wish.tag.unwrap_or(release.tag),
            name: wish.name.unwrap_or(release.name),
            notes: wish.notes.unwrap_or(release.notes),
            target: wish.target.filter(|target| !target.is_empty()).unwrap_or(release.target),
            draft: wish.draft.unwrap_or(draft),
            prerelease: wish.prerelease.unwrap_or(release.prerelease),
            ..release
        };
        if release.tag.is_empty() {
            return Err(Refusal::Invalid { resource: "Release", field: "tag_name", code: "missing_field" });
        }
        let commit = self.commit_for(&release)?;
        if release.draft {
            release.published = None;
            return Ok(release);
        }
        if self.published(&release.tag).is_ok_and(|other| other.id != release.id) {
            return Err(Refusal::Invalid { resource: "Release", field: "tag_name", code: "already_exists" });
        }
        self.tags.insert(release.tag.clone(), commit);
        let now = self.tick();
        release.published.get_or_insert(now);
        let becomes_latest = match wish.latest {
            Latest::Automatic => release.counts() && !counted,
            Latest::This => true,
            Latest::Other => false,
        };
        if becomes_latest {
            release.rank = now;
        }
        Ok(release)
    }

    /// The commit a release is of. A tag that is there stays where it is, whatever target is named beside it.
    fn commit_for(&self, release: &Release) -> Result<String, Refusal> {
        let found = self.tags.get(&release.tag).map(String::as_str).or_else(|| self.commit(&release.target));
        let invalid = Refusal::Invalid { resource: "Release", field: "target_commitish", code: "invalid" };
        found.map(String::from).ok_or(if self.commits.is_empty() { Refusal::Empty } else { invalid })
    }

    /// Removes a release. Its tag stays.
    pub fn delete(&mut self, id: u64) -> Result<(), Refusal> {
        self.release(id)?;
        self.releases.retain(|release| release.id != id);
        Ok(())
    }

    /// Takes an asset. One of whose bytes not all came stays, without any of them, until it is deleted.
    pub fn upload(&mut self, id: u64, asset: Asset) -> Result<&Asset, Refusal> {
        let number = self.tick();
        let release = self.release_mut(id)?;
        if asset.state == State::Uploaded && asset.bytes.is_empty() {
            return Err(Refusal::NoBytes);
        }
        let name = stored_name(&asset.name);
        if release.assets.contains_key(&name) {
            return Err(Refusal::Invalid { resource: "ReleaseAsset", field: "name", code: "already_exists" });
        }
        let asset = Asset { id: number, name: name.clone(), ..asset };
        Ok(release.assets.entry(name).or_insert(asset))
    }

    /// The asset of this number, and the release it belongs to.
    pub fn asset(&self, id: u64) -> Result<(&Release, &Asset), Refusal> {
        let mut all =
            self.releases.iter().flat_map(|release| release.assets.values().map(move |asset| (release, asset)));
        all.find(|(_, asset)| asset.id == id).ok_or(Refusal::NotFound)
    }

    /// Removes an asset.
    pub fn delete_asset(&mut self, id: u64) -> Result<(), Refusal> {
        self.asset(id)?;
        for release in &mut self.releases {
            release.assets.retain(|_, asset| asset.id != id);
        }
        Ok(())
    }
}

/// The name GitHub keeps a file under: what is neither letter, digit nor one of a few signs becomes a full stop.
fn stored_name(name: &str) -> String {
    let kept = |letter: char| letter.is_ascii_alphanumeric() || "._-+@".contains(letter);
    name.chars().map(|letter| if kept(letter) { letter } else { '.' }).collect()
}
