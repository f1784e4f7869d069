//! A disk's image in memory that follows the time of a recording, and tells apart what the cuts of an epoch leave on it.

use crate::cuts::{BLOCK, Piece};
use crate::epochs::{Epoch, Write};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is certainly on the medium.
pub struct Image<'w> {
    bytes: Vec<u8>,
    writes: &'w [Write],
    /// The numbers of the blocks that only whoever replays the journal reads.
    journal: &'w HashSet<usize>,
    /// Of each block by its number.
    digests: Vec<u128>,
    /// Of the blocks of the writes, by the write's number and the block's place in it.
    written: HashMap<(usize, usize), u128>,
    prints: Fingerprints,
}

/// Equal for what leaves the same bytes on the disk, at whatever time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of the whole disk.
    pub whole: u128,
    /// Of everything but the journal.
    pub raw: u128,
}

/// The content of a block: all of it from one write, or put together.
enum Content {
    Written(usize, usize),
    Mixed(Vec<u8>),
}

impl<'w> Image<'w> {
    /// The disk before the first write.
    pub fn new(bytes: Vec<u8>, writes: &'w [Write], journal: &'w HashSet<usize>) -> Image<'w> {
        let digests: Vec<u128> = bytes.chunks(BLOCK).zip(0..).map(|(block, number)| digest(number, block)).collect();
        let mut prints = Fingerprints::default();
        digests.iter().enumerate().for_each(|(number, digest)| prints.mix(*digest, journal.contains(&number)));
        Image { bytes, writes, journal, digests, written: HashMap::new(), prints }
    }

    /// Goes on to an epoch: what it has settled is certain.
    pub fn settle(&mut self, epoch: &Epoch) {
        let whole = |&write: &usize| Piece { write, from: 0, to: self.writes.get(write).map_or(0, |w| w.data.len()) };
        let pieces: Vec<Piece> = epoch.settled.iter().map(whole).collect();
        for (number, content) in self.contents(&pieces) {
            let digest = self.digest_of(number, &content);
            let bytes = self.content_now(number, Some(content));
            let (Some(old), Some(place)) = (self.digests.get_mut(number), self.bytes.get_mut(number * BLOCK..)) else {
                continue;
            };
            self.prints.mix(std::mem::replace(old, digest) ^ digest, self.journal.contains(&number));
            place.iter_mut().zip(bytes).for_each(|(old, new)| *old = new);
        }
    }

    /// Of the disk as it is with these pieces.
    pub fn fingerprints_with(&mut self, pieces: &[Piece]) -> Fingerprints {
        let mut prints = self.prints;
        for (number, content) in self.contents(pieces) {
            let old = self.digests.get(number).copied().unwrap_or_default();
            prints.mix(old ^ self.digest_of(number, &content), self.journal.contains(&number));
        }
        prints
    }

    /// What the blocks that the pieces touch hold then.
    fn contents(&self, pieces: &[Piece]) -> BTreeMap<usize, Content> {
        let mut contents = BTreeMap::new();
        for &Piece { write, from, to } in pieces {
            let Some(Write { at, data }) = self.writes.get(write) else { continue };
            let mut from = from;
            while from < to {
                let place = *at as usize + from;
                let (number, offset) = (place / BLOCK, place % BLOCK);
                let length = (BLOCK - offset).min(to - from);
                if length == BLOCK {
                    contents.insert(number, Content::Written(write, from));
                } else {
                    let mut block = self.content_now(number, contents.remove(&number));
                    let new = data.get(from..from + length).unwrap_or_default();
                    if let Some(place) = block.get_mut(offset..offset + length) {
                        place.copy_from_slice(new);
                    }
                    contents.insert(number, Content::Mixed(block));
                }
                from += length;
            }
        }
        contents
    }

    fn content_now(&self, number: usize, content: Option<Content>) -> Vec<u8> {
        match content {
            Some(Content::Mixed(bytes)) => bytes,
            Some(Content::Written(write, from)) => self.written_block(write, from).to_vec(),
            None => self.bytes.get(number * BLOCK..).unwrap_or_default().iter().take(BLOCK).copied().collect(),
        }
    }

    fn written_block(&self, write: usize, from: usize) -> &'w [u8] {
        self.writes.get(write).and_then(|write| write.data.get(from..from + BLOCK)).unwrap_or_default()
    }

    fn digest_of(&mut self, number: usize, content: &Content) -> u128 {
        match content {
            Content::Mixed(bytes) => digest(number, bytes),
            &Content::Written(write, from) => {
                let bytes = self.written_block(write, from);
                *self.written.entry((write, from)).or_insert_with(|| digest(number, bytes))
            }
        }
    }
}

