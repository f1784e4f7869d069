//! ext4 in a file, made and changed by e2fsprogs. Needs no root.

use crate::manifest::hex;
use crate::nameless::Nameless;
use crate::origin::{GivenFile, Reader};
use crate::tool::{DEBUGFS, MKE2FS};
use anyhow::{Context, Result, anyhow, bail, ensure};
use menagerie::record::{self, Record};
use menagerie::{RelPath, layout};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ext4 features of the boot disk, all of them: what GRUB 2.06 and GRUB Legacy 0.97 read without replaying a journal,
/// what Linode can resize, and fs-verity. No dir_index: a directory that becomes indexed moves all its entries at once, and a
/// power cut in between hides them from GRUB; without it one grows at its end. `none` first, so that no machine's
/// mke2fs.conf adds to them.
pub const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,filetype,extent,flex_bg,sparse_super,\
                            large_file,huge_file,dir_nlink,extra_isize,verity";

/// Bytes that only root can have: a full disk shall not be a dead end, and to turn its releases over or to reap them takes a
/// few blocks for directories.
const RESERVE: u64 = 512 << 10;

/// Where files that are not of a release go.
const DOCK0: &str = "dock0";

/// What is told e2fsprogs instead of the time, in seconds since 1970: the first one that it takes for a time.
const TIME: (&str, &str) = ("E2FSPROGS_FAKE_TIME", "1");

/// Makes the ext4 of `size` bytes at `path`, holding what is below `staging`, all of it root's. The same files make the same
/// bytes, by the same mke2fs: its identifiers come from them, it has no times, and mke2fs sorts by name.
pub fn make_file_system(staging: &Path, path: &Path, size: u64, label: &str) -> Result<()> {
    let mut command = MKE2FS.command();
    // In percent of the disk's blocks, as mke2fs wants it.
    let reserve = RESERVE as f64 * 100.0 / (size.max(1) as f64);
    command.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-O", FEATURES, "-L", label]);
    command.args(["-m", &format!("{reserve:.6}")]);
    let id = derive_uuid(staging, size, label)?;
    let details = format!("hash_seed={id},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0");
    command.env(TIME.0, TIME.1).args(["-U", &id, "-E", &details, "-d"]);
    command.arg(staging).arg(path).arg((size / 4096).to_string());
    MKE2FS.run(&mut command).with_context(|| format!("filling a disk of {size} bytes (is it large enough?)"))?;
    forget_owners_and_times(staging, path)?;
    record_artifacts(staging, path)
}

/// Sets the owner of everything in the ext4 at `image` that came from `staging` to root, and its times to none: mke2fs
/// copies both, and whoever runs it may be a plain user.
pub fn forget_owners_and_times(staging: &Path, image: &Path) -> Result<()> {
    let mut requests = String::new();
    for path in paths_below(staging, Path::new("/"))? {
        let name = quotable(&path)?;
        for (field, value) in [("uid", "0"), ("gid", "0"), ("atime", "@1"), ("ctime", "@1"), ("mtime", "@1")] {
            requests.push_str(&format!("set_inode_field \"{name}\" {field} {value}\n"));
        }
    }
    edit(image, &requests, "making root the owner of everything on the disk")
}

/// A UUID of what is below `staging`, of the version for those that are made by a rule of one's own (RFC 9562, 5.8).
fn derive_uuid(staging: &Path, size: u64, label: &str) -> Result<String> {
    let mut digest = Sha256::new();
    let mut add = |field: &[u8]| {
        digest.update((field.len() as u64).to_le_bytes());
        digest.update(field);
    };
    add(format!("{size} {label}").as_bytes());
    let mut paths = paths_below(staging, Path::new(""))?;
    paths.sort();
    for path in paths {
        let file = staging.join(&path);
        let reading = || format!("reading {}", file.display());
        let meta = fs::symlink_metadata(&file).with_context(reading)?;
        add(path.as_os_str().as_bytes());
        add(&meta.mode().to_le_bytes());
        if meta.is_symlink() {
            add(fs::read_link(&file).with_context(reading)?.as_os_str().as_bytes());
        } else if meta.is_file() {
            add(&fs::read(&file).with_context(reading)?);
        }
    }
    let digits = hex(&digest.finalize());
    let part = |from, to| digits.get(from..to).context("a digest is too short");
    Ok(format!("{}-{}-8{}-8{}-{}", part(0, 8)?, part(8, 12)?, part(12, 15)?, part(15, 18)?, part(18, 30)?))
}

