//! What Linode refuses, and in which words.

use crate::place::{PACE, Place, complains, fetch, gzip, number, put};
use fake_linode::Settings;
use serde_json::{Value, json};
use std::fs;

fn complaint(field: &str, reason: &str) -> Value {
    json!({"errors": [{"field": field, "reason": reason}]})
}

#[test]
fn only_the_token_opens_the_api() {
    let place = Place::new();
    place.linode("web1");
    let address = |path: &str| format!("http://{}{path}", place.address());
    for path in ["/v4/regions", "/v4/linode/instances", "/v4/profile", "/v4/nothing"] {
        let longer = format!("Authorization: Bearer {}x", place.token());
        let basic = format!("Authorization: Basic {}", place.token());
        for field in ["User-Agent: nobody", "Authorization: Bearer wrong", &longer, &basic] {
            for method in ["GET", "DELETE", "POST"] {
                let (status, body) = fetch(&["-X", method, "-H", field, &address(path)]);
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!((status, body), (401, json!({"errors": [{"reason": "Invalid Token"}]})), "{path} {field}");
            }
        }
    }
    let said = complains(place.command(&["regions", "list"]).env("LINODE_CLI_TOKEN", "x"));
    assert!(said.contains("401") && said.contains("Invalid Token"), "{said}");
}

