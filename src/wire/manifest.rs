//! The manifest, `release.json`: which artifacts make a release, what their bytes are, and where they can be fetched.
//!
//! The format is ours, written by `dock0 manifest`; docs/manifest.md describes it. Keys that are not known here are
//! skipped, so that an older init reads a newer manifest; all else is strict.

use crate::json::{self, NotJson};
use crate::url::{BadUrl, Url};
use core::fmt;
use core::str::FromStr;
use heapless::Vec;
use menagerie::layout::{LongLink, check_link};
use menagerie::listing::MAX_ARTIFACTS;
use menagerie::timestamp::NotAMoment;
use menagerie::{Artifact, BadName, KeyId, Layout, ManifestId, Name, Offer, Timestamp};

mod raw;

/// The longest manifest, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// The most places that an artifact can be fetched from.
pub const MAX_URLS: usize = 4;
/// The largest artifact, in bytes: 1 TiB.
pub const MAX_SIZE: u64 = 1 << 40;

/// A release, as its publisher describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest<'m> {
    /// What it is a release of.
    pub product: Name,
    /// Which line of releases.
    pub channel: Name,
    /// For which processor, as `uname -m` says it.
    pub arch: Name,
    /// Grows with each manifest of a channel.
    pub serial: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// From when on it must not be installed; later than issued.
    pub expires: Timestamp,
    /// At least one; no name twice.
    pub artifacts: Vec<Entry<'m>, MAX_ARTIFACTS>,
}

/// An artifact: which, what its bytes are, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'m> {
    /// Name and version; a link to it fits into an inode.
    pub artifact: Artifact,
    /// In bytes, 1 to [`MAX_SIZE`].
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Its fs-verity digest, as `fsverity digest` prints it: SHA-256, blocks of 4096 bytes, no salt.
    pub verity: [u8; 32],
    /// Where it can be fetched, the best first; at least one.
    pub urls: Vec<Url<'m>, MAX_URLS>,
}

/// Why bytes are no manifest. Prints what is wrong with "it".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAManifest<'m> {
    /// It has so many bytes.
    TooLong(usize),
    /// It is no JSON.
    NotJson(NotJson),
    /// A value has not the kind that its key wants.
    Kind(Kind),
    /// Something is wrong with one of its own keys.
    Field(BadField<'m>),
    /// It expires before it is issued.
    NeverValid(Timestamp, Timestamp),
    /// It has so many artifacts.
    Artifacts(usize),
    /// Something is wrong with the artifact of this number, counted from 1.
    Artifact(usize, BadEntry<'m>),
}

/// How a value has not the kind that its key wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One is a text, a list, an object or a number where another is wanted.
    Other,
    /// A number is negative, has a fraction or is 2⁶⁴ or more.
    Number,
    /// A key is there twice.
    Twice,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadField<'m> {
    /// It is missing.
    Missing(&'static str),
    /// Its value is no name or version.
    Word(&'static str, &'m str, BadName),
    /// Its value is no moment.
    Time(&'static str, &'m str),
    /// Its value is no digest.
    Digest(&'static str, &'m str),
}

/// What is wrong with an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadEntry<'m> {
    /// Something is wrong with one of its keys.
    Field(BadField<'m>),
    /// No link can lead to it.
    LongLink(LongLink),
    /// There is one with this name before it.
    Twice(Name),
    /// The size is none.
    Size(u64),
    /// It has so many URLs.
    Urls(usize),
    /// This URL is none.
    Url(&'m str, BadUrl),
}

impl fmt::Display for NotAManifest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAManifest::TooLong(length) => write!(f, "it has {length} bytes, at most {MAX_BYTES} can be"),
            NotAManifest::NotJson(why) => write!(f, "it is no JSON {why}"),
            NotAManifest::Kind(Kind::Other) => {
                f.write_str("a text, a number, a list or an object is where another of them belongs")
            }
            NotAManifest::Kind(Kind::Number) => f.write_str("a number is negative, too large or not whole"),
            NotAManifest::Kind(Kind::Twice) => f.write_str("a key is there twice"),
            NotAManifest::Field(why) => write!(f, "it {why}"),
            NotAManifest::NeverValid(issued, expires) => {
                write!(f, "it expires {expires} and is issued {issued}, which is not before")
            }
            NotAManifest::Artifacts(count) => write!(f, "it has {count} artifacts, 1 to {MAX_ARTIFACTS} can be"),
            NotAManifest::Artifact(number, why) => write!(f, "its artifact {number} {why}"),
        }
    }
}

impl fmt::Display for BadField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadField::Missing(key) => write!(f, "has no {key}"),
            BadField::Word(key, text, why) => write!(f, "says {key} {}, which {why}", Quoted(text)),
            BadField::Time(key, text) => write!(f, "says {key} {}, which {NotAMoment}", Quoted(text)),
            BadField::Digest(key, text) => {
                write!(f, "says {key} {}, which is not 64 lower-case hexadecimal digits", Quoted(text))
            }
        }
    }
}

impl fmt::Display for BadEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadEntry::Field(why) => why.fmt(f),
            BadEntry::LongLink(why) => why.fmt(f),
            BadEntry::Twice(name) => write!(f, "says name {name}, as another does"),
            BadEntry::Size(size) => write!(f, "says size {size}, 1 to {MAX_SIZE} can be"),
            BadEntry::Urls(count) => write!(f, "has {count} urls, 1 to {MAX_URLS} can be"),
            BadEntry::Url(text, why) => write!(f, "says url {}, which {why}", Quoted(text)),
        }
    }
}

