//! A boot image's way to Linode, as dock0's own client of the API goes it.

use crate::place::{PACE, Place, fetch, number, put};
use dock0::disk::Disk;
use dock0::linode::api::{Api, Filter, PATIENCE};
use dock0::linode::image::BootImage;
use dock0::linode::token::Token;
use dock0::menu::Menu;
use dock0::origin::{GivenFile, Origin, Reader};
use dock0::output::Existing;
use dock0::release::ArtifactFile;
use menagerie::Artifact;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use wire::superblock;

/// What is asked of an image.
#[derive(Debug, Deserialize, PartialEq)]
struct Seen {
    id: String,
    status: String,
    size: u64,
}

fn artifact(name: &str, file: PathBuf) -> ArtifactFile {
    assert!(file.exists(), "there is no {}: ./justw disk makes it", file.display());
    ArtifactFile { artifact: Artifact { name: name.parse().unwrap(), version: "1".parse().unwrap() }, file }
}

/// A boot disk of 16 MiB, with nothing on it that boots.
fn boot_image(place: &Place) -> BootImage {
    let artifacts = ["kernel", "initrd"].map(|name| {
        let file = place.directory.path().join(name);
        fs::write(&file, name).unwrap();
        artifact(name, file)
    });
    let (artifacts, origin, menu) = (artifacts.into(), Origin::default(), Menu::default());
    let disk = Disk { artifacts, config: None, origin, size: 16 << 20, menu };
    disk.write_image(&place.directory.path().join("boot.img.gz"), Existing::Refuse).unwrap()
}

#[test]
fn a_boot_image_is_uploaded_found_by_its_label_and_made_a_disk_of() {
    let place = Place::new();
    let token = Token::parse(place.token()).unwrap();
    let api = Api::new(Some(format!("http://{}/v4", place.address())), token, PATIENCE).unwrap();
    let image = boot_image(&place);
    let label = image.label();
    let find = || -> Vec<Seen> { api.list("/images", Filter::Has("label", &label)).unwrap() };
    assert_eq!(find(), []);

    api.post::<Value>("/images/upload", &json!({"label": "another", "region": "us-ord"})).unwrap();
    let answer: Value = api.post("/images/upload", &json!({"label": label, "region": "us-ord"})).unwrap();
    let id = answer["image"]["id"].as_str().unwrap();
    let to = answer["upload_to"].as_str().unwrap();
    let seen = |status: &str, size| [Seen { id: id.into(), status: status.into(), size }];
    assert_eq!(find(), seen("pending_upload", 0));
    let file = image.path().to_str().unwrap();
    assert_eq!(fetch(&["-H", "Content-Type: application/gzip", "-T", file, to]).0, 403, "another type");
    assert_eq!(put(image.path(), to), 200);
    assert_eq!(find(), seen("creating", 16));
    place.pass(2 * PACE);
    assert_eq!(find(), seen("available", 16));

    let linode = place.linode("web1");
    let disks = format!("/linode/instances/{linode}/disks");
    let mut wish = json!({"label": "boot", "size": 32, "image": id});
    let refused = api.post::<Value>(&disks, &wish).unwrap_err().to_string();
    assert_eq!(refused, format!("Linode, POST {disks}: root_pass: root_pass is required (400)"));
    for (field, value) in [("root_pass", json!("Never-used-1")), ("authorized_keys", json!(["ssh-ed25519 AAAA one"]))] {
        let mut wish = wish.clone();
        wish[field] = value;
        let disk: Value = api.post(&disks, &wish).unwrap();
        place.pass(2 * PACE);
        let disk: Value = api.get(&format!("{disks}/{}", disk["id"])).unwrap();
        assert_eq!((&disk["status"], &disk["size"]), (&json!("ready"), &json!(32)), "{field}");
        let bytes = fs::read(place.disk(number(&disk))).unwrap();
        let found = superblock::identify(&bytes[..superblock::PROBE_LEN]).unwrap();
        assert_eq!((bytes.len(), found.size, found.label.as_bytes()), (32 << 20, image.unpacked(), &b"dock0"[..]));
    }
    wish["size"] = json!(15);
    wish["root_pass"] = json!("Never-used-1");
    let refused = api.post::<Value>(&disks, &wish).unwrap_err().to_string();
    assert_eq!(refused, format!("Linode, POST {disks}: size: Must be at least 16 for this image (400)"));
}

/// The demo, with one more file on it, as a VM gets it whose region tells it nothing.
#[test]
fn an_image_of_ones_own_boots_and_formats_the_second_disk() {
    let place = Place::new();
    let build = qemu::repository().join("build");
    let artifacts = [("kernel", "kernel/linode/vmlinuz"), ("initrd", "initrd.img"), ("vm_root", "vm_root.erofs")];
    let artifacts = artifacts.map(|(name, file)| artifact(name, build.join(file))).into();
    let menu = Menu { extra: "cowspace=/dev/sdb".into(), ..Menu::default() };
    let config = Some(build.join("web1/config/templates"));
    let disk = Disk { artifacts, config, origin: Origin::default(), size: 64 << 20, menu };
    let image = disk.write_image(&place.directory.path().join("boot.img.gz"), Existing::Refuse).unwrap();
    let key = GivenFile { path: "dock0/identity/vm.key".into(), bytes: b"a key".into(), reader: Reader::Root };
    let image = image.with(&[key], &place.directory.path().join("web1.img.gz")).unwrap();

    let (name, status) = place.upload(&fs::read(image.path()).unwrap());
    assert_eq!(status, 200);
    place.later(&format!("/v4/images/{name}"), "status", "available");
    let linode = place.linode("web1");
    let (boot, scratch) = (place.make_disk(linode, 64, Some(&name)), place.make_disk(linode, 64, None));
    place.make_config(linode, json!({"sda": {"disk_id": boot}, "sdb": {"disk_id": scratch}}));
    place.done("POST", &format!("/v4/linode/instances/{linode}/boot"), json!({}));
    let console = place.wait_console(linode, "login:");
    for wanted in ["formatting /dev/sdb, which is blank", "writes go to /dev/sdb"] {
        assert!(console.contains(wanted), "{wanted}: {console}");
    }
    let start = fs::read(place.disk(scratch)).unwrap();
    let found = superblock::identify(&start[..superblock::PROBE_LEN]).unwrap();
    assert_eq!(found.label.as_bytes(), wire::seed::LABEL.as_bytes());
}
