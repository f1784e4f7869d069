//! The marker: the last block of the device, behind the file system, which says how many operations were reported done.

/// Bytes of the marker, which the file system leaves free at the end of the device.
pub const SIZE: u64 = 4096;

/// The block that says that this many operations were reported done.
pub fn block(done: u32) -> Vec<u8> {
    let mut block = format!("done {done}\n").into_bytes();
    block.resize(SIZE as usize, 0);
    block
}

/// How many operations were reported done, by the bytes of the block; a block of zeros says 0.
pub fn parse(block: &[u8]) -> Result<u32, String> {
    let text = block.split(|&byte| byte == 0).next().unwrap_or_default();
    let rest = block.get(text.len()..).unwrap_or_default();
    let number = match text {
        b"" => Some(0),
        text => {
            std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix("done ")?.strip_suffix('\n')?.parse().ok())
        }
    };
    let whole = rest.iter().all(|&byte| byte == 0);
    number.filter(|_| whole).ok_or_else(|| {
        let start = block.get(..32).unwrap_or(block);
        format!("the marker is no marker: {}", start.escape_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_as_written() {
        for done in [0, 1, 9, 10, u32::MAX] {
            assert_eq!(block(done).len(), 4096);
            assert_eq!(parse(&block(done)), Ok(done));
        }
    }

    #[test]
    fn markers() {
        let table: [(&str, &[u8], Option<u32>); 9] = [
            ("an empty block", &[0; 4096], Some(0)),
            ("no block at all", b"", Some(0)),
            ("cut off behind the line", b"done 7\n", Some(7)),
            ("no line end", b"done 7\0", None),
            ("no number", b"done x\n\0", None),
            ("too large a number", b"done 4294967296\n\0", None),
            ("a negative number", b"done -1\n\0", None),
            ("another word", b"undone 7\n\0", None),
            ("something behind it", b"done 7\n\0\0x", None),
        ];
        for (name, block, wanted) in table {
            assert_eq!(parse(block).ok(), wanted, "{name}");
        }
    }
}
