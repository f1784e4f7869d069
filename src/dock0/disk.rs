//! The boot disk: an unpartitioned ext4 with release 0, the menus and this VM's configuration. Needs no root.

use crate::ext4::make_file_system;
use crate::linode::gzip;
use crate::linode::image::BootImage;
use crate::menu::Menu;
use crate::origin::{GivenFile, Origin, Reader};
use crate::output::{Access, Existing, Output};
use crate::release::{self, ArtifactFile};
use anyhow::{Context, Result, bail};
use menagerie::{Artifact, Layout, layout};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wire::grubenv;

/// What goes onto a boot disk.
pub struct Disk {
    /// Release 0.
    pub artifacts: Vec<ArtifactFile>,
    /// A directory that is laid over the VM's root (`config/templates` on the disk).
    pub config: Option<PathBuf>,
    /// Where further releases come from.
    pub origin: Origin,
    /// In bytes.
    pub size: u64,
    /// The boot menus, and the disk's label.
    pub menu: Menu,
}

impl Disk {
    /// Makes the disk at `path`.
    pub fn write(&self, path: &Path, existing: Existing) -> Result<()> {
        self.check()?;
        self.output(path, existing).write(|to| self.fill(to))
    }

    /// Makes the disk at `path` as Linode takes it.
    pub fn write_image(&self, path: &Path, existing: Existing) -> Result<BootImage> {
        self.check()?;
        gzip::check_unpacked(self.size, gzip::LIMITS)?;
        BootImage::make(self.output(path, existing), |to| self.fill(to))
    }

    fn output<'p>(&'p self, path: &'p Path, existing: Existing) -> Output<'p> {
        Output { path, existing, access: Access::Owner, made_from: self.config.as_deref() }
    }

    fn fill(&self, to: &Path) -> Result<()> {
        with_staging(|staging| {
            self.stage(staging)?;
            make_file_system(staging, to, self.size, &self.menu.label)
        })
    }

    fn check(&self) -> Result<()> {
        self.menu.check()?;
        release::check(&self.artifacts)?;
        match &self.config {
            Some(config) if !config.is_dir() => bail!("the configuration {} is not a directory", config.display()),
            _ => Ok(()),
        }
    }

    /// What will work, but not everywhere: for the operator to read.
    pub fn warnings(&self) -> Result<Vec<String>> {
        let loaded =
            |artifact: &&ArtifactFile| [layout::KERNEL, layout::INITRD].contains(&artifact.artifact.name.as_str());
        let mut warnings = Vec::new();
        for ArtifactFile { artifact, file } in self.artifacts.iter().filter(loaded) {
            let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            if has_zero_block(&bytes) {
                warnings.push(format!(
                    "{artifact} has 4 KiB of zeros, which become a hole on the disk; GRUB Legacy cannot load it, \
                     GRUB 2 can"
                ));
            }
        }
        Ok(warnings)
    }

    /// Fills `root` with everything that stands on the disk.
    pub fn stage(&self, root: &Path) -> Result<()> {
        let release = format!("{}/0", layout::RELEASES);
        for directory in [release.as_str(), "boot/grub", layout::STATE] {
            make_directories(root, directory)?;
        }
        for ArtifactFile { artifact, file } in &self.artifacts {
            add_artifact(root, artifact, file)?;
            let link = root.join(&release).join(artifact.name.as_str());
            let target = Layout::default().link_target(artifact);
            symlink(target.as_str(), &link).with_context(|| format!("making the link {}", link.display()))?;
        }
        symlink(layout::LATEST_TARGET, root.join(layout::LATEST)).context("making the link latest")?;
        write_file(root, layout::GRUB_CFG, self.menu.grub_cfg())?;
        write_file(root, layout::MENU_LST, self.menu.menu_lst())?;
        write_file(root, grubenv::GRUBENV, grubenv::empty_grubenv())?;
        write_file(root, grubenv::DEFAULT, grubenv::legacy_default(None))?;
        for GivenFile { path, bytes, reader } in self.origin.read()? {
            add_given(root, &path, &bytes, reader)?;
        }
        // An empty one would be a configuration, and none would be waited for.
        match &self.config {
            Some(config) => {
                make_directories(root, "config")?;
                // The directory itself may be named by a link; those inside of it are copied as links.
                let config = fs::canonicalize(config).with_context(|| format!("looking at {}", config.display()))?;
                copy_tree(&config, &root.join(layout::CONFIG_TEMPLATES))
            }
            None => Ok(()),
        }
    }
}

