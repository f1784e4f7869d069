//! What a machine sees of the Linode it is.

use crate::guest;
use crate::place::{BOOT, Place, fetch};
use fake_linode::Settings;
use serde_json::{Value, json};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Asks the metadata service as a client would, with nothing but a connection.
const METADATA: &str = r#"
ask() { printf "$1 /v1/$2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n$3\r\n" | nc -w 10 169.254.169.254 80; }
echo "guest: $(ask GET user-data '' | head -n 1)"
token=$(ask PUT token 'Metadata-Token-Expiry-Seconds: 60\r\n' | tail -n 1)
echo "guest: data $(ask GET user-data "Metadata-Token: $token\r\n" | tail -n 1)"
ask GET network "Metadata-Token: $token\r\n" | sed 's/^/guest: /'
echo "guest: done"
echo 'from the guest' | nc -l -p 22 >/dev/null
echo "guest: served"
[ -e /dev/sdb ] && dd if=/dev/sdb bs=1k count=1 2>/dev/null | grep -q again || { echo again > /dev/sdb; sync; reboot -f; }
poweroff -f
"#;

#[test]
fn a_machine_finds_its_disks_its_name_and_its_metadata() {
    let place = Place::new();
    let image = place.image(&guest::disk(place.directory.path(), METADATA));
    let body = json!({"region": "us-ord", "type": "g6-nanode-1", "label": "web1", "booted": false,
        "metadata": {"user_data": "aGVsbG8="}});
    let id = place.done("POST", "/v4/linode/instances", body)["id"].as_u64().unwrap();
    let linode = format!("/v4/linode/instances/{id}");
    place.later(&linode, "status", "offline");
    // The order is the profile's, not that of their making.
    let (second, third) = (place.make_disk(id, 7, None), place.make_disk(id, 9, None));
    let first = place.make_disk(id, 40, Some(&image));
    let devices =
        json!({"sda": {"disk_id": first}, "sdb": {"disk_id": third}, "sdc": {"disk_id": second}, "sdd": null});
    place.make_config(id, devices);
    place.done("PUT", &linode, json!({"watchdog_enabled": false}));
    place.done("POST", &format!("{linode}/boot"), json!({}));

    let console = place.wait_console(id, "guest: done");
    let told: Vec<_> = console.lines().filter_map(|line| line.strip_prefix("guest: ")).collect();
    let ipv4 = place.get(&linode)["ipv4"][0].as_str().unwrap().to_string();
    for wanted in [
        &format!("Linode/Compute Instance/{id}"),
        "sda 81920",
        "sdb 18432",
        "sdc 14336",
        "HTTP/1.1 401 Unauthorized",
        "data aGVsbG8=",
        &format!("ipv4.public: {ipv4}/32"),
    ] {
        assert!(told.iter().any(|line| line.trim_end() == wanted), "{wanted:?} in {told:?}");
    }
    // The port 22 of the machine is where the stand-in says; it reboots by itself, and comes up again.
    let fake = place.get(&format!("/fake/linodes/{id}"));
    assert_eq!(hear(&fake), "from the guest\n");
    let done = |_: &Value| place.wait_console(id, "guest: served").matches("guest: done").count() == 2;
    place.watch("/v4/profile", done);
    assert_eq!(place.get(&format!("/fake/linodes/{id}"))["process"], fake["process"]);
    // Then it powers itself off, and nobody starts it again.
    assert_eq!(hear(&fake), "from the guest\n");
    place.watch(&linode, |linode| linode["status"] == "offline");
    assert_eq!(place.get(&format!("/fake/linodes/{id}"))["process"], Value::Null);
    assert!(fs::read(place.disk(third)).unwrap().starts_with(b"again\n"), "what it wrote is on its disk");
}

