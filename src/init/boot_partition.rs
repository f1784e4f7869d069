//! The boot partition: mounting it, reading which releases stand on it, and opening the image that is wanted.

use crate::device::{Content, Device};
use crate::failure::{Doing, Failure};
use crate::image::Image;
use crate::install;
use crate::kernel_fs::c_string;
use crate::log::{note, say};
use crate::places::Places;
use crate::rescue;
use crate::store::Disk;
use crate::store::survey;
use menagerie::{Layout, Listing, RelPath, Selection, layout};
use rustix::mount::{MountFlags, mount};
use std::fs;
use std::io;
use std::path::Path;
use wire::cmdline::ConfigPolicy;
use wire::superblock::Kind;

/// The mounted boot partition.
pub struct BootPartition {
    mounted_on: String,
}

impl BootPartition {
    /// Mounts it for writing (state is kept there), with nothing on it taken for a program or a device.
    pub fn mount(disk: &Device, places: &Places) -> Result<Self, Failure> {
        let (source, target) = (&disk.path, &places.bootmnt);
        let doing = || format!("mounting {source} on {target} as ext4");
        match &disk.content {
            Content::Fs(fs) if fs.kind == Kind::Ext4 => {}
            Content::Fs(fs) => return Err(Failure::new(format!("{}: it holds {}", doing(), fs.kind.name()))),
            Content::Unknown => return Err(Failure::new(format!("{}: it holds no file system known here", doing()))),
            Content::Unreadable(why) => return Err(Failure::new(format!("{}: {why}", doing()))),
        }
        say!("mounting {source} on {target} as ext4");
        let flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(source, target, "ext4", flags, Some(&*c_string("errors=remount-ro"))).doing(doing)?;
        rescue::keep_records_on(fs::File::open(target).doing(|| format!("opening {target}"))?);
        Ok(BootPartition { mounted_on: target.clone() })
    }

    /// The partition as the store sees it.
    pub fn disk(&self) -> Result<Disk, Failure> {
        Disk::open(&self.mounted_on)
    }

    /// Whether the newest release is wanted, has no `vm_root` or is not there at all, and the settings say where to get one.
    /// A partition that can boot touches no network.
    pub fn wants_install(&self, listing: &Listing, wanted: Selection) -> Result<bool, Failure> {
        let newest = listing.release(listing.latest.unwrap_or_default());
        if wanted != Selection::Latest || newest.is_some_and(|release| release.artifact(layout::VM_ROOT).is_some()) {
            return Ok(false);
        }
        Ok(install::read_settings(&self.disk()?)?.manifest.url.is_some())
    }

    /// The `vm_root` of the wanted release, whose id is left for the running system.
    pub fn image_of(&self, listing: &Listing, wanted: Selection, places: &Places) -> Result<Image, Failure> {
        let (release, root) =
            menagerie::select(listing, wanted).map_err(|impossible| Failure::new(impossible.to_string()))?;
        say!("release {} of {}: {release}", release.number, listing.releases().len());
        let artifact = Layout::default().artifact(root);
        let path = Path::new(artifact.as_str());
        if !Path::new(&self.mounted_on).join(path).exists() {
            let link = format!("{}/{}/{}", layout::RELEASES, release.number, layout::VM_ROOT);
            return Err(Failure::new(format!(
                "release {}: {link} points at {artifact}, which is not there",
                release.number
            )));
        }
        let (note, device) = (&places.running, self.disk()?.device()?);
        fs::write(note, format!("{} {device}\n", release.id())).doing(|| format!("writing {note}"))?;
        Image::open(&self.mounted_on, path)
    }

    /// The releases on it; what was left out is said.
    pub fn list(&self) -> Result<Box<Listing>, Failure> {
        let (listing, remarks) = survey::listing(&self.disk()?, &Layout::default())?;
        remarks.all().for_each(|remark| note!("{remark}"));
        Ok(listing)
    }

    /// The image at a path of the operator's choice, links included as long as they stay on the boot partition.
    pub fn image_at(&self, path: &RelPath) -> Result<Image, Failure> {
        say!("the root is rootfspath={path}, and no release");
        Image::open(&self.mounted_on, Path::new(path.as_str()))
    }

    /// The directory that is laid over the root, if there is one and it is wanted.
    pub fn config(&self, policy: ConfigPolicy) -> Result<Option<String>, Failure> {
        let templates = format!("{}/{}", self.mounted_on, layout::CONFIG_TEMPLATES);
        match (policy, fs::symlink_metadata(&templates)) {
            (ConfigPolicy::Skip, _) => {
                say!("leaving the configuration out (dock0.config=skip)");
                Ok(None)
            }
            (_, Ok(meta)) if meta.is_dir() => Ok(Some(templates)),
            (_, Ok(_)) => Err(Failure::new(format!("{templates} is not a directory"))),
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                say!("there is no configuration: the root is as its image has it");
                Ok(None)
            }
            (_, Err(error)) => Err(error).doing(|| format!("looking for {templates}")),
        }
    }
}
