//! The power goes, as far as a process can tell: parent and child are killed at several points, and it goes on from there.

use crate::PROGRAM;
use fetch_tests::ca::Ca;
use fetch_tests::nginx::Nginx;
use fetch_tests::place::Place;
use fetch_tests::{noise, wait_for};
use init::fetch::verified;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::process::{Child, Command, Stdio};

const SIZE: usize = 24 << 20;
const SEED: u64 = 20;

fn start(place: &Place, url: &str) -> Child {
    Command::new(PROGRAM)
        .args(["parent", url])
        .args([place.part().as_path(), place.ca()])
        .args([SIZE.to_string(), SEED.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// How many bytes are written down as verified.
fn kept(place: &Place) -> u64 {
    let file = File::open(place.part());
    file.ok().and_then(|file| verified::read(&file).unwrap()).map_or(0, |verified| verified.bytes)
}

fn child_of(parent: &Child) -> Option<Pid> {
    let id = parent.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split(' ').next()?.parse().ok().map(Pid::from_raw)
}

#[test]
fn what_was_durable_is_not_asked_for_again_after_a_cut() {
    let ca = Ca::new(&["localhost"]).unwrap();
    let bytes = noise(SIZE, SEED);
    let nginx = Nginx::start(&ca, &[("vm_root", &bytes)]).unwrap();
    let place = Place::new(PROGRAM, &ca.pem).unwrap();
    let url = nginx.https("slow/vm_root");
    let mut starts = vec!["-".to_string()];
    for (row, upto, only_child) in
        [("both", 1 << 20, false), ("the child", 9 << 20, true), ("both again", 17 << 20, false)]
    {
        let mut parent = start(&place, &url);
        let child = wait_for("the child", || child_of(&parent));
        wait_for(row, || (kept(&place) >= upto).then_some(()));
        kill(if only_child { child } else { Pid::from_raw(parent.id().cast_signed()) }, Signal::SIGKILL).unwrap();
        parent.wait().unwrap();
        wait_for("the child's end", || (kill(child, None) == Err(Errno::ESRCH)).then_some(()));
        starts.push(format!("bytes={}-", kept(&place)));
    }
    assert_eq!(start(&place, &url).wait().unwrap().code(), Some(0));
    assert!(place.bytes().unwrap() == bytes);
    assert_eq!(kept(&place), 0);

    let log = nginx.log(4);
    let ranges = log.iter().map(|line| line.split('"').nth(1).unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(ranges, starts);
    let (first, rest) = log.split_first().unwrap();
    assert!(first.contains(" 200 ") && rest.iter().all(|line| line.contains(" 206 ")), "{log:?}");
    let last = rest.last().unwrap().split(' ').nth(3).unwrap().parse::<u64>().unwrap();
    assert!(last <= u64::try_from(SIZE).unwrap() - (17 << 20), "{log:?}");
}
