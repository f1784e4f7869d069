//! Trials, as real boots go through them: a new release proves itself, or the last good one takes its place again.

use crate::lab::{Lab, bundle, facts, laid};
use anyhow::{Context, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use menagerie::{Artifact, ReleaseId};
use probe::Facts;
use qemu::{Disk, Writes};
use std::time::Duration;
use wire::grubenv::{GRUBENV, empty_grubenv, with_tries};

const NAME: &str = "probe.read=/etc/name";

/// The id of a release of nothing but a root.
fn id(version: &str) -> ReleaseId {
    ReleaseId::of(&[Artifact {
        name: "vm_root".parse().expect("a name"),
        version: version.parse().expect("a version"),
    }])
}

/// With a hardware watchdog.
fn watched(mut boot: Boot) -> Boot {
    boot.machine.extra.extend(["-device".into(), "i6300esb".into()]);
    boot
}

/// The id of a release of this root with a kernel and an initrd.
fn with_kernel(root: &str, version: &str) -> ReleaseId {
    let artifact = |(name, version): (&str, &str)| Artifact {
        name: name.parse().expect("a name"),
        version: version.parse().expect("a version"),
    };
    ReleaseId::of(&[("kernel", version), ("initrd", version), ("vm_root", root)].map(artifact))
}

fn name(facts: &Facts) -> &str {
    &facts.read["/etc/name"].text
}

/// A new release 0 with this root, and an old one.
fn two_releases(new: &Root) -> Result<Partition> {
    let partition = Partition::empty()?.latest()?.release(0, &new.pack(Format::Erofs)?)?;
    partition.release(1, &Root::with_menagerie("old")?.pack(Format::Erofs)?)
}

/// The same, and the old one was called good.
fn on_trial(new: &Root) -> Result<Partition> {
    two_releases(new)?.file(&format!("dock0/state/good-{}", id("r1")), b"")
}

/// What is remembered, but for the list of boots.
fn state(disk: &DiskFile) -> Result<Vec<String>> {
    Ok(disk.names("/dock0/state")?.into_iter().filter(|name| name != "boots").collect())
}

/// Each of these uses its three tries up, and the old release takes its place: for good.
#[test]
fn a_release_that_never_proves_itself_gives_way_to_the_last_good_one() -> Result<()> {
    let silent = Root::with_menagerie("new")?;
    let without_init = Root::empty()?.file("etc/name", b"new", 0o644)?;
    let ends = Root::with_menagerie("new")?.file("sbin/init", b"#!/bin/busybox true\n", 0o755)?;
    for (what, root, how) in [
        ("nobody says good", silent, Some("reached")),
        ("no init", without_init, None),
        ("init ends", ends, Some("Attempted to kill init")),
    ] {
        let disk = on_trial(&root)?.disk()?;
        for left in [2, 1, 0] {
            let boot = Boot::kernel(NAME).scsi(&disk);
            let console = match how {
                Some("reached") => {
                    let (facts, report) = boot.to_done()?;
                    assert_eq!(name(&facts), "new", "{what}");
                    report.console
                }
                Some(sign) => {
                    let mut vm = boot.start()?;
                    vm.wait_for(sign, DEADLINE)?;
                    vm.console()
                }
                None => boot.to_rescue("looking for /sbin/init in the root: no such file or directory")?,
            };
            let said = format!("release {} is on trial: {left} boots are left after this one", id("r0"));
            ensure!(console.contains(&said), "{what}, {said}: {console}");
            assert!(state(&disk)?.contains(&format!("trial-{}-{left}", id("r0"))), "{what}: {:?}", state(&disk)?);
        }
        let (facts, report) = Boot::kernel(NAME).scsi(&disk).to_done()?;
        assert_eq!(name(&facts), "old", "{what}");
        let said = format!("release {} (vm_root r0) is out of tries and counts as bad", id("r0"));
        ensure!(report.console.contains(&said), "{what}: {}", report.console);
        assert_eq!(
            state(&disk)?,
            [
                format!("bad-{}", id("r0")),
                format!("good-{}", id("r1")),
                "last-failure".into(),
                format!("trial-{}-0", id("r0"))
            ],
            "{what}"
        );
        // And so it stays; nothing is counted any more.
        for _ in 0..2 {
            let (facts, report) = Boot::kernel(NAME).scsi(&disk).to_done()?;
            assert_eq!(name(&facts), "old", "{what}");
            assert!(!report.console.contains("trial"), "{what}: {}", report.console);
        }
    }
    Ok(())
}

#[test]
fn a_release_that_is_called_good_is_booted_as_often_as_it_comes() -> Result<()> {
    let disk = on_trial(&Root::with_menagerie("new")?)?.disk()?;
    let run = |words: &str| Boot::kernel(&format!("{NAME} {words}")).scsi(&disk).facts();
    run("")?;
    let facts = run("probe.run=/sbin/menagerie,good probe.run=/sbin/menagerie,status")?;
    let said = format!("release 0, {}: vm_root r0 is good\n", id("r0"));
    assert_eq!((facts.ran[0].code, &facts.ran[0].out), (Some(0), &said), "{:?}", facts.ran);
    ensure!(facts.ran[1].out.contains(&format!("good           release 0, {}", id("r0"))), "{:?}", facts.ran[1]);
    ensure!(!facts.ran[1].out.contains("on trial"), "{:?}", facts.ran[1]);
    let mut both_good = [format!("good-{}", id("r0")), format!("good-{}", id("r1"))];
    both_good.sort();
    assert_eq!(state(&disk)?, both_good);
    // Ten power cuts right after the root has taken over.
    for _ in 0..10 {
        let mut vm = Boot::kernel(&format!("{NAME} probe.run=/bin/busybox,sleep,60")).scsi(&disk).start()?;
        vm.wait_for("dock0: handing over to /sbin/init", DEADLINE)?;
    }
    assert_eq!(name(&run("")?), "new");
    assert_eq!(state(&disk)?, both_good);
    Ok(())
}

/// What is left where nothing is good and nothing whole: it begins anew, and is said.
#[test]
fn where_every_release_is_bad_the_newest_one_boots() -> Result<()> {
    let bad = |version| format!("dock0/state/bad-{}", id(version));
    let disk = two_releases(&Root::with_menagerie("new")?)?.file(&bad("r0"), b"")?.file(&bad("r1"), b"")?.disk()?;
    let (facts, report) = Boot::kernel(NAME).scsi(&disk).to_done()?;
    assert_eq!(name(&facts), "new");
    let said = format!("no release is left that is good, or not bad: release {} (vm_root r0) begins anew", id("r0"));
    ensure!(report.console.contains(&said), "{}", report.console);
    Ok(())
}

/// Nobody has ever called anything good: silence means nothing, but failing does.
#[test]
fn without_a_good_release_only_failures_count() -> Result<()> {
    let disk = two_releases(&Root::with_probe("new")?)?.disk()?;
    for _ in 0..5 {
        assert_eq!(name(&Boot::kernel(NAME).scsi(&disk).facts()?), "new");
    }
    let disk = two_releases(&Root::empty()?.file("etc/name", b"new", 0o644)?)?.disk()?;
    for _ in 0..3 {
        Boot::kernel(NAME).scsi(&disk).to_rescue("looking for /sbin/init in the root: no such file or directory")?;
    }
    assert_eq!(name(&Boot::kernel(NAME).scsi(&disk).facts()?), "old");
    Ok(())
}

/// An error makes the kernel mount the boot partition read-only while the releases are listed. What cannot be written down is said,
/// and the boot goes on: with the new release, or with the old one where the new one is out of tries.
#[test]
fn a_disk_that_an_error_made_read_only_boots_and_says_so() -> Result<()> {
    for (left, boots, said) in [
        (1, "new", "read-only file system: this boot is not counted"),
        (0, "old", "read-only file system: the releases stay as they are, and release 1 is booted"),
    ] {
        let disk = on_trial(&Root::with_menagerie("new")?)?
            .file(&format!("dock0/state/trial-{}-{left}", id("r0")), b"")?
            .link("releases/5/vm_root", "../../artifacts/vm_root/r0")?
            .disk()?;
        let block: u64 = disk.debugfs("blocks /releases/5")?.trim().parse().context("the directory has one block")?;
        disk.overwrite(block * 4096, &[0xff; 64])?;
        let (facts, report) = Boot::kernel(NAME).scsi(&disk).to_done()?;
        assert_eq!(name(&facts), boots, "{}", report.console);
        ensure!(report.console.contains(said), "{said}: {}", report.console);
    }
    Ok(())
}

/// A disk that refuses all writes boots what it holds.
#[test]
fn a_write_protected_disk_boots_and_says_so() -> Result<()> {
    let disk = on_trial(&Root::with_menagerie("new")?)?.disk()?;
    let protected = Disk { writes: Writes::Refused, ..Disk::scsi(&disk.path) };
    let (facts, report) = Boot::kernel(NAME).disk(protected).to_done()?;
    assert_eq!(name(&facts), "new");
    for said in [
        "/run/vm/bootmnt is read-only, and nothing is written down: its disk is write-protected",
        "read-only file system: this boot is not counted",
    ] {
        ensure!(report.console.contains(said), "{said}: {}", report.console);
    }
    Ok(())
}

/// Nothing can be written down of it, and nobody can be called: another release boots, this time.
#[test]
fn a_release_that_does_not_boot_from_a_write_protected_disk_gives_way() -> Result<()> {
    let disk = on_trial(&Root::empty()?.file("etc/name", b"new", 0o644)?)?.disk()?;
    let protected = Disk { writes: Writes::Refused, ..Disk::scsi(&disk.path) };
    let (facts, report) = Boot::kernel(NAME).disk(protected).and("dock0.rescue=network:600").to_done()?;
    assert_eq!(name(&facts), "old");
    for said in [
        "nobody can be called: the boot begins anew with another release".to_string(),
        format!("booting release 1, {} (vm_root r1), this time", id("r1")),
    ] {
        ensure!(report.console.contains(&said), "{said}: {}", report.console);
    }
    Ok(())
}

/// The boot loader could not start the newest release, and kexec cannot either: the next good one boots, with its own kernel.
#[test]
fn a_good_release_whose_kernel_is_damaged_gives_way_to_another_good_one() -> Result<()> {
    let (kernel, initrd) = (std::fs::read(boot_tests::kernel())?, std::fs::read(boot_tests::initrd())?);
    let root = |name| Root::with_menagerie(name)?.pack(Format::Erofs);
    let mut partition = Partition::empty()?.latest()?;
    for (number, version, name, kernel) in
        [(0, "1", "damaged", &b"no kernel"[..]), (1, "2", "bad", &kernel), (2, "3", "works", &kernel)]
    {
        partition = partition.release(number, &root(name)?)?;
        partition =
            partition.artifact(number, "kernel", version, kernel)?.artifact(number, "initrd", version, &initrd)?;
        let mark = if number == 1 { "bad" } else { "good" };
        partition =
            partition.file(&format!("dock0/state/{mark}-{}", with_kernel(&format!("r{number}"), version)), b"")?;
    }
    let disk = partition.disk_of(96 << 20, "dock0")?;
    let (facts, report) = Boot::kernel(&format!("{NAME} dock0.release=1 dock0.fallback")).scsi(&disk).to_done()?;
    assert_eq!(name(&facts), "works");
    ensure!(report.console.contains("and the boot loader could not start the newest either"), "{}", report.console);
    ensure!(facts.cmdline.contains("dock0.release=2"), "{}", facts.cmdline);
    Ok(())
}

/// The power went after the releases had turned, and the boot loader's count outlasted that: it starts what is bad in the place of
/// what is good.
#[test]
fn a_bad_release_that_the_boot_loader_has_started_gives_way() -> Result<()> {
    let marks = |partition: Partition| {
        partition
            .file(&format!("dock0/state/good-{}", id("r0")), b"")?
            .file(&format!("dock0/state/bad-{}", id("r1")), b"")
    };
    let partition = marks(two_releases(&Root::with_menagerie("good")?)?)?;
    let disk = partition.file(GRUBENV, &with_tries(&empty_grubenv(), Some(0)).context("a block")?)?.disk()?;
    let (facts, _) = Boot::kernel(&format!("{NAME} dock0.release=1 dock0.fallback")).scsi(&disk).to_done()?;
    assert_eq!(name(&facts), "good");
    ensure!(!disk.debugfs(&format!("cat /{GRUBENV}"))?.contains("dock0_tries"), "the boot loader starts it again");
    Ok(())
}

/// However long nobody pushes one: the watchdog leaves it alone, and the boot loader starts it as often as before.
#[test]
fn a_release_on_trial_that_waits_for_its_configuration_is_neither_reset_nor_counted_out() -> Result<()> {
    let lab = Lab::new()?;
    let partition = lab.trusted_by(on_trial(&Root::with_menagerie("new")?)?)?;
    let partition = partition.file("dock0/settings.json", br#"{"watchdog": 4}"#)?;
    let disk = partition.file(GRUBENV, &with_tries(&empty_grubenv(), Some(1)).context("a block")?)?.disk()?;
    let mut vm = watched(lab.boot(&disk, "")).start()?;
    vm.wait_for("the watchdog resets this machine in 4 s", DEADLINE)?;
    vm.wait_for("dock0: waiting for a configuration on port 1002", DEADLINE)?;
    std::thread::sleep(Duration::from_secs(10));
    ensure!(disk.debugfs(&format!("cat /{GRUBENV}"))?.contains("dock0_tries=3"), "its kernel has come up");
    lab.push(&mut vm, &bundle("waited"))?;
    let facts = facts(vm)?;
    assert_eq!(laid(&facts, "/etc/name").0, "new");
    Ok(())
}

/// What comes next may be a kernel that hangs: the watchdog is armed before it is started.
#[test]
fn a_kernel_that_hangs_on_the_way_back_is_reset_by_the_watchdog() -> Result<()> {
    let (kernel, initrd) = (std::fs::read(boot_tests::kernel())?, std::fs::read(boot_tests::initrd())?);
    let partition = two_releases(&Root::with_menagerie("bad")?)?
        .file(&format!("dock0/state/bad-{}", with_kernel("r0", "1")), b"")?;
    let partition = partition.artifact(0, "kernel", "1", &kernel)?.artifact(0, "initrd", "1", &initrd)?;
    let half = initrd.get(..300_000).context("a longer initrd")?;
    let partition =
        partition.link("releases/1/kernel", "../../artifacts/kernel/1")?.artifact(1, "initrd", "2", half)?;
    let disk = partition.file("dock0/settings.json", br#"{"watchdog": 8}"#)?.disk_of(80 << 20, "dock0")?;
    let console = watched(Boot::kernel("panic=0 watchdog.stop_on_reboot=0").scsi(&disk)).to_end()?;
    for said in ["starting the kernel of release", "the watchdog resets this machine in 8 s", "Kernel panic"] {
        ensure!(console.contains(said), "{said}: {console}");
    }
    Ok(())
}

/// Its try is spent by then: the next boot does better, and nobody has to be called.
#[test]
fn a_root_that_cannot_be_started_at_the_very_end_is_a_boot_that_fails() -> Result<()> {
    let lab = Lab::new()?;
    let root = Root::empty()?.file("sbin/init", b"\x7fELF, but no more", 0o755)?;
    let disk = lab.trusted_by(on_trial(&root)?)?.disk()?;
    let mut vm = lab.boot(&disk, "dock0.config=skip").and("dock0.rescue=network:600").start()?;
    vm.wait_for("rebooting in 30 s", DEADLINE)?;
    ensure!(!vm.console().contains("waiting for help"), "{}", vm.console());
    drop(vm);
    assert!(state(&disk)?.contains(&format!("trial-{}-2", id("r0"))), "{:?}", state(&disk)?);
    Ok(())
}

/// Installed while the one before is still on trial: the way back leads to the one that was called good.
#[test]
fn the_way_back_passes_over_a_release_that_was_never_good() -> Result<()> {
    let disk = on_trial(&Root::with_menagerie("new")?)?.disk()?;
    let add = "probe.run=/sbin/menagerie,add,vm_root=r9@/run/vm/bootmnt/artifacts/vm_root/r0";
    let facts = Boot::kernel(&format!("{NAME} {add}")).scsi(&disk).facts()?;
    assert_eq!(facts.ran[0].code, Some(0), "{:?}", facts.ran[0]);
    for _ in 0..3 {
        assert_eq!(name(&Boot::kernel(NAME).scsi(&disk).facts()?), "new");
    }
    let facts = Boot::kernel(&format!("{NAME} probe.run=/sbin/menagerie,status,--json")).scsi(&disk).facts()?;
    assert_eq!(name(&facts), "old");
    let status: serde_json::Value = serde_json::from_str(&facts.ran[0].out).context("status")?;
    assert_eq!(status["bad"], serde_json::json!([id("r9").to_string()]));
    assert_eq!(status["running"], id("r1").to_string());
    // The bad one is not taken again, unless it is forced.
    let again = "probe.run=/sbin/menagerie,rollback,1 probe.run=/sbin/menagerie,rollback,1,--force";
    let facts = Boot::kernel(again).scsi(&disk).facts()?;
    let refused =
        format!("menagerie: release {} is bad: it was tried and failed; --force takes it all the same\n", id("r9"));
    assert!(facts.ran[0].err.starts_with(&refused[..refused.len() - 1]), "{:?}", facts.ran[0]);
    assert_eq!(facts.ran[1].code, Some(0), "{:?}", facts.ran[1]);
    assert_eq!(state(&disk)?, [format!("good-{}", id("r1")), "last-failure".into(), format!("trial-{}-2", id("r0"))]);
    Ok(())
}

/// A root that hangs is reset by the hardware, three times; and whoever calls himself good has no watchdog behind him.
#[test]
fn a_watchdog_resets_what_hangs_and_nothing_else() -> Result<()> {
    let partition = on_trial(&Root::with_menagerie("new")?)?.file("dock0/settings.json", br#"{"watchdog": 4}"#)?;
    fn boot<'d>(disk: &'d DiskFile, words: &str) -> Boot<'d> {
        Boot::kernel(&format!("{NAME} {words}")).scsi(disk)
    }
    let hangs = "probe.run=/bin/busybox,sleep,1000";
    let disk = partition.disk()?;
    for _ in 0..3 {
        let console = watched(boot(&disk, hangs)).to_end()?;
        ensure!(console.contains("the watchdog resets this machine in 4 s"), "{console}");
        ensure!(console.contains("handing over to /sbin/init") && !console.contains("rebooting"), "{console}");
    }
    let stays = "probe.run=/bin/busybox,sleep,9";
    let (facts, report) = watched(boot(&disk, stays)).to_done()?;
    assert_eq!(name(&facts), "old");
    ensure!(!report.console.contains("resets this machine"), "{}", report.console);
    // Where nobody has ever said good nobody would stop it.
    let silent =
        two_releases(&Root::with_menagerie("new")?)?.file("dock0/settings.json", br#"{"watchdog": 4}"#)?.disk()?;
    assert_eq!(name(&watched(boot(&silent, stays)).facts()?), "new");
    for good in ["good", "good,0"] {
        let disk = partition.disk()?;
        let facts = watched(boot(&disk, &format!("probe.run=/sbin/menagerie,{good} {stays}"))).facts()?;
        assert_eq!((name(&facts), facts.ran[1].code), ("new", Some(0)), "{good}: {:?}", facts.ran);
    }
    Ok(())
}
