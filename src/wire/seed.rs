//! The seed of a file system: those blocks of an image that are not zeros, each behind its place.
//!
//! The format is ours, written by `dock0 initrd` and read by init out of the initrd it came with: an 8-byte
//! little-endian byte offset, then one block of [`BLOCK`] bytes, and so on to the end.

use crate::bytes::le64;

/// The size of a block in bytes, that of the file system too.
pub const BLOCK: u64 = 4096;
/// The size of the file system that a seed makes, in bytes, and so the least a device must have: below it, ext4 has no
/// room for a journal.
pub const SIZE: u64 = 8 << 20;
/// The label of that file system.
pub const LABEL: &str = "dock0-scratch";
const BLOCK_LEN: usize = 4096;
const OFFSET_LEN: usize = 8;

/// One block and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'s> {
    /// In bytes from the start of the device.
    pub offset: u64,
    /// [`BLOCK`] bytes.
    pub bytes: &'s [u8],
}

/// The blocks in the order they were written; `None` in place of one that is cut off.
pub fn blocks(seed: &[u8]) -> impl Iterator<Item = Option<Block<'_>>> {
    seed.chunks(OFFSET_LEN.saturating_add(BLOCK_LEN)).map(|chunk| {
        let (offset, bytes) = (le64(chunk, 0)?, chunk.get(OFFSET_LEN..)?);
        (bytes.len() == BLOCK_LEN).then_some(Block { offset, bytes })
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn blocks_come_with_their_places_and_a_cut_one_is_noticed() {
        let mut seed = Vec::new();
        for (offset, byte) in [(0_u64, 1), (1 << 40, 2)] {
            seed.extend_from_slice(&offset.to_le_bytes());
            seed.extend_from_slice(&[byte; 4096]);
        }
        let want = [Some(Block { offset: 0, bytes: &[1; 4096] }), Some(Block { offset: 1 << 40, bytes: &[2; 4096] })];
        assert_eq!(blocks(&seed).collect::<Vec<_>>(), want);
        seed.pop();
        assert_eq!(blocks(&seed).last(), Some(None));
        assert_eq!(blocks(&seed[..4104 + 3]).last(), Some(None));
        assert_eq!(blocks(&[]).count(), 0);
    }
}
