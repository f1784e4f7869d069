//! What the child is to fetch: a value that the parent checks and writes, and the child reads from its standard input.

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most mirrors of a job.
pub const MAX_URLS: usize = 4;
/// The longest address of a job, in bytes.
pub const MAX_URL: usize = 512;
/// The longest address that a mirror may redirect to, in bytes: signed ones are a kilobyte long, those of GitHub's releases too.
pub const MAX_REDIRECT: usize = 4096;
/// The longest name of what is fetched, in bytes.
pub const MAX_NAME: usize = 160;
/// The most bytes a document may have.
pub const MAX_DOCUMENT: u64 = 64 << 10;
/// The longest validator that is kept, in bytes.
pub const MAX_VALIDATOR: usize = 64;
/// The most bytes a job has when it is written down.
pub const MAX_JOB: usize = 8 << 10;

/// An `http://` or `https://` address of printable ASCII, without a user, a fragment, `"` or `\`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url(Box<str>);

impl Url {
    /// One that a mirror redirects to, of at most [`MAX_REDIRECT`] bytes.
    pub fn redirected(text: &str) -> Result<Url, &'static str> {
        match text.len() > MAX_REDIRECT {
            true => Err("is longer than 4096 bytes"),
            false => Url::check(text),
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what comes from there is encrypted.
    pub fn is_https(&self) -> bool {
        scheme_is(&self.0, "https://")
    }

    /// The server's name and port, for messages.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    fn check(text: &str) -> Result<Url, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\#".contains(&byte)) {
            return Err("has a character that no address has");
        }
        let url = Url(text.into());
        match url.host() {
            _ if !url.is_https() && !scheme_is(text, "http://") => Err("is neither https:// nor http://"),
            "" => Err("names no server"),
            host if host.contains('@') => Err("has a user's name in it"),
            _ => Ok(url),
        }
    }
}

fn scheme_is(address: &str, scheme: &str) -> bool {
    address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

impl FromStr for Url {
    type Err = &'static str;

    /// One of a job, of at most [`MAX_URL`] bytes.
    fn from_str(text: &str) -> Result<Url, &'static str> {
        match text.len() > MAX_URL {
            true => Err("is longer than 512 bytes"),
            false => Url::check(text),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file whose every byte is known beforehand.
    Artifact {
        /// Its size in bytes.
        size: u64,
        /// The SHA-256 of its bytes.
        sha256: [u8; 32],
    },
    /// A file that somebody else judges, a signed manifest for one.
    Document {
        /// The most bytes it may have.
        limit: u64,
    },
}

impl What {
    /// The most bytes that may come.
    pub fn most(&self) -> u64 {
        match self {
            What::Artifact { size, .. } => *size,
            What::Document { limit } => *limit,
        }
    }
}

/// How long the child waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Milliseconds for a connection, and again for the TLS handshake over it.
    pub connect: u32,
    /// Milliseconds from the request to the end of the answer's head.
    pub answer: u32,
    /// Milliseconds for the next bytes of a body.
    pub read: u32,
    /// The least bytes a second, over a whole `window`.
    pub rate: u32,
    /// Milliseconds over which the rate is measured.
    pub window: u32,
    /// How many rounds through all mirrors may bring nothing.
    pub rounds: u32,
    /// Milliseconds between the first round and the second; each later pause is twice as long, up to a minute.
    pub pause: u32,
    /// How many bytes are written between two moments when they are made durable.
    pub durable: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: 15_000,
            answer: 30_000,
            read: 30_000,
            rate: 10 << 10,
            window: 30_000,
            rounds: 5,
            pause: 1_000,
            durable: 8 << 20,
        }
    }
}

/// Milliseconds as a time.
pub fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// What the file holds already, and where it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// How many bytes from the start were verified; they are read again before more is asked for.
    pub bytes: u64,
    /// Which of the addresses they are from, counted from 0, and what it called that version of the file (`ETag` or
    /// `Last-Modified`, word for word).
    pub from: Option<(u32, String<MAX_VALIDATOR>)>,
}

/// A whole order. Its fields are checked when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What messages call it: printable ASCII.
    pub name: String<MAX_NAME>,
    /// Where it is, the best first.
    pub urls: Vec<Url, MAX_URLS>,
    /// What it is.
    pub what: What,
    /// What is there of it.
    pub have: Have,
    /// How long to wait.
    pub patience: Patience,
}

impl Job {
    /// An order to fetch something from the start, with the usual patience. The error says what is wrong with it.
    pub fn new(name: &str, urls: &[&str], what: What) -> Result<Job, std::string::String> {
        let checked = urls
            .iter()
            .map(|text| text.parse::<Url>().map_err(|why| format!("the address {:?} {why}", shortened(text))))
            .collect::<Result<std::vec::Vec<Url>, _>>()?;
        let urls = Vec::from_slice(&checked).map_err(|_| format!("there are more than {MAX_URLS} addresses"))?;
        let name = String::try_from(name).map_err(|_| format!("the name is longer than {MAX_NAME} bytes"))?;
        let job = Job { name, urls, what, have: Have::default(), patience: Patience::default() };
        job.check().map(|()| job).map_err(Into::into)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.urls.is_empty() {
            return Err("there is no address to fetch it from");
        }
        if !self.name.bytes().all(|byte| (byte == b' ' || byte.is_ascii_graphic()) && !b"\"\\".contains(&byte)) {
            return Err("the name has a character that a message must not have");
        }
        match self.what {
            What::Artifact { size: 0, .. } => Err("an artifact has at least one byte"),
            What::Document { limit } if limit == 0 || limit > MAX_DOCUMENT => {
                Err("a document has between one byte and 64 KiB")
            }
            What::Artifact { .. } | What::Document { .. } => Ok(()),
        }
    }

