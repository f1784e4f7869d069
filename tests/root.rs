//! A VM's root as a directory, to be packed into an image.

use crate::built;
use anyhow::{Context, Result, ensure};
use dock0::disk::make_directories;
use dock0::image::{self, Format};
use dock0::output::Existing;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The head of an ELF program for this machine, without the program: every check takes it, and the kernel does not.
pub const HOLLOW_PROGRAM: [u8; 120] = {
    let mut head = [0; 120];
    let start = *b"\x7fELF\x02\x01";
    let mut at = 0;
    while at < start.len() {
        head[at] = start[at];
        at += 1;
    }
    head[18] = 62;
    head
};

/// A directory that becomes an image.
pub struct Root {
    directory: tempfile::TempDir,
}

impl Root {
    /// Nothing at all.
    pub fn empty() -> Result<Root> {
        Ok(Root { directory: tempfile::tempdir()? })
    }

    /// The probe as `/sbin/init`, and `/etc/name` with this text.
    pub fn with_probe(name: &str) -> Result<Root> {
        let probe = fs::read(built("target/x86_64-unknown-linux-gnu/init/probe"))?;
        Root::empty()?.file("sbin/init", &probe, 0o755)?.file("etc/name", name.as_bytes(), 0o644)
    }

    /// The same with `/sbin/menagerie`, and busybox for whatever else a test needs.
    pub fn with_menagerie(name: &str) -> Result<Root> {
        let init = fs::read(crate::init())?;
        let busybox = fs::read("/bin/busybox").context("reading /bin/busybox (apt-get install busybox-static)")?;
        Root::with_probe(name)?.file("sbin/menagerie", &init, 0o755)?.file("bin/busybox", &busybox, 0o755)
    }

    /// Adds a file.
    pub fn file(self, path: &str, content: &[u8], mode: u32) -> Result<Root> {
        let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        make_directories(self.directory.path(), parent)?;
        let to = self.directory.path().join(path);
        fs::write(&to, content).with_context(|| format!("writing {}", to.display()))?;
        fs::set_permissions(&to, Permissions::from_mode(mode))?;
        Ok(self)
    }

    /// Adds a program of this machine as `/bin/NAME`, and the libraries that it is linked to where it looks for them.
    pub fn program(mut self, name: &str) -> Result<Root> {
        let path = Path::new("/usr/bin").join(name);
        let output = Command::new("ldd").arg(&path).output().context("starting ldd")?;
        ensure!(output.status.success(), "ldd {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        // `name => /path (address)`, or the loader's path alone; the kernel's own part has none.
        let linked = String::from_utf8_lossy(&output.stdout).into_owned();
        for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
            let bytes = fs::read(library).with_context(|| format!("reading {library}"))?;
            self = self.file(library.trim_start_matches('/'), &bytes, 0o755)?;
        }
        self.file(&format!("bin/{name}"), &fs::read(&path)?, 0o755)
    }

    /// Adds a link.
    pub fn link(self, path: &str, target: &str) -> Result<Root> {
        let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        make_directories(self.directory.path(), parent)?;
        symlink(target, self.directory.path().join(path))?;
        Ok(self)
    }

    /// Packs it; the image is a temporary file of this directory's lifetime.
    pub fn pack(&self, format: Format) -> Result<Image> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("image");
        image::pack(self.directory.path(), format, &path, Existing::Refuse)?;
        Ok(Image { path, _place: place })
    }
}

/// A packed image; removed when dropped.
pub struct Image {
    /// Where it is.
    pub path: PathBuf,
    _place: tempfile::TempDir,
}
