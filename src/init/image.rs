//! The image of the root: what kind it is, whether it is whole, and mounting it read-only.

use crate::failure::{Doing, Failure};
use crate::kernel_fs::make_directory;
use crate::log::say;
use crate::places::Places;
use crate::sys;
use menagerie::ReleaseId;
use rustix::fs::OFlags;
use rustix::mount::{MountFlags, mount, mount_move};
use std::fs::File;
use std::path::Path;
use wire::superblock::{self, Kind};

/// The one file in an image of the predecessor's form: the root's image inside another.
const NESTED: &str = "root.fs";

/// An image that has been looked at and is not cut off.
pub struct Image {
    /// What it is a root of, for whoever asks: the artifacts of its release, or its path.
    pub name: String,
    /// The release that it is the root of, if it is one's.
    pub release: Option<ReleaseId>,
    path: String,
    file: File,
    kind: Kind,
    size: u64,
}

impl Image {
    /// Opens an image on the file system mounted at `root`, tells its kind from its first bytes, and checks that all of
    /// it is there. Links are followed as if `root` were `/`.
    pub fn open(root: &str, path: &Path) -> Result<Self, Failure> {
        let shown = format!("{root}/{}", path.display());
        // Without waiting: it may be a pipe.
        let file = sys::open_below(Path::new(root), path, OFlags::RDONLY | OFlags::NONBLOCK)
            .doing(|| format!("opening the image {shown}"))?;
        let meta = file.metadata().doing(|| format!("looking at the image {shown}"))?;
        if !meta.is_file() {
            return Err(Failure::new(format!("{shown} is no image of a root: it is not a file")));
        }
        let path = sys::path_of(&file).doing(|| format!("looking for the place of {shown}"))?;
        let start = sys::read_start(&file, superblock::PROBE_LEN).doing(|| format!("reading the image {path}"))?;
        let Some(superblock) = superblock::identify(&start) else {
            return Err(Failure::new(format!("{path} is no image of a root: neither EROFS nor squashfs nor ext4")));
        };
        let (kind, size, length) = (superblock.kind, superblock.size, meta.len());
        if length < size {
            let kind = kind.name();
            return Err(Failure::new(format!("{path} is cut off: {length} of the {size} bytes of its {kind}")));
        }
        Ok(Image { name: path.clone(), release: None, path, file, kind, size })
    }

    /// Mounts the root where it belongs; if the image holds only another one, that one.
    pub fn mount_root(&self, places: &Places) -> Result<(), Failure> {
        self.mount(&places.fs)?;
        if !holds_only_an_image(&places.fs)? {
            return Ok(());
        }
        make_directory(&places.outer)?;
        mount_move(&places.fs, &places.outer).doing(|| format!("moving {} to {}", places.fs, places.outer))?;
        Image::open(&places.outer, Path::new(NESTED))?.mount(&places.fs)
    }

    fn mount(&self, target: &str) -> Result<(), Failure> {
        let Image { path, kind, size, .. } = self;
        let kind = kind.name();
        let doing = || format!("mounting {path} on {target} as {kind}");
        say!("mounting {path} on {target} as {kind} ({:.1} MB)", megabytes(*size));
        if self.kind == Kind::Erofs {
            return mount(path, target, kind, MountFlags::RDONLY, None).doing(doing);
        }
        // Held until the mount holds the loop device itself; after that the kernel frees it with the mount.
        let device = sys::attach_loop(&self.file, path).doing(|| format!("attaching {path} to a loop device"))?;
        mount(device.path(), target, kind, MountFlags::RDONLY, None).doing(doing)
    }
}

fn holds_only_an_image(directory: &str) -> Result<bool, Failure> {
    let doing = || format!("listing {directory}");
    let mut found = false;
    for entry in Path::new(directory).read_dir().doing(doing)? {
        let name = entry.doing(doing)?.file_name();
        match name == NESTED {
            true => found = true,
            // mke2fs makes this one in every file system.
            false if name == "lost+found" => {}
            false => return Ok(false),
        }
    }
    Ok(found)
}

fn megabytes(bytes: u64) -> f64 {
    // Exact up to 9 PB.
    #[expect(clippy::cast_precision_loss, reason = "it is printed with one digit after the point")]
    let bytes = bytes as f64;
    bytes / 1e6
}
