//! What a disk or an image holds, told from its first 4 KiB: ext4, EROFS or squashfs, how large, under which name.

use crate::bytes::{le16, le32, le64, take};
use core::fmt;

/// How many bytes from the start [`identify`] wants to see.
pub const PROBE_LEN: usize = 4096;

/// The file systems dock0 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ext2, ext3 or ext4: one superblock format, and one driver mounts all three.
    Ext4,
    /// The read-only file system that mounts straight from a file.
    Erofs,
    /// Squashfs 4.0.
    Squashfs,
}

impl Kind {
    /// The kernel's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Erofs => "erofs",
            Kind::Squashfs => "squashfs",
        }
    }
}

/// A volume's name: up to 16 bytes, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Label([u8; 16]);

impl Label {
    /// The bytes before the first zero.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// As text, with anything but printable ASCII escaped.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// What [`identify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Which file system.
    pub kind: Kind,
    /// Its volume name; empty for squashfs, which has none.
    pub label: Label,
    /// Its UUID; all zeros for squashfs, which has none.
    pub uuid: [u8; 16],
    /// How many bytes the file system says it takes: an image shorter than this is cut off.
    pub size: u64,
}

/// The file system that begins with these bytes; `None` for anything else, or where the numbers make no sense.
pub fn identify(start: &[u8]) -> Option<Superblock> {
    ext4(start).or_else(|| erofs(start)).or_else(|| squashfs(start))
}

/// `struct ext4_super_block` at byte 1024 (Documentation/filesystems/ext4/super.rst).
fn ext4(start: &[u8]) -> Option<Superblock> {
    const AT: usize = 1024;
    const INCOMPAT_64BIT: u32 = 0x80;
    let field = |offset: usize| AT.checked_add(offset);
    if le16(start, field(0x38)?)? != 0xef53 {
        return None;
    }
    let high = match le32(start, field(0x60)?)? & INCOMPAT_64BIT {
        0 => 0,
        _ => le32(start, field(0x150)?)?,
    };
    let blocks = u64::from(le32(start, field(0x4)?)?) | u64::from(high) << 32;
    let block_size = 1024_u64.checked_shl(le32(start, field(0x18)?)?).filter(|&size| size <= 65536 && size != 0)?;
    Some(Superblock {
        kind: Kind::Ext4,
        label: Label(take(start, field(0x78)?)?),
        uuid: take(start, field(0x68)?)?,
        size: blocks.checked_mul(block_size)?,
    })
}

/// `struct erofs_super_block` at byte 1024 (fs/erofs/erofs_fs.h).
fn erofs(start: &[u8]) -> Option<Superblock> {
    const AT: usize = 1024;
    let field = |offset: usize| AT.checked_add(offset);
    if le32(start, field(0)?)? != 0xe0f5_e1e2 {
        return None;
    }
    let [block_bits] = take(start, field(12)?)?;
    let block_size = 1_u64.checked_shl(u32::from(block_bits)).filter(|&size| (512..=65536).contains(&size))?;
    Some(Superblock {
        kind: Kind::Erofs,
        label: Label(take(start, field(64)?)?),
        uuid: take(start, field(48)?)?,
        size: u64::from(le32(start, field(36)?)?).checked_mul(block_size)?,
    })
}

/// `struct squashfs_super_block` at byte 0 (fs/squashfs/squashfs_fs.h), version 4.0.
fn squashfs(start: &[u8]) -> Option<Superblock> {
    let is_squashfs = take(start, 0) == Some(*b"hsqs") && le16(start, 28)? == 4;
    let size = le64(start, 40)?;
    is_squashfs.then_some(Superblock { kind: Kind::Squashfs, label: Label::default(), uuid: [0; 16], size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(fields: &[(usize, &[u8])]) -> [u8; PROBE_LEN] {
        let mut start = [0; PROBE_LEN];
        for (offset, bytes) in fields {
            start[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        start
    }

    const EXT4: &[(usize, &[u8])] = &[
        (1024 + 0x38, &[0x53, 0xef]),
        (1024 + 0x4, &[0, 1, 0, 0]),
        (1024 + 0x18, &[2, 0, 0, 0]),
        (1024 + 0x78, b"dock0"),
        (1024 + 0x68, &[7; 16]),
    ];

    #[test]
    fn ext4_has_label_uuid_and_size() {
        let found = identify(&with(EXT4)).unwrap();
        assert_eq!((found.kind, found.label.as_bytes(), found.uuid), (Kind::Ext4, &b"dock0"[..], [7; 16]));
        assert_eq!(found.size, 256 * 4096);
    }

    #[test]
    fn ext4_counts_blocks_in_64_bits_only_where_it_says_so() {
        let high = (1024 + 0x150, &[1, 0, 0, 0][..]);
        let flag = (1024 + 0x60, &[0x80, 0, 0, 0][..]);
        let narrow = [EXT4, &[high]].concat();
        let wide = [EXT4, &[high, flag]].concat();
        assert_eq!(identify(&with(&narrow)).unwrap().size, 256 * 4096);
        assert_eq!(identify(&with(&wide)).unwrap().size, ((1 << 32) + 256) * 4096);
    }

    #[test]
    fn erofs_and_squashfs_are_told_by_their_magic() {
        let erofs = with(&[(1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (1024 + 12, &[12]), (1024 + 36, &[3, 0, 0, 0])]);
        let found = identify(&erofs).unwrap();
        assert_eq!((found.kind, found.size), (Kind::Erofs, 3 * 4096));
        let squashfs = with(&[(0, b"hsqs"), (28, &[4, 0]), (40, &[0, 0x10, 0, 0, 0, 0, 0, 0])]);
        let found = identify(&squashfs).unwrap();
        assert_eq!((found.kind, found.size), (Kind::Squashfs, 4096));
    }

    #[test]
    fn nonsense_is_nothing() {
        let huge_blocks = [EXT4, &[(1024 + 0x18, &[0xff, 0xff, 0xff, 0xff][..])]].concat();
        for (case, start) in [
            ("zeros", &[0; PROBE_LEN][..]),
            ("empty", &[]),
            ("ext4 block size", &with(&huge_blocks)),
            ("erofs block size", &with(&[(1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (1024 + 12, &[99])])),
            ("squashfs 3", &with(&[(0, b"hsqs"), (28, &[3, 0])])),
            ("ext4 cut off", &with(EXT4)[..1024 + 0x60]),
        ] {
            assert_eq!(identify(start), None, "{case}");
        }
    }

    #[test]
    fn labels_print_without_control_characters() {
        let label = Label(*b"a\x1b[2J\xffb\0rest....");
        assert_eq!(std::format!("{label}"), r"a\x1b[2J\xffb");
    }

    extern crate std;
}
