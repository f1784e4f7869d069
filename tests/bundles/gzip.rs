//! Writing gzip (RFC 1952).

/// One member, its content as it is, in blocks that are not compressed.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    member(&stored(bytes), bytes)
}

/// One member, compressed.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    member(&miniz_oxide::deflate::compress_to_vec(bytes, 6), bytes)
}

/// A member around what is deflated of `bytes`.
pub fn member(deflated: &[u8], bytes: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..], deflated, &trailer(crc32(bytes), bytes.len())].concat()
}

/// CRC-32 and length.
pub fn trailer(crc: u32, length: usize) -> [u8; 8] {
    let length = u32::try_from(length).expect("a length of 32 bits");
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc.to_le_bytes());
    trailer[4..].copy_from_slice(&length.to_le_bytes());
    trailer
}

/// Blocks of type 0 (RFC 1951, section 3.2.4), the last of which says so.
pub fn stored(bytes: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 0xffff;
    let mut blocks: Vec<&[u8]> = bytes.chunks(LONGEST).collect();
    if blocks.is_empty() {
        blocks.push(b"");
    }
    let last = blocks.len() - 1;
    let block = |(number, block): (usize, &[u8])| {
        let length = u16::try_from(block.len()).expect("at most 65535 bytes");
        let [low, high] = length.to_le_bytes();
        [&[u8::from(number == last), low, high, !low, !high][..], block].concat()
    };
    blocks.into_iter().enumerate().flat_map(block).collect()
}

/// CRC-32, a bit at a time.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
