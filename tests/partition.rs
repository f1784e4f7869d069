//! A boot partition in any state that a test wants, sound or broken.

use crate::root::{Image, Root};
use anyhow::{Context, Result};
use dock0::disk::{add_artifact, make_directories};
use dock0::ext4;
use dock0::image::Format;
use dock0::tool::Tool;
use menagerie::{Artifact, Layout, layout};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// e2fsprogs' checker of ext4.
const E2FSCK: Tool = Tool { program: "e2fsck", package: "e2fsprogs" };

/// The files of a boot partition before they become one.
pub struct Partition {
    staging: tempfile::TempDir,
}

impl Partition {
    /// Nothing on it.
    pub fn empty() -> Result<Partition> {
        Ok(Partition { staging: tempfile::tempdir()? })
    }

    /// `latest` and release 0, whose root is the probe.
    pub fn with_probe() -> Result<Partition> {
        let image = Root::with_probe("release 0")?.pack(Format::Erofs)?;
        Partition::empty()?.latest()?.release(0, &image)
    }

    /// `latest` and release 0 with this root.
    pub fn with_root(root: &Root, format: Format) -> Result<Partition> {
        Partition::empty()?.latest()?.release(0, &root.pack(format)?)
    }

    /// The link to release 0.
    pub fn latest(self) -> Result<Partition> {
        self.link(layout::LATEST, layout::LATEST_TARGET)
    }

    /// A release of nothing but this `vm_root`, at version `r<number>`.
    pub fn release(self, number: u32, image: &Image) -> Result<Partition> {
        let version = format!("r{number}");
        let root = Artifact {
            name: layout::VM_ROOT.parse().map_err(|why| anyhow::anyhow!("vm_root {why}"))?,
            version: version.parse().map_err(|why| anyhow::anyhow!("{version} {why}"))?,
        };
        add_artifact(self.staging.path(), &root, &image.path)?;
        let target = Layout::default().link_target(&root);
        self.link(&format!("releases/{number}/vm_root"), &target)
    }

    /// One more artifact of a release.
    pub fn artifact(self, number: u32, name: &str, version: &str, bytes: &[u8]) -> Result<Partition> {
        let target = format!("../../artifacts/{name}/{version}");
        self.file(&format!("artifacts/{name}/{version}"), bytes)?.link(&format!("releases/{number}/{name}"), &target)
    }

    /// A link.
    pub fn link(self, path: &str, target: &str) -> Result<Partition> {
        let at = self.place(path)?;
        symlink(target, &at).with_context(|| format!("linking {}", at.display()))?;
        Ok(self)
    }

    /// A file of mode 0644.
    pub fn file(self, path: &str, content: &[u8]) -> Result<Partition> {
        let at = self.place(path)?;
        fs::write(&at, content).with_context(|| format!("writing {}", at.display()))?;
        Ok(self)
    }

    /// Where a path is now, its directory made; for what the other methods cannot do.
    pub fn place(&self, path: &str) -> Result<PathBuf> {
        let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        make_directories(self.staging.path(), parent)?;
        Ok(self.staging.path().join(path))
    }

    /// Cuts a file on it to this many bytes.
    pub fn cut(self, path: &str, length: u64) -> Result<Partition> {
        fs::File::options().write(true).open(self.staging.path().join(path))?.set_len(length)?;
        Ok(self)
    }

    /// The disk, labelled dock0 like every boot partition.
    pub fn disk(&self) -> Result<DiskFile> {
        self.disk_labelled("dock0")
    }

    /// The disk under another label.
    pub fn disk_labelled(&self, label: &str) -> Result<DiskFile> {
        self.disk_of(48 << 20, label)
    }

    /// The disk of this size, in bytes.
    pub fn disk_of(&self, size: u64, label: &str) -> Result<DiskFile> {
        let disk = DiskFile::blank(size)?;
        ext4::make_file_system(self.staging.path(), &disk.path, size, label)?;
        Ok(disk)
    }
}

/// A disk's image; removed when dropped.
pub struct DiskFile {
    /// Where it is.
    pub path: PathBuf,
    _place: tempfile::TempDir,
}

impl DiskFile {
    /// A disk of zeros.
    pub fn blank(size: u64) -> Result<DiskFile> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("disk.img");
        fs::File::create(&path)?.set_len(size)?;
        Ok(DiskFile { path, _place: place })
    }

    /// The bytes of every file below artifacts/, config/ and releases/, by path; a link counts as where it leads, as text.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let place = tempfile::tempdir()?;
        for directory in ["artifacts", "config", "releases"] {
            self.debugfs(&format!("rdump /{directory} {}", place.path().display()))?;
        }
        let mut files = BTreeMap::new();
        collect(place.path(), place.path(), &mut files)?;
        Ok(files)
    }

    /// The same of the whole disk.
    pub fn everything(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let place = tempfile::tempdir()?;
        self.debugfs(&format!("rdump / {}", place.path().display()))?;
        let mut files = BTreeMap::new();
        collect(place.path(), place.path(), &mut files)?;
        Ok(files)
    }

    /// Another disk with the same bytes.
    pub fn copy(&self) -> Result<DiskFile> {
        let copy = DiskFile::blank(0)?;
        fs::copy(&self.path, &copy.path).with_context(|| format!("copying {}", self.path.display()))?;
        Ok(copy)
    }

    /// Changes bytes behind the file system's back.
    pub fn overwrite(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let disk = fs::File::options().write(true).open(&self.path)?;
        Ok(std::os::unix::fs::FileExt::write_all_at(&disk, bytes, offset)?)
    }

    /// The names in a directory, sorted, as whoever mounts the disk finds them.
    pub fn names(&self, directory: &str) -> Result<Vec<String>> {
        let copy = self.copy()?;
        // It exits with 1 where it has put something right, as replaying a journal is.
        E2FSCK.command().arg("-fp").arg(&copy.path).output().context("starting e2fsck")?;
        let listed = copy.debugfs(&format!("ls -p {directory}"))?;
        let names = listed.lines().filter_map(|line| line.split('/').nth(5));
        let mut names: Vec<String> = names.filter(|name| !matches!(*name, "" | "." | "..")).map(String::from).collect();
        names.sort();
        Ok(names)
    }

    /// Whether nothing is wrong with it, once its journal is replayed.
    pub fn check(&self) -> Result<()> {
        let copy = self.copy()?;
        // It exits with 1 where it has replayed one.
        E2FSCK.command().args(["-p", "-E", "journal_only"]).arg(&copy.path).output().context("starting e2fsck")?;
        E2FSCK.run(E2FSCK.command().args(["-f", "-n"]).arg(&copy.path)).map(drop)
    }

    /// What debugfs answers to a request, with the journal as it is on the disk.
    pub fn debugfs(&self, request: &str) -> Result<String> {
        let tool = dock0::tool::DEBUGFS;
        tool.run(tool.command().args(["-R", request]).arg(&self.path))
    }
}

fn collect(root: &Path, directory: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.display().to_string();
        match fs::symlink_metadata(&path)? {
            meta if meta.is_dir() => collect(root, &path, files)?,
            meta if meta.is_symlink() => {
                files.insert(name, fs::read_link(&path)?.display().to_string().into_bytes());
            }
            _ => {
                files.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(())
}
