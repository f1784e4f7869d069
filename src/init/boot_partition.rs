//! The boot partition: mounting it, reading which releases stand on it, and opening the image that is wanted.

use crate::again;
use crate::boots;
use crate::config;
use crate::device::{Content, Device};
use crate::enrol;
use crate::failure::{Doing, Failure};
use crate::grow;
use crate::image::Image;
use crate::install::boot::{Looked, look_for_newer};
use crate::install::{read_settings, settings_or_default};
use crate::kernel_fs::{c_string, make_directory};
use crate::log::{alarm, note, say};
use crate::places::Places;
use crate::receive::boot::{Wait, wait_for_config};
use crate::receive::identity::{OPERATORS, operators_are_known};
use crate::rescue;
use crate::store::Disk;
use crate::store::survey;
use menagerie::{Entry, Layout, Listing, RelPath, Release, Selection, layout};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use wire::cmdline::ConfigPolicy;
use wire::settings::{Check, Store};
use wire::superblock::Kind;

/// The mounted boot partition.
pub struct BootPartition {
    mounted_on: String,
    is_read_only: bool,
}

impl BootPartition {
    /// Mounts it for writing (state is kept there) where that can be, with nothing on it taken for a program or a device; it
    /// grows to its disk then.
    pub fn mount(disk: &Device, places: &Places) -> Result<Self, Failure> {
        let (source, target) = (&disk.path, &places.bootmnt);
        let doing = || format!("mounting {source} on {target} as ext4");
        let takes = match &disk.content {
            Content::Fs(fs) if fs.kind == Kind::Ext4 => fs.size,
            Content::Fs(fs) => return Err(Failure::new(format!("{}: it holds {}", doing(), fs.kind.name()))),
            Content::Unknown => return Err(Failure::new(format!("{}: it holds no file system known here", doing()))),
            Content::Unreadable(why) => return Err(Failure::new(format!("{}: {why}", doing()))),
        };
        say!("mounting {source} on {target} as ext4");
        let flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let mount = |flags| mount(source, target, "ext4", flags, Some(&*c_string("errors=remount-ro")));
        let why = match again::is_read_only() {
            true => Some("it has met an error (e2fsck)"),
            false => match mount(flags) {
                Err(Errno::ROFS | Errno::ACCESS) => Some("its disk is write-protected"),
                mounted => mounted.map(|()| None).doing(doing)?,
            },
        };
        if let Some(why) = why {
            note!("{target} is read-only, and nothing is written down: {why}");
            mount(flags | MountFlags::RDONLY).doing(doing)?;
            return Ok(BootPartition { mounted_on: target.clone(), is_read_only: true });
        }
        if grow::is_worth_it(source, takes) {
            say!("growing it to the size of its disk");
            // As small as it was, it has everything that it had.
            grow::grow(source, target).unwrap_or_else(|failure| note!("{failure}"));
        }
        rescue::keep_records_on(fs::File::open(target).doing(|| format!("opening {target}"))?);
        Ok(BootPartition { mounted_on: target.clone(), is_read_only: false })
    }

    /// The partition as the store sees it.
    pub fn disk(&self) -> Result<Disk, Failure> {
        Disk::open(&self.mounted_on)
    }

    /// Whether the newest release is wanted, has no `vm_root` or is not there at all, and the settings say where to get one.
    /// A partition that can boot touches no network.
    pub fn wants_install(&self, listing: &Listing, entry: Entry) -> Result<bool, Failure> {
        let newest = listing.release(listing.latest.unwrap_or_default());
        if entry != Entry::Asked(Selection::Latest) || newest.is_some_and(Release::has_root) {
            return Ok(false);
        }
        Ok(read_settings(&self.disk()?)?.manifest.url.is_some())
    }

    /// Looks for a newer release if the settings want that of a boot of the newest one. Whatever goes wrong is said, and the boot goes
    /// on with what is there.
    pub fn look_for_newer(&self, releases: Box<Listing>, entry: Entry) -> Result<Box<Listing>, Failure> {
        if entry != Entry::Asked(Selection::Latest) || self.is_read_only {
            return Ok(releases);
        }
        let disk = self.disk()?;
        let looked = match read_settings(&disk) {
            Ok(settings) if settings.check == Check::Boot => look_for_newer(&disk, &settings),
            Ok(_) => return Ok(releases),
            Err(failure) => Err(failure),
        };
        match looked {
            Ok(Looked::NothingNew) => Ok(releases),
            Ok(Looked::Installed) => self.list(),
            Err(failure) => {
                alarm!("{failure}: booting what is there");
                boots::has_met(&failure.to_string());
                Ok(releases)
            }
        }
    }

