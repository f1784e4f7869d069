//! Finding the boot partition: on either bus, late, twice, or not at all.

use anyhow::Result;
use boot_tests::boot::DEADLINE;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition};
use qemu::{Disk, Plug};
use std::time::Duration;

fn uuid(disk: &DiskFile) -> Result<String> {
    let shown = disk.debugfs("show_super_stats -h")?;
    let line = shown.lines().find_map(|line| line.strip_prefix("Filesystem UUID:")).unwrap_or_default();
    Ok(line.trim().to_string())
}

#[test]
fn the_disk_is_found_on_either_bus_and_by_either_name() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let by_uuid = format!("root=UUID={}", uuid(&disk)?);
    for (boot, source) in [
        (Boot::kernel("").blk(&disk), "/dev/vda"),
        (Boot::kernel("").scsi(&disk), "/dev/sda"),
        (Boot::kernel("root=/dev/vda").blk(&disk), "/dev/vda"),
        (Boot::kernel(&by_uuid).scsi(&disk), "/dev/sda"),
    ] {
        let facts = boot.facts()?;
        let mount = facts.mounts.iter().find(|mount| mount.target == "/run/vm/bootmnt").expect("it is mounted");
        assert_eq!(mount.source, source);
        assert!(!facts.log.iter().any(|line| line.starts_with("waiting")), "{:?}", facts.log);
    }
    Ok(())
}

/// Two seconds after init has begun to wait for it, on either bus: the kernel's event wakes init.
#[test]
fn a_disk_that_comes_late_is_waited_for() -> Result<()> {
    let partition = Partition::with_probe()?.disk()?;
    for (words, mut disk) in [
        ("", Disk::scsi(&partition.path)),
        ("", Disk::blk(&partition.path)),
        ("root=/dev/sda", Disk::scsi(&partition.path)),
    ] {
        disk.plug = Plug::OnCall;
        let mut vm = Boot::kernel(words).disk(disk).start()?;
        vm.wait_for("dock0: waiting for ", DEADLINE)?;
        std::thread::sleep(Duration::from_secs(2));
        vm.plug(0)?;
        vm.run_to_done(DEADLINE)?;
    }
    Ok(())
}

#[test]
fn two_disks_with_the_same_label_are_not_guessed_between() -> Result<()> {
    let (one, two) = (Partition::with_probe()?.disk()?, Partition::with_probe()?.disk()?);
    let sentence =
        "LABEL=dock0 is on both /dev/sda and /dev/vda: name one of them with root=/dev/… or detach the other";
    Boot::kernel("").scsi(&one).blk(&two).to_rescue(sentence)?;
    let facts = Boot::kernel("root=/dev/vda").scsi(&one).blk(&two).facts()?;
    assert!(facts.mounts.iter().any(|mount| mount.source == "/dev/vda"));
    Ok(())
}

#[test]
fn a_disk_that_never_comes_is_said_with_what_is_there() -> Result<()> {
    let other = Partition::empty()?.disk_labelled("other")?;
    let blank = DiskFile::blank(1 << 20)?;
    let none = Boot::kernel("dock0.wait=1");
    none.to_rescue("LABEL=dock0 was not found: there is no disk at all (waited 1 s)")?;
    let others = Boot::kernel("dock0.wait=1").scsi(&other).blk(&blank);
    others.to_rescue(
        "LABEL=dock0 was not found: there are /dev/sda (ext4 \"other\"), /dev/vda (no file system known here) \
         (waited 1 s)",
    )?;
    let elsewhere = Boot::kernel("dock0.wait=1 root=/dev/sdb").scsi(&other);
    elsewhere.to_rescue("/dev/sdb was not found: there are /dev/sda (ext4 \"other\") (waited 1 s)")?;
    Ok(())
}

#[test]
fn a_disk_that_is_no_boot_partition_is_said() -> Result<()> {
    let doing = "mounting /dev/sda on /run/vm/bootmnt as ext4";
    for size in [1 << 20, 512] {
        let disk = DiskFile::blank(size)?;
        let sentence = format!("{doing}: it holds no file system known here");
        Boot::kernel("root=/dev/sda").scsi(&disk).to_rescue(&sentence)?;
    }
    let root = boot_tests::Root::with_probe("x")?.pack(dock0::image::Format::Squashfs)?;
    let squashfs = Boot::kernel("root=/dev/sda").disk(Disk::scsi(&root.path));
    squashfs.to_rescue(&format!("{doing}: it holds squashfs"))?;
    Ok(())
}
