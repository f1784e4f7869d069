//! Plans: each row a Linode as it stands there, and what is done with it.

use super::*;
use serde_json::json;
use std::path::Path;

const IMAGE: &str = "dock0-0123456789abcdef";

fn section() -> Section {
    let section = json!({"region": "us-ord", "type": "g6-nanode-1", "image": "x", "tags": ["web"]});
    Section::read(&json!({ "linode": section }), Path::new("")).unwrap()
}

fn linode(status: &str, tags: &[&str]) -> Linode {
    serde_json::from_value(
        json!({"id": 7, "label": "web1", "status": status, "region": "us-ord", "type": "g6-nanode-1",
        "ipv4": ["203.0.113.7"], "ipv6": "2001:db8::7/128", "tags": tags, "specs": {"disk": 25600}}),
    )
    .unwrap()
}

fn disk(id: u64, label: &str) -> Disk {
    Disk { id, label: label.into(), status: "ready".into(), size: 2048 }
}

fn profile(id: u64, label: &str, sda: u64, sdb: u64) -> Profile {
    let off: BTreeMap<String, bool> = section().helpers();
    serde_json::from_value(json!({"id": id, "label": label, "kernel": "linode/grub2", "helpers": off,
        "devices": {"sda": {"disk_id": sda}, "sdb": {"disk_id": sdb}, "sdc": null}}))
    .unwrap()
}

/// The steps, in words.
fn plan(found: (&Linode, &[Disk], &[Profile]), replace: Replace, taking: Taking) -> Result<Vec<String>, String> {
    let (linode, disks, profiles) = found;
    let found = Found { linode, disks, profiles, is_guarded: true };
    let wanted = Wanted { name: "web1", section: &section(), image: IMAGE, replace, taking };
    let plan = Plan::of(&found, &wanted).map_err(|error| error.to_string())?;
    Ok(plan.steps.iter().map(Step::to_string).collect())
}

const OURS: &[&str] = &["dock0", "web"];
const MAKE_ALL: [&str; 4] = ["make the boot disk", "make the scratch disk", "make the profile", "boot it"];

#[test]
fn what_is_there_and_right_stays() {
    let (boot, scratch) = (disk(1, IMAGE), disk(2, SCRATCH));
    let good = profile(5, PROFILE, 1, 2);
    let all = [boot.clone(), scratch.clone(), disk(3, "theirs")];
    let legacy = Profile { kernel: "linode/grub-legacy".into(), ..good.clone() };
    let mut helped = good.clone();
    helped.helpers.insert("network".into(), true);
    for (case, status, disks, profiles, want) in [
        ("all of it", "running", &all[..], vec![good.clone()], &[][..]),
        ("but it is off", "offline", &all, vec![good.clone()], &["boot it"]),
        ("nothing yet", "offline", &[], vec![], &MAKE_ALL),
        ("a boot disk", "offline", &all[..1], vec![], &MAKE_ALL[1..]),
        ("both disks", "offline", &all, vec![], &MAKE_ALL[2..]),
        ("another GRUB", "offline", &all, vec![legacy], &["change the profile", "boot it"]),
        ("a helper", "running", &all, vec![helped], &["shut it down", "change the profile", "boot it"]),
        ("turned round", "offline", &all, vec![profile(5, PROFILE, 2, 1)], &["change the profile", "boot it"]),
        ("a profile of others", "offline", &all, vec![good.clone(), profile(6, "rescue", 3, 2)], &["boot it"]),
        (
            "two profiles",
            "offline",
            &all,
            vec![good.clone(), profile(6, PROFILE, 1, 2)],
            &["remove the profile dock0 (6)", "boot it"],
        ),
    ] {
        let done = plan((&linode(status, OURS), disks, &profiles), Replace::Changed, Taking::Own);
        assert_eq!(done.unwrap(), want, "{case}");
    }
}

#[test]
fn what_is_replaced_goes_first() {
    let disks = [disk(1, "dock0-of-another"), disk(2, SCRATCH), disk(3, "theirs")];
    let same = [disk(1, IMAGE), disk(2, SCRATCH)];
    let profiles = [profile(5, PROFILE, 1, 2)];
    let remove_boot = |label: &str| format!("remove the disk {label} (1, 2048 MB)");
    let remove_scratch = "remove the disk scratch (2, 2048 MB)".to_string();
    let both = |label: &str| -> Vec<String> {
        let made = ["make the boot disk", "make the scratch disk", "change the profile", "boot it"].map(String::from);
        [vec!["shut it down".into(), remove_boot(label), remove_scratch.clone()], made.to_vec()].concat()
    };
    let boot_alone = |label: &str| -> Vec<String> {
        let made = ["make the boot disk", "change the profile", "boot it"].map(String::from);
        [vec!["shut it down".into(), remove_boot(label)], made.to_vec()].concat()
    };
    for (case, disks, replace, want) in [
        ("another image", &disks[..], Replace::Changed, both("dock0-of-another")),
        ("another image, and the data stays", &disks, Replace::Boot, boot_alone("dock0-of-another")),
        ("the same, and the data stays", &same, Replace::Boot, boot_alone(IMAGE)),
        ("the same, and everything goes", &same, Replace::Both, both(IMAGE)),
    ] {
        let running = linode("running", OURS);
        assert_eq!(plan((&running, disks, &profiles), replace, Taking::Own).unwrap(), want, "{case}");
    }
}

