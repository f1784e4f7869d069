//! Where things are: the repository, what is read, what is written, and the lock that keeps two builds apart.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The paths of one configuration's build.
#[derive(Debug)]
pub struct Places {
    /// `kernel-configs/`.
    pub fragments: PathBuf,
    /// `patches/`.
    pub patches: PathBuf,
    /// `build/kernel/`, where work trees and downloads stand.
    pub work: PathBuf,
    /// The kernel, a bzImage.
    pub vmlinuz: PathBuf,
    /// The configuration it was built with.
    pub config: PathBuf,
    /// Where each function of it lies: a trace on a console is addresses, and this gives them names.
    pub system_map: PathBuf,
    /// What it was built from.
    pub stamp: PathBuf,
    /// All that the build's programs said.
    pub log: PathBuf,
    /// The same for what compares or checks.
    pub check_log: PathBuf,
}

impl Places {
    /// The places of configuration `name` in a repository.
    pub fn below(root: &Path, name: &str) -> Self {
        let work = root.join("build/kernel");
        Self {
            fragments: root.join("kernel-configs"),
            patches: root.join("patches"),
            vmlinuz: work.join(name).join("vmlinuz"),
            config: work.join(name).join("config"),
            system_map: work.join(name).join("System.map"),
            stamp: work.join(name).join("stamp.toml"),
            log: root.join(format!("build/log/kernel-{name}.log")),
            check_log: root.join(format!("build/log/kernel-{name}-check.log")),
            work,
        }
    }

    /// Where tarballs are kept, each by its sum.
    pub fn downloads(&self) -> PathBuf {
        self.work.join("download")
    }

    /// The whole configuration that a version was released with.
    pub fn released(&self, version: &str, config: &str) -> PathBuf {
        self.fragments.join("released").join(format!("{version}-{config}.config"))
    }

    /// The set of patches that a version was released with.
    pub fn released_patches(&self, version: &str) -> PathBuf {
        self.patches.join("released").join(version)
    }

    /// The file that names versions, sources and configurations.
    pub fn kernel_toml(&self) -> PathBuf {
        self.fragments.join("kernel.toml")
    }

    /// Holds the work trees for as long as the file lives; waits, and says so, while another build holds them.
    pub fn lock(&self) -> Result<File> {
        create_folder(&self.work)?;
        let path = self.work.join("lock");
        let locking = || format!("locking {}", path.display());
        let file = File::create(&path).with_context(locking)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => eprintln!("kernel: another kernel build is running: waiting for it"),
            Err(TryLockError::Error(error)) => return Err(error).with_context(locking),
        }
        file.lock().with_context(locking)?;
        Ok(file)
    }
}

/// The repository's root: two above this package.
pub fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().with_context(|| format!("looking for the repository at {}", root.display()))
}

/// Makes a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

/// A file's length in bytes.
pub fn size_of(path: &Path) -> Result<u64> {
    Ok(path.metadata().with_context(|| format!("looking at {}", path.display()))?.len())
}

/// Copies `from` to `to` so that whoever reads `to` sees the old file or the new one, never half of it.
pub fn replace_file(from: &Path, to: &Path) -> Result<()> {
    create_folder(to.parent().context("a file needs a folder")?)?;
    let part = to.with_extension("part");
    std::fs::copy(from, &part).with_context(|| format!("copying {} to {}", from.display(), part.display()))?;
    std::fs::rename(&part, to).with_context(|| format!("renaming {} to {}", part.display(), to.display()))
}
