//! Whether an output is still what it was made of: the stamp `.<name>.made-of` beside it tells.

use crate::output::{Access, Existing, Output};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What an output is made of, as a digest of everything but the bytes: reading those would take as long as making it.
pub struct Stamp {
    digest: String,
}

impl Stamp {
    /// Of what `program` makes when it is called with these words and reads these inputs. It is taken before anything is
    /// made, so that an input that changes meanwhile has changed the next time.
    pub fn of(program: &Path, words: &[OsString], inputs: &[&Path]) -> Result<Self> {
        let mut fields = Fields(Sha256::new());
        let meta = fs::metadata(program).with_context(|| looking_at(program))?;
        fields.add(size_and_time(&meta).as_bytes());
        fields.add(words.len().to_string().as_bytes());
        for word in words {
            fields.add(word.as_bytes());
        }
        for input in inputs {
            fields.add_tree(input)?;
            if input.is_symlink() {
                let target = fs::canonicalize(input).with_context(|| looking_at(input))?;
                fields.add_tree(&target)?;
            }
        }
        Ok(Stamp { digest: fields.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// Whether `output` was made of this. What has happened to it since is its own business: a VM writes to its disk.
    pub fn is_on(&self, output: &Path) -> Result<bool> {
        let meta = match fs::symlink_metadata(output) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            meta => meta.with_context(|| looking_at(output))?,
        };
        let path = stamp_path(output)?;
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            text => {
                let text = text.with_context(|| format!("reading {}", path.display()))?;
                Ok(meta.is_file() && text == self.text().as_bytes())
            }
        }
    }

    /// Writes the stamp of the finished `output`.
    pub fn put_on(&self, output: &Path) -> Result<()> {
        let path = &stamp_path(output)?;
        let stamp = Output { path, existing: Existing::Replace, access: Access::Umask, made_from: None };
        stamp.write(|to| fs::write(to, self.text()).with_context(|| format!("writing {}", to.display())))
    }

    fn text(&self) -> String {
        format!("dock0 made it of {}\n", self.digest)
    }
}

fn stamp_path(output: &Path) -> Result<PathBuf> {
    let name = output.file_name().with_context(|| format!("{}: is not the name of a file", output.display()))?;
    let mut stamp = OsString::from(".");
    stamp.push(name);
    stamp.push(".made-of");
    Ok(output.with_file_name(stamp))
}

fn size_and_time(meta: &Metadata) -> String {
    format!("{} {}.{:09}", meta.size(), meta.mtime(), meta.mtime_nsec())
}

fn looking_at(path: &Path) -> String {
    format!("looking at {}", path.display())
}

/// A digest of fields, each behind its length, so that no two lists of fields read the same.
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, field: &[u8]) {
        self.0.update(format!("{}:", field.len()));
        self.0.update(field);
    }

    /// Adds a path and, of a directory, everything below it. No link is followed: it would lead out of the tree, or
    /// round in it for ever.
    fn add_tree(&mut self, path: &Path) -> Result<()> {
        let meta = fs::symlink_metadata(path).with_context(|| looking_at(path))?;
        self.add(path.as_os_str().as_bytes());
        // The mode has the type. The change time is the one that no copying or renaming sets back.
        let changed = format!("{}.{:09}", meta.ctime(), meta.ctime_nsec());
        self.add(format!("{:o} {} {changed}", meta.mode(), size_and_time(&meta)).as_bytes());
        if meta.is_symlink() {
            self.add(fs::read_link(path).with_context(|| looking_at(path))?.as_os_str().as_bytes());
        }
        if meta.is_dir() {
            let listing = || format!("listing {}", path.display());
            let entries = fs::read_dir(path).with_context(listing)?;
            let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
            let mut names = names.collect::<std::io::Result<Vec<OsString>>>().with_context(listing)?;
            names.sort();
            for name in names {
                self.add_tree(&path.join(name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
