//! A disk's image as a file, to be spoilt: in memory where the machine has room for that.

use crate::cuts::Piece;
use crate::epochs::{Epoch, Write};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Memory that looks like a directory; Linux has it nearly everywhere.
const MEMORY: &str = "/dev/shm";
/// The grain in which zeros are left out.
const CHUNK: usize = 64 << 10;

/// A temporary directory, in memory if possible.
pub fn directory() -> Result<TempDir> {
    let directory = if Path::new(MEMORY).is_dir() { tempfile::tempdir_in(MEMORY) } else { tempfile::tempdir() };
    directory.context("making a temporary directory")
}

/// What is certainly on a disk at some time of a recording, and a file that can be made of it.
pub struct Scratch<'w> {
    bytes: Vec<u8>,
    writes: &'w [Write],
    /// Which chunks of the bytes are not zeros.
    filled: Vec<bool>,
    /// The epoch that comes next.
    next: usize,
    path: PathBuf,
}

impl<'w> Scratch<'w> {
    /// The disk before the first epoch; its file is made in `directory`.
    pub fn new(bytes: Vec<u8>, writes: &'w [Write], directory: &Path) -> Scratch<'w> {
        let filled = bytes.chunks(CHUNK).map(|chunk| chunk.iter().any(|&byte| byte != 0)).collect();
        Scratch { bytes, writes, filled, next: 0, path: directory.join("disk.img") }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on to the epoch with this number; there is no way back.
    pub fn advance(&mut self, epochs: &[Epoch], number: usize) {
        for epoch in epochs.get(self.next..=number).unwrap_or_default() {
            for write in epoch.settled.iter().filter_map(|&write| self.writes.get(write)) {
                let (start, end) = (write.at as usize, write.at as usize + write.data.len());
                if let Some(place) = self.bytes.get_mut(start..end) {
                    place.copy_from_slice(&write.data);
                }
                self.filled.iter_mut().take(end.div_ceil(CHUNK)).skip(start / CHUNK).for_each(|filled| *filled = true);
            }
        }
        self.next = self.next.max(number + 1);
    }

    /// Makes the file: what is certain, and these pieces over it. Nothing is left of what the file held.
    pub fn make(&self, pieces: &[Piece]) -> Result<File> {
        let doing = || format!("writing {}", self.path.display());
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&self.path);
        let file = file.with_context(doing)?;
        file.set_len(self.bytes.len() as u64).with_context(doing)?;
        for (number, (chunk, _)) in self.bytes.chunks(CHUNK).zip(&self.filled).enumerate().filter(|(_, (_, f))| **f) {
            file.write_all_at(chunk, (number * CHUNK) as u64).with_context(doing)?;
        }
        for &Piece { write, from, to } in pieces {
            let write = self.writes.get(write).with_context(|| format!("there is no write {write}"))?;
            let data = write.data.get(from..to).unwrap_or_default();
            file.write_all_at(data, write.at + from as u64).with_context(doing)?;
        }
        Ok(file)
    }

    /// Makes the file and copies it to where it stays.
    pub fn keep(&self, pieces: &[Piece], to: &Path) -> Result<()> {
        self.make(pieces)?;
        fs::copy(&self.path, to).with_context(|| format!("writing {}", to.display())).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_is_certain_and_the_pieces() {
        let place = directory().expect("a directory");
        let writes = [Write { at: 4096, data: vec![1; 4096] }, Write { at: 70_000, data: vec![2; 100] }];
        let epochs = [Epoch::default(), Epoch { settled: vec![0], pending: vec![] }];
        let mut before = vec![0; 3 * CHUNK];
        before[2 * CHUNK] = 9;
        let mut scratch = Scratch::new(before.clone(), &writes, place.path());
        let held = |scratch: &Scratch, pieces: &[Piece]| {
            scratch.make(pieces).expect("made");
            fs::read(scratch.path()).expect("there")
        };
        assert_eq!(held(&scratch, &[]), before);
        let mut wanted = before.clone();
        wanted[4096 + 512..8192].fill(1);
        wanted[70_000..70_100].fill(2);
        let pieces = [Piece { write: 0, from: 512, to: 4096 }, Piece { write: 1, from: 0, to: 100 }];
        assert_eq!(held(&scratch, &pieces), wanted);
        scratch.advance(&epochs, 0);
        assert_eq!(held(&scratch, &[]), before);
        scratch.advance(&epochs, 1);
        before[4096..8192].fill(1);
        assert_eq!(held(&scratch, &[]), before);
    }
}
