//! A disk's image in memory that follows the time of a recording, and tells apart what the cuts of an epoch leave on it.

use crate::cuts::{BLOCK, Piece};
use crate::epochs::{Epoch, Write};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// What is certainly on the medium.
pub struct Image<'w> {
    bytes: Vec<u8>,
    writes: &'w [Write],
    /// Of each block by its number.
    digests: Vec<u128>,
    /// Of the blocks of the writes, by the write's number and the block's place in it.
    written: HashMap<(usize, usize), u128>,
    fingerprint: u128,
}

/// The content of a block: all of it from one write, or put together.
enum Content {
    Written(usize, usize),
    Mixed(Vec<u8>),
}

impl<'w> Image<'w> {
    /// The disk before the first write.
    pub fn new(bytes: Vec<u8>, writes: &'w [Write]) -> Image<'w> {
        let digests: Vec<u128> = bytes.chunks(BLOCK).zip(0..).map(|(block, number)| digest(number, block)).collect();
        let fingerprint = digests.iter().fold(0, |all, digest| all ^ digest);
        Image { bytes, writes, digests, written: HashMap::new(), fingerprint }
    }

    /// Goes on to an epoch: what it has settled is certain.
    pub fn settle(&mut self, epoch: &Epoch) {
        let whole = |&write: &usize| Piece { write, from: 0, to: self.writes.get(write).map_or(0, |w| w.data.len()) };
        let pieces: Vec<Piece> = epoch.settled.iter().map(whole).collect();
        for (number, content) in self.contents(&pieces) {
            let (digest, start) = (self.digest_of(number, &content), number * BLOCK);
            let bytes = match &content {
                Content::Written(write, from) => self.written_block(*write, *from).to_vec(),
                Content::Mixed(bytes) => bytes.clone(),
            };
            let (Some(old), Some(place)) =
                (self.digests.get_mut(number), self.bytes.get_mut(start..start + bytes.len()))
            else {
                continue;
            };
            self.fingerprint ^= std::mem::replace(old, digest) ^ digest;
            place.copy_from_slice(&bytes);
        }
    }

    /// Equal for pieces that leave the same bytes on the disk, at whatever time.
    pub fn fingerprint_with(&mut self, pieces: &[Piece]) -> u128 {
        let mut fingerprint = self.fingerprint;
        for (number, content) in self.contents(pieces) {
            let old = self.digests.get(number).copied().unwrap_or_default();
            fingerprint ^= old ^ self.digest_of(number, &content);
        }
        fingerprint
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
        let mut image = Image::new(vec![0; 4 * BLOCK], &writes);
        let nothing = image.fingerprint_with(&[]);
        let both = image.fingerprint_with(&[piece(0, 0, 2 * BLOCK)]);
        assert_ne!(nothing, both);
        let table: [(&str, &[Piece], u128); 5] = [
            ("what is there already", &[piece(4, 0, BLOCK), piece(3, 0, 512)], nothing),
            ("in two halves", &[piece(1, 0, BLOCK), piece(2, 0, BLOCK)], both),
            ("in parts of a block", &[piece(0, 0, 512), piece(0, 512, 2 * BLOCK)], both),
            ("one over the other", &[piece(2, 0, BLOCK), piece(3, 0, 512), piece(0, 0, 2 * BLOCK)], both),
            ("the middle of a write", &[piece(0, 100, 5000), piece(2, 0, BLOCK), piece(1, 0, BLOCK)], both),
        ];
        for (name, pieces, wanted) in table {
            assert_eq!(image.fingerprint_with(pieces), wanted, "{name}");
        }
        let torn = image.fingerprint_with(&[piece(2, 0, BLOCK), piece(3, 0, 512)]);
        assert!(torn != both && torn != nothing);
    }

    #[test]
    fn what_is_settled_is_there_in_the_next_epoch() {
        let writes = [write(0, 1, BLOCK), write(512, 2, 512)];
        let mut image = Image::new(vec![0; 2 * BLOCK], &writes);
        let first = image.fingerprint_with(&[piece(0, 0, BLOCK)]);
        let second = image.fingerprint_with(&[piece(0, 0, BLOCK), piece(1, 0, 512)]);
        image.settle(&Epoch { settled: vec![0], pending: vec![] });
        assert_eq!(image.fingerprint_with(&[]), first);
        assert_eq!(image.fingerprint_with(&[piece(1, 0, 512)]), second);
    }
}
