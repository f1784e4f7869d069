//! A release that is to be installed: its artifacts and where their bytes are.

use crate::layout::{LongLink, check_link};
use crate::listing::MAX_ARTIFACTS;
use crate::{Artifact, Layout};
use core::fmt;
use heapless::Vec;

/// Where an artifact's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the boot partition already.
    Standing,
    /// In a file, or on their way from a server that need not have said how many they are.
    File {
        /// In bytes, if that is known before they are read.
        size: Option<u64>,
        /// The mode that the artifact shall have, if that was said.
        mode: Option<u32>,
        /// Whether the artifact stands already, with the same bytes.
        alike: bool,
    },
    /// Somewhere on the network. What was fetched of it before is kept and taken up.
    Remote {
        /// In bytes.
        size: u64,
        /// Whether the artifact stands already, with the same bytes.
        alike: bool,
    },
}

impl Source {
    /// Whether other bytes stand in the artifact's place, if anything does.
    pub(crate) fn differs(self) -> bool {
        matches!(self, Source::File { alike: false, .. } | Source::Remote { alike: false, .. })
    }
}

/// A release that is to be installed: no artifact is in it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRelease {
    /// At most [`MAX_ARTIFACTS`].
    pub(crate) artifacts: Vec<Artifact, MAX_ARTIFACTS>,
    /// One for each.
    pub(crate) sources: Vec<Source, MAX_ARTIFACTS>,
}

/// Why an artifact was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadArtifact {
    /// There is one with this name.
    Twice,
    /// There are [`MAX_ARTIFACTS`].
    TooMany,
    /// No link can lead to it.
    LongLink(LongLink),
}

impl fmt::Display for BadArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadArtifact::Twice => f.write_str("is given twice"),
            BadArtifact::TooMany => write!(f, "is one too many: a release has at most {MAX_ARTIFACTS} artifacts"),
            BadArtifact::LongLink(why) => why.fmt(f),
        }
    }
}

impl NewRelease {
    /// Adds an artifact.
    pub fn add(&mut self, layout: &Layout, artifact: Artifact, source: Source) -> Result<(), BadArtifact> {
        check_link(layout, &artifact).map_err(BadArtifact::LongLink)?;
        if self.artifacts.iter().any(|other| other.name == artifact.name) {
            return Err(BadArtifact::Twice);
        }
        self.artifacts.push(artifact).map_err(|_| BadArtifact::TooMany)?;
        self.sources.push(source).map_err(|_| BadArtifact::TooMany)
    }

    /// Whether what is unfinished of an artifact will be taken up.
    pub(crate) fn takes_up(&self, artifact: &Artifact) -> bool {
        let mut all = self.artifacts.iter().zip(&self.sources);
        all.any(|(mine, source)| mine == artifact && matches!(source, Source::Remote { alike: false, .. }))
    }

    /// Its artifacts.
    pub fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;
    use std::{format, string::String};

    fn artifact(name: &str) -> Artifact {
        Artifact { name: name.parse().unwrap(), version: "1".parse().unwrap() }
    }

    #[test]
    fn what_makes_no_release_is_refused() {
        let mut new = NewRelease::default();
        let mut add = |name: &str| new.add(&Layout::default(), artifact(name), Source::Standing);
        for number in 0..16 {
            add(&format!("a{number}")).unwrap();
        }
        let why = |refused: Result<(), BadArtifact>| -> String { refused.unwrap_err().to_string() };
        assert_eq!(why(add("a3")), "is given twice");
        assert_eq!(why(add("b")), "is one too many: a release has at most 16 artifacts");
        assert_eq!(
            why(add(&"n".repeat(42))),
            "has too long a name and version: a link to it has 60 bytes, at most 59 can be"
        );
        assert_eq!(new.artifacts().len(), 16);
    }
}