    /// The order as bytes, for the child.
    pub fn to_bytes(&self) -> Result<Vec<u8, MAX_JOB>, &'static str> {
        let (size, sha256) = match self.what {
            What::Artifact { size, sha256 } => (size, Some(sha256)),
            What::Document { limit } => (limit, None),
        };
        let (from, validator) = self.have.from.clone().unzip();
        let written = Written {
            name: self.name.clone(),
            urls: self.urls.clone(),
            size,
            sha256,
            have: self.have.bytes,
            from,
            validator: validator.map(|text| text.bytes().collect()),
            patience: self.patience,
        };
        serde_json_core::to_vec(&written).map_err(|_| "the order is longer than 8 KiB")
    }

    /// Reads what [`Job::to_bytes`] wrote.
    pub fn parse(bytes: &[u8]) -> Result<Job, &'static str> {
        let (written, _) = serde_json_core::from_slice::<Written>(bytes).map_err(|_| "the order is not one")?;
        let urls = written.urls.iter().map(|url| url.as_str().parse()).collect::<Result<_, _>>()?;
        let what = match written.sha256 {
            Some(sha256) => What::Artifact { size: written.size, sha256 },
            None => What::Document { limit: written.size },
        };
        let validator = written.validator.map(|bytes| std::str::from_utf8(&bytes).unwrap_or_default().try_into());
        let from = written.from.zip(validator.transpose().map_err(|_| "the validator is too long")?);
        let have = Have { bytes: written.have, from };
        let job = Job { name: written.name, urls, what, have, patience: written.patience };
        job.check().map(|()| job)
    }
}

/// The start of a text that may be long.
fn shortened(text: &str) -> &str {
    text.get(..80).unwrap_or(text)
}

/// The order as JSON. A validator is a list of numbers, since it may hold quotation marks, which need no escaping that way.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String<MAX_NAME>,
    urls: Vec<Url, MAX_URLS>,
    size: u64,
    sha256: Option<[u8; 32]>,
    have: u64,
    from: Option<u32>,
    validator: Option<Vec<u8, MAX_VALIDATOR>>,
    patience: Patience,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARTIFACT: What = What::Artifact { size: 300, sha256: [0xab; 32] };

    #[test]
    fn an_order_reads_back_as_written() {
        let long = format!("https://{}/", "h".repeat(MAX_URL - 9));
        let mut job = Job::new(&"n".repeat(MAX_NAME), &[&long, &long, &long, &long], ARTIFACT).unwrap();
        let bytes = job.to_bytes().unwrap();
        assert_eq!(Job::parse(&bytes), Ok(job.clone()));
        job.have = Have { bytes: u64::MAX, from: Some((3, String::try_from("\"v\\1\"").unwrap())) };
        assert_eq!(Job::parse(&job.to_bytes().unwrap()), Ok(job));
        let job = Job::new("release.json", &["HTTP://[::1]:80/m"], What::Document { limit: 64 << 10 }).unwrap();
        assert_eq!(Job::parse(&job.to_bytes().unwrap()), Ok(job));
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_the_reason() {
        let long = format!("https://{}", "h".repeat(MAX_URL));
        let good = "https://a/b";
        for (name, urls, what, why) in [
            ("x", &[][..], ARTIFACT, "there is no address to fetch it from"),
            ("x", &[good; 5], ARTIFACT, "there are more than 4 addresses"),
            ("x", &["ftp://a/b"], ARTIFACT, "the address \"ftp://a/b\" is neither https:// nor http://"),
            (
                "x",
                &["file:///etc/passwd"],
                ARTIFACT,
                "the address \"file:///etc/passwd\" is neither https:// nor http://",
            ),
            ("x", &["https:///b"], ARTIFACT, "the address \"https:///b\" names no server"),
            ("x", &["https://me:pw@a/b"], ARTIFACT, "the address \"https://me:pw@a/b\" has a user's name in it"),
            ("x", &["https://a/ b"], ARTIFACT, "the address \"https://a/ b\" has a character that no address has"),
            ("x\n", &[good], ARTIFACT, "the name has a character that a message must not have"),
            ("x", &[good], What::Artifact { size: 0, sha256: [0; 32] }, "an artifact has at least one byte"),
            ("x", &[good], What::Document { limit: MAX_DOCUMENT + 1 }, "a document has between one byte and 64 KiB"),
        ] {
            assert_eq!(Job::new(name, urls, what).unwrap_err(), why);
        }
        assert!(Job::new("x", &[&long], ARTIFACT).unwrap_err().ends_with("is longer than 512 bytes"));
        assert!(Job::new(&"n".repeat(161), &[good], ARTIFACT).unwrap_err().starts_with("the name is longer"));
    }

    #[test]
    fn what_is_no_order_is_an_error() {
        let whole = Job::new("x", &["https://a/b"], ARTIFACT).unwrap().to_bytes().unwrap();
        for end in 0..whole.len() {
            assert!(Job::parse(&whole[..end]).is_err(), "{end}");
        }
    }
}
