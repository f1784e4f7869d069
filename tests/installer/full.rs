//! A disk that is full at each stage of an install: a sentence that says what to do, nothing half done, and once there is room the
//! same install succeeds, and fetches nothing twice that was verified. strace answers for the full disk where no size of a
//! real one would make it full at just that call.

use crate::stages::{PART, STAGES, Stage, Then};
use anyhow::{Context, Result, ensure};
use boot_tests::installer::{self, DISK, Ran};
use boot_tests::partition::DiskFile;
use boot_tests::publisher::{LOCALHOST, Publisher, public_key};
use std::collections::BTreeMap;

/// More than what is made durable at once, 8 MiB.
const SIZE: usize = 12 << 20;
/// What follows each sentence; how much is left comes between the two.
const WAY_OUT: [&str; 2] = [
    ": no space left on device; make room on DISK, which has ",
    " MB left (menagerie reap, or a larger disk), and install again: what was fetched is kept",
];

/// A publisher, and a disk with serial 1 installed; serial 2 is offered.
struct Scene {
    publisher: Publisher,
    url: String,
    disk: DiskFile,
}

impl Scene {
    fn new() -> Result<Scene> {
        let publisher = Publisher::of_bytes(fetch_tests::noise(SIZE, 1), LOCALHOST)?;
        publisher.publish(1, &publisher.keys)?;
        let (url, disk) = (publisher.url("release.json"), publisher.blank_disk()?);
        let scene = Scene { publisher, url, disk };
        scene.install_well()?;
        scene.publisher.publish(2, &scene.publisher.keys)?;
        Ok(scene)
    }

    fn install_well(&self) -> Result<Ran> {
        let ran = installer::install(&self.disk, &self.url)?;
        ensure!(ran.code == Some(0), "{}", ran.said);
        Ok(ran)
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let ran = installer::run_on(&self.disk, words)?;
        ensure!(ran.code == Some(0), "{words:?}: {}", ran.said);
        Ok(())
    }

    /// What is fetched of the artifact by an install that succeeds: the answers' codes and the ranges.
    fn fetched_then(&self) -> Result<Vec<String>> {
        self.publisher.nginx.forget()?;
        self.install_well()?;
        // nginx writes a line after its answer; those of the manifest's signature and of what follows come in order.
        let log = self.publisher.nginx.log(2);
        let told = |line: &String| {
            let words = line.split(' ').collect::<Vec<_>>();
            let is_artifact = words.get(1) == Some(&"/vm_root");
            is_artifact.then(|| [2, 4].map(|at| words.get(at).copied().unwrap_or_default()).join(" "))
        };
        Ok(log.iter().filter_map(told).collect())
    }

    /// The release of before is whole, and nothing else is under a name that anybody would use.
    fn check_nothing_half_done(&self, before: &BTreeMap<String, Vec<u8>>) -> Result<()> {
        let after = self.disk.everything()?;
        let kept = |path: &&String| !path.starts_with("dock0/state/");
        let lost = before.iter().filter(|(path, bytes)| kept(path) && after.get(*path) != Some(bytes));
        ensure!(lost.count() == 0, "something was lost: {:?}", after.keys());
        let whole = [("artifacts/vm_root/s2", &self.publisher.root)];
        for path in after.keys().filter(kept).filter(|path| !before.contains_key(*path)) {
            let fits = whole.iter().any(|(whole, bytes)| path == whole && after.get(path) == Some(bytes));
            ensure!(fits || path.ends_with("/.s2.part") || path.starts_with("releases.new/"), "{path} is new");
        }
        Ok(())
    }

    /// Serial 2 is installed in front of serial 1, and nothing is left over.
    fn check_installed(&self) -> Result<()> {
        let files = self.disk.everything()?;
        let found = |path: &str| files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        for (path, target) in [("releases/0/vm_root", "s2"), ("releases/1/vm_root", "s1")] {
            ensure!(found(path) == Some(format!("../../artifacts/vm_root/{target}")), "{path}: {:?}", found(path));
        }
        ensure!(files.get("artifacts/vm_root/s2") == Some(&self.publisher.root), "other bytes");
        ensure!(found("latest").as_deref() == Some("releases/0"), "latest: {:?}", found("latest"));
        let left = files.keys().find(|path| path.ends_with(".part") || path.contains(".new"));
        ensure!(left.is_none(), "{left:?} is left over");
        Ok(())
    }
}

fn check_said(ran: &Ran, sentence: &str) -> Result<()> {
    let last = ran.said.lines().last().unwrap_or_default();
    let [first, second] = WAY_OUT;
    ensure!(ran.code == Some(1), "{}", ran.said);
    ensure!(
        last.starts_with(&format!("menagerie: {sentence}")) && last.contains(first) && last.ends_with(second),
        "{last}"
    );
    Ok(())
}

