//! Boot disks, read back with debugfs and e2fsck.

use super::*;
use crate::ext4::forget_owners_and_times;
use crate::tool::DEBUGFS;
use std::process::Command;

fn artifact(name: &str, version: &str, place: &Path) -> ArtifactFile {
    let file = place.join(name);
    fs::write(&file, format!("{name} {version}")).unwrap();
    let artifact = Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() };
    ArtifactFile { artifact, file }
}

fn disk(place: &Path) -> Disk {
    let config = place.join("config");
    fs::create_dir_all(config.join("etc")).unwrap();
    fs::write(config.join("etc/host name"), "web1\n").unwrap();
    fs::set_permissions(config.join("etc/host name"), Permissions::from_mode(0o640)).unwrap();
    symlink("host name", config.join("etc/link")).unwrap();
    std::os::unix::fs::chown(config.join("etc/host name"), Some(1000), Some(1000)).unwrap_or_default(); // if we may
    let artifacts = vec![artifact("kernel", "6.12", place), artifact("initrd", "1", place)];
    Disk { artifacts, config: Some(config), origin: Origin::default(), size: 16 << 20, menu: Menu::default() }
}

fn debugfs(image: &Path, request: &str) -> String {
    DEBUGFS.run(DEBUGFS.command().args(["-R", request]).arg(image)).unwrap()
}

#[test]
fn a_disk_is_a_clean_ext4_with_the_layout_and_all_of_it_is_roots() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk.img");
    disk(place.path()).write(&image, Existing::Refuse).unwrap();

    let check = Command::new("/sbin/e2fsck").args(["-fn"]).arg(&image).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    let superblock = wire::superblock::identify(&fs::read(&image).unwrap()[..4096]).unwrap();
    assert_eq!((superblock.label.as_bytes(), superblock.size), (&b"dock0"[..], 16 << 20));

    assert_eq!(debugfs(&image, "cat /artifacts/kernel/6.12"), "kernel 6.12");
    assert!(debugfs(&image, "stat /latest").contains("Fast link dest: \"releases/0\""));
    assert!(debugfs(&image, "stat /releases/0/initrd").contains("Fast link dest: \"../../artifacts/initrd/1\""));
    assert_eq!(debugfs(&image, "cat \"/config/templates/etc/host name\""), "web1\n");
    let shown = debugfs(&image, "stat \"/config/templates/etc/host name\"");
    assert!(shown.contains("Mode:  0640") && shown.contains("User:     0   Group:     0"), "{shown}");
    // `printf 'kernel 6.12' | sha256sum`, and the 11 bytes; in the inode itself.
    let record = debugfs(&image, "ea_get -x /artifacts/kernel/6.12 user.dock0.sha256");
    assert!(record.contains("1c 07 42 ea 17 3c 9e 32 5e f0 9d f5 8a cf 16 b2 2f e5 f1 c1 90 29 1a 7b 71 13 43 5c e7 ef 15 a1 0b 00 00 00 00 00 00 00"), "{record}");
    assert!(debugfs(&image, "stat /artifacts/kernel/6.12").contains("File ACL: 0\n"), "the record is in the inode");
    assert!(debugfs(&image, "cat /boot/grub/grub.cfg").contains("linux /latest/kernel root=LABEL=dock0"));
    assert!(debugfs(&image, "cat /boot/grub/menu.lst").contains("kernel /releases/5/kernel root=LABEL=dock0"));
}

/// The inputs are in other places, made at another time; what a file's bytes are and its mode are part of it.
#[test]
fn the_same_inputs_make_the_same_disk() {
    let make = |change: &dyn Fn(&Path)| {
        let place = tempfile::tempdir().unwrap();
        let disk = disk(place.path());
        change(place.path());
        let image = place.path().join("disk.img");
        disk.write(&image, Existing::Refuse).unwrap();
        fs::read(&image).unwrap()
    };
    let touch = |path: &Path| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    let first = make(&|_| {});
    let uuid = |disk: &[u8]| wire::superblock::identify(&disk[..4096]).unwrap().uuid;
    let old = make(&|place| {
        for path in ["kernel", "config/etc/host name", "config/etc"] {
            touch(&place.join(path));
        }
    });
    assert!(first == old, "the times of the inputs are in it");
    for (name, change) in [
        ("bytes", &(|place: &Path| fs::write(place.join("initrd"), "initrd 2").unwrap()) as &dyn Fn(&Path)),
        ("a mode", &|place| {
            fs::set_permissions(place.join("config/etc/host name"), Permissions::from_mode(0o600)).unwrap();
        }),
        ("a link", &|place| {
            fs::remove_file(place.join("config/etc/link")).unwrap();
            symlink("elsewhere", place.join("config/etc/link")).unwrap();
        }),
    ] {
        let other = make(change);
        assert!(uuid(&first) != uuid(&other), "{name} changed, and the UUID did not");
    }
    assert_eq!((uuid(&first)[6] >> 4, uuid(&first)[8] >> 6), (8, 2), "version 8, of the usual variant");
}