/// The beginning of a text, with what a terminal would obey escaped.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{:?}…", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl<'m> Manifest<'m> {
    /// Reads a manifest. Its signature has to be checked before.
    pub fn parse(bytes: &'m [u8]) -> Result<Manifest<'m>, NotAManifest<'m>> {
        if bytes.len() > MAX_BYTES {
            return Err(NotAManifest::TooLong(bytes.len()));
        }
        json::check(bytes).map_err(NotAManifest::NotJson)?;
        raw::Manifest::read(bytes).map_err(NotAManifest::Kind)?.check()
    }

    /// What it says of itself, for the rules to judge.
    pub fn offer(&self, key: KeyId, manifest: ManifestId) -> Offer<'_> {
        let Manifest { product, channel, arch, serial, issued, expires, .. } = self;
        Offer { product, channel, arch, serial: *serial, issued: *issued, expires: *expires, key, manifest }
    }
}

impl<'m> raw::Manifest<'m> {
    fn check(&self) -> Result<Manifest<'m>, NotAManifest<'m>> {
        let manifest = Manifest {
            product: word("product", self.product)?,
            channel: word("channel", self.channel)?,
            arch: word("arch", self.arch)?,
            serial: need("serial", self.serial)?,
            issued: time("issued", self.issued)?,
            expires: time("expires", self.expires)?,
            artifacts: self.check_artifacts()?,
        };
        match manifest.issued < manifest.expires {
            true => Ok(manifest),
            false => Err(NotAManifest::NeverValid(manifest.issued, manifest.expires)),
        }
    }

    fn check_artifacts(&self) -> Result<Vec<Entry<'m>, MAX_ARTIFACTS>, NotAManifest<'m>> {
        let raw = need("artifacts", self.artifacts.as_ref())?;
        if raw.count == 0 || raw.count > MAX_ARTIFACTS {
            return Err(NotAManifest::Artifacts(raw.count));
        }
        let mut artifacts: Vec<Entry<'m>, MAX_ARTIFACTS> = Vec::new();
        for (number, raw) in (1..).zip(&raw.first) {
            let entry = raw.check(&artifacts).map_err(|why| NotAManifest::Artifact(number, why))?;
            artifacts.push(entry).map_err(|_| NotAManifest::Artifacts(number))?;
        }
        Ok(artifacts)
    }
}

impl<'m> raw::Entry<'m> {
    fn check(&self, before: &[Entry<'m>]) -> Result<Entry<'m>, BadEntry<'m>> {
        let artifact = Artifact { name: word("name", self.name)?, version: word("version", self.version)? };
        check_link(&Layout::default(), &artifact).map_err(BadEntry::LongLink)?;
        if before.iter().any(|entry| entry.artifact.name == artifact.name) {
            return Err(BadEntry::Twice(artifact.name));
        }
        let size = need("size", self.size)?;
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(BadEntry::Size(size));
        }
        let sha256 = digest("sha256", self.sha256)?;
        let verity = digest("verity", self.verity)?;
        Ok(Entry { artifact, size, sha256, verity, urls: self.check_urls()? })
    }

    fn check_urls(&self) -> Result<Vec<Url<'m>, MAX_URLS>, BadEntry<'m>> {
        let raw = need("urls", self.urls.as_ref())?;
        if raw.count == 0 || raw.count > MAX_URLS {
            return Err(BadEntry::Urls(raw.count));
        }
        raw.first.iter().map(|text| Url::parse(text).map_err(|why| BadEntry::Url(text, why))).collect()
    }
}

impl<'m> From<BadField<'m>> for NotAManifest<'m> {
    fn from(why: BadField<'m>) -> Self {
        NotAManifest::Field(why)
    }
}

impl<'m> From<BadField<'m>> for BadEntry<'m> {
    fn from(why: BadField<'m>) -> Self {
        BadEntry::Field(why)
    }
}

fn need<'m, T>(key: &'static str, value: Option<T>) -> Result<T, BadField<'m>> {
    value.ok_or(BadField::Missing(key))
}

fn word<'m, T: FromStr<Err = BadName>>(key: &'static str, value: Option<&'m str>) -> Result<T, BadField<'m>> {
    let text = need(key, value)?;
    text.parse().map_err(|why| BadField::Word(key, text, why))
}

fn time<'m>(key: &'static str, value: Option<&'m str>) -> Result<Timestamp, BadField<'m>> {
    let text = need(key, value)?;
    text.parse().map_err(|NotAMoment| BadField::Time(key, text))
}

fn digest<'m>(key: &'static str, value: Option<&'m str>) -> Result<[u8; 32], BadField<'m>> {
    let text = need(key, value)?;
    parse_digest(text).ok_or(BadField::Digest(key, text))
}

/// 64 lower-case hexadecimal digits.
pub fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = pair.iter().try_fold(0_u8, |value, &digit| {
            let digit = char::from(digit).to_digit(16)?;
            Some(value << 4 | u8::try_from(digit).ok()?)
        })?;
    }
    Some(digest)
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
pub(crate) mod tests;