/// What the machine says at its port 22.
fn hear(fake: &Value) -> String {
    let address = format!("telnet://127.0.0.1:{}", fake["ports"]["22"]);
    let output = std::process::Command::new("curl").args(["--silent", "--max-time", "20", &address]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_machine_that_powers_itself_off_is_started_again() {
    let place = Place::new();
    let image = place.image(&guest::disk(place.directory.path(), "poweroff -f"));
    let id = place.linode("web1");
    let disk = place.make_disk(id, 40, Some(&image));
    let config = place.make_config(id, json!({"sda": {"disk_id": disk}}));
    place.done("POST", &format!("/v4/linode/instances/{id}/boot"), json!({}));
    let first = place.get(&format!("/fake/linodes/{id}"))["process"].as_u64().unwrap();
    place.watch(&format!("/fake/linodes/{id}"), |fake| fake["process"].as_u64() != Some(first));
    let events = place.get("/v4/account/events")["data"].clone();
    assert_eq!((&events[0]["action"], &events[0]["status"]), (&json!("lassie_reboot"), &json!("scheduled")));
    place.done("DELETE", &format!("/v4/linode/instances/{id}/configs/{config}"), json!({}));
    place.watch(&format!("/v4/linode/instances/{id}"), |linode| linode["status"] == "offline");
    let event = &place.get("/v4/account/events")["data"][0];
    assert_eq!((&event["action"], &event["status"]), (&json!("lassie_reboot"), &json!("failed")));
    assert_eq!(event["message"], "What it was booted with is gone.");
}

#[test]
fn a_machine_that_does_not_start_says_why() {
    let place = Place::new();
    let id = place.linode("web1");
    let disk = place.make_disk(id, 1, None);
    place.make_config(id, json!({"sda": {"disk_id": disk}}));
    let (linode, fake) = (format!("/v4/linode/instances/{id}"), format!("/fake/linodes/{id}"));
    place.done("POST", &format!("{linode}/boot"), json!({}));
    let port = place.get(&fake)["ports"]["22"].as_u64().unwrap();
    place.later(&linode, "status", "running");
    place.done("POST", &format!("{linode}/shutdown"), json!({}));
    place.later(&linode, "status", "offline");
    let taken = std::net::TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    place.done("POST", &format!("{linode}/boot"), json!({}));
    place.watch(&linode, |linode| linode["status"] == "offline");
    let event = &place.get("/v4/account/events")["data"][0];
    assert_eq!((&event["action"], &event["status"]), (&json!("linode_boot"), &json!("failed")));
    let said = event["message"].as_str().unwrap();
    assert!(said.starts_with("QEMU ended (exit status: 1): ") && said.contains(&format!(":{port}-:22")), "{said}");
    drop(taken);
    place.done("POST", &format!("{linode}/boot"), json!({}));
    assert_ne!(place.get(&fake)["ports"]["22"], json!(port), "it has others now");
    place.later(&linode, "status", "running");
}

/// An operator's settings name them before there is a machine.
#[test]
fn a_machine_is_reached_at_the_ports_that_were_chosen_for_its_label() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (ssh, config) = (free(), free());
    let ports = [&ssh, &config].map(|listener| listener.local_addr().unwrap().port());
    let place = Place::of(Settings { forwards: [("web1".to_string(), ports)].into(), ..Settings::default() });
    let boot = |label| {
        let id = place.linode(label);
        let disk = place.make_disk(id, 1, None);
        place.make_config(id, json!({"sda": {"disk_id": disk}}));
        place.done("POST", &format!("/v4/linode/instances/{id}/boot"), json!({}));
        id
    };
    let id = boot("web1");
    let linode = format!("/v4/linode/instances/{id}");
    place.watch(&linode, |linode| linode["status"] == "offline");
    let event = &place.get("/v4/account/events")["data"][0];
    assert_eq!((&event["action"], &event["status"]), (&json!("linode_boot"), &json!("failed")));
    let said = event["message"].as_str().unwrap();
    assert!(
        said.starts_with("QEMU ended (exit status: 1): ") && said.contains(&format!(":{}-:22", ports[0])),
        "{said}"
    );

    drop((ssh, config));
    place.done("POST", &format!("{linode}/boot"), json!({}));
    assert_eq!(place.get(&format!("/fake/linodes/{id}"))["ports"], json!({"22": ports[0], "1002": ports[1]}));
    let end = Instant::now() + BOOT;
    for port in ports {
        while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
            assert!(Instant::now() < end, "{port}: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    place.later(&linode, "status", "running");
    let other = &place.get(&format!("/fake/linodes/{}", boot("web2")))["ports"];
    assert!(other["22"].is_u64() && other["22"] != json!(ports[0]), "{other}");
}

/// As the host sees the metadata service, which needs no machine that asks.
#[test]
fn metadata_is_for_who_has_a_token() {
    let place = Place::new();
    let body = json!({"region": "us-ord", "type": "g6-nanode-1", "label": "web1", "booted": false,
        "authorized_keys": ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]});
    let id = place.done("POST", "/v4/linode/instances", body)["id"].as_u64().unwrap();
    let linode = format!("/v4/linode/instances/{id}");
    place.later(&linode, "status", "offline");
    let disk = place.make_disk(id, 10, None);
    place.make_config(id, json!({"sda": {"disk_id": disk}}));
    place.fill_metadata_slowly(2);
    place.done("POST", &format!("{linode}/boot"), json!({}));
    let port = place.get(&format!("/fake/linodes/{id}"))["metadata"].as_u64().unwrap();
    let at = |path: &str| format!("http://127.0.0.1:{port}/v1/{path}");
    let accept = "Accept: application/json";
    let token = |seconds: &str| {
        let expiry = format!("Metadata-Token-Expiry-Seconds: {seconds}");
        fetch(&["-X", "PUT", "-H", &expiry, "-H", accept, &at("token")])
    };
    for bad in ["0", "86401", "x"] {
        assert_eq!(token(bad).0, 400, "{bad}");
    }
    assert_eq!(fetch(&["-X", "PUT", &at("token")]).0, 400);
    let tokens: Vec<String> = serde_json::from_slice(&token("60").1).unwrap();
    let known = format!("Metadata-Token: {}", tokens[0]);
    for bad in ["X-Other: 1", "Metadata-Token: x"] {
        assert_eq!(fetch(&["-H", bad, &at("instance")]).0, 401, "{bad}");
    }
    let brief: Vec<String> = serde_json::from_slice(&token("1").1).unwrap();
    place.pass(Duration::from_secs(1));
    assert_eq!(fetch(&["-H", &format!("Metadata-Token: {}", brief[0]), &at("instance")]).0, 401, "it has ended");

    let get = |path: &str| {
        let (status, bytes) = fetch(&["-H", &known, "-H", accept, &at(path)]);
        (status, serde_json::from_slice::<Value>(&bytes).unwrap_or_default())
    };
    let nothing = json!({"interfaces": [], "ipv4": {"public": [], "private": [], "shared": []}, "ipv6": null});
    assert_eq!(get("network"), (200, nothing));
    assert_eq!(get("ssh-keys"), (200, json!({"users": {}})));
    let (_, network) = get("network");
    let ipv4 = place.get(&linode)["ipv4"][0].as_str().unwrap().to_string();
    assert_eq!((&network["ipv4"]["public"], &network["ipv6"]), (&json!([format!("{ipv4}/32")]), &Value::Null));
    assert_eq!(get("ssh-keys").1["users"]["root"], json!(["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]));
    assert_eq!(get("network").1["ipv6"]["slaac"], place.get(&linode)["ipv6"]);
    let (_, instance) = get("instance");
    assert_eq!(
        (&instance["id"], &instance["label"], &instance["specs"]["memory"]),
        (&json!(id), &json!("web1"), &json!(1024))
    );
    assert_eq!(get("user-data").0, 204);
    let (_, lines) = fetch(&["-H", &known, &at("network")]);
    let lines = String::from_utf8(lines).unwrap();
    assert!(lines.lines().any(|line| line == format!("ipv4.public: {ipv4}/32")), "{lines}");
    assert_eq!(fetch(&["-H", &known, &at("nothing")]).0, 404);
    place.later(&linode, "status", "running");
    place.done("POST", &format!("{linode}/shutdown"), json!({}));
    assert_eq!(fetch(&["-H", &known, &at("network")]).0, 0, "it ends with its machine");
}

#[test]
fn a_region_without_metadata_has_none() {
    let place = Place::new();
    let mut body = json!({"region": "ap-west", "type": "g6-nanode-1", "metadata": {"user_data": "aGVsbG8="}});
    let (status, refused) = place.ask("POST", "/v4/linode/instances", &body.to_string());
    let reason = "Metadata is not supported in this region";
    assert_eq!((status, refused), (400, json!({"errors": [{"field": "metadata", "reason": reason}]})));
    body.as_object_mut().unwrap().remove("metadata");
    let id = place.done("POST", "/v4/linode/instances", body)["id"].as_u64().unwrap();
    place.later(&format!("/v4/linode/instances/{id}"), "status", "offline");
    let disk = place.make_disk(id, 10, None);
    place.make_config(id, json!({"sda": {"disk_id": disk}}));
    place.done("POST", &format!("/v4/linode/instances/{id}/boot"), json!({}));
    let fake = place.get(&format!("/fake/linodes/{id}"));
    assert!(fake["process"].is_u64() && fake["metadata"].is_null(), "{fake}");
}
