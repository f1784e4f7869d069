//! The small kernel on QEMU's microvm: everything that PID 1 asks of a kernel, without PCI.

use crate::lab::{Lab, bundle, facts, laid};
use anyhow::{Context, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use probe::Facts;
use std::path::PathBuf;

fn source<'f>(facts: &'f Facts, target: &str) -> &'f str {
    facts.mounts.iter().find(|mount| mount.target == target).map_or("", |mount| &mount.source)
}

/// Three forms of a root, on both buses: no file system or driver of a boot is missing.
#[test]
fn each_root_boots_to_the_probe() -> Result<()> {
    for (format, fs) in [
        (Format::Erofs, "/run/vm/bootmnt/artifacts/vm_root/r0"),
        (Format::Squashfs, "/dev/loop0"),
        (Format::Ext4, "/dev/loop0"),
    ] {
        let disk = Partition::with_root(&Root::with_probe("small")?, format)?.disk()?;
        for (boot, device) in [(Boot::microvm("").blk(&disk), "/dev/vda"), (Boot::microvm("").scsi(&disk), "/dev/sda")]
        {
            let facts = boot.and("probe.read=/etc/name").facts()?;
            assert_eq!(facts.read["/etc/name"].text, "small");
            assert_eq!((source(&facts, "/run/vm/bootmnt"), source(&facts, "/run/vm/fs")), (device, fs));
            assert_eq!((facts.pid, facts.mounts.len()), (1, 8));
        }
    }
    Ok(())
}

/// Without ACPI nothing can switch a VM off, but it still reboots, and a failed boot does.
#[test]
fn it_reboots() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let console = Boot::microvm("probe.end=reboot").blk(&disk).to_end()?;
    ensure!(console.contains("probe: done"), "{console}");
    Boot::microvm("dock0.wait=1").to_rescue("LABEL=dock0 was not found: there is no disk at all (waited 1 s)")?;
    Ok(())
}

/// A running VM starts the kernel of its next release without firmware in between.
#[test]
fn kexec_starts_the_next_release() -> Result<()> {
    let read = |path: PathBuf| std::fs::read(&path).with_context(|| path.display().to_string());
    let script = b"#!/bin/busybox sh
case $(busybox cat /proc/sys/kernel/bootloader_type) in
2??) exec /sbin/menagerie status;;
esac
/sbin/menagerie good
cd /run/vm/bootmnt && /sbin/menagerie add kernel=2@artifacts/kernel/1 vm_root=r0 initrd=1 && exec /sbin/menagerie reboot
";
    let root = Root::with_menagerie("small")?.file("bin/script", script, 0o755)?;
    let disk = Partition::with_root(&root, Format::Erofs)?
        .artifact(0, "kernel", "1", &read(boot_tests::microvm_kernel())?)?
        .artifact(0, "initrd", "1", &read(boot_tests::initrd())?)?
        .disk_of(64 << 20, "dock0")?;
    let (facts, report) = Boot::microvm("probe.run=/bin/script").blk(&disk).to_done()?;
    ensure!(report.console.contains("kexec_core: Starting new kernel"), "{}", report.console);
    ensure!(facts.ran[0].out.contains("kernel 2"), "{:?}", facts.ran);
    Ok(())
}

/// The network comes up, and the children that read from it are locked up with nothing missing: a gap would be said.
#[test]
fn a_configuration_is_pushed_to_it() -> Result<()> {
    let lab = Lab::new()?;
    let root = Root::with_probe("small")?;
    let disk = lab.trusted_by(Partition::with_root(&root, Format::Erofs)?)?.disk()?;
    let words = "probe.read=/etc/hostname,/etc/secret";
    let mut vm = lab.reachable(Boot::microvm(words).blk(&disk)).start()?;
    lab.push(&mut vm, &bundle("small1"))?;
    vm.wait_for("handing over", DEADLINE)?;
    let console = vm.console();
    for gap in ["Landlock", "seccomp"] {
        ensure!(!console.contains(gap), "{gap}: {console}");
    }
    assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, "small1");
    Ok(())
}
