//! Packing a directory into the image of a root.

use crate::output::{self, Existing};
use crate::tool::{MKE2FS, MKFS_EROFS, MKSQUASHFS};
use anyhow::{Result, bail};
use std::path::Path;
use std::str::FromStr;

/// The file systems an image can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// lz4hc in 64 KiB clusters: the fastest to read, mounted straight from the file.
    Erofs,
    /// zstd: the smallest.
    Squashfs,
    /// ext4: for what must not be compressed.
    Ext4,
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "erofs" => Ok(Format::Erofs),
            "squashfs" => Ok(Format::Squashfs),
            "ext4" => Ok(Format::Ext4),
            _ => Err("must be erofs, squashfs or ext4".into()),
        }
    }
}

/// Packs everything below `directory`, owned by root whoever owns it here, without times of its own.
pub fn pack(directory: &Path, format: Format, path: &Path, existing: Existing) -> Result<()> {
    if !directory.is_dir() {
        bail!("{}: is not a directory", directory.display());
    }
    output::write(path, existing, |to| match format {
        Format::Erofs => pack_erofs(directory, to),
        Format::Squashfs => pack_squashfs(directory, to),
        Format::Ext4 => pack_ext4(directory, to),
    })
}

/// No UUID and no times, so that the same files give the same bytes.
fn pack_erofs(directory: &Path, to: &Path) -> Result<()> {
    let mut command = MKFS_EROFS.command();
    command.args(["-zlz4hc", "-C65536", "-T0", "--all-root", "-U00000000-0000-0000-0000-000000000000", "--quiet"]);
    MKFS_EROFS.run(command.arg(to).arg(directory)).map(drop)
}

fn pack_squashfs(directory: &Path, to: &Path) -> Result<()> {
    let mut command = MKSQUASHFS.command();
    // Its default is one thread a core and an order of blocks that may differ; SOURCE_DATE_EPOCH and -all-time clash.
    command.arg(directory).arg(to).args(["-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-all-root"]);
    command.args(["-all-time", "0", "-mkfs-time", "0"]).env_remove("SOURCE_DATE_EPOCH");
    MKSQUASHFS.run(&mut command).map(drop)
}

fn pack_ext4(directory: &Path, to: &Path) -> Result<()> {
    // Room for the files, a tenth more for their tables, and what an empty ext4 takes.
    let kib = size_of_tree(directory)? / 1024 * 11 / 10 + 1024;
    let mut command = MKE2FS.command();
    command.args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "root_owner=0:0", "-d"]);
    MKE2FS.run(command.arg(directory).arg(to).arg(format!("{kib}k")))?;
    crate::disk::give_everything_to_root(directory, to)
}

fn size_of_tree(path: &Path) -> std::io::Result<u64> {
    const BLOCK: u64 = 4096;
    let meta = path.symlink_metadata()?;
    let mut size = meta.len().next_multiple_of(BLOCK);
    if meta.is_dir() {
        for entry in path.read_dir()? {
            size += size_of_tree(&entry?.path())?;
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use wire::superblock;

    #[test]
    fn every_format_packs_into_what_init_takes_it_for_and_twice_the_same() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sbin")).unwrap();
        fs::write(root.path().join("sbin/init"), vec![7; 300_000]).unwrap();
        for (format, kind, reproducible) in [
            (Format::Erofs, superblock::Kind::Erofs, true),
            (Format::Squashfs, superblock::Kind::Squashfs, true),
            (Format::Ext4, superblock::Kind::Ext4, false),
        ] {
            let place = tempfile::tempdir().unwrap();
            let (one, two) = (place.path().join("one"), place.path().join("two"));
            pack(root.path(), format, &one, Existing::Refuse).unwrap();
            pack(root.path(), format, &two, Existing::Refuse).unwrap();
            let image = fs::read(&one).unwrap();
            let found = superblock::identify(&image[..4096]).unwrap();
            assert_eq!(found.kind, kind);
            assert!(found.size <= u64::try_from(image.len()).unwrap(), "{format:?}: {} of {}", image.len(), found.size);
            assert!(!reproducible || image == fs::read(&two).unwrap(), "{format:?} differs the second time");
        }
    }

    #[test]
    fn only_a_directory_is_packed() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        let error = pack(&missing, Format::Erofs, &place.path().join("out"), Existing::Refuse).unwrap_err();
        assert!(error.to_string().ends_with("missing: is not a directory"), "{error}");
    }
}
