//! A file's fs-verity digest, computed while its bytes pass, as `fsverity digest` of fsverity-utils prints it: what the
//! kernel will measure of the sealed file.
//!
//! The format is the kernel's (Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor"): SHA-256 of
//! blocks of 4096 bytes, the last one filled up with zeros, no salt; 128 hashes make a block of the level above.

use sha2::{Digest, Sha256};

const BLOCK: usize = 4096;
const HASH: usize = 32;
/// `struct fsverity_descriptor` has 256 bytes: version, hash algorithm, log2 of the block size, salt's size, four bytes of
/// zeros, the file's size, the root hash in 64 bytes, 32 bytes for a salt, 144 bytes of zeros.
const DESCRIPTOR: usize = 256;

/// The bytes so far.
#[derive(Default)]
pub struct Verity {
    size: u64,
    /// Less than a block of data.
    data: Vec<u8>,
    /// Of each level of the tree, the lowest first, the hashes that make no whole block yet.
    levels: Vec<Vec<u8>>,
}

impl Verity {
    /// Takes the next bytes of the file.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.data.len()));
            self.data.extend_from_slice(now);
            bytes = later;
            if self.data.len() == BLOCK {
                let block = std::mem::take(&mut self.data);
                self.add(0, hash_block(block));
            }
        }
    }

    /// Adds a hash to a level, and the hash of each block that becomes whole to the level above.
    fn add(&mut self, level: usize, hash: [u8; HASH]) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].extend_from_slice(&hash);
        if self.levels[level].len() == BLOCK {
            let block = std::mem::take(&mut self.levels[level]);
            self.add(level + 1, hash_block(block));
        }
    }

    /// The digest of all bytes.
    pub fn finish(mut self) -> [u8; HASH] {
        let mut descriptor = [0; DESCRIPTOR];
        descriptor[..3].copy_from_slice(&[1, 1, 12]); // version 1, SHA-256, 2¹² bytes a block
        descriptor[8..16].copy_from_slice(&self.size.to_le_bytes());
        descriptor[16..16 + HASH].copy_from_slice(&self.root_hash());
        Sha256::digest(descriptor).into()
    }

    /// The hash at the top, which is alone on its level; of no bytes at all, zeros.
    fn root_hash(&mut self) -> [u8; HASH] {
        if !self.data.is_empty() {
            let block = std::mem::take(&mut self.data);
            self.add(0, hash_block(block));
        }
        let mut level = 0;
        while let Some(hashes) = self.levels.get_mut(level) {
            let hashes = std::mem::take(hashes);
            if level + 1 == self.levels.len() && hashes.len() == HASH {
                return std::array::from_fn(|at| hashes[at]);
            }
            if !hashes.is_empty() {
                self.add(level + 1, hash_block(hashes));
            }
            level += 1;
        }
        [0; HASH]
    }
}

/// The hash of a block that is filled up with zeros.
fn hash_block(mut block: Vec<u8>) -> [u8; HASH] {
    block.resize(BLOCK, 0);
    Sha256::digest(block).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::FSVERITY;

    #[test]
    fn the_digest_is_what_fsverity_prints() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let mut noise = 1_u32;
        for size in [
            0,
            1,
            4095,
            4096,
            4097,
            2 * 4096,
            127 * 4096,
            128 * 4096 - 1,
            128 * 4096,
            128 * 4096 + 1,
            129 * 4096,
            256 * 4096,
            3_000_000,
            128 * 128 * 4096,
            128 * 128 * 4096 + 1,
        ] {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_be_bytes()[0]
            })
            .take(size)
            .collect();
            std::fs::write(&path, &bytes).unwrap();
            let printed = FSVERITY.run(FSVERITY.command().args(["digest", "--compact"]).arg(&path)).unwrap();
            for chunk in [100_000, 4096, 777] {
                let mut verity = Verity::default();
                bytes.chunks(chunk).for_each(|bytes| verity.update(bytes));
                assert_eq!(crate::manifest::hex(&verity.finish()), printed.trim(), "{size} bytes by {chunk}");
            }
        }
    }
}