impl Fingerprints {
    /// Adds a block's digest, or takes it away.
    fn mix(&mut self, digest: u128, journal: bool) {
        self.whole ^= digest;
        self.raw ^= if journal { 0 } else { digest };
    }
}

/// With the block's number, so that the sum of all tells blocks apart that changed places.
fn digest(number: usize, block: &[u8]) -> u128 {
    let digest = Sha256::new().chain_update(number.to_le_bytes()).chain_update(block).finalize();
    digest.iter().take(16).fold(0, |sum, &byte| sum << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(at: usize, byte: u8, length: usize) -> Write {
        Write { at: at as u64, data: vec![byte; length] }
    }

    fn piece(write: usize, from: usize, to: usize) -> Piece {
        Piece { write, from, to }
    }

    #[test]
    fn equal_bytes_have_equal_fingerprints_however_they_came() {
        let writes = [
            write(0, 1, 2 * BLOCK),
            write(BLOCK, 1, BLOCK),
            write(0, 1, BLOCK),
            write(512, 0, 512),
            write(3 * BLOCK, 0, BLOCK),
        ];
        let journal = HashSet::new();
        let mut image = Image::new(vec![0; 4 * BLOCK], &writes, &journal);
        let nothing = image.fingerprints_with(&[]);
        let both = image.fingerprints_with(&[piece(0, 0, 2 * BLOCK)]);
        assert_ne!(nothing, both);
        let table: [(&str, &[Piece], Fingerprints); 5] = [
            ("what is there already", &[piece(4, 0, BLOCK), piece(3, 0, 512)], nothing),
            ("in two halves", &[piece(1, 0, BLOCK), piece(2, 0, BLOCK)], both),
            ("in parts of a block", &[piece(0, 0, 512), piece(0, 512, 2 * BLOCK)], both),
            ("one over the other", &[piece(2, 0, BLOCK), piece(3, 0, 512), piece(0, 0, 2 * BLOCK)], both),
            ("the middle of a write", &[piece(0, 100, 5000), piece(2, 0, BLOCK), piece(1, 0, BLOCK)], both),
        ];
        for (name, pieces, wanted) in table {
            assert_eq!(image.fingerprints_with(pieces), wanted, "{name}");
        }
        let torn = image.fingerprints_with(&[piece(2, 0, BLOCK), piece(3, 0, 512)]);
        assert!(torn != both && torn != nothing);
    }

    #[test]
    fn what_is_settled_is_there_in_the_next_epoch() {
        let writes = [write(0, 1, BLOCK), write(512, 2, 512)];
        let journal = HashSet::new();
        let mut image = Image::new(vec![0; 2 * BLOCK], &writes, &journal);
        let first = image.fingerprints_with(&[piece(0, 0, BLOCK)]);
        let second = image.fingerprints_with(&[piece(0, 0, BLOCK), piece(1, 0, 512)]);
        image.settle(&Epoch { settled: vec![0], pending: vec![] });
        assert_eq!(image.fingerprints_with(&[]), first);
        assert_eq!(image.fingerprints_with(&[piece(1, 0, 512)]), second);
    }

    #[test]
    fn the_journal_is_no_part_of_the_raw_disk() {
        let writes = [write(0, 1, BLOCK), write(BLOCK, 1, BLOCK)];
        let journal = HashSet::from([1]);
        let mut image = Image::new(vec![0; 2 * BLOCK], &writes, &journal);
        let (nothing, outside) = (image.fingerprints_with(&[]), image.fingerprints_with(&[piece(0, 0, BLOCK)]));
        let inside = image.fingerprints_with(&[piece(1, 0, BLOCK)]);
        assert!(outside.raw != nothing.raw && inside.raw == nothing.raw && inside.whole != nothing.whole);
        image.settle(&Epoch { settled: vec![1], pending: vec![] });
        assert_eq!(image.fingerprints_with(&[]), inside);
    }
}
