//! A whole life of a Linode, told by linode-cli alone: the demo's disk, from an image to its login and to nothing.

use crate::place::{Place, gzip, number};
use std::fs;
use std::time::Instant;

#[test]
fn the_demo_lives_and_dies() {
    let place = Place::new();
    let demo = qemu::repository().join("build/disk.img");
    assert!(demo.exists(), "there is no {}: ./justw disk makes it", demo.display());
    fs::write(place.directory.path().join("demo.img.gz"), gzip(&demo)).unwrap();

    let regions = place.json(&["regions", "list"]);
    let region = regions.iter().find(|region| region["capabilities"].to_string().contains("Metadata")).unwrap();
    let region = region["id"].as_str().unwrap();
    place.cli(&["image-upload", "--region", region, "--label", "demo", "demo.img.gz"]);
    let image = place.one(&["images", "list", "--label", "demo"]);
    let image = image["id"].as_str().unwrap();
    place.later(&format!("/v4/images/{image}"), "status", "available");
    let seen = place.one(&["images", "view", image]);
    assert_eq!((&seen["size"], &seen["type"], &seen["is_public"]), (&512.into(), &"manual".into(), &false.into()));

    let rules = ["--rules.inbound_policy", "DROP", "--rules.outbound_policy", "ACCEPT"];
    let firewall = number(&place.one(&[&["firewalls", "create", "--label", "web"], &rules[..]].concat())).to_string();
    let words =
        ["linodes", "create", "--region", region, "--type", "g6-nanode-1", "--label", "web1", "--booted", "false"];
    let more = ["--tags", "dock0", "--tags", "web", "--firewall_id", &firewall, "--metadata.user_data", "aGVsbG8="];
    let made = place.one(&[&words[..], &more[..]].concat());
    let (id, linode) = (number(&made), number(&made).to_string());
    assert_eq!((&made["tags"], &made["has_user_data"]), (&serde_json::json!(["dock0", "web"]), &true.into()));
    let address = format!("/v4/linode/instances/{id}");
    place.later(&address, "status", "offline");
    assert_eq!(place.one(&["firewalls", "devices-list", &firewall])["entity"]["label"], "web1");
    assert!(place.refused(&["linodes", "boot", &linode]).contains("Linode has no configuration profile to boot"));

    let boot = ["linodes", "disk-create", &linode, "--label", "boot", "--size", "512", "--image", image];
    let boot = number(&place.one(&[&boot[..], &["--root_pass", "Never-used-1"]].concat())).to_string();
    let scratch = ["linodes", "disk-create", &linode, "--label", "scratch", "--size", "1024", "--filesystem", "raw"];
    let scratch = number(&place.one(&scratch)).to_string();
    place.later(&format!("{address}/disks/{scratch}"), "status", "ready");
    let disks = place.json(&["linodes", "disks-list", &linode]);
    let sizes: Vec<_> = disks.iter().map(|disk| disk["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [512, 1024]);
    let config = ["linodes", "config-create", &linode, "--label", "dock0", "--kernel", "linode/grub2"];
    let devices = ["--devices.sda.disk_id", &boot, "--devices.sdb.disk_id", &scratch, "--root_device", "/dev/sda"];
    let helpers = ["--helpers.distro", "false", "--helpers.network", "false"];
    let config = place.one(&[&config[..], &devices[..], &helpers[..]].concat());
    assert_eq!(config["devices"]["sdb"]["disk_id"].to_string(), scratch);
    assert_eq!((&config["helpers"]["distro"], &config["helpers"]["modules_dep"]), (&false.into(), &true.into()));

    let started = Instant::now();
    place.cli(&["linodes", "boot", &linode, "--config_id", &number(&config).to_string()]);
    place.later(&address, "status", "running");
    let console = place.wait_console(id, "login:");
    eprintln!("from boot to the login: {:.1} s", started.elapsed().as_secs_f64());
    assert!(console.contains("dock0: "), "{console}");
    assert!(place.refused(&["linodes", "disk-delete", &linode, &boot]).contains("must be powered off"));
    let process = place.get(&format!("/fake/linodes/{id}"))["process"].as_u64().unwrap();
    assert!(fs::exists(format!("/proc/{process}")).unwrap());

    place.cli(&["linodes", "shutdown", &linode]);
    assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "QEMU is left");
    place.later(&address, "status", "offline");
    place.cli(&["linodes", "config-update", &linode, &number(&config).to_string(), "--kernel", "linode/grub-legacy"]);
    place.cli(&["linodes", "boot", &linode]);
    place.wait_console(id, "login:");
    place.later(&address, "status", "running");
    place.cli(&["linodes", "shutdown", &linode]);
    place.later(&address, "status", "offline");
    place.cli(&["linodes", "disk-delete", &linode, &scratch]);
    place.cli(&["linodes", "delete", &linode]);
    place.cli(&["images", "delete", image]);
    assert_eq!(place.ask("GET", &address, "").0, 404);
    assert_eq!(place.ask("GET", &format!("/v4/images/{image}"), "").0, 404);
    assert_eq!(place.json(&["firewalls", "devices-list", &firewall]).len(), 0);
    assert!(!place.disk(boot.parse().unwrap()).exists(), "the disk's file is left");

    let events = place.json(&["events", "list", "--entity.id", &linode, "--entity.type", "linode"]);
    let told: Vec<_> = events.iter().rev().map(|event| event["action"].as_str().unwrap()).collect();
    let expected = [
        "linode_create",
        "disk_create",
        "disk_create",
        "linode_config_create",
        "linode_boot",
        "linode_shutdown",
        "linode_config_update",
        "linode_boot",
        "linode_shutdown",
        "disk_delete",
        "linode_delete",
    ];
    assert_eq!(told, expected);
}
