//! The boot partition: mounting it, reading which releases stand on it, and opening the image that is wanted.

use crate::device::{Content, Device};
use crate::failure::{Doing, Failure};
use crate::image::Image;
use crate::kernel_fs::c_string;
use crate::log::{note, say};
use crate::places::Places;
use crate::rescue;
use menagerie::listing::{MAX_ARTIFACTS, MAX_RELEASES};
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
        rescue::keep_records_on(fs::File::open(target).doing(|| format!("opening {target}"))?);
        Ok(BootPartition { mounted_on: target.clone() })
    }

    /// The `vm_root` of the wanted release.
    pub fn image_of(&self, wanted: Wanted) -> Result<Image, Failure> {
        let listing = list(Path::new(&self.mounted_on))?;
        let (release, root) =
            menagerie::select(&listing, wanted).map_err(|impossible| Failure::new(impossible.to_string()))?;
        say!("release {} of {}: {release}", release.number, listing.releases().len());
        let artifact = layout::artifact_path(&root.name, &root.version);
        let path = Path::new(artifact.as_str());
        if !Path::new(&self.mounted_on).join(path).exists() {
            let link = format!("{}/{}/{}", layout::RELEASES, release.number, layout::VM_ROOT);
            return Err(Failure::new(format!(
                "release {}: {link} points at {artifact}, which is not there",
                release.number
            )));
        }
        Image::open(&self.mounted_on, path)
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

/// Reads `latest` and `releases/` below `root`. What is not ours there, or cannot be read, is said and left out: one odd
/// release must not keep the others from booting.
fn list(root: &Path) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let latest = fs::read_link(root.join(layout::LATEST)).ok(); // not there or no link: the rules have a word for that
    listing.latest = latest.and_then(|target| layout::parse_latest(target.to_str()?));
    let releases = root.join(layout::RELEASES);
    let (mut numbers, mut foreign) = (Vec::new(), Vec::new());
    for name in names_in(&releases)? {
        match name.to_str().and_then(layout::parse_number) {
            Some(number) => numbers.push(number),
            None => foreign.push(name),
        }
    }
    leave_out(&releases, &foreign, "no releases");
    numbers.sort_unstable();
    for number in numbers {
        match list_artifacts(&releases.join(number.to_string())) {
            Ok(artifacts) => {
                if listing.insert(Release { number, artifacts }).is_err() {
                    note!("release {number} left out: there are more than {MAX_RELEASES}");
                }
            }
            Err(failure) => note!("release {number} left out: {failure}"),
        }
    }
    Ok(listing)
}

type Artifacts = heapless::Vec<Artifact, MAX_ARTIFACTS>;

fn list_artifacts(release: &Path) -> Result<Artifacts, Failure> {
    let (mut artifacts, mut foreign) = (Artifacts::new(), Vec::new());
    for name in names_in(release)? {
        let target = fs::read_link(release.join(&name)).ok(); // no link at all: the same as a link to elsewhere
        let artifact = target.as_deref().and_then(Path::to_str).and_then(layout::parse_link_target);
        let ours = artifact.filter(|(artifact, _)| name == artifact.as_str());
        if ours.is_none_or(|(name, version)| artifacts.push(Artifact { name, version }).is_err()) {
            foreign.push(name);
        }
    }
    leave_out(release, &foreign, "no links to an artifact of that name");
    Ok(artifacts)
}

/// One line for all that was left out of a directory; its first name is enough to go and look.
fn leave_out(directory: &Path, names: &[OsString], because: &str) {
    if let [first, ..] = names {
        note!("{}: left out {} that are {because}: {}", directory.display(), names.len(), first.display());
    }
}

/// The names in a directory, in no order; none where there is no such directory. It stops at a number that no healthy
/// directory has, so that a full one costs neither memory nor time.
fn names_in(directory: &Path) -> Result<Vec<OsString>, Failure> {
    const ENOUGH: usize = 1024;
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(|| format!("listing {}", directory.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries.take(ENOUGH) {
        names.push(entry.doing(|| format!("listing {}", directory.display()))?.file_name());
    }
    if names.len() == ENOUGH {
        note!("{}: only the first {ENOUGH} names were looked at", directory.display());
    }
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
        fs::write(root.path().join("releases/7"), "a file where a release should be").unwrap();
        let listing = list(root.path()).unwrap();
        assert_eq!(listing.latest, None);
        assert_eq!(listing.releases().len(), 1);
        assert_eq!(listing.releases()[0].to_string(), "nothing");
    }

    #[test]
    fn of_too_many_releases_the_oldest_are_left_out() {
        let root = tree(&[]);
        (0..70).for_each(|number| fs::create_dir_all(root.path().join(format!("releases/{number}"))).unwrap());
        let listing = list(root.path()).unwrap();
        let numbers: Vec<u32> = listing.releases().iter().map(|release| release.number).collect();
        assert_eq!(numbers, (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn a_directory_without_end_is_not_read_to_its_end() {
        let root = tree(&[]);
        (0..1100).for_each(|number| fs::create_dir_all(root.path().join(format!("releases/x{number}"))).unwrap());
        assert_eq!(names_in(&root.path().join("releases")).unwrap().len(), 1024);
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
