//! Fixed-width numbers out of a byte slice, at an offset that may lie outside it.

/// The `N` bytes at `offset`; `None` where the slice ends before.
pub fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// A little-endian 16-bit number at `offset`.
pub fn le16(bytes: &[u8], offset: usize) -> Option<u16> {
    take(bytes, offset).map(u16::from_le_bytes)
}

/// A little-endian 32-bit number at `offset`.
pub fn le32(bytes: &[u8], offset: usize) -> Option<u32> {
    take(bytes, offset).map(u32::from_le_bytes)
}

/// A little-endian 64-bit number at `offset`.
pub fn le64(bytes: &[u8], offset: usize) -> Option<u64> {
    take(bytes, offset).map(u64::from_le_bytes)
}

/// A big-endian 16-bit number at `offset`.
pub fn be16(bytes: &[u8], offset: usize) -> Option<u16> {
    take(bytes, offset).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_their_order_and_never_read_past_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(le16(&bytes, 0), Some(0x0201));
        assert_eq!(le32(&bytes, 4), Some(0x0807_0605));
        assert_eq!(le64(&bytes, 0), Some(0x0807_0605_0403_0201));
        assert_eq!(be16(&bytes, 0), Some(0x0102));
        assert_eq!(le16(&bytes, 7), None);
        assert_eq!(le64(&bytes, usize::MAX), None);
    }
}
