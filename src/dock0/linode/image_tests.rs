//! Boot images: made, read, added to, and whatever else somebody may take for one.

use super::gzip::Limits;
use super::*;
use crate::disk::Disk;
use crate::menu::Menu;
use crate::origin::{Origin, Reader};
use crate::release::ArtifactFile;
use crate::tool::DEBUGFS;
use menagerie::Artifact;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

const SIZE: u64 = 16 << 20;

/// A directory with an image in it, and nothing else.
struct Place {
    directory: tempfile::TempDir,
    image: BootImage,
}

impl Place {
    fn new() -> Place {
        let (sources, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let artifact = |name: &str| {
            let file = sources.path().join(name);
            fs::write(&file, name).unwrap();
            let artifact = Artifact { name: name.parse().unwrap(), version: "1".parse().unwrap() };
            ArtifactFile { artifact, file }
        };
        let artifacts = vec![artifact("kernel"), artifact("initrd")];
        let disk = Disk { artifacts, config: None, origin: Origin::default(), size: SIZE, menu: Menu::default() };
        let image = disk.write_image(&directory.path().join("boot.img.gz"), Existing::Refuse).unwrap();
        Place { directory, image }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// How many files there are.
    fn count(&self) -> usize {
        fs::read_dir(self.directory.path()).unwrap().count()
    }

    fn packed(&self) -> Vec<u8> {
        fs::read(self.image.path()).unwrap()
    }

    /// The disk of an image, in a file.
    fn disk(&self, image: &BootImage) -> tempfile::NamedTempFile {
        let disk = tempfile::NamedTempFile::new().unwrap();
        gzip::unpack(image.path(), LIMITS, Some(disk.as_file())).unwrap();
        disk
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn debugfs(disk: &Path, request: &str) -> String {
    DEBUGFS.run(DEBUGFS.command().args(["-w", "-R", request]).arg(disk)).unwrap()
}

fn given(path: &str, text: &str, reader: Reader) -> GivenFile {
    GivenFile { path: path.into(), bytes: text.into(), reader }
}

fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

#[test]
fn an_image_is_known_by_its_digest_and_is_a_disk() {
    let place = Place::new();
    let BootImage { path, found } = &place.image;
    assert_eq!(BootImage::read(path).unwrap(), place.image);
    let digest = Sha256::digest(place.packed());
    assert_eq!(place.image.label(), format!("dock0-{}", &hex(&digest)[..16]));
    assert_eq!((&found.sha256[..], found.packed, found.unpacked), (&digest[..], place.packed().len() as u64, SIZE));
    assert_eq!((place.count(), fs::metadata(path).unwrap().permissions().mode() & 0o7777), (1, 0o600));
    let disk = place.disk(&place.image);
    assert_eq!(debugfs(disk.path(), "cat /artifacts/kernel/1"), "kernel");
    let meta = disk.as_file().metadata().unwrap();
    assert!(meta.len() == SIZE && meta.blocks() * 512 < SIZE / 2, "its zeros are holes: {} blocks", meta.blocks());
}

#[test]
fn what_is_no_boot_image_is_refused() {
    let place = Place::new();
    let (packed, disk) = (place.packed(), fs::read(place.disk(&place.image).path()).unwrap());
    let mut damaged = packed.clone();
    damaged[packed.len() - 6] ^= 1; // of its CRC-32
    let mut squashfs = vec![0; 8192];
    squashfs[..4].copy_from_slice(b"hsqs");
    squashfs[28] = 4;
    for (name, bytes, why) in [
        ("text", b"not packed".to_vec(), "is not in gzip (dock0 disk --linode packs a boot disk)"),
        ("nothing", vec![], "is not in gzip (dock0 disk --linode packs a boot disk)"),
        ("a disk", disk.clone(), "is not in gzip (dock0 disk --linode packs a boot disk)"),
        ("cut off", packed[..packed.len() - 9].to_vec(), "is damaged or cut off: incomplete deflate stream"),
        ("damaged", damaged, "is damaged or cut off: corrupt gzip stream does not have a matching checksum"),
        ("longer", [&packed[..], b"\n"].concat(), "has something behind the end of its gzip"),
        ("two", [&packed[..], &packed].concat(), "has something behind the end of its gzip"),
        ("empty", pack(&[]), "holds no file system, and a boot disk is ext4 without partitions"),
        ("zeros", pack(&[0; 100_000]), "holds no file system, and a boot disk is ext4 without partitions"),
        ("squashfs", pack(&squashfs), "holds squashfs, and a boot disk is ext4"),
        (
            "half a disk",
            pack(&disk[..disk.len() / 2]),
            "holds an ext4 of 16777216 bytes, of which only 8388608 are there",
        ),
    ] {
        let path = place.at(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(said(BootImage::read(&path)), format!("{}: {why}", path.display()));
    }
    for (path, why) in [("missing", "No such file or directory (os error 2)"), ("", "it is not a regular file")] {
        let path = place.at(path);
        assert_eq!(said(BootImage::read(&path)), format!("{}: {why}", path.display()));
    }
}

#[test]
fn what_linode_would_not_take_is_refused() {
    let place = Place::new();
    let (path, packed) = (place.image.path(), place.image.packed());
    for (limits, why) in [
        (Limits { packed, unpacked: SIZE }, None),
        (
            Limits { packed: packed - 1, unpacked: SIZE },
            Some(format!("it has {packed} bytes, and Linode takes no more than {}", packed - 1)),
        ),
        (
            Limits { packed, unpacked: SIZE - 1 },
            Some("the disk has more than 16777215 bytes, the most that Linode takes unpacked".into()),
        ),
    ] {
        let outcome = gzip::unpack(path, limits, None);
        assert_eq!(
            outcome.err().map(|error| format!("{error:#}")),
            why.map(|why| format!("{}: {why}", path.display()))
        );
    }
}

#[test]
fn a_copy_has_more_files_whose_owner_and_mode_are_right() {
    let place = Place::new();
    let files = [
        given("dock0/identity/vm.pem", "a certificate", Reader::Root),
        given("dock0/identity/vm.key", "a key", Reader::Root),
        given("dock0/trust/operators.pem", "a CA", Reader::Anybody),
        given("dock0/settings.json", "{}", Reader::Anybody),
        given("dock0/state/empty", "", Reader::Anybody),
    ];
    let copy = place.image.with(&files, &place.at("web1.img.gz")).unwrap();
    assert_eq!(fs::metadata(copy.path()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(BootImage::read(place.image.path()).unwrap(), place.image, "the image is as it was");
    let disk = place.disk(&copy);
    let check = Command::new("/sbin/e2fsck").args(["-fn"]).arg(disk.path()).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    for (path, kind, mode) in [
        ("dock0", "directory", "0755"),
        ("dock0/identity", "directory", "0700"),
        ("dock0/identity/vm.pem", "regular", "0600"),
        ("dock0/identity/vm.key", "regular", "0600"),
        ("dock0/trust", "directory", "0755"),
        ("dock0/trust/operators.pem", "regular", "0644"),
        ("dock0/settings.json", "regular", "0644"),
        ("dock0/state", "directory", "0755"),
        ("dock0/state/empty", "regular", "0644"),
    ] {
        let shown = debugfs(disk.path(), &format!("stat \"/{path}\""));
        let is_right = shown.contains(&format!("Type: {kind}")) && shown.contains(&format!("Mode:  {mode}"));
        assert!(is_right && shown.contains("User:     0   Group:     0 "), "{path}: {shown}");
    }
    for file in &files {
        assert_eq!(debugfs(disk.path(), &format!("cat \"/{}\"", file.path)).as_bytes(), file.bytes, "{}", file.path);
    }
    let again = place.image.with(&files, &place.at("again.img.gz")).unwrap();
    assert_eq!((again.label(), place.count()), (copy.label(), 3), "and nothing else is left");
    assert_ne!(copy.label(), place.image.label());
}

#[test]
fn a_copy_that_cannot_be_made_is_refused_whole() {
    let place = Place::new();
    let one = |path: &str| vec![given("dock0/first", "", Reader::Anybody), given(path, "text", Reader::Root)];
    let no_place = |path: &str| format!("{path:?} is no path of a file in dock0/ or a directory below it");
    let large = vec![GivenFile { path: "dock0/large".into(), bytes: vec![1; 20 << 20], reader: Reader::Anybody }];
    for (files, why) in [
        (one("dock0/state"), "dock0/state is there already".to_string()),
        (one("boot/grub/grub.cfg"), no_place("boot/grub/grub.cfg")),
        (one("dock0"), no_place("dock0")),
        (one("dock01/x"), no_place("dock01/x")),
        (one("/dock0/x"), no_place("/dock0/x")),
        (one("dock0/../x"), no_place("dock0/../x")),
        (one("dock0/a/b/c"), no_place("dock0/a/b/c")),
        (one("dock0/a\"b"), "dock0/a\"b: such a name cannot go on a disk".into()),
        (one("dock0/first"), "adding files to the disk: write: Ext2 file already exists".into()),
        (
            one("dock0/first/x"),
            "adding files to the disk: ext2fs_mkdir: Ext2 directory already exists while creating directory \"first\""
                .into(),
        ),
        (large, "adding files to the disk: write: Could not allocate block in ext2 filesystem".into()),
    ] {
        let error = said(place.image.with(&files, &place.at("copy")));
        let why = format!("adding to {}: {why}", place.image.path().display());
        assert!(error.starts_with(&why), "{error}\n{why}");
        assert_eq!(place.count(), 1, "{why}");
    }
    let error = said(place.image.with(&[], place.image.path()));
    assert!(error.ends_with("boot.img.gz: exists, and was not touched (--force replaces it)"), "{error}");
}

#[test]
fn a_disk_that_is_in_use_or_became_another_is_not_added_to() {
    let place = Place::new();
    let disk = place.disk(&place.image);
    debugfs(disk.path(), "features needs_recovery");
    fs::write(place.image.path(), pack(&fs::read(disk.path()).unwrap())).unwrap();
    let changed = said(place.image.with(&[], &place.at("copy")));
    assert!(changed.ends_with("boot.img.gz has changed since it was read"), "{changed}");
    let error = said(BootImage::read(place.image.path()).unwrap().with(&[], &place.at("copy")));
    assert!(error.ends_with("the disk was never unmounted: its journal has yet to be replayed"), "{error}");
    assert_eq!(place.count(), 1);
}