#[test]
fn a_linode_that_cannot_be() {
    let place = Place::new();
    place.linode("web1");
    let good = json!({"region": "us-ord", "type": "g6-nanode-1", "label": "web2"});
    let long = "x".repeat(65);
    let data = |text: String| json!({"metadata": {"user_data": text}});
    for (change, field, reason) in [
        (json!({"region": null}), "region", "region is required"),
        (json!({"region": "mars"}), "region", "region is not valid"),
        (json!({"type": "huge"}), "type", "A valid plan type by that ID was not found"),
        (json!({"label": "web1"}), "label", "Label must be unique among your linodes"),
        (json!({"label": "ab"}), "label", "Must be between 3 and 64 characters"),
        (json!({"label": long}), "label", "Must be between 3 and 64 characters"),
        (json!({"label": "a b c"}), "label", "Must only use ASCII letters, numbers, underscores, periods, and dashes"),
        (json!({"label": "a--b"}), "label", "Label cannot have two dashes, underscores or periods in a row"),
        (json!({"firewall_id": 7}), "firewall_id", "firewall_id is not valid"),
        (json!({"booted": true}), "booted", "Booted cannot be true without an image"),
        (json!({"booted": "no"}), "booted", "Must be of type Boolean"),
        (json!({"disks": []}), "disks", "Unexpected field"),
        (data("%".into()), "metadata.user_data", "user_data must be a base64-encoded string"),
        (data("AAAA".repeat(5462)), "metadata.user_data", "Decoded user_data must not exceed 16384 bytes"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = place.ask("POST", "/v4/linode/instances", &body.to_string());
        assert_eq!(refused, (400, complaint(field, reason)), "{change}");
    }
    assert_eq!(place.ask("POST", "/v4/linode/instances", "{").1, json!({"errors": [{"reason": "Invalid JSON"}]}));
    assert_eq!(place.json(&["linodes", "list"]).len(), 1);
    let said = place.refused(&["linodes", "create", "--region", "us-ord", "--type", "g6-nanode-1", "--label", "web1"]);
    assert!(said.contains("400") && said.contains("Label must be unique among your linodes"), "{said}");
}

#[test]
fn a_linode_is_changed_and_told_apart() {
    let place = Place::new();
    let (one, two) = (place.linode("web1"), place.linode("web2"));
    let path = format!("/v4/linode/instances/{one}");
    let changed = place.done("PUT", &path, json!({"label": "db1", "tags": ["dock0"]}));
    assert_eq!((&changed["label"], &changed["tags"]), (&json!("db1"), &json!(["dock0"])));
    let refused = place.ask("PUT", &path, r#"{"label": "web2"}"#);
    assert_eq!(refused, (400, complaint("label", "Label must be unique among your linodes")));
    assert_eq!(place.ask("PUT", &path, r#"{"label": "db1"}"#).0, 200, "its own label is no other's");
    assert_eq!(place.ask("PUT", &path, r#"{"region": "us-ord"}"#).1, complaint("region", "Unexpected field"));
    assert_eq!(place.one(&["linodes", "list", "--tags", "dock0"])["id"], json!(one));
    let ips = place.get(&format!("/v4/linode/instances/{two}/ips"));
    assert_eq!(ips["ipv4"]["public"][0]["address"], place.get(&format!("/v4/linode/instances/{two}"))["ipv4"][0]);
    for path in ["/v4/linode/instances/7", "/v4/linode/instances/x", "/v4/linode/instances/7/disks", "/v4/nothing"] {
        assert_eq!(place.ask("GET", path, ""), (404, json!({"errors": [{"reason": "Not found"}]})), "{path}");
    }
}

#[test]
fn pages_that_are_not_there() {
    let place = Place::new();
    let ask = |query: &str| place.ask("GET", &format!("/v4/regions?{query}"), "");
    assert_eq!(ask("page=1&page_size=25").1["results"], 2);
    assert_eq!(ask("page=2").0, 404);
    assert_eq!(ask("page=0").0, 404);
    for size in ["24", "501", "0"] {
        assert_eq!(ask(&format!("page_size={size}")), (400, complaint("page_size", "Must be 25-500")), "{size}");
    }
    assert_eq!(ask("page=x"), (400, complaint("page", "Must be of type Integer")));
    let filter = ["-H", r#"X-Filter: {"label": "x"}"#];
    let refused = place.ask_with(&filter, "GET", "/v4/regions", "");
    assert_eq!(refused, (400, json!({"errors": [{"reason": "Cannot filter on label"}]})));
}

#[test]
fn disks_have_to_fit() {
    let place = Place::new();
    let raw = place.directory.path().join("raw");
    fs::write(&raw, vec![7; 3 << 20]).unwrap();
    let (image, id) = (place.image(&raw), place.linode("web1"));
    let path = format!("/v4/linode/instances/{id}/disks");
    let good = json!({"size": 3, "image": image, "root_pass": "Never-used-1"});
    for (change, field, reason) in [
        (json!({"size": null}), "size", "size is required"),
        (json!({"size": 0}), "size", "Disk size must be at least 1 MB"),
        (json!({"size": 25601}), "size", "Insufficient space for this disk: 25600 MB are unallocated"),
        (json!({"size": 2}), "size", "Must be at least 3 for this image"),
        (json!({"image": "private/7"}), "image", "image is not valid"),
        (json!({"image": "linode/debian12"}), "image", "image is not valid"),
        (json!({"root_pass": null}), "root_pass", "root_pass is required"),
        (json!({"filesystem": "ntfs"}), "filesystem", "filesystem is not valid"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(place.ask("POST", &path, &body.to_string()), (400, complaint(field, reason)), "{change}");
    }
    let made = place.done("POST", &path, json!({"size": 8, "label": "formatted"}));
    assert_eq!(made["filesystem"], "ext4");
    let formatted = fs::read(place.disk(number(&made))).unwrap();
    assert_eq!(formatted[1080..1082], [0x53, 0xef], "ext4's magic number");
    place.later(&format!("{path}/{}", made["id"]), "status", "ready");
    place.done("DELETE", &format!("{path}/{}", made["id"]), json!({}));
    place.pass(PACE);
    assert_eq!(place.ask("GET", &format!("{path}/{}", made["id"]), "").0, 404);
    let inherits = place.done("POST", &path, good.clone());
    assert_eq!((&inherits["label"], &inherits["filesystem"]), (&json!("an image"), &json!("ext4")));
    place.later(&format!("{path}/{}", inherits["id"]), "status", "ready");
    place.done("DELETE", &format!("{path}/{}", inherits["id"]), json!({}));
    place.pass(PACE);
    let disk = place.make_disk(id, 4, Some(&image));
    let bytes = fs::read(place.disk(disk)).unwrap();
    assert_eq!((bytes.len(), &bytes[..3 << 20]), (4 << 20, &vec![7; 3 << 20][..]), "the image, and zeros behind it");
    let blank = place.ask("POST", &path, r#"{"size": 1}"#);
    assert_eq!(blank, (400, complaint("label", "label is required")));
    let full = place.make_disk(id, 25596, None);
    let refused = place.ask("POST", &path, r#"{"size": 1}"#);
    assert_eq!(refused, (400, complaint("size", "Insufficient space for this disk: 0 MB are unallocated")));
    let refused = place.ask("POST", &format!("{path}/{disk}/resize"), r#"{"size": 5}"#);
    assert_eq!(refused, (400, complaint("size", "Insufficient space for this disk: 4 MB are unallocated")));
    place.done("DELETE", &format!("{path}/{full}"), json!({}));
    assert_eq!(place.get(&format!("{path}/{full}"))["status"], "deleting");
    place.pass(PACE);
    assert_eq!(place.ask("GET", &format!("{path}/{full}"), "").0, 404);
    assert!(!place.disk(full).exists());
    place.done("POST", &format!("{path}/{disk}/resize"), json!({"size": 5}));
    assert_eq!(place.later(&format!("{path}/{disk}"), "status", "ready")["size"], 5);
    assert_eq!(fs::metadata(place.disk(disk)).unwrap().len(), 5 << 20);
}

#[test]
fn profiles_name_what_is_there() {
    let place = Place::new();
    let (id, other) = (place.linode("web1"), place.linode("web2"));
    let (disk, stranger) = (place.make_disk(id, 1, None), place.make_disk(other, 1, None));
    let path = format!("/v4/linode/instances/{id}/configs");
    let good = json!({"label": "boot", "devices": {"sda": {"disk_id": disk}}});
    let missing = format!("Disk {stranger} does not exist on this Linode");
    for (change, field, reason) in [
        (json!({"label": null}), "label", "label is required"),
        (json!({"devices": null}), "devices", "devices is required"),
        (json!({"kernel": "linode/latest"}), "kernel", "kernel is not valid"),
        (json!({"run_level": "9"}), "run_level", "run_level is not valid"),
        (json!({"virt_mode": "none"}), "virt_mode", "virt_mode is not valid"),
        (json!({"devices": {"sda": {"disk_id": stranger}}}), "devices.sda.disk_id", &missing),
        (json!({"devices": {"sdi": {"disk_id": disk}}}), "devices.sdi", "Unexpected field"),
        (json!({"helpers": {"magic": true}}), "helpers.magic", "Unexpected field"),
        (json!({"interfaces": [{}]}), "interfaces", "purpose is required and must be public, vlan, or vpc"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(place.ask("POST", &path, &body.to_string()), (400, complaint(field, reason)), "{change}");
    }
    let config = place.make_config(id, json!({"sda": {"disk_id": disk}}));
    let change = json!({"kernel": "linode/direct-disk", "helpers": {"network": false}});
    let changed = place.done("PUT", &format!("{path}/{config}"), change);
    assert_eq!((&changed["kernel"], &changed["helpers"]["network"]), (&json!("linode/direct-disk"), &json!(false)));
    assert_eq!(changed["devices"]["sda"]["disk_id"], json!(disk), "what was not said has stayed");
    place.done("DELETE", &format!("/v4/linode/instances/{id}/disks/{disk}"), json!({}));
    let (status, said) = place.ask("POST", &format!("/v4/linode/instances/{id}/boot"), "{}");
    assert_eq!(status, 400);
    assert_eq!(said["errors"][0]["reason"], format!("The configuration names disk {disk}, which is gone"));
    place.done("DELETE", &format!("{path}/{config}"), json!({}));
    assert_eq!(place.get(&path)["results"], 0);
}

#[test]
fn one_thing_at_a_time() {
    let place = Place::new();
    let busy = (400, json!({"errors": [{"reason": "Linode busy."}]}));
    let body = r#"{"region": "us-ord", "type": "g6-nanode-1", "label": "web1"}"#;
    let (_, made) = place.ask("POST", "/v4/linode/instances", body);
    let path = format!("/v4/linode/instances/{}", made["id"]);
    assert_eq!(made["status"], "provisioning");
    assert_eq!(place.ask("POST", &format!("{path}/disks"), r#"{"size": 1, "label": "x"}"#), busy);
    assert_eq!(place.ask("DELETE", &path, ""), busy);
    place.later(&path, "status", "offline");
    let (_, disk) = place.ask("POST", &format!("{path}/disks"), r#"{"size": 1, "label": "x", "filesystem": "raw"}"#);
    place.make_config(made["id"].as_u64().unwrap(), json!({"sda": {"disk_id": disk["id"]}}));
    assert_eq!(place.ask("POST", &format!("{path}/boot"), "{}"), busy, "the disk is not ready");
    assert_eq!(place.ask("POST", &format!("{path}/shutdown"), "").1["errors"][0]["reason"], "Linode is not running.");
    assert_eq!(place.ask("POST", &format!("{path}/reboot"), "").1["errors"][0]["reason"], "Linode is not running.");
    place.later(&format!("{path}/disks/{}", disk["id"]), "status", "ready");
    place.done("POST", &format!("{path}/boot"), json!({}));
    assert_eq!(place.get(&path)["status"], "booting");
    place.later(&path, "status", "running");
    assert_eq!(place.ask("POST", &format!("{path}/boot"), "").1["errors"][0]["reason"], "Linode is already booted.");
    place.done("POST", &format!("{path}/reboot"), json!({}));
    assert_eq!(place.get(&path)["status"], "rebooting");
    assert_eq!(place.ask("POST", &format!("{path}/shutdown"), ""), busy);
    place.later(&path, "status", "running");
    place.done("POST", &format!("{path}/shutdown"), json!({}));
    assert_eq!(place.get(&path)["status"], "shutting_down");
}

#[test]
fn images_that_are_none_go_away() {
    let place = Place::of(Settings { most_stored: 1 << 20, most_unpacked: 4 << 20, ..Settings::default() });
    let raw = place.directory.path().join("raw");
    fs::write(&raw, vec![0; (4 << 20) + 1]).unwrap();
    let whole = gzip(&raw);
    fs::write(&raw, vec![0; 4 << 20]).unwrap();
    let good = gzip(&raw);
    for (bytes, reason) in [
        (&whole[..], "The uncompressed image is too large."),
        (b"no gzip at all", "The image is not a gzip-compressed file"),
        (&good[..good.len() - 5], "The image is not a gzip-compressed file"),
    ] {
        let (image, status) = place.upload(bytes);
        assert_eq!((status, &place.get(&format!("/v4/images/{image}"))["status"]), (200, &json!("pending_upload")));
        let event = place.get("/v4/account/events")["data"][0].clone();
        assert_eq!((&event["action"], &event["status"]), (&json!("image_upload"), &json!("failed")));
        assert!(event["message"].as_str().unwrap().starts_with(reason), "{event}");
        place.pass(2 * PACE);
        assert_eq!(place.ask("GET", &format!("/v4/images/{image}"), "").0, 404);
    }
    assert_eq!(place.upload(&vec![1; (1 << 20) + 1]).1, 413);
    let (image, status) = place.upload(&good);
    let seen = place.get(&format!("/v4/images/{image}"));
    assert_eq!((status, &seen["status"], &seen["size"]), (200, &json!("creating"), &json!(4)));
    place.later(&format!("/v4/images/{image}"), "status", "available");
    assert_eq!(put(&raw, &format!("http://{}/upload/nobodys", place.address())), 403);
    let answer = place.done("POST", "/v4/images/upload", json!({"label": "x", "region": "us-ord"}));
    let words = ["-T", raw.to_str().unwrap(), answer["upload_to"].as_str().unwrap()];
    assert_eq!(fetch(&words), (403, b"SignatureDoesNotMatch".to_vec()), "without its Content-Type");
    let refused = place.ask("POST", "/v4/images/upload", r#"{"label": "x", "region": "mars"}"#);
    assert_eq!(refused, (400, complaint("region", "region is not valid")));
}

#[test]
fn firewalls_have_names_of_their_own() {
    let place = Place::new();
    let id = place.linode("web1");
    let good = json!({"label": "web", "rules": {"inbound_policy": "DROP", "outbound_policy": "ACCEPT"}});
    let made = place.done("POST", "/v4/networking/firewalls", good.clone());
    let devices = format!("/v4/networking/firewalls/{}/devices", made["id"]);
    for (change, field, reason) in [
        (json!({}), "label", "Label must be unique among your firewalls"),
        (json!({"rules": {"inbound_policy": "DROP"}}), "rules.outbound_policy", "rules.outbound_policy is required"),
        (
            json!({"devices": {"linodes": [7]}, "label": "other"}),
            "devices.linodes",
            "A Linode by that ID was not found",
        ),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = place.ask("POST", "/v4/networking/firewalls", &body.to_string());
        assert_eq!(refused, (400, complaint(field, reason)), "{change}");
    }
    let device = place.done("POST", &devices, json!({"id": id, "type": "linode"}));
    assert_eq!(device["entity"]["label"], "web1");
    let refused = place.ask("POST", &devices, &json!({"id": id, "type": "linode"}).to_string());
    assert_eq!(refused, (400, complaint("id", "The Linode is behind this firewall already")));
    place.done("DELETE", &format!("/v4/linode/instances/{id}"), json!({}));
    assert_eq!(place.get(&devices)["results"], 0);
}