/// Writes down with every artifact what its bytes are, for `menagerie verify`.
fn record_artifacts(staging: &Path, image: &Path) -> Result<()> {
    let artifacts = staging.join(layout::ARTIFACTS);
    if !artifacts.is_dir() {
        return Ok(());
    }
    let values = tempfile::tempdir().context("making a temporary directory")?;
    let mut requests = String::new();
    for (number, path) in paths_below(&artifacts, &Path::new("/").join(layout::ARTIFACTS))?.iter().enumerate() {
        let file = staging.join(path.strip_prefix("/")?);
        if file.is_dir() {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let record = Record { sha256: Sha256::digest(&bytes).into(), size: bytes.len().try_into()? };
        let value = values.path().join(number.to_string());
        fs::write(&value, record.to_bytes()).with_context(|| format!("writing {}", value.display()))?;
        let (value, name) = (quotable(&value)?, quotable(path)?);
        requests.push_str(&format!("ea_set -f \"{value}\" \"{name}\" {}\n", record::ATTRIBUTE));
    }
    edit(image, &requests, "writing down what the artifacts are")
}

/// Adds files to the ext4 at `image`, below `dock0/` and beside what is there. What only root shall read is in a directory that
/// only root can look into.
pub fn add_files(image: &Path, files: &[GivenFile]) -> Result<()> {
    check_unmounted(image)?;
    // What is to be written stays open until debugfs has read it.
    let (mut requests, mut contents, mut made) = (String::new(), Vec::new(), BTreeSet::new());
    for GivenFile { path, bytes, reader } in files {
        let (directory, name) = split(path)?;
        ensure!(!exists(image, path)?, "{path} is there already");
        for directory in [DOCK0, directory] {
            if made.insert(directory) && !exists(image, directory)? {
                requests.push_str(&format!("mkdir \"/{directory}\"\n{}", set(directory, 0o040_755)));
            }
        }
        let content = Nameless::beside(&std::env::temp_dir())?;
        content.file().write_all(bytes).context("writing a temporary file")?;
        // `write` takes a name in the current directory alone.
        requests.push_str(&format!("cd \"/{directory}\"\nwrite \"{}\" \"{name}\"\n", content.path().display()));
        contents.push(content);
        requests.push_str(&match reader {
            Reader::Anybody => set(path, 0o100_644),
            Reader::Root => set(path, 0o100_600) + &set(directory, 0o040_700),
        });
    }
    edit(image, &requests, "adding files to the disk")?;
    drop(contents);
    Ok(())
}

/// The directory, which is `dock0` or one below it, and the name.
fn split(path: &str) -> Result<(&str, &str)> {
    let wrong = || format!("{path:?} is no path of a file in dock0/ or a directory below it");
    path.parse::<RelPath>().map_err(|_| anyhow!(wrong()))?;
    quotable(Path::new(path))?;
    let (directory, name) = path.rsplit_once('/').with_context(wrong)?;
    let below = directory.strip_prefix(DOCK0).with_context(wrong)?;
    ensure!(below.is_empty() || below.strip_prefix('/').is_some_and(|below| !below.contains('/')), wrong());
    Ok((directory, name))
}

/// Gives it to root, with this mode.
fn set(path: &str, mode: u32) -> String {
    format!(
        "set_inode_field \"/{path}\" mode 0{mode:o}\nset_inode_field \"/{path}\" uid 0\nset_inode_field \"/{path}\" gid 0\n"
    )
}

/// Whoever mounts a disk next replays its journal, which may undo what was changed meanwhile.
fn check_unmounted(image: &Path) -> Result<()> {
    let features = DEBUGFS.run(DEBUGFS.command().args(["-R", "features"]).arg(image))?;
    ensure!(!features.contains("needs_recovery"), "the disk was never unmounted: its journal has yet to be replayed");
    Ok(())
}

fn exists(image: &Path, path: &str) -> Result<bool> {
    let request = format!("stat \"/{path}\"");
    let complaints = DEBUGFS.complaints(DEBUGFS.command().args(["-R", &request]).arg(image))?;
    match complaints.lines().skip(1).collect::<Vec<_>>()[..] {
        [] => Ok(true),
        [first, ..] if first.contains("File not found") => Ok(false),
        [first, ..] => bail!("looking for {path}: {first}"),
    }
}

fn quotable(path: &Path) -> Result<&str> {
    let name = path.to_str().filter(|name| !name.contains(['"', '\n']));
    name.with_context(|| format!("{}: such a name cannot go on a disk", path.display()))
}

fn edit(image: &Path, requests: &str, doing: &str) -> Result<()> {
    let script = tempfile::NamedTempFile::new().context("making a temporary file")?;
    fs::write(script.path(), requests).context("writing a script for debugfs")?;
    // debugfs ends well whatever became of its requests; only what it says on standard error tells, behind its version.
    let mut command = DEBUGFS.command();
    command.env(TIME.0, TIME.1).arg("-w").arg("-f").arg(script.path()).arg(image);
    let complaints = DEBUGFS.complaints(&mut command)?;
    match complaints.lines().skip(1).collect::<Vec<_>>()[..] {
        [] => Ok(()),
        [first, ..] => bail!("{doing}: {first}"),
    }
}

fn paths_below(directory: &Path, shown_as: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let entries = fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let shown_as = shown_as.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            paths.extend(paths_below(&entry.path(), &shown_as)?);
        }
        paths.push(shown_as);
    }
    Ok(paths)
}
