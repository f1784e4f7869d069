//! The one exit: what it says, what it writes down, and what it does then.

use anyhow::Result;
use boot_tests::boot::DEADLINE;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use dock0::initrd::Initrd;
use dock0::output::Existing;
use std::time::Duration;

/// An initrd with busybox as its shell.
fn initrd_with_shell() -> Result<tempfile::TempDir> {
    let place = tempfile::tempdir()?;
    let init = boot_tests::init();
    let initrd = Initrd { init, shell: Some(boot_tests::built("/bin/busybox")), max_size: None };
    initrd.write(&place.path().join("initrd.img"), Existing::Refuse)?;
    Ok(place)
}

#[test]
fn errors_and_panics_take_the_same_exit_and_are_written_down() -> Result<()> {
    for (drill, sentence) in [
        ("error", "dock0.drill=error: failing as asked"),
        ("panic", "a defect in dock0 itself: dock0.drill=panic: failing as asked (src/init/orders.rs:"),
    ] {
        let disk = Partition::with_probe()?.disk()?;
        Boot::kernel(&format!("dock0.drill={drill}")).scsi(&disk).to_rescue(sentence)?;
        let record = disk.debugfs("cat /dock0/state/last-failure")?;
        assert!(record.starts_with(sentence), "{record}");
    }
    Ok(())
}

/// A disk that does not answer holds up PID 1 itself; the watch has a thread of its own.
#[test]
fn a_boot_that_hangs_is_rescued() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let sentence = "the boot is not over after 3 s (dock0.deadline= and twice dock0.wait=)";
    Boot::kernel("dock0.drill=hang dock0.deadline=1 dock0.wait=1").scsi(&disk).to_rescue(sentence)?;
    Ok(())
}

/// The watch must not cut short what a failure has begun: a countdown, or a person in a shell.
#[test]
fn a_rescue_is_not_rescued() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let words = "dock0.drill=error dock0.deadline=3 dock0.wait=0";
    let console = Boot::kernel(words).and("dock0.rescue=reboot:8").scsi(&disk).to_end()?;
    assert_eq!(console.matches("the boot has failed").count(), 1, "{console}");
    assert!(console.contains("rebooting in 8 s"), "{console}");
    Ok(())
}

/// Nobody sees this one fail, so all depends on what is written down; PID 1 has not even a descriptor to speak to.
#[test]
fn a_vm_without_a_console_fails_no_differently() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let mut boot = Boot::kernel("").scsi(&disk);
    if let qemu::Boot::Kernel { cmdline, .. } = &mut boot.machine.boot {
        *cmdline = "console=ttyS9 panic=-1 dock0.release=3 dock0.rescue=reboot:0".into();
    }
    boot.to_end()?;
    let record = disk.debugfs("cat /dock0/state/last-failure")?;
    assert_eq!(record, "release 3 does not exist; the boot partition holds 0\n");
    Ok(())
}

/// Started from a disk and not from an initrd, init would end with emptying that disk.
#[test]
fn init_from_a_disk_touches_nothing() -> Result<()> {
    let init = std::fs::read(boot_tests::init())?;
    let partition = Partition::with_probe()?.file("sbin/init", &init)?.file("dev/keep", b"")?.file("proc/keep", b"")?;
    std::fs::set_permissions(partition.place("sbin/init")?, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let disk = partition.disk()?;
    let mut boot = Boot::kernel("").scsi(&disk);
    if let qemu::Boot::Kernel { initrd, cmdline, .. } = &mut boot.machine.boot {
        *initrd = None;
        *cmdline = "console=ttyS0 panic=-1 root=/dev/sda rw init=/sbin/init".into();
    }
    let mut vm = boot.start()?;
    vm.wait_for(
        "dock0: the boot has failed: this is no initrd: / is not in memory, and nothing was touched",
        DEADLINE,
    )?;
    drop(vm);
    assert_eq!(disk.debugfs("cat /releases/0/vm_root")?, "", "a link");
    assert!(disk.debugfs("ls -p /artifacts/vm_root")?.contains("/r0/"), "the artifact is still there");
    Ok(())
}

#[test]
fn the_failure_is_written_to_the_boot_partition() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let sentence = "release 3 does not exist; the boot partition holds 0";
    let console = Boot::kernel("dock0.release=3").scsi(&disk).to_rescue(sentence)?;
    assert!(console.contains("dock0: written to dock0/state/last-failure on the boot partition"), "{console}");
    assert_eq!(disk.debugfs("cat /dock0/state/last-failure")?, format!("{sentence}\n"));
    Ok(())
}

#[test]
fn a_full_boot_partition_boots_and_rescue_says_that_nothing_can_be_written() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    fill(&disk.path)?;
    assert_eq!(Boot::kernel("").scsi(&disk).facts()?.pid, 1, "an installed release needs no room to boot");
    let console = Boot::kernel("dock0.release=3").scsi(&disk).to_rescue("release 3 does not exist")?;
    let said = "could not write it to dock0/state on the boot partition: no space left on device";
    assert!(console.contains(said), "{console}");
    Ok(())
}

