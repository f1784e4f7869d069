//! The boot partition as it is mounted, and the device it is mounted from.

use anyhow::{Context, Result};
use power_cut_guest::marker;
use power_cut_guest::state::{self, Content, Tree, What};
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where init mounts the boot partition.
const BOOTMNT: &str = "/run/vm/bootmnt";
/// Where init mounts the image of the root.
const IMAGE: &str = "/run/vm/fs";

/// The mounted boot partition.
pub struct Mounted {
    /// Its root.
    pub root: PathBuf,
    device: PathBuf,
    /// What each artifact holds: they are never rewritten, and a digest of a kernel takes its time.
    known: RefCell<BTreeMap<String, Content>>,
}

impl Mounted {
    /// As /proc/self/mountinfo tells.
    pub fn find() -> Result<Mounted> {
        let device = mounted_on(BOOTMNT)?.into();
        Ok(Mounted { root: BOOTMNT.into(), device, known: RefCell::default() })
    }

    /// How many operations the marker says were done.
    pub fn done(&self) -> Result<u32> {
        let mut device = File::open(&self.device).with_context(|| format!("opening {}", self.device.display()))?;
        let mut block = Vec::new();
        device.seek(SeekFrom::End(-(marker::SIZE as i64)))?;
        device.read_to_end(&mut block).context("reading the marker")?;
        marker::parse(&block).map_err(anyhow::Error::msg)
    }

    /// Writes the marker; when this returns it is on the disk.
    pub fn mark_done(&self, done: u32) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::DSYNC | OFlags::CLOEXEC;
        let mut device: File = rustix::fs::open(&self.device, flags, Mode::empty())
            .with_context(|| format!("opening {}", self.device.display()))?
            .into();
        device.seek(SeekFrom::End(-(marker::SIZE as i64)))?;
        device.write_all(&marker::block(done)).context("writing the marker")
    }

    /// What stands in its root that is a configuration or is left over of one, by name.
    pub fn configs(&self) -> Result<Vec<String>> {
        let mut names = self.names("").map_err(anyhow::Error::msg)?;
        names.retain(|name| name.starts_with(state::CONFIG));
        names.sort();
        Ok(names)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// The version of `vm_root` that this root is.
pub fn running_version() -> Result<String> {
    let image = mounted_on(IMAGE)?;
    let name = Path::new(&image).file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("{IMAGE} is mounted from {image}, which has no name"))?.to_string())
}

/// What is mounted there. The format is that of proc(5): `id parent major:minor root target … - type source options`.
fn mounted_on(target: &str) -> Result<String> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
    let source = mountinfo.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        (front.split(' ').nth(4)? == target).then(|| back.split(' ').nth(1))?
    });
    Ok(source.with_context(|| format!("nothing is mounted on {target}"))?.to_string())
}

impl Tree for Mounted {
    fn names(&self, directory: &str) -> Result<Vec<String>, String> {
        let say = |error: std::io::Error| format!("listing {directory}: {error}");
        let entries = fs::read_dir(self.at(directory)).map_err(say)?;
        entries.map(|entry| Ok(entry.map_err(say)?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn what(&self, path: &str) -> Result<What, String> {
        let meta = fs::symlink_metadata(self.at(path)).map_err(|error| format!("looking at {path}: {error}"))?;
        Ok(match () {
            () if meta.is_dir() => What::Directory,
            () if meta.is_symlink() => What::Link,
            () => What::File,
        })
    }

    fn target(&self, link: &str) -> Result<String, String> {
        let target = fs::read_link(self.at(link)).map_err(|error| format!("reading the link {link}: {error}"))?;
        Ok(target.to_string_lossy().into_owned())
    }

    fn content(&self, file: &str) -> Result<Content, String> {
        if let Some(content) = self.known.borrow().get(file) {
            return Ok(content.clone());
        }
        let bytes = fs::read(self.at(file)).map_err(|error| format!("reading {file}: {error}"))?;
        let content = Content::of(&bytes);
        if file.starts_with(menagerie::layout::ARTIFACTS) {
            self.known.borrow_mut().insert(file.to_string(), content.clone());
        }
        Ok(content)
    }
}
