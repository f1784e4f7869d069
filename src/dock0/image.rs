//! Packing a directory into the image of a root.

use crate::disk;
use crate::ext4;
use crate::output::{Access, Existing, Output};
use crate::tool::{MKE2FS, MKFS_EROFS, MKSQUASHFS};
use anyhow::{Context, Result, bail};
use menagerie::RelPath;
use std::path::{Path, PathBuf};
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

/// A file that goes into an image although it is not in its directory: `PATH=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraFile {
    /// Where it goes, below the root.
    pub path: RelPath,
    /// Where it is now.
    pub file: PathBuf,
}

impl FromStr for ExtraFile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, file) = text.split_once('=').ok_or("must be PATH=FILE")?;
        let path = path.parse().map_err(|why| format!("the path {path:?} {why}"))?;
        Ok(ExtraFile { path, file: file.into() })
    }
}

/// Like [`pack`], with these files beside what is in the directory, or in its place.
pub fn pack_with(directory: &Path, extra: &[ExtraFile], format: Format, path: &Path, existing: Existing) -> Result<()> {
    if extra.is_empty() {
        return pack(directory, format, path, existing);
    }
    disk::with_staging(|staging| {
        let root = staging.join("root");
        let directory = directory.canonicalize().with_context(|| format!("looking at {}", directory.display()))?;
        disk::copy_tree(&directory, &root)?;
        for ExtraFile { path, file } in extra {
            let parent = Path::new(path.as_str()).parent().and_then(Path::to_str).unwrap_or_default();
            disk::make_directories(&root, parent)?;
            let copied = std::fs::copy(file, root.join(path.as_str()));
            copied.with_context(|| format!("copying {} to {path} in the image", file.display()))?;
        }
        pack(&root, format, path, existing)
    })
}

/// Whose the files of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// root's, whoever owns them here.
    Root,
    /// Those of the files.
    Kept,
}

/// Packs everything below `directory`, owned by root whoever owns it here, without times of its own.
pub fn pack(directory: &Path, format: Format, path: &Path, existing: Existing) -> Result<()> {
    pack_as(directory, Owners::Root, format, path, existing)
}

/// The same with these owners.
pub fn pack_as(directory: &Path, owners: Owners, format: Format, path: &Path, existing: Existing) -> Result<()> {
    if !directory.is_dir() {
        bail!("{}: is not a directory", directory.display());
    }
    // Absolute, so that no name begins with the - of an option; the file that is written is absolute already.
    let directory = &directory.canonicalize().with_context(|| format!("looking at {}", directory.display()))?;
    let output = Output { path, existing, access: Access::Umask, made_from: Some(directory) };
    output.write(|to| match format {
        Format::Erofs => pack_erofs(directory, owners, to),
        Format::Squashfs => pack_squashfs(directory, owners, to),
        Format::Ext4 => pack_ext4(directory, owners, to),
    })
}

/// No UUID and no times, so that the same files give the same bytes.
fn pack_erofs(directory: &Path, owners: Owners, to: &Path) -> Result<()> {
    let mut command = MKFS_EROFS.command();
    command.args(["-zlz4hc", "-C65536", "-T0", "-U00000000-0000-0000-0000-000000000000", "--quiet"]);
    command.args((owners == Owners::Root).then_some("--all-root"));
    MKFS_EROFS.run(command.arg(to).arg(directory)).map(drop)
}

fn pack_squashfs(directory: &Path, owners: Owners, to: &Path) -> Result<()> {
    let mut command = MKSQUASHFS.command();
    // Its default is one thread a core and an order of blocks that may differ; SOURCE_DATE_EPOCH and -all-time clash.
    command.arg(directory).arg(to).args(["-noappend", "-quiet", "-no-progress", "-comp", "zstd"]);
    command.args((owners == Owners::Root).then_some("-all-root"));
    command.args(["-all-time", "0", "-mkfs-time", "0"]).env_remove("SOURCE_DATE_EPOCH");
    MKSQUASHFS.run(&mut command).map(drop)
}

fn pack_ext4(directory: &Path, owners: Owners, to: &Path) -> Result<()> {
    let Extent { entries, bytes } = measure(directory).with_context(|| format!("measuring {}", directory.display()))?;
    // Room for the files, a tenth more for their tables, and what an empty ext4 takes.
    let kib = bytes / 1024 * 11 / 10 + 1024;
    // An inode for each, the 11 that ext4 keeps to itself, and some to spare.
    let inodes = entries + 64;
    let mut command = MKE2FS.command();
    command.args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "root_owner=0:0"]);
    command.arg("-N").arg(inodes.to_string()).arg("-d").arg(directory).arg(to).arg(format!("{kib}k"));
    MKE2FS.run(&mut command)?;
    match owners {
        Owners::Root => ext4::forget_owners_and_times(directory, to),
        Owners::Kept => Ok(()),
    }
}

/// What a tree takes: at least a block for each entry, for an empty file has a name and an inode too.
struct Extent {
    entries: u64,
    bytes: u64,
}

fn measure(path: &Path) -> std::io::Result<Extent> {
    const BLOCK: u64 = 4096;
    let meta = path.symlink_metadata()?;
    let mut all = Extent { entries: 1, bytes: meta.len().max(1).next_multiple_of(BLOCK) };
    if meta.is_dir() {
        for entry in path.read_dir()? {
            let Extent { entries, bytes } = measure(&entry?.path())?;
            all.entries += entries;
            all.bytes += bytes;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::DEBUGFS;
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
    fn three_thousand_empty_files_have_room_in_an_ext4() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..3000 {
            fs::write(root.path().join(format!("{number}")), "").unwrap();
        }
        let place = tempfile::tempdir().unwrap();
        let image = place.path().join("out");
        pack(root.path(), Format::Ext4, &image, Existing::Refuse).unwrap();
        // What mke2fs chooses by itself goes by the size: too few for many small files in a large image.
        let count = fs::read(&image).unwrap()[1024..1028].try_into().map(u32::from_le_bytes).unwrap();
        assert!((3065..3200).contains(&count), "{count} inodes for 3001 entries and 64 more");
    }

    #[test]
    fn an_image_inside_of_its_directory_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let error = pack(root.path(), Format::Erofs, &root.path().join("out"), Existing::Replace).unwrap_err();
        assert!(error.to_string().ends_with("which it is made from"), "{error}");
    }

    #[test]
    fn a_file_from_elsewhere_goes_beside_or_over_what_is_there() {
        let (root, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(root.path().join("bin")).unwrap();
        fs::write(root.path().join("bin/tool"), "old").unwrap();
        let elsewhere = place.path().join("elsewhere");
        fs::write(&elsewhere, "new").unwrap();
        let extra = |path: &str| format!("{path}={}", elsewhere.display()).parse::<ExtraFile>().unwrap();
        let image = place.path().join("image");
        let extra = [extra("bin/tool"), extra("usr/lib/more")];
        pack_with(root.path(), &extra, Format::Ext4, &image, Existing::Refuse).unwrap();
        for path in ["/bin/tool", "/usr/lib/more"] {
            let cat = DEBUGFS.command().arg("-R").arg(format!("cat {path}")).arg(&image).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&cat.stdout), "new", "{path}");
        }
        assert_eq!(fs::read_to_string(root.path().join("bin/tool")).unwrap(), "old", "the directory is left alone");
        for (text, why) in [("bin/tool", "must be PATH=FILE"), ("/bin/x=y", "the path \"/bin/x\" must be a relative")] {
            let error = text.parse::<ExtraFile>().unwrap_err();
            assert!(error.starts_with(why), "{error}");
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
