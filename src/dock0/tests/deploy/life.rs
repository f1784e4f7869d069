//! A VM's life at Linode: made, made again, looked at, rebooted, removed.

use crate::place::{ELSEWHERE, Place, answering, booted, elsewhere_and};

/// The line that ends a deployment.
fn ends_well(place: &Place, said: &str) {
    let (linode, first) = (place.linode(), said.lines().next().unwrap_or_default());
    let (ipv4, ipv6) = (linode["ipv4"][0].as_str().unwrap(), linode["ipv6"].as_str().unwrap().replace("/128", ""));
    assert!(first.starts_with("web1: good after ") && first.ends_with(&format!(" s: ssh root@{ipv4}")), "{said}");
    assert!(said.ends_with(&format!("\n    addresses {ipv4} {ipv6}\n")), "{said}");
}

#[test]
fn a_vm_is_deployed_and_deploying_it_again_changes_nothing() {
    let place = Place::new(ELSEWHERE);
    let said = place.deployed("");
    ends_well(&place, &said);
    let steps: Vec<&str> =
        said.lines().filter_map(|line| line.trim().split_once(" s  ")).map(|(_, step)| step).collect();
    assert_eq!(
        steps,
        [
            "provide the boot image",
            "create the Linode",
            "make the boot disk",
            "make the scratch disk",
            "make the profile",
            "boot it",
            "wait for the VM",
            "push its configuration",
            "wait until it is good"
        ]
    );
    let linode = place.linode();
    assert_eq!((&linode["label"], &linode["status"]), (&"web1".into(), &"running".into()));
    assert_eq!(linode["tags"], serde_json::json!(["dock0"]));
    let (disks, devices) = place.stands();
    assert!(disks[0].starts_with("dock0-") && disks[1] == "scratch", "{disks:?}");
    assert_eq!(devices, [[disks[0].clone(), "scratch".into()]]);
    assert_eq!(place.get("/images")["results"], 0, "the VM's own image is gone");
    let profile = &place.get(&format!("/linode/instances/{}/configs", linode["id"]))["data"][0];
    assert_eq!((&profile["label"], &profile["kernel"]), (&"dock0".into(), &"linode/grub2".into()));
    assert!(profile["helpers"].as_object().unwrap().values().all(|on| on == false), "{profile}");

    let before = place.changes();
    let said = place.deployed("");
    assert!(said.starts_with("web1: good after "), "{said}");
    assert_eq!(place.changes(), before);
    assert_eq!(place.vm.lines().iter().filter(|line| *line == "PUT /config").count(), 1);
    let said = place.deployed("--plan");
    assert_eq!(said, "web1: nothing is to be done\n");
}

#[test]
fn another_image_replaces_the_disks_and_the_data_may_stay() {
    let place = Place::new(ELSEWHERE);
    place.deployed("");
    let (before, _) = place.stands();
    let data = place.get(&format!("/linode/instances/{}/disks", place.linode()["id"]))["data"][1]["id"].clone();
    place.image("next.img.gz", "2");
    place.section(&ELSEWHERE.replace("boot.img.gz", "next.img.gz"));

    // Nobody is there to be asked.
    let (said, changes) = (place.deploy(""), place.changes());
    assert_eq!(said.code, Some(1));
    let id = place.linode()["id"].clone();
    assert!(
        said.err.starts_with(&format!("dock0: web1 (Linode {id}): shut it down; remove the disk {} (", before[0])),
        "{said:?}"
    );
    assert!(said.err.ends_with("nobody is here to be asked (--yes goes on)\n"), "{said:?}");
    assert_eq!(place.changes(), changes, "nothing was done");
    let plan = place.deployed("--keep-data --plan");
    let lines: Vec<&str> = plan.lines().map(str::trim).collect();
    assert_eq!(lines[1], "shut it down");
    assert!(
        lines[2].starts_with("remove the disk dock0-")
            && lines[3..] == ["make the boot disk", "change the profile", "boot it"],
        "{plan}"
    );

    place.deployed("--keep-data --yes");
    let (after, devices) = place.stands();
    assert_eq!((after.len(), devices.len()), (2, 1));
    assert!(!after.contains(&before[0]) && after.contains(&"scratch".into()), "{after:?}");
    let disks = place.get(&format!("/linode/instances/{id}/disks"))["data"].clone();
    assert!(disks.as_array().unwrap().iter().any(|disk| disk["id"] == data), "the data has stayed: {disks}");

    place.deployed("--fresh --yes");
    let disks = place.get(&format!("/linode/instances/{id}/disks"))["data"].clone();
    assert!(disks.as_array().unwrap().iter().all(|disk| disk["id"] != data), "{disks}");
    assert_eq!(place.stands().0.len(), 2);
}

