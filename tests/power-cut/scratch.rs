//! A disk's image as a file, to be spoilt: in memory where the machine has room for that.

use crate::cuts::Piece;
use crate::epochs::{Epoch, Write};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Memory that looks like a directory; Linux has it nearly everywhere.
const MEMORY: &str = "/dev/shm";
/// The grain in which zeros are left out.
const CHUNK: usize = 64 << 10;

/// What all processors' images and the releases beside them need of it, and more; in a container it is often small.
const ENOUGH: u64 = 1 << 30;

/// A temporary directory, in memory if there is enough.
pub fn directory() -> Result<TempDir> {
    let in_memory = rustix::fs::statvfs(MEMORY).is_ok_and(|space| space.f_bavail * space.f_frsize >= ENOUGH);
    let directory = if in_memory { tempfile::tempdir_in(MEMORY) } else { tempfile::tempdir() };
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
    file: File,
    /// Which chunks of the file were written since it was empty.
    written: Vec<bool>,
}

impl<'w> Scratch<'w> {
    /// The disk before the first epoch; its file is made in `directory`.
    pub fn new(bytes: Vec<u8>, writes: &'w [Write], directory: &Path) -> Result<Scratch<'w>> {
        let filled: Vec<bool> = bytes.chunks(CHUNK).map(|chunk| chunk.iter().any(|&byte| byte != 0)).collect();
        let (path, written) = (directory.join("disk.img"), vec![false; filled.len()]);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.with_context(|| format!("making {}", path.display()))?;
        Ok(Scratch { bytes, writes, filled, next: 0, path, file, written })
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
                mark(&mut self.filled, start, end);
            }
        }
        self.next = self.next.max(number + 1);
    }

    /// Makes the file: what is certain, and these pieces over it. Nothing is left of what it held, whoever wrote that.
    pub fn make(&mut self, pieces: &[Piece]) -> Result<&File> {
        let path = self.path.clone();
        let doing = || format!("writing {}", path.display());
        if !self.holds_our_chunks_alone().with_context(doing)? {
            self.file.set_len(0).with_context(doing)?;
            self.written.fill(false);
        }
        self.file.set_len(self.bytes.len() as u64).with_context(doing)?;
        for (number, chunk) in self.bytes.chunks(CHUNK).enumerate() {
            let of = |chunks: &[bool]| chunks.get(number).copied().unwrap_or_default();
            if of(&self.filled) || of(&self.written) {
                self.file.write_all_at(chunk, (number * CHUNK) as u64).with_context(doing)?;
                mark(&mut self.written, number * CHUNK, number * CHUNK + 1);
            }
        }
        for &Piece { write, from, to } in pieces {
            let write = self.writes.get(write).with_context(|| format!("there is no write {write}"))?;
            let (at, data) = (write.at as usize + from, write.data.get(from..to).unwrap_or_default());
            self.fill_up(at, data.len()).with_context(doing)?;
            self.file.write_all_at(data, at as u64).with_context(doing)?;
        }
        Ok(&self.file)
    }

    /// Whether no more of the file takes room than the chunks that we wrote: e2fsck may have filled a hole, and to give
    /// all the room back each time is slow.
    fn holds_our_chunks_alone(&self) -> io::Result<bool> {
        let ours = self.written.iter().filter(|&&written| written).count() * CHUNK;
        Ok(self.file.metadata()?.blocks() * 512 == ours as u64)
    }

    /// Writes the chunks that lie under a piece whole, so that it leaves none half a hole.
    fn fill_up(&mut self, at: usize, length: usize) -> io::Result<()> {
        for number in at / CHUNK..(at + length).div_ceil(CHUNK) {
            if let (Some(written @ false), Some(chunk)) =
                (self.written.get_mut(number), self.bytes.chunks(CHUNK).nth(number))
            {
                self.file.write_all_at(chunk, (number * CHUNK) as u64)?;
                *written = true;
            }
        }
        Ok(())
    }

    /// Makes the file and copies it to where it stays.
    pub fn keep(&mut self, pieces: &[Piece], to: &Path) -> Result<()> {
        self.make(pieces)?;
        fs::copy(&self.path, to).with_context(|| format!("writing {}", to.display())).map(drop)
    }
}

/// Marks the chunks that these bytes lie in.
fn mark(chunks: &mut [bool], start: usize, end: usize) {
    chunks.iter_mut().take(end.div_ceil(CHUNK)).skip(start / CHUNK).for_each(|chunk| *chunk = true);
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
        let mut scratch = Scratch::new(before.clone(), &writes, place.path()).expect("made");
        let held = |scratch: &mut Scratch, pieces: &[Piece]| {
            scratch.make(pieces).expect("made");
            fs::read(scratch.path()).expect("there")
        };
        assert_eq!(held(&mut scratch, &[]), before);
        let mut wanted = before.clone();
        wanted[4096 + 512..8192].fill(1);
        wanted[70_000..70_100].fill(2);
        let pieces = [Piece { write: 0, from: 512, to: 4096 }, Piece { write: 1, from: 0, to: 100 }];
        assert_eq!(held(&mut scratch, &pieces), wanted);
        scratch.advance(&epochs, 0);
        assert_eq!(held(&mut scratch, &[]), before);
        scratch.advance(&epochs, 1);
        before[4096..8192].fill(1);
        assert_eq!(held(&mut scratch, &[]), before);
    }

    #[test]
    fn nothing_stays_of_what_somebody_else_wrote() {
        let place = directory().expect("a directory");
        let mut before = vec![0; 4 * CHUNK];
        before[0] = 1;
        let mut scratch = Scratch::new(before.clone(), &[], place.path()).expect("made");
        for at in [0, CHUNK / 2, 2 * CHUNK, 4 * CHUNK - 1] {
            let file = scratch.make(&[]).expect("made");
            file.write_all_at(b"x", at as u64).expect("written");
            scratch.make(&[]).expect("made again");
            assert_eq!(fs::read(scratch.path()).expect("there"), before, "{at}");
        }
    }
}
