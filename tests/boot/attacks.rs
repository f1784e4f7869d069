//! Attacks that go another way in a VM than through `menagerie install` (tests/installer has all ten): PID 1 installs, there may
//! be no clock, and what is remembered has to outlast the boot. Each ends in rescue, and the next boot installs.

use crate::install::{at, boot, name};
use anyhow::{Result, ensure};
use boot_tests::partition::DiskFile;
use boot_tests::publisher::{HOST, Release, artifact, new_keys};
use boot_tests::{Publisher, Root, installer};
use fetch_tests::hostile::{Hostile, Wire};

/// The names of all files that are on the disk, but what the last boot wrote down.
fn files(disk: &DiskFile) -> Result<Vec<String>> {
    let of_the_boot = ["dock0/state/last-failure", "dock0/state/boots"];
    Ok(disk.everything()?.into_keys().filter(|path| !of_the_boot.contains(&path.as_str())).collect())
}

/// The next good manifest, at the next boot.
fn check_recovery(publisher: &Publisher, disk: &DiskFile, serial: u64) -> Result<()> {
    publisher.publish(serial, &publisher.keys)?;
    assert_eq!(name(&boot(disk, "").facts()?), "installed");
    let files = files(disk)?;
    ensure!(files.contains(&format!("artifacts/vm_root/s{serial}")), "{files:?}");
    ensure!(!files.iter().any(|path| path.ends_with(".part")), "{files:?}");
    Ok(())
}

#[test]
fn arbitrary_installation() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &new_keys()?)?;
    let disk = publisher.blank_disk()?;
    let before = files(&disk)?;
    boot(&disk, "").to_rescue("refusing the manifest: the key ")?;
    assert_eq!(files(&disk)?, before);
    check_recovery(&publisher, &disk, 1)
}

/// No clock: what is over is told by when init was built.
#[test]
fn indefinite_freeze_of_a_machine_without_a_clock() -> Result<()> {
    let publisher = Publisher::new()?;
    let release = Release { issued: "2026-01-01T00:00:00Z", expires: "2026-02-01T00:00:00Z", ..publisher.release(1) };
    publisher.offer(&release.sign(&publisher.keys)?)?;
    let disk = publisher.blank_disk()?;
    let before = files(&disk)?;
    let sentence = "refusing the manifest: it expired 2026-02-01T00:00:00Z, and the clock says 20";
    at(&disk, "1970-01-02").to_rescue(sentence)?;
    assert_eq!(files(&disk)?, before);
    check_recovery(&publisher, &disk, 2)
}

/// A mirror that spoils what was published last, and then offers what was published before.
#[test]
fn malicious_mirror_and_then_rollback() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(2, &publisher.keys)?;
    let disk = publisher.blank_disk()?;
    publisher.nginx.put("vm_root", &vec![0; publisher.root.len()])?;
    let console = boot(&disk, "").to_rescue("fetching vm_root s2: 10.0.2.2:")?;
    ensure!(console.contains(" sent other bytes than were signed"), "{console}");
    let left = files(&disk)?;
    ensure!(left.iter().any(|path| path == "artifacts/vm_root/.s2.part"), "{left:?}");
    publisher.nginx.put("vm_root", &publisher.root)?;
    publisher.publish(1, &publisher.keys)?;
    let sentence = "refusing the manifest: its serial is 1, and 2 was accepted from the same key (rollback)";
    boot(&disk, "").to_rescue(sentence)?;
    assert_eq!(files(&disk)?, left);
    check_recovery(&publisher, &disk, 2)
}

#[test]
fn endless_data() -> Result<()> {
    let publisher = Publisher::new()?;
    let script = |_, _: &_, wire: &mut Wire| {
        wire.say("HTTP/1.1 200 OK\r\n\r\n");
        wire.say_for_ever([b'x'; 4096]);
    };
    let hostile = Hostile::start("127.0.0.1", Some(publisher.ca.server()?), Box::new(script))?;
    let url = publisher.reachable(&hostile.url("vm_root"));
    let artifacts = vec![artifact("vm_root", "s1", &publisher.root, &url)];
    publisher.offer(&Release { artifacts, ..publisher.release(1) }.sign(&publisher.keys)?)?;
    let disk = publisher.blank_disk()?;
    let console = boot(&disk, "").to_rescue("fetching vm_root s1: 10.0.2.2:")?;
    ensure!(
        console.contains(&format!(" sends more than the {} bytes that may come", publisher.root.len())),
        "{console}"
    );
    let part = disk.everything()?.remove("artifacts/vm_root/.s1.part").map(|bytes| bytes.len());
    ensure!(part.is_some_and(|length| length <= publisher.root.len()), "{part:?}");
    check_recovery(&publisher, &disk, 2)
}

/// Nothing is written where it would not fit; on a larger disk the same manifest installs.
#[test]
fn a_disk_that_is_too_small() -> Result<()> {
    let root = Root::with_probe("installed")?.file("large", &fetch_tests::noise(12 << 20, 3), 0o644)?;
    let publisher = Publisher::of(&root, HOST)?;
    publisher.publish(1, &publisher.keys)?;
    let disk = publisher.partition()?.disk_of(12 << 20, "dock0")?;
    let console = boot(&disk, "").to_rescue("/run/vm/bootmnt is too full: ")?;
    let way_out = " are missing; nothing that may be reaped makes enough room, a larger disk does";
    ensure!(console.contains(way_out), "{console}");
    ensure!(!files(&disk)?.iter().any(|path| path.contains("vm_root")), "{:?}", files(&disk)?);
    // Rescue leaves it to the journal, which must not write the old size over the new one.
    installer::run_on(&disk, &["true"])?;
    std::fs::File::options().write(true).open(&disk.path)?.set_len(48 << 20)?;
    let tool = dock0::tool::Tool { program: "resize2fs", ..dock0::tool::MKE2FS };
    tool.run(tool.command().arg("-f").arg(&disk.path))?;
    check_recovery(&publisher, &disk, 1)
}
