//! A release and its assets, as values: what the hub keeps, and what a test looks at.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How far an asset has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Its upload broke off; it has no bytes and can only be deleted.
    #[default]
    Starter,
    /// It is there.
    Uploaded,
}

/// A file of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asset {
    /// Its number.
    pub id: u64,
    /// The name it is kept under.
    pub name: String,
    /// What people see instead of its name, if anything.
    pub label: String,
    /// `Content-Type`, as it was uploaded.
    pub kind: String,
    /// How far it has come.
    pub state: State,
    /// What is in it.
    pub bytes: Arc<[u8]>,
    /// Its SHA-256, in hexadecimal.
    pub digest: String,
}

/// A release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Its number.
    pub id: u64,
    /// The name of its tag, which is made when it is published.
    pub tag: String,
    /// Its title.
    pub name: String,
    /// The text beside it.
    pub notes: String,
    /// The commit or branch that the tag is made of (`target_commitish`).
    pub target: String,
    /// Not published: only who has the token sees it.
    pub draft: bool,
    /// Published, and not what people get who name no release.
    pub prerelease: bool,
    /// When it was made, in seconds of the hub's clock.
    pub created: u64,
    /// When it was published.
    pub published: Option<u64>,
    /// The later it was made the latest, the higher; 0 if it never was.
    pub rank: u64,
    /// Its files, by name.
    pub assets: BTreeMap<String, Asset>,
}

impl Release {
    /// Whether it can be the latest.
    pub fn counts(&self) -> bool {
        !self.draft && !self.prerelease
    }

    /// The tag in its addresses. A draft has none yet, and GitHub makes one up.
    pub fn address(&self) -> String {
        if self.draft { format!("untagged-{:020x}", self.id) } else { self.tag.clone() }
    }
}