/// An empty one would be there, and so none would be waited for.
#[test]
fn a_disk_without_a_configuration_has_no_place_for_one() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk.img");
    let mut disk = disk(place.path());
    let mut directories = || {
        disk.write(&image, Existing::Replace).unwrap();
        disk.config = None;
        debugfs(&image, "ls -p /")
    };
    let (with, without) = (directories(), directories());
    assert!(with.contains("/config/") && !without.contains("/config/"), "{with}{without}");
}

#[test]
fn a_disk_that_is_too_small_is_an_error_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut disk = disk(place.path());
    fs::write(&disk.artifacts[0].file, vec![1; 20 << 20]).unwrap();
    disk.size = 16 << 20;
    let image = place.path().join("disk.img");
    let error = format!("{:#}", disk.write(&image, Existing::Refuse).unwrap_err());
    assert!(error.contains("filling a disk of 16777216 bytes (is it large enough?)"), "{error}");
    assert!(!image.exists());
}

#[test]
fn what_cannot_go_on_a_disk_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk.img");
    let mut socket = disk(place.path());
    let path = place.path().join("config/socket");
    let _held = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = socket.write(&image, Existing::Refuse).unwrap_err().to_string();
    assert!(error.ends_with("config/socket: only files, directories and links can be configuration"), "{error}");
    fs::remove_file(&path).unwrap();
    fs::write(place.path().join("config/a\"b"), "").unwrap();
    let error = socket.write(&image, Existing::Refuse).unwrap_err().to_string();
    assert!(error.ends_with("such a name cannot go on a disk"), "{error}");
    socket.config = Some(place.path().join("nowhere"));
    let error = socket.write(&image, Existing::Refuse).unwrap_err().to_string();
    assert!(error.ends_with("nowhere is not a directory"), "{error}");
    assert!(!image.exists());
}

#[test]
fn an_owner_that_could_not_be_set_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("disk.img");
    disk(place.path()).write(&image, Existing::Refuse).unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("never-on-the-disk"), "").unwrap();
    let error = forget_owners_and_times(other.path(), &image).unwrap_err().to_string();
    assert!(error.contains("never-on-the-disk: File not found"), "{error}");
}

#[test]
fn a_kernel_that_grub_legacy_cannot_load_is_warned_about() {
    let place = tempfile::tempdir().unwrap();
    let disk = disk(place.path());
    assert_eq!(disk.warnings().unwrap(), Vec::<String>::new());
    fs::write(&disk.artifacts[0].file, [vec![1; 4096], vec![0; 4096], vec![1; 10]].concat()).unwrap();
    let warnings = disk.warnings().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("kernel 6.12 has 4 KiB of zeros"), "{warnings:?}");
}

#[test]
fn a_configuration_that_is_named_by_a_link_is_the_directory() {
    let place = tempfile::tempdir().unwrap();
    let mut disk = disk(place.path());
    symlink("config", place.path().join("named")).unwrap();
    disk.config = Some(place.path().join("named"));
    let staging = tempfile::tempdir().unwrap();
    disk.stage(staging.path()).unwrap();
    let staged = staging.path().join(layout::CONFIG_TEMPLATES);
    assert!(fs::symlink_metadata(&staged).unwrap().is_dir());
    assert_eq!(fs::read_to_string(staged.join("etc/host name")).unwrap(), "web1\n");
    assert_eq!(fs::read_link(staged.join("etc/link")).unwrap(), Path::new("host name"));
}

#[test]
fn a_disk_inside_its_configuration_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let disk = disk(place.path());
    let error = disk.write(&place.path().join("config/d.img"), Existing::Replace).unwrap_err().to_string();
    assert!(error.ends_with("/config, which it is made from"), "{error}");
}
