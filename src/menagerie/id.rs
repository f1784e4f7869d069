//! A release's id: what it is made of, in 16 digits, whatever its number is at the moment.

use crate::layout::parse_number;
use crate::listing::MAX_ARTIFACTS;
use crate::{Artifact, Release};
use core::fmt;
use core::str::FromStr;
use heapless::Vec;
use sha2::{Digest, Sha256};

const LENGTH: usize = 8;

/// The first eight bytes of the SHA-256 of the release's lines `<name>/<version>`, sorted by their bytes, each with its
/// line end: `printf 'kernel/1\nvm_root/2\n' | sha256sum | cut -c 1-16` prints the same. It tells releases apart; it is no
/// proof of their content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseId([u8; LENGTH]);

impl ReleaseId {
    /// The id of a release with these artifacts, in whatever order they come.
    pub fn of(artifacts: &[Artifact]) -> ReleaseId {
        let mut sorted: Vec<&Artifact, MAX_ARTIFACTS> = artifacts.iter().take(MAX_ARTIFACTS).collect();
        sorted.sort_unstable_by(|one, other| line(one).flatten().cmp(line(other).flatten()));
        let mut digest = Sha256::new();
        sorted.into_iter().flat_map(line).for_each(|part| digest.update(part));
        let digest: [u8; 32] = digest.finalize().into();
        let mut id = [0; LENGTH];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        ReleaseId(id)
    }
}

impl Release {
    /// See [`ReleaseId`].
    pub fn id(&self) -> ReleaseId {
        ReleaseId::of(&self.artifacts)
    }
}

/// `<name>/<version>` and a line end. A `/` is in neither, so no two artifacts have the same line.
fn line(artifact: &Artifact) -> impl Iterator<Item = &[u8]> {
    [artifact.name.as_str(), "/", artifact.version.as_str(), "\n"].into_iter().map(str::as_bytes)
}

/// 16 lower-case hexadecimal digits.
impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A release as somebody names it. Numbers change with every rotation; an id does not, so a wish that names one can be
/// planned again after it was half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its number at the moment.
    Number(u32),
    /// By what it is made of.
    Id(ReleaseId),
    /// The newest but one, whatever its number.
    Older,
}

impl Which {
    /// Whether it is this one.
    pub fn is(self, release: &Release) -> bool {
        match self {
            Which::Number(number) => release.number == number,
            Which::Id(id) => release.id() == id,
            Which::Older => false, // a release alone does not know
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Number(number) => number.fmt(f),
            Which::Id(id) => id.fmt(f),
            Which::Older => f.write_str("older"),
        }
    }
}

impl FromStr for Which {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        // An id has more digits than any number.
        text.parse().map(Which::Id).or_else(|NoId| parse_number(text).map(Which::Number).ok_or(NoId))
    }
}

/// A text is no id of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoId;

impl FromStr for ReleaseId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let ours = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() == 2 * LENGTH && text.bytes().all(ours) {
            true => u64::from_str_radix(text, 16).map(|number| ReleaseId(number.to_be_bytes())).map_err(|_| NoId),
            false => Err(NoId),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn artifact(line: &str) -> Artifact {
        let (name, version) = line.split_once('/').unwrap();
        Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() }
    }

    #[test]
    fn the_id_is_what_sha256sum_prints() {
        // printf 'kernel/1\nvm_root/2\n' | sha256sum, and so on.
        for (lines, want) in [
            (&["kernel/1", "vm_root/2"][..], "47f555eacedc46fd"),
            (&["vm_root/2", "kernel/1"], "47f555eacedc46fd"),
            (&["a/1", "a-b/1"], "6bc5f9d640cdc137"),
            (&[], "e3b0c44298fc1c14"),
        ] {
            let artifacts: std::vec::Vec<Artifact> = lines.iter().map(|line| artifact(line)).collect();
            assert_eq!(ReleaseId::of(&artifacts).to_string(), want, "{lines:?}");
        }
    }

    #[test]
    fn a_release_is_named_by_number_or_id() {
        let release = Release { number: 3, artifacts: Vec::new() };
        for (text, is_it) in [("3", true), ("0", false), ("e3b0c44298fc1c14", true), ("0000000000000003", false)] {
            let which: Which = text.parse().unwrap();
            assert_eq!((which.is(&release), which.to_string().as_str()), (is_it, text));
        }
        for text in ["", "-1", "latest", "03", "e3b0c44298fc1c1"] {
            assert_eq!(text.parse::<Which>(), Err(NoId), "{text:?}");
        }
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = ReleaseId::of(&[artifact("kernel/1")]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in
            ["", "e3b0c44298fc1c1", "e3b0c44298fc1c149", "E3b0c44298fc1c14", "+3b0c44298fc1c14", "é3b0c44298fc1c1"]
        {
            assert_eq!(text.parse::<ReleaseId>(), Err(NoId), "{text:?}");
        }
    }
}