#[test]
fn what_dock0_did_not_make_is_left_alone_or_goes_altogether() {
    let (theirs, disks) = (linode("running", &["web"]), [disk(1, IMAGE), disk(3, "data")]);
    let profiles = [profile(5, PROFILE, 1, 2), profile(6, "My Debian", 3, 1)];
    let refused = plan((&theirs, &disks, &profiles), Replace::Changed, Taking::Own).unwrap_err();
    assert_eq!(refused, "Linode 7 is called web1 and was not made by dock0 (--take-over replaces all that is on it)");
    let taken = plan((&theirs, &disks, &profiles), Replace::Changed, Taking::Any).unwrap();
    let gone = [
        "shut it down",
        "remove the profile dock0 (5)",
        "remove the profile My Debian (6)",
        "remove the disk dock0-0123456789abcdef (1, 2048 MB)",
        "remove the disk data (3, 2048 MB)",
    ];
    let made = [&MAKE_ALL[..3], &["give it the tags web, dock0"], &MAKE_ALL[3..]].concat();
    assert_eq!(taken, [&gone[..], &made].concat());
}

#[test]
fn a_linode_of_another_kind_is_not_the_one() {
    let ours = linode("offline", OURS);
    let elsewhere = Linode { region: "ap-west".into(), ..ours.clone() };
    let larger = Linode { kind: Some("g6-standard-1".into()), ..ours };
    for (linode, why) in [
        (
            elsewhere,
            "the region of Linode 7 is ap-west, and us-ord is wanted: change one of them, or dock0 destroy web1",
        ),
        (
            larger,
            "the type of Linode 7 is g6-standard-1, and g6-nanode-1 is wanted: change one of them, or dock0 destroy web1",
        ),
    ] {
        assert_eq!(plan((&linode, &[], &[]), Replace::Changed, Taking::Own).unwrap_err(), why);
    }
}

/// Whatever a run has done before it broke off, the next one leads to the same end.
#[test]
fn a_plan_that_breaks_off_is_gone_on_with() {
    for replace in [Replace::Changed, Replace::Boot, Replace::Both] {
        let before = World {
            linode: linode("running", OURS),
            disks: vec![disk(1, "dock0-of-another"), disk(2, SCRATCH)],
            profiles: vec![profile(5, PROFILE, 1, 2)],
            next: 10,
        };
        let whole = before.plan(replace).steps.len();
        for done in 0..=whole {
            let mut world = before.clone();
            world.run(replace, done);
            world.run(replace, usize::MAX);
            assert_eq!(world.plan(Replace::Changed).steps, [], "{replace:?}, broken off after {done} steps");
            let labels: Vec<&str> = world.disks.iter().map(|disk| disk.label.as_str()).collect();
            assert_eq!(labels.len(), 2, "{labels:?}");
            let keeps = world.disks.iter().any(|disk| disk.id == 2);
            assert!(keeps || replace != Replace::Boot, "{replace:?}, broken off after {done} steps, has lost the data");
            assert!(!keeps || replace != Replace::Both || done > 0, "{replace:?} has kept the data");
            assert!(labels.contains(&IMAGE) && labels.contains(&SCRATCH) && world.linode.status == "running");
        }
    }
}

/// A Linode to which what a plan says is done.
#[derive(Clone)]
struct World {
    linode: Linode,
    disks: Vec<Disk>,
    profiles: Vec<Profile>,
    next: u64,
}

impl World {
    fn plan(&self, replace: Replace) -> Plan {
        let World { linode, disks, profiles, .. } = self;
        let found = Found { linode, disks, profiles, is_guarded: true };
        let wanted = Wanted { name: "web1", section: &section(), image: IMAGE, replace, taking: Taking::Own };
        Plan::of(&found, &wanted).unwrap()
    }

    fn run(&mut self, replace: Replace, most: usize) {
        let plan = self.plan(replace);
        let (mut boot, mut scratch) = (plan.boot, plan.scratch);
        for step in plan.steps.into_iter().take(most) {
            self.next += 1;
            match step {
                Step::Create | Step::Tag(_) | Step::Guard => panic!("it is ours, and stands where it should"),
                Step::ShutDown => self.linode.status = "offline".into(),
                Step::RemoveProfile(id, _) => self.profiles.retain(|profile| profile.id != id),
                Step::RemoveDisk(id, ..) => self.disks.retain(|disk| disk.id != id),
                Step::MakeBoot => {
                    boot = Some(self.next);
                    self.disks.push(disk(self.next, IMAGE));
                }
                Step::MakeScratch => {
                    scratch = Some(self.next);
                    self.disks.push(disk(self.next, SCRATCH));
                }
                Step::MakeProfile(old) => {
                    self.profiles.retain(|profile| Some(profile.id) != old);
                    self.profiles.push(profile(old.unwrap_or(self.next), PROFILE, boot.unwrap(), scratch.unwrap()));
                }
                Step::Boot => {
                    assert_eq!(self.linode.status, "offline");
                    self.linode.status = "running".into();
                }
            }
        }
    }
}
