//! The boot partition: mounting it, reading which releases stand on it, and opening the image that is wanted.

use crate::device::{Content, Device};
use crate::failure::{Doing, Failure};
use crate::image::Image;
use crate::kernel_fs::c_string;
use crate::log::{note, say};
use crate::places::Places;
use crate::rescue;
use menagerie::{Artifact, Listing, RelPath, Release, Wanted, layout};
use rustix::mount::{MountFlags, mount};
use std::ffi::OsString;
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
        rescue::keep_records_on(target);
        Ok(BootPartition { mounted_on: target.clone() })
    }

    /// The `vm_root` of the wanted release.
    pub fn image_of(&self, wanted: Wanted) -> Result<Image, Failure> {
        let listing = list(Path::new(&self.mounted_on))?;
        let (release, root) =
            menagerie::select(&listing, wanted).map_err(|impossible| Failure::new(impossible.to_string()))?;
        say!("release {} of {}: {release}", release.number, listing.releases().len());
        let artifact = layout::artifact_path(&root.name, &root.version);
        let path = format!("{}/{artifact}", self.mounted_on);
        match Image::open(&path) {
            Err(failure) if !Path::new(&path).exists() => Err(Failure::new(format!(
                "release {}: {}/{}/{} points at {artifact}, which is not there ({failure})",
                release.number,
                layout::RELEASES,
                release.number,
                layout::VM_ROOT
            ))),
            image => image,
        }
    }

    /// The image at a path of the operator's choice, links included as long as they stay on the boot partition.
    pub fn image_at(&self, path: &RelPath) -> Result<Image, Failure> {
        say!("the root is rootfspath={path}, and no release");
        let below = crate::sys::path_below(Path::new(&self.mounted_on), Path::new(path.as_str()))
            .doing(|| format!("opening rootfspath={path} on the boot partition"))?;
        Image::open(&below)
    }

    /// The directory that is laid over the root, if there is one and it is wanted.
    pub fn config(&self, policy: ConfigPolicy) -> Result<Option<String>, Failure> {
        let templates = format!("{}/{}", self.mounted_on, layout::CONFIG_TEMPLATES);
        match (policy, fs::symlink_metadata(&templates)) {
            (ConfigPolicy::Skip, _) => {
                say!("leaving the configuration out (dock0.config=skip)");
                Ok(None)
            }
            (ConfigPolicy::Auto, Ok(meta)) if meta.is_dir() => Ok(Some(templates)),
            (ConfigPolicy::Auto, Ok(_)) => Err(Failure::new(format!("{templates} is not a directory"))),
            (ConfigPolicy::Auto, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                say!("there is no configuration: the root is as its image has it");
                Ok(None)
            }
            (ConfigPolicy::Auto, Err(error)) => Err(error).doing(|| format!("looking for {templates}")),
        }
    }
}

/// Reads `latest` and `releases/` below `root`. What is not ours there is said and left out.
fn list(root: &Path) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let latest = fs::read_link(root.join(layout::LATEST)).ok(); // not there or no link: the rules have a word for that
    listing.latest = latest.and_then(|target| layout::parse_latest(target.to_str()?));
    for name in names_in(&root.join(layout::RELEASES))? {
        let Some(number) = name.to_str().and_then(layout::parse_number) else {
            note!("{}/{}: not a release, left out", layout::RELEASES, name.display());
            continue;
        };
        let release = Release { number, artifacts: list_artifacts(&root.join(layout::RELEASES).join(&name))? };
        if listing.insert(release).is_err() {
            note!("release {number} left out: there are more than {}", menagerie::listing::MAX_RELEASES);
        }
    }
    Ok(listing)
}

type Artifacts = heapless::Vec<Artifact, { menagerie::listing::MAX_ARTIFACTS }>;

fn list_artifacts(release: &Path) -> Result<Artifacts, Failure> {
    let mut artifacts = Artifacts::new();
    for name in names_in(release)? {
        let link = release.join(&name);
        let target = fs::read_link(&link).ok(); // no link at all: the same as a link to elsewhere
        let artifact = target.as_deref().and_then(Path::to_str).and_then(layout::parse_link_target);
        match artifact {
            Some((artifact, version)) if name == artifact.as_str() => {
                if artifacts.push(Artifact { name: artifact, version }).is_err() {
                    note!("{} left out: a release has at most 16 artifacts", link.display());
                }
            }
            _ => note!("{}: not a link to an artifact of that name, left out", link.display()),
        }
    }
    Ok(artifacts)
}

/// The names in a directory, sorted; none where there is no such directory.
fn names_in(directory: &Path) -> Result<Vec<OsString>, Failure> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(|| format!("listing {}", directory.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.doing(|| format!("listing {}", directory.display()))?.file_name());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree(entries: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (link, target) in entries {
            let link = root.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, link).unwrap();
        }
        root
    }

    #[test]
    fn a_tree_of_the_predecessor_is_listed_gaps_and_all() {
        let root = tree(&[
            ("latest", "releases/0"),
            ("releases/0/kernel", "../../artifacts/kernel/2"),
            ("releases/0/vm_root", "../../artifacts/vm_root/b"),
            ("releases/12/vm_root", "../../artifacts/vm_root/a"),
        ]);
        let listing = list(root.path()).unwrap();
        assert_eq!(listing.latest, Some(0));
        let shown: Vec<String> = listing.releases().iter().map(|r| format!("{}: {r}", r.number)).collect();
        assert_eq!(shown, ["0: kernel 2, vm_root b", "12: vm_root a"]);
    }

    #[test]
    fn what_is_not_ours_is_left_out() {
        let root = tree(&[
            ("latest", "/etc"),
            ("releases/x/vm_root", "../../artifacts/vm_root/a"),
            ("releases/0/vm_root", "../../artifacts/other/a"),
            ("releases/0/kernel", "/vmlinuz"),
        ]);
        fs::write(root.path().join("releases/0/README"), "").unwrap();
        let listing = list(root.path()).unwrap();
        assert_eq!(listing.latest, None);
        assert_eq!(listing.releases().len(), 1);
        assert_eq!(listing.releases()[0].to_string(), "nothing");
    }

    #[test]
    fn an_empty_disk_is_an_empty_listing() {
        assert_eq!(list(tree(&[]).path()).unwrap(), Listing::default());
    }

    #[test]
    fn a_file_where_releases_should_be_is_a_failure() {
        let root = tree(&[]);
        fs::write(root.path().join("releases"), "").unwrap();
        let sentence = list(root.path()).unwrap_err().to_string();
        assert!(sentence.ends_with("/releases: not a directory"), "{sentence}");
    }
}
