//! What is written down with an artifact: what its bytes were when they came. It is an extended attribute of the file, so
//! that it moves and vanishes with it, and short enough for ext4 to keep it in the inode, so that both appear at once.

use core::fmt;

/// The attribute's name. Its value is the SHA-256 of the file, 32 bytes, and behind it the file's length, eight bytes, the
/// lowest first: `getfattr -n user.dock0.sha256 -e hex FILE` shows it.
pub const ATTRIBUTE: &str = "user.dock0.sha256";
/// Its value's length.
pub const LENGTH: usize = 40;

/// The value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// SHA-256 of the file's bytes.
    pub sha256: [u8; 32],
    /// How many they are.
    pub size: u64,
}

impl Record {
    /// As it is stored.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let fields = self.sha256.into_iter().chain(self.size.to_le_bytes());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads what is stored; `None` of anything that has another length.
    pub fn parse(bytes: &[u8]) -> Option<Record> {
        let (sha256, size) = bytes.split_at_checked(32)?;
        Some(Record { sha256: sha256.try_into().ok()?, size: u64::from_le_bytes(size.try_into().ok()?) })
    }
}

/// A digest as people and programs compare it: in hexadecimal, without capitals.
pub struct Hex<'b>(pub &'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_digest_is_shown_as_sha256sum_prints_it() {
        assert_eq!(Hex(&[0, 0x0a, 0xf0, 0xff]).to_string(), "000af0ff");
        assert_eq!(Hex(&[]).to_string(), "");
    }

    #[test]
    fn a_record_reads_back_as_stored() {
        let record = Record { sha256: core::array::from_fn(|at| u8::try_from(at).unwrap()), size: 0x0102 };
        let bytes = record.to_bytes();
        assert_eq!((bytes[0], bytes[31], bytes[32], bytes[33], bytes[39]), (0, 31, 2, 1, 0));
        assert_eq!(Record::parse(&bytes), Some(record));
        for length in [0, 31, 32, 39] {
            assert_eq!(Record::parse(&bytes[..length]), None, "{length}");
        }
        assert_eq!(Record::parse(&[0; 41]), None);
    }
}