#[test]
fn a_linode_that_is_there_is_listed_rebooted_and_removed() {
    let place = Place::new(&elsewhere_and("tags: [web], firewall: fence"));
    let rules = serde_json::json!({"inbound_policy": "DROP", "outbound_policy": "ACCEPT"});
    let fence = place.post("/networking/firewalls", &serde_json::json!({"label": "fence", "rules": rules}));
    assert_eq!(place.run("list").out, "dock0 has made no Linodes (--any lists others)\n");
    place.post("/linode/instances", &serde_json::json!({"region": "us-ord", "type": "g6-nanode-1", "label": "theirs"}));
    place.deployed("");
    let guarded = place.get(&format!("/networking/firewalls/{}/devices", fence["id"]));
    assert_eq!(guarded["results"], 1);

    let said = place.run("list").out;
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!((words[0], &words[2..5]), ("web1", &["running", "ap-west", "g6-nanode-1"][..]), "{said}");
    assert_eq!(place.run("list --any").out.lines().count(), 2);
    let json: serde_json::Value = serde_json::from_str(&place.run("list --json").out).unwrap();
    assert_eq!((&json[0]["host"], &json[0]["tags"]), (&"web1".into(), &serde_json::json!(["dock0", "web"])));

    let said = place.run("reboot web1");
    assert!(said.out.starts_with("web1 (Linode ") && said.out.ends_with("): rebooted\n"), "{said:?}");
    for verb in ["reboot", "destroy --yes"] {
        let refused = place.run(&format!("{verb} web1 theirs")).err;
        assert!(
            refused.contains("was not made by dock0: it has no tag dock0 (--any takes it all the same)"),
            "{refused}"
        );
        let missing = place.run(&format!("{verb} web2")).err;
        assert_eq!(missing, "dock0: web2: there is no Linode of that name (dock0 list shows those there are)\n");
    }
    let asked = place.run("destroy web1").err;
    assert!(asked.ends_with("nobody is here to be asked (--yes goes on)\n"), "{asked}");
    assert_eq!(place.get("/linode/instances")["results"], 2, "nobody was asked, and nothing was done");
    let said = place.run("destroy --yes web1");
    assert!(said.out.ends_with(", running): removed\n"), "{said:?}");
    assert_eq!(place.linode()["label"], "theirs");
}

#[test]
fn a_linode_of_somebody_else_is_taken_over_if_that_is_wanted() {
    let place = Place::new(ELSEWHERE);
    let body = serde_json::json!({"region": "ap-west", "type": "g6-nanode-1", "label": "web1", "tags": ["old"]});
    let id = place.post("/linode/instances", &body)["id"].clone();
    std::thread::sleep(std::time::Duration::from_millis(300));
    place.post(&format!("/linode/instances/{id}/disks"), &serde_json::json!({"label": "data", "size": 100}));
    let said = place.deploy("--yes");
    let refused = format!(
        "dock0: web1: Linode {id} is called web1 and was not made by dock0 (--take-over replaces all that is on it)\n"
    );
    assert_eq!((said.code, said.err), (Some(1), refused));
    place.deployed("--take-over --yes");
    assert_eq!(place.linode()["tags"], serde_json::json!(["old", "dock0"]));
    assert!(!place.stands().0.contains(&"data".into()));
}

#[test]
fn several_are_deployed_at_once_a_line_each() {
    let mut place = Place::new(ELSEWHERE);
    place.keys.must("$0 keygen vm web1 -o keys --force --name web2 --name web3");
    place
        .keys
        .must("for name in web2 web3; do for kind in pem key; do cp keys/web1.$kind keys/$name.$kind; done; done");
    place.vm = answering(&place.keys, "good");
    let port = place.vm.port;
    for name in ["web2", "web3"] {
        place.keys.put(&format!("{name}.yaml"), format!("hostname: {name}\nlinode: {ELSEWHERE}\n"));
    }
    let hosts: Vec<String> = ["web1", "web2", "web3"].iter().map(|name| format!("{name}=127.0.0.1:{port}")).collect();
    let said = place.run(&format!("deploy --no-wait --jobs 2 {}", hosts.join(" ")));
    let mut lines: Vec<&str> = said.out.lines().map(|line| line.split(" after ").next().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(
        (said.code, lines),
        (Some(0), vec!["web1: pushed to", "web2: pushed to", "web3: pushed to"]),
        "{}",
        said.err
    );
    let said = place.run(&format!("deploy --json --no-wait {}", hosts.join(" ")));
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[2]["host"], &json[2]["ok"]), (3, &"web3".into(), &true.into()));
}

/// What a VM can say of its release, and what is made of it.
#[test]
fn how_good_a_vm_is_is_said_as_it_says_it() {
    let mut place = Place::new(ELSEWHERE);
    place.deployed("--no-wait");
    let said = place.deploy("--no-wait");
    assert!(said.out.starts_with("web1: pushed to after "), "{said:?}");
    let boot = |kexec| serde_json::json!([{"kexec": false, "result": "another kernel"}, {"kexec": kexec, "result": "handed over"}]);
    for (standing, boots, code, words) in [
        ("good", boot(true), 0, "web1: good after "),
        (
            "on trial",
            boot(true),
            0,
            "web1: up, and good only after another boot, since it was started by kexec (dock0 reboot), after ",
        ),
        (
            "on trial",
            boot(false),
            1,
            "it did not come so far in time (--timeout); at last: its release is on trial. Linode ",
        ),
        ("bad", boot(false), 1, "its release is bad (dock0 status --log shows what it said). Linode "),
    ] {
        place.vm = booted(&place.keys, standing, boots);
        let said = place.deploy("--timeout 4");
        assert!(
            said.code == Some(code) && (said.out.starts_with(words) || said.err.contains(words)),
            "{standing}: {said:?}"
        );
    }
}
