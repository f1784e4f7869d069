//! What a manifest says of an artifact's bytes, learned by reading them once, from a web server or a local file.

use crate::http::{self, Flow};
use crate::manifest::hex;
use crate::progress::Progress;
use crate::verity::Verity;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
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

impl Place {
    /// Reads the bytes; `name` is what the progress is shown of.
    pub fn measure(&self, name: &str) -> Result<Measured> {
        match self {
            Place::Web(url) => {
                let mut answer = http::get(url, "*/*", None)?;
                let body = answer.body_mut();
                let total = body.content_length();
                // One byte more than can be, to tell.
                let reader = body.with_config().limit(MAX_SIZE + 1).reader();
                read(reader, name, total).with_context(|| format!("fetching {url}"))
            }
            Place::Local(path) => read_file(path, name).with_context(|| format!("reading {}", path.display())),
        }
    }
}

fn read_file(path: &Path, name: &str) -> Result<Measured> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        bail!("it is not a regular file");
    }
    read(file, name, Some(meta.len()))
}

fn read(source: impl Read, name: &str, total: Option<u64>) -> Result<Measured> {
    let mut progress = Progress::start(name, total)?;
    let measured = measure(Flow::of(source), total, |bytes| progress.count(bytes));
    progress.finish();
    measured
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
