//! What a manifest says of an artifact's bytes, learned by reading them once, from a web server or a local file.

use crate::http::{self, Flow};
use crate::manifest::hex;
use crate::progress::Progress;
use crate::verity::Verity;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use wire::manifest::MAX_SIZE;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// An artifact's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// How many.
    pub size: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Their fs-verity digest, in hexadecimal digits.
    pub verity: String,
}

/// Where an artifact's bytes are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an http: or https: URL.
    Web(String),
    /// In a file of this machine.
    Local(PathBuf),
}

/// Bytes that are on their way.
pub struct Opened {
    /// How many are announced, if that is said.
    pub total: Option<u64>,
    /// The bytes, as long as they come fast enough.
    pub flow: Flow<Box<dyn Read>>,
}

impl Place {
    /// Begins to read the bytes.
    pub fn open(&self) -> Result<Opened> {
        match self {
            Place::Web(url) => {
                let body = http::get(url, "*/*", None)?.into_body();
                let total = body.content_length();
                // One byte more than can be, to tell.
                let reader = body.into_with_config().limit(MAX_SIZE + 1).reader();
                Ok(Opened { total, flow: Flow::of(Box::new(reader)) })
            }
            Place::Local(path) => {
                let (size, file) = open_file(path).with_context(|| self.to_string())?;
                Ok(Opened { total: Some(size), flow: Flow::of(Box::new(file)) })
            }
        }
    }

    /// Reads the bytes; `name` is what the progress is shown of.
    pub fn measure(&self, name: &str) -> Result<Measured> {
        let Opened { total, flow } = self.open()?;
        let mut progress = Progress::start(name, total)?;
        let measured = measure(flow, total, |bytes| progress.count(bytes));
        progress.finish();
        measured.with_context(|| self.to_string())
    }
}

/// What reading it is called.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Web(url) => write!(f, "fetching {url}"),
            Place::Local(path) => write!(f, "reading {}", path.display()),
        }
    }
}

/// A regular file, and how many bytes it has.
pub fn open_file(path: &Path) -> io::Result<(u64, File)> {
    // Looked at first: opening a pipe would wait for somebody to write to it.
    let meta = std::fs::metadata(path)?;
    match meta.is_file() {
        true => Ok((meta.len(), File::open(path)?)),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn measure(mut source: Flow<impl Read>, total: Option<u64>, mut told: impl FnMut(u64)) -> Result<Measured> {
    let (mut sha256, mut verity, mut size) = (Sha256::new(), Verity::default(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > MAX_SIZE {
            bail!("it has more than {MAX_SIZE} bytes, which is more than an artifact can have");
        }
        sha256.update(&chunk[..count]);
        verity.update(&chunk[..count]);
        told(count as u64);
    }
    match total {
        _ if size == 0 => bail!("it is empty"),
        Some(total) if total != size => bail!("{size} bytes came, and {total} were announced"),
        Some(_) | None => Ok(Measured { size, sha256: hex(&sha256.finalize()), verity: hex(&verity.finish()) }),
    }
}
