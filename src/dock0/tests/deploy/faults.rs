//! What goes wrong at Linode: it ends in success or in a sentence, and the next run finishes the job.

use crate::place::{ELSEWHERE, Place, installing};
use fake_linode::{Fault, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is asked of a Linode that is made, each once; and what a deployment was doing then.
const ASKED: [(&str, &str, &str); 9] = [
    ("POST", "/images/upload", "provide the boot image"),
    ("POST", "/linode/instances", "create the Linode"),
    ("POST", "/disks", "make the boot disk"),
    ("POST", "/configs", "make the profile"),
    ("POST", "/boot", "boot it"),
    ("PUT", "", "provide the boot image: sending it"),
    ("GET", "/account/events", ""),
    ("GET", "/linode/instances", ""),
    ("DELETE", "", ""),
];

/// As every deployment ends.
fn is_whole(place: &Place, case: &str) {
    let (disks, devices) = place.stands();
    assert_eq!((disks.len(), devices.len()), (2, 1), "{case}: {disks:?} {devices:?}");
    assert_eq!(place.linode()["status"], "running", "{case}");
    assert_eq!(place.get("/images")["results"], 0, "{case}: no image of its own is left");
}

/// Reading and removing are asked again at once. Making something twice would be worse than a sentence.
fn goes_wrong(fault: Fault) {
    for (method, path, doing) in ASKED {
        let place = Place::new(ELSEWHERE);
        let case = format!("{fault:?} at {method} {path}");
        place.fake.order(method, path, fault, 1);
        let said = place.deploy("");
        if !doing.is_empty() {
            assert!(said.code == Some(1) && said.err.contains("dock0: web1: "), "{case}: {said:?}");
            assert!(said.err.contains(doing), "{case}: {said:?}");
        } else {
            assert_eq!(said.code, Some(0), "{case}: {said:?}");
        }
        place.deployed("");
        is_whole(&place, &case);
    }
}

#[test]
fn a_call_that_is_answered_500() {
    goes_wrong(Fault::Refused(500));
}

#[test]
fn a_call_that_is_done_and_answered_500() {
    goes_wrong(Fault::Lost(500));
}

#[test]
fn a_call_that_is_done_and_not_answered() {
    goes_wrong(Fault::Silent);
}

/// The calls that only a Linode that is there needs.
#[test]
fn a_call_that_is_answered_500_while_the_disks_are_replaced() {
    for (method, path) in [("POST", "/shutdown"), ("DELETE", ""), ("PUT", ""), ("GET", "/disks"), ("GET", "/configs")] {
        let place = Place::new(ELSEWHERE);
        place.deployed("");
        place.fake.order(method, path, Fault::Refused(500), 1);
        let said = place.deploy("--fresh --yes");
        let case = format!("{method} {path}");
        assert_eq!(said.code, Some(i32::from(path == "/shutdown" || method == "PUT")), "{case}: {said:?}");
        place.deployed("--fresh --yes");
        is_whole(&place, &case);
    }
}

#[test]
fn whoever_asks_too_much_waits() {
    let place = Place::new(ELSEWHERE);
    for (method, path, _) in ASKED {
        place.fake.order(method, path, Fault::Refused(429), 1);
    }
    place.deployed("");
    is_whole(&place, "429");
}

#[test]
fn an_image_that_stays_creating_is_given_up() {
    let place = Place::new(ELSEWHERE);
    place.fake.keep_images_creating(true);
    let said = place.deploy("--timeout 4");
    let why = "is still creating: it did not become available in time (--timeout). There is no Linode of it yet\n";
    assert!(said.code == Some(1) && said.err.ends_with(why), "{said:?}");
    assert_eq!(place.get("/images")["results"], 0);
    place.fake.keep_images_creating(false);
    place.deployed("");
    is_whole(&place, "creating");
}

/// dock0 as it deploys, while something happens.
fn begin(place: &Place) -> Child {
    let line = format!("exec env {}", place.line(&format!("deploy web1=127.0.0.1:{}", place.vm.port)));
    let mut command = Command::new("sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_dock0")]).current_dir(place.keys.at("")).env("DOCK0_KEYS", "keys");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its Linode's number, once it runs.
fn running(place: &Place) -> u64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let all = place.get("/linode/instances");
        if all["data"][0]["status"] == "running" {
            return all["data"][0]["id"].as_u64().unwrap();
        }
        assert!(Instant::now() < until, "{all}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What it complained of last.
fn complaint(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap_or_default().to_string()
}

#[test]
fn a_linode_that_does_not_start_is_noticed() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let forwards = [("web1".to_string(), [port, port])].into();
    let mut place = Place::of(ELSEWHERE, Settings { forwards, ..Settings::default() });
    place.vm = installing(&place.keys);
    let said = place.deploy("");
    let why =
        format!("Linode {} is off: it did not start, or ended by itself (its console: Lish)", place.linode()["id"]);
    assert!(said.code == Some(1) && said.err.contains(&why), "{said:?}");
}

#[test]
fn a_linode_that_vanishes_is_noticed() {
    let mut place = Place::new(ELSEWHERE);
    let honest = std::mem::replace(&mut place.vm, installing(&place.keys));
    let child = begin(&place);
    let id = running(&place);
    place.fake.lose(id).unwrap();
    let said = complaint(child);
    assert!(said.contains(&format!("Linode {id} is gone: somebody has removed it")), "{said}");
    place.vm = honest;
    place.deployed("");
    is_whole(&place, "vanished");
}

#[test]
fn ctrl_c_says_what_there_is() {
    let mut place = Place::new(ELSEWHERE);
    let honest = std::mem::replace(&mut place.vm, installing(&place.keys));
    let child = begin(&place);
    let id = running(&place);
    let since = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let said = complaint(child);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let end = format!("stopped. Linode {id} is there: the same command goes on, dock0 destroy web1 removes it");
    assert!(said.starts_with("dock0: web1: ") && said.ends_with(&end), "{said}");
    place.vm = honest;
    place.deployed("");
    is_whole(&place, "Ctrl-C");
}