/// Lets a call find the disk full.
fn install_with(disk: &DiskFile, url: &str, call: &str, path: Option<&str>) -> Result<Ran> {
    let inject = format!("inject={}", call.replace(':', ":error=ENOSPC:"));
    let mut words = vec!["strace", "-f", "-o", "/dev/null", "-e", &inject];
    words.extend(path.into_iter().flat_map(|path| ["-P", path]));
    installer::install_under(disk, &words, url)
}

#[test]
fn at_each_stage_nothing_is_half_done_and_with_room_it_goes_on() -> Result<()> {
    let mut scene = Scene::new()?;
    let disk = scene.disk.copy()?;
    let mut wrong = Vec::new();
    for stage in STAGES {
        scene.disk = disk.copy()?;
        if let Err(error) = play(&scene, stage) {
            wrong.push(format!("{}: {error:#}", stage.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn play(scene: &Scene, stage: &Stage) -> Result<()> {
    let before = scene.disk.everything()?;
    let ran = install_with(&scene.disk, &scene.url, stage.call, stage.path)?;
    check_said(&ran, stage.sentence)?;
    scene.check_nothing_half_done(&before)?;
    let fetched = scene.fetched_then()?;
    let came = match stage.then {
        Then::Nothing => fetched.is_empty(),
        Then::NothingIfSealed => fetched.is_empty() == std::fs::exists("/sys/fs/ext4/features/verity")?,
        Then::All => fetched == ["200 \"-\""],
        // The chunk that made it 8 MiB may have gone beyond.
        Then::TheRest => matches!(&fetched[..], [one] if one.starts_with("206 \"bytes=8")),
    };
    ensure!(came, "then came {fetched:?}");
    scene.check_installed()
}

/// The very first serial is a new file in a new directory, and the others are renamed.
#[test]
fn where_nothing_is_remembered_yet() -> Result<()> {
    let publisher = Publisher::of_bytes(fetch_tests::noise(4096, 1), LOCALHOST)?;
    publisher.publish(1, &publisher.keys)?;
    let url = publisher.url("release.json");
    for (call, path, sentence) in [
        ("mkdirat:when=2", None, "making the directory DISK/dock0/state"),
        ("openat:when=1", Some("DISK/dock0/state"), "remembering the manifest as DISK/dock0/state/serial-"),
    ] {
        let disk = publisher.blank_disk()?;
        check_said(&install_with(&disk, &url, call, path)?, sentence)?;
        let files = disk.everything()?;
        let expected = ["dock0/settings.json", "dock0/trust/ca.pem", "dock0/trust/manifest.pub"];
        ensure!(files.keys().eq(&expected), "{:?}", files.keys());
        ensure!(files.get("dock0/trust/manifest.pub") == Some(&public_key(&publisher.keys)?), "the key");
        let ran = installer::install(&disk, &url)?;
        ensure!(ran.code == Some(0), "{}", ran.said);
    }
    Ok(())
}

/// A disk that is really full, by what others wrote: before room is counted, and between that and the reservation. What could be
/// reserved is given back.
#[test]
fn others_fill_the_disk() -> Result<()> {
    let scene = Scene::new()?;
    let before = scene.disk.everything()?;
    let init = boot_tests::init().display().to_string();
    // The reservation waits for the filler, which begins when room has been counted and the file is there.
    // All but 4 MiB, of which half a megabyte is root's.
    let race = r#"(until [ -e DISK/artifacts/vm_root/.s2.part ]; do sleep 0.05; done
        head -c 1G /dev/zero >DISK/filler; truncate -s -4M DISK/filler) 2>/dev/null &
        strace -f -o /dev/null -e inject=fallocate:delay_enter=2500000 "$0" menagerie --root DISK install "$1"
        code=$?; wait; exit $code"#;
    let ran = installer::run_on(&scene.disk, &["sh", "-c", race, &init, &scene.url])?;
    check_said(&ran, "opening DISK/artifacts/vm_root/.s2.part")?;
    ensure!(ran.said.contains("which has 3.7 MB left"), "what was reserved is given back: {}", ran.said);
    scene.run(&["sh", "-c", &format!("test $(stat -c %b {PART}) = 0")]).context("what was reserved is given back")?;

    let ran = installer::install(&scene.disk, &scene.url)?;
    let last = ran.said.lines().last().unwrap_or_default();
    ensure!(last.starts_with("menagerie: DISK is too full: ") && ran.code == Some(1), "{}", ran.said);
    ensure!(last.ends_with(" are missing; nothing that may be reaped makes enough room, a larger disk does"), "{last}");
    scene.run(&["rm", &format!("{DISK}/filler")])?;
    scene.check_nothing_half_done(&before)?;
    ensure!(scene.fetched_then()? == ["200 \"-\""]);
    scene.check_installed()
}
