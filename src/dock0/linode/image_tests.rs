//! Boot images: made, read, added to, and whatever else somebody may take for one.

use super::gzip::Limits;
use super::*;
use crate::disk::Disk;
use crate::menu::Menu;
use crate::origin::Origin;
use crate::output::Existing;
use crate::release::ArtifactFile;
use crate::tool::DEBUGFS;
use menagerie::Artifact;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

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