    /// The `vm_root` of the wanted release, whose id is left for the running system.
    pub fn image_of(&self, listing: &Listing, wanted: Selection, places: &Places) -> Result<Image, Failure> {
        let (release, root) =
            menagerie::select(listing, wanted).map_err(|impossible| Failure::new(impossible.to_string()))?;
        say!("release {} of {}: {release}", release.number, listing.releases().len());
        boots::boots(release);
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
        let id = release.id();
        fs::write(note, format!("{id} {device}\n")).doing(|| format!("writing {note}"))?;
        let mut image = Image::open(&self.mounted_on, path)?;
        (image.name, image.release) = (release.to_string(), Some(id));
        Ok(image)
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

    /// Whether whoever made this machine has to be asked who may push: where a configuration is wanted, nobody is known who could
    /// push it, and what came of asking can be kept.
    pub fn asks_who_may_push(&self, policy: ConfigPolicy) -> Result<bool, Failure> {
        let disk = self.disk()?;
        let is_needed = match policy {
            ConfigPolicy::Skip => false,
            ConfigPolicy::Wait { .. } => true,
            ConfigPolicy::Auto => !config::is_there(&disk)?,
        };
        Ok(is_needed && !self.is_read_only && enrol::is_wanted(&disk)?)
    }

    /// Whether a configuration is waited for: where one is wanted that is not there, and there are operators who may push it.
    pub fn waits_for_config(&self, policy: ConfigPolicy) -> Result<bool, Failure> {
        let disk = self.disk()?;
        if let Err(failure) = config::tidy(&disk) {
            // Worst case: it lies around until the next boot.
            note!("{failure}");
        }
        match (policy, operators_are_known(&disk)?) {
            (ConfigPolicy::Skip, _) | (ConfigPolicy::Auto, false) => Ok(false),
            (ConfigPolicy::Wait { .. }, false) => {
                Err(Failure::new(format!("dock0.config=wait: nobody may push a configuration without {OPERATORS}")))
            }
            (ConfigPolicy::Wait { .. }, true) => Ok(true),
            (ConfigPolicy::Auto, true) => Ok(!config::is_there(&disk)? || keeps_none(&disk)),
        }
    }

    /// Waits for a configuration: the directory that is laid over the root, wherever it is kept.
    pub fn receive_config(
        &self,
        policy: ConfigPolicy,
        root: &Image,
        places: &Places,
    ) -> Result<Option<String>, Failure> {
        let disk = self.disk()?;
        let memory = match read_settings(&disk)?.config.store {
            Store::Disk => None,
            Store::Memory => {
                make_directory(&places.config)?;
                Some(Disk::open(&places.config)?)
            }
        };
        let patience = match policy {
            ConfigPolicy::Wait { seconds } => seconds.map(|seconds| Duration::from_secs(seconds.into())),
            ConfigPolicy::Auto | ConfigPolicy::Skip => None,
        };
        // One and the same disk, or each would keep the other from changing it.
        let store = memory.as_ref().unwrap_or(&disk);
        let wait = Wait { boot: &disk, store, release: root.name.clone(), id: root.release, patience };
        match (wait_for_config(&wait)?, memory) {
            (true, Some(_)) => templates_below(&places.config),
            (true, None) | (false, _) => self.config(policy, places),
        }
    }

    /// The directory that is laid over the root, if there is one and it is wanted. Which one it is is left for the running system.
    pub fn config(&self, policy: ConfigPolicy, places: &Places) -> Result<Option<String>, Failure> {
        match policy {
            ConfigPolicy::Skip => {
                say!("leaving the configuration out (dock0.config=skip)");
                Ok(None)
            }
            ConfigPolicy::Auto | ConfigPolicy::Wait { .. } => {
                let templates = templates_below(&self.mounted_on)?;
                if templates.is_some() {
                    config::note_running(&self.disk()?, &places.running_config)?;
                }
                Ok(templates)
            }
        }
    }
}

/// Whether a configuration has to be pushed at every boot. One that is there boots whatever the settings are like.
fn keeps_none(disk: &Disk) -> bool {
    settings_or_default(disk).config.store == Store::Memory
}

/// What is laid over the root, where there is a configuration in this directory.
fn templates_below(directory: &str) -> Result<Option<String>, Failure> {
    let templates = format!("{directory}/{}", layout::CONFIG_TEMPLATES);
    match fs::symlink_metadata(&templates) {
        Ok(meta) if meta.is_dir() => Ok(Some(templates)),
        Ok(_) => Err(Failure::new(format!("{templates} is not a directory"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            say!("there is no configuration: the root is as its image has it");
            Ok(None)
        }
        Err(error) => Err(error).doing(|| format!("looking for {templates}")),
    }
}