/// Does something in a temporary directory, which is gone afterwards whatever became of it.
pub fn with_staging(work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let staging = tempfile::tempdir().context("making a temporary directory")?;
    let done = work(staging.path());
    done.and(remove_staging(staging))
}

/// Removes it, and says so if a copy of the configuration stays behind. A plain user cannot empty a directory that he may
/// not write, even if it is his.
fn remove_staging(staging: TempDir) -> Result<()> {
    make_writable(staging.path()).and_then(|()| staging.close()).context("removing the temporary directory")
}

fn make_writable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

/// mke2fs makes a hole of every block of zeros, and GRUB Legacy stops at one ("Error 16").
fn has_zero_block(bytes: &[u8]) -> bool {
    bytes.chunks(4096).any(|block| block.iter().all(|&byte| byte == 0))
}

/// Copies an artifact to `artifacts/<name>/<version>` below `root`.
pub fn add_artifact(root: &Path, artifact: &Artifact, file: &Path) -> Result<()> {
    make_directories(root, &format!("{}/{}", layout::ARTIFACTS, artifact.name))?;
    let to = root.join(Layout::default().artifact(artifact).as_str());
    let copied = fs::copy(file, &to).and_then(|_| fs::set_permissions(&to, Permissions::from_mode(0o644)));
    copied.with_context(|| format!("copying {} to {}", file.display(), to.display()))
}

/// Makes a directory and those above it, below `root`, of mode 0755 whatever the umask.
pub fn make_directories(root: &Path, path: &str) -> Result<()> {
    let mut directory = root.to_path_buf();
    for part in Path::new(path) {
        directory.push(part);
        let made = match fs::create_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755))),
        };
        made.with_context(|| format!("making the directory {}", directory.display()))?;
    }
    Ok(())
}

fn write_file(root: &Path, path: &str, text: impl AsRef<[u8]>) -> Result<()> {
    let path = root.join(path);
    let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o644)));
    written.with_context(|| format!("writing {}", path.display()))
}

fn add_given(root: &Path, path: &str, bytes: &[u8], reader: Reader) -> Result<()> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    make_directories(root, directory)?;
    write_file(root, path, bytes)?;
    let close = |path: &str, mode| {
        let path = root.join(path);
        fs::set_permissions(&path, Permissions::from_mode(mode)).with_context(|| format!("closing {}", path.display()))
    };
    match reader {
        Reader::Anybody => Ok(()),
        Reader::Root => close(directory, 0o700).and_then(|()| close(path, 0o600)),
    }
}

/// Copies files, directories and links with their modes; anything else is an error.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(from).with_context(|| format!("looking at {}", from.display()))?;
    let doing = || format!("copying {} to {}", from.display(), to.display());
    if meta.is_dir() {
        fs::create_dir(to).with_context(doing)?;
        for entry in fs::read_dir(from).with_context(doing)? {
            let name = entry.with_context(doing)?.file_name();
            copy_tree(&from.join(&name), &to.join(&name))?;
        }
        // Last: a plain user may not fill a directory that is read-only.
        fs::set_permissions(to, meta.permissions()).with_context(doing)
    } else if meta.is_symlink() {
        fs::read_link(from).and_then(|target| symlink(target, to)).with_context(doing)
    } else if meta.is_file() {
        fs::copy(from, to).map(drop).with_context(doing)
    } else {
        bail!("{}: only files, directories and links can be configuration", from.display())
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
