//! What goes wrong on order, and what is kept of it.

use crate::place::{PACE, Place, gzip, put};
use fake_linode::{Fault, Settings};
use serde_json::json;
use std::fs;

#[test]
fn answers_come_out_wrong_so_many_times() {
    let place = Place::new();
    place.order("GET", "/v4/regions", Fault::Refused(429), 2);
    let head = place.directory.path().join("head");
    let (status, said) = place.ask_with(&["--dump-header", head.to_str().unwrap()], "GET", "/v4/regions", "");
    assert_eq!((status, said), (429, json!({"errors": [{"reason": "Too many requests"}]})));
    assert!(fs::read_to_string(head).unwrap().contains("\r\nRetry-After: 1\r\n"));
    // linode-cli waits for as long as it is told, and tries again.
    assert_eq!(place.json(&["regions", "list"]).len(), 2);
    let asked = place.asked().iter().filter(|asked| *asked == "GET /v4/regions").count();
    assert_eq!(asked, 3);
    place.order("", "", Fault::Refused(500), 1);
    assert_eq!(place.ask("GET", "/v4/profile", "").1, json!({"errors": [{"reason": "Internal Server Error"}]}));
    assert_eq!(place.ask("GET", "/v4/profile", "").0, 200);
}

#[test]
fn what_was_refused_was_not_done_and_what_was_lost_was() {
    let place = Place::new();
    let body = |label: &str| json!({"region": "us-ord", "type": "g6-nanode-1", "label": label}).to_string();
    for (fault, status, number) in [(Fault::Refused(502), 502, 0), (Fault::Lost(502), 502, 1), (Fault::Silent, 0, 2)] {
        place.order("POST", "/instances", fault, 1);
        let label = format!("web{number}");
        assert_eq!(place.ask("POST", "/v4/linode/instances", &body(&label)).0, status, "{fault:?}");
        assert_eq!(place.get("/v4/linode/instances")["results"], number, "{fault:?}");
    }
}

#[test]
fn a_linode_vanishes() {
    let place = Place::new();
    let id = place.linode("web1");
    let disk = place.make_disk(id, 1, None);
    place.make_config(id, json!({"sda": {"disk_id": disk}}));
    place.done("POST", &format!("/v4/linode/instances/{id}/boot"), json!({}));
    let process = place.get(&format!("/fake/linodes/{id}"))["process"].as_u64().unwrap();
    place.lose(id).unwrap();
    assert_eq!(place.ask("GET", &format!("/v4/linode/instances/{id}"), "").0, 404);
    assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "QEMU is left");
    assert!(!place.disk(disk).exists());
}

#[test]
fn an_image_stays_as_it_is() {
    let place = Place::new();
    place.keep_images_creating(true);
    let raw = place.directory.path().join("raw");
    fs::write(&raw, vec![1; 1 << 20]).unwrap();
    let (image, _) = place.upload(&gzip(&raw));
    place.later(&format!("/v4/images/{image}"), "status", "creating");
    let id = place.linode("web1");
    let body = json!({"size": 1, "image": image, "root_pass": "Never-used-1"}).to_string();
    let (status, said) = place.ask("POST", &format!("/v4/linode/instances/{id}/disks"), &body);
    let error = json!({"errors": [{"field": "image", "reason": "Image is not available"}]});
    assert_eq!((status, said), (400, error));
}

#[test]
fn an_upload_that_breaks_off_can_be_begun_again() {
    let place = Place::new();
    let raw = place.directory.path().join("raw");
    fs::write(&raw, (0..3_000_000_u32).map(|number| (number.wrapping_mul(number) >> 9) as u8).collect::<Vec<_>>())
        .unwrap();
    let bytes = gzip(&raw);
    let answer = place.done("POST", "/v4/images/upload", json!({"label": "x", "region": "us-ord"}));
    let target = answer["upload_to"].as_str().unwrap();
    let path = format!("/v4/images/{}", answer["image"]["id"].as_str().unwrap());
    // Half of what was announced, and then the client is gone.
    let rest = target.split_once("//").unwrap().1;
    let (host, resource) = rest.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!("PUT /{resource} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", bytes.len());
    std::io::Write::write_all(&mut stream, &[head.as_bytes(), &bytes[..bytes.len() / 2]].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    let file = place.directory.path().join("image.gz");
    fs::write(&file, &bytes).unwrap();
    let before = place.get(&path);
    assert_eq!(before["status"], "pending_upload");
    let upload = || put(&file, target);
    place.order("PUT", "", Fault::Refused(503), 1);
    assert_eq!((upload(), &place.get(&path)["status"]), (503, &json!("pending_upload")));
    // This time it comes, and nobody hears of it.
    place.order("PUT", "", Fault::Lost(500), 1);
    assert_eq!(upload(), 500);
    assert_eq!(upload(), 403, "it is there");
    assert_eq!(place.later(&path, "status", "available")["size"], 3);
}

#[test]
fn a_directory_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings { directory: Some(folder.path().into()), ..Settings::default() };
    let place = Place::of(settings());
    let id = place.linode("web1");
    let disk = place.make_disk(id, 1, None);
    place.make_config(id, json!({"sda": {"disk_id": disk}}));
    place.done("POST", &format!("/v4/linode/instances/{id}/boot"), json!({}));
    let process = place.get(&format!("/fake/linodes/{id}"))["process"].as_u64().unwrap();
    drop(place);
    assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "QEMU is left");
    let place = Place::of(settings());
    let found = place.get(&format!("/v4/linode/instances/{id}"));
    assert_eq!((&found["label"], &found["status"]), (&json!("web1"), &json!("offline")));
    assert!(place.disk(disk).exists());
    // The time that passed by order is not kept.
    place.pass(9 * PACE);
    place.done("POST", &format!("/v4/linode/instances/{id}/boot"), json!({}));
    assert!(place.linode("web2") > id, "numbers are given once");
}