/// Takes every free block of an ext4, then every one that is left for small files and directories.
fn fill(image: &std::path::Path) -> Result<()> {
    let filler = tempfile::NamedTempFile::new()?;
    let tool = dock0::tool::DEBUGFS;
    for length in [48 << 20, 1 << 20, 64 << 10, 4096, 4096, 4096] {
        std::fs::write(filler.path(), vec![1; length])?;
        for number in 0..16 {
            let request = format!("write {} filler-{length}-{number}", filler.path().display());
            tool.run(tool.command().args(["-w", "-R", &request]).arg(image))?;
        }
    }
    Ok(())
}

#[test]
fn it_counts_down_and_reboots() -> Result<()> {
    let console = Boot::kernel("dock0.drill=error").and("dock0.rescue=reboot:12").to_end()?;
    for line in ["rebooting in 12 s", "rebooting in 10 s", "dock0: rebooting\n"] {
        assert!(console.replace('\r', "").contains(line), "{line:?}: {console}");
    }
    Ok(())
}

#[test]
fn it_powers_off_or_stands_still_when_asked() -> Result<()> {
    let console = Boot::kernel("dock0.drill=error").and("dock0.rescue=poweroff").to_end()?;
    assert!(console.contains("dock0: powering off") && console.contains("reboot: Power down"), "{console}");

    let mut vm = Boot::kernel("dock0.drill=error").and("dock0.rescue=halt").start()?;
    vm.wait_for("dock0: halting, the console stays readable", DEADLINE)?;
    vm.wait_for("reboot: System halted", DEADLINE)?;
    assert!(vm.wait_exit(Duration::from_secs(3)).is_err(), "a halted machine does not end");
    Ok(())
}

#[test]
fn it_offers_a_shell_where_one_was_built_in() -> Result<()> {
    let place = initrd_with_shell()?;
    let boot = Boot::kernel_with(place.path().join("initrd.img"), "dock0.drill=error");
    let mut vm = boot.and("dock0.rescue=shell").start()?;
    vm.wait_for("dock0: a shell on the console", DEADLINE)?;
    vm.send(b"echo $((6*7)) is the answer; exit 3\n")?;
    vm.wait_for("42 is the answer", DEADLINE)?;
    vm.wait_for("dock0: the shell has ended (exit status: 3)", DEADLINE)?;
    vm.wait_exit(DEADLINE)?;
    Ok(())
}

#[test]
fn without_a_built_in_shell_it_says_so_and_reboots() -> Result<()> {
    let mut vm = Boot::kernel("dock0.drill=error").and("dock0.rescue=shell").start()?;
    vm.wait_for(
        "dock0: no shell: this initrd was built without one (dock0 initrd --shell), or it is gone already",
        DEADLINE,
    )?;
    vm.wait_for("dock0: rebooting in 30 s", DEADLINE)?;
    Ok(())
}

/// What stands at /bin/sh after the switch is the VM's, not the operator's.
#[test]
fn after_the_switch_the_shell_of_the_root_is_not_taken_for_ours() -> Result<()> {
    let busybox = std::fs::read(boot_tests::built("/bin/busybox"))?;
    let head = boot_tests::root::HOLLOW_PROGRAM;
    let root = Root::empty()?.file("sbin/init", &head, 0o755)?.file("bin/sh", &busybox, 0o755)?;
    let disk = Partition::with_root(&root, Format::Erofs)?.disk()?;
    let place = initrd_with_shell()?;
    let boot = Boot::kernel_with(place.path().join("initrd.img"), "").and("dock0.rescue=shell").scsi(&disk);
    let mut vm = boot.start()?;
    vm.wait_for("dock0: the boot has failed: starting /sbin/init: exec format error", DEADLINE)?;
    vm.wait_for("dock0: no shell: ", DEADLINE)?;
    Ok(())
}

#[test]
fn fancy_is_a_shell_before_the_root_is_built() -> Result<()> {
    let disk = Partition::with_root(&Root::with_probe("fancy")?, Format::Erofs)?.disk()?;
    let place = initrd_with_shell()?;
    let boot = Boot::kernel_with(place.path().join("initrd.img"), "fancy").scsi(&disk);
    let mut vm = boot.start()?;
    vm.wait_for("dock0: fancy: a shell before the root is built", DEADLINE)?;
    vm.send(b"exit\n")?;
    vm.run_to_done(DEADLINE)?;

    let log = Boot::kernel("fancy").scsi(&disk).facts()?.log;
    let line = "fancy: this initrd was built without a shell (dock0 initrd --shell); going on";
    assert!(log.iter().any(|said| said == line), "{log:?}");
    Ok(())
}
