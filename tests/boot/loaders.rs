//! Kernels that never come as far as the boot partition: both boot loaders count, and start the release before.

use anyhow::{Context, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Root};
use dock0::disk::Disk;
use dock0::image::Format;
use dock0::menu::Menu;
use dock0::origin::Origin;
use dock0::output::Existing;
use dock0::release::ArtifactFile;
use menagerie::Artifact;
use probe::Facts;
use qemu::Report;
use std::fs;

const SIZE: u64 = 64 << 20;
/// How Linux was started; 208 and above is kexec.
const LOADER: &str = "/proc/sys/kernel/bootloader_type";

/// A disk as an operator makes it, with menagerie in its root.
fn disk() -> Result<DiskFile> {
    disk_with("", "{}", 0)
}

/// The same with more words for the kernel, settings, and a menu that waits for so many seconds.
fn disk_with(words: &str, settings: &str, timeout: u32) -> Result<DiskFile> {
    let artifact = |name: &str, file| ArtifactFile {
        artifact: Artifact { name: name.parse().expect("a name"), version: "1".parse().expect("a version") },
        file,
    };
    let root = Root::with_menagerie("old")?.pack(Format::Erofs)?;
    let artifacts = vec![
        artifact("kernel", boot_tests::kernel()),
        artifact("initrd", boot_tests::initrd()),
        artifact("vm_root", root.path.clone()),
    ];
    let extra = format!("dock0.rescue=reboot:0 probe.read={LOADER} probe.run=/bin/busybox,sh,/dev/vda {words}");
    let extra = extra.trim_end().to_string();
    let menu = Menu { timeout, extra, ..Menu::default() };
    let disk = DiskFile::blank(0)?;
    fs::remove_file(&disk.path)?;
    let place = tempfile::tempdir()?;
    let origin = Origin { settings: Some(place.path().join("settings.json")), ..Origin::default() };
    fs::write(place.path().join("settings.json"), settings)?;
    Disk { artifacts, config: None, origin, size: SIZE, menu }.write(&disk.path, Existing::Refuse)?;
    Ok(disk)
}

/// Boots once through a boot loader, with this script run in the root: it stands on a disk of its own.
fn boot(way: &qemu::Boot, disk: &DiskFile, script: &str) -> Result<(Facts, Report)> {
    Boot::from(way.clone()).scsi(disk).blk(&self::script(script)?).to_done()
}

/// A disk with a script, and empty lines up to its end.
fn script(text: &str) -> Result<DiskFile> {
    let disk = DiskFile::blank(0)?;
    let mut text = text.as_bytes().to_vec();
    text.resize(4096, b'\n');
    fs::write(&disk.path, text)?;
    Ok(disk)
}

fn ways() -> Result<[qemu::Boot; 2]> {
    Ok([qemu::Boot::grub2()?, qemu::Boot::grub_legacy()?])
}

fn said(facts: &Facts) -> Result<&str> {
    let ran = facts.ran.first().context("the script did not run")?;
    ensure!(ran.code == Some(0), "{ran:?}");
    Ok(&ran.out)
}

/// Release 0 is good; the new one has half an initrd, with which its kernel panics.
const INSTALL: &str = "set -e
cd /run/vm/bootmnt
/sbin/menagerie good
busybox head -c 300000 artifacts/initrd/1 > /run/half
/sbin/menagerie add kernel=1 vm_root=1 initrd=half@/run/half
";

#[test]
fn a_kernel_that_panics_is_started_three_times() -> Result<()> {
    for way in ways()? {
        let disk = disk()?;
        said(&boot(&way, &disk, INSTALL)?.0)?;
        for _ in 0..3 {
            let mut vm = Boot::from(way.clone()).scsi(&disk).start()?;
            vm.wait_for("Kernel panic", DEADLINE)?;
        }
        let (facts, report) = boot(&way, &disk, "/sbin/menagerie status")?;
        for word in ["dock0.release=1 ", "dock0.fallback"] {
            ensure!(facts.cmdline.contains(word), "{word}: {}", facts.cmdline);
        }
        ensure!(report.console.contains("never came up and counts as bad"), "{}", report.console);
        ensure!(said(&facts)?.contains("running        release 0, "), "{:?}", facts.ran);
        // From then on there is nothing to fall back from.
        for _ in 0..4 {
            let (facts, report) = boot(&way, &disk, "")?;
            ensure!(facts.cmdline.contains("dock0.release=latest"), "{}", facts.cmdline);
            ensure!(!report.console.contains("bad"), "{}", report.console);
        }
    }
    Ok(())
}

/// The count is set back by each boot that comes up, and nothing counts once the release is good.
#[test]
fn a_kernel_that_comes_up_is_not_counted_out() -> Result<()> {
    for way in ways()? {
        let disk = disk()?;
        let install = INSTALL.replace("head -c 300000", "cat");
        said(&boot(&way, &disk, &install)?.0)?;
        for (script, runs) in
            [("", "latest"), ("", "latest"), ("/sbin/menagerie good", "latest"), ("", "latest"), ("", "latest")]
        {
            let (facts, _) = boot(&way, &disk, script)?;
            ensure!(facts.cmdline.contains(&format!("dock0.release={runs}")), "{}", facts.cmdline);
        }
        let (facts, _) = boot(&way, &disk, "/sbin/menagerie status")?;
        let status = said(&facts)?;
        ensure!(status.contains("running        release 0, ") && status.contains("initrd half"), "{status}");
    }
    Ok(())
}

/// Whoever stands at the menu and picks an old release counts nothing, and goes on counting nothing.
#[test]
fn what_somebody_picks_from_the_menu_is_not_counted() -> Result<()> {
    // GRUB 2 stands at the first entry, and GRUB Legacy at the eighth, with which it counts.
    for (way, keys) in ways()?.into_iter().zip([&b"\x0e\r"[..], b"\x10\x10\x10\x10\x10\x10\r"]) {
        let disk = disk_with("", "{}", 5)?;
        said(&boot(&way, &disk, &INSTALL.replace("head -c 300000", "cat"))?.0)?;
        for _ in 0..4 {
            let mut vm = Boot::from(way.clone()).scsi(&disk).start()?;
            vm.wait_for("start again", DEADLINE)?;
            vm.send(keys)?;
            vm.wait_for("dock0.release=1 ", DEADLINE)?;
            vm.wait_for("dock0: release 1 of 2: ", DEADLINE)?;
            ensure!(!vm.console().contains("dock0.fallback"), "{}", vm.console());
        }
        let (facts, report) = boot(&way, &disk, "")?;
        ensure!(facts.cmdline.contains("dock0.release=latest"), "{}", facts.cmdline);
        ensure!(report.console.contains("2 boots are left after this one"), "{}", report.console);
    }
    Ok(())
}

/// Out of tries after its root came up: by then the wrong kernel runs, and kexec brings the right one.
#[test]
fn a_release_that_falls_back_brings_its_own_kernel() -> Result<()> {
    for way in ways()? {
        let disk = disk()?;
        let install = "set -e
cd /run/vm/bootmnt
/sbin/menagerie good
/sbin/menagerie add kernel=2@artifacts/kernel/1 vm_root=1 initrd=1
";
        said(&boot(&way, &disk, install)?.0)?;
        for _ in 0..3 {
            let (facts, _) = boot(&way, &disk, "/sbin/menagerie status")?;
            ensure!(said(&facts)?.contains("kernel 2"), "{:?}", facts.ran);
            ensure!(!is_kexec(&facts)?, "{:?}", facts.read);
        }
        let (facts, report) = boot(&way, &disk, "/sbin/menagerie good; /sbin/menagerie status")?;
        ensure!(report.console.contains("is out of tries and counts as bad"), "{}", report.console);
        ensure!(report.console.contains("starting the kernel of release "), "{}", report.console);
        ensure!(is_kexec(&facts)?, "{:?}", facts.read);
        ensure!(!facts.cmdline.contains("dock0.release"), "{}", facts.cmdline);
        let running = said(&facts)?.lines().find(|line| line.starts_with("running ")).unwrap_or_default().to_string();
        ensure!(running.contains("release 0, ") && running.contains("kernel 1"), "{running}");
        let (facts, _) = boot(&way, &disk, "/sbin/menagerie status")?;
        ensure!(!is_kexec(&facts)? && said(&facts)?.contains(&running), "a cold boot has the same: {:?}", facts.ran);
    }
    Ok(())
}

/// A release that only kexec has started has not shown that it can start by itself: it is good after a real boot.
#[test]
fn a_running_vm_reboots_into_the_next_release_without_the_boot_loader() -> Result<()> {
    let (way, disk) = (qemu::Boot::grub2()?, disk()?);
    let script = "set -e
cd /run/vm/bootmnt
case $(cat /proc/sys/kernel/bootloader_type) in
2??) exec /sbin/menagerie good;;
esac
/sbin/menagerie good
/sbin/menagerie add kernel=2@artifacts/kernel/1 vm_root=1 initrd=1
exec /sbin/menagerie reboot
";
    let (facts, report) = boot(&way, &disk, script)?;
    ensure!(report.console.contains("kexec_core: Starting new kernel"), "{}", report.console);
    ensure!(is_kexec(&facts)?, "{:?}", facts.read);
    ensure!(said(&facts)?.contains("kernel 2, vm_root 1 works, but was started by kexec"), "{:?}", facts.ran);
    let (facts, _) = boot(&way, &disk, "/sbin/menagerie status; /sbin/menagerie good")?;
    ensure!(said(&facts)?.contains("on trial       the next one has 2 of 3 tries left"), "{:?}", facts.ran);
    ensure!(said(&facts)?.ends_with("kernel 2, vm_root 1 is good\n"), "{:?}", facts.ran);
    Ok(())
}

fn is_kexec(facts: &Facts) -> Result<bool> {
    let kind: u32 = facts.read[LOADER].text.trim().parse().context("a number")?;
    Ok(kind >= 208)
}

/// A kernel that hangs: the watchdog that the rebooting system has armed is what is left. Started by the boot loader it hangs until
/// somebody resets it, thrice.
#[test]
fn a_kernel_that_hangs_is_reset_by_the_watchdog() -> Result<()> {
    let (way, disk) = (qemu::Boot::grub2()?, disk_with("panic=0", r#"{"watchdog": 12}"#, 0)?);
    let second = script(&(INSTALL.to_string() + "exec /sbin/menagerie reboot\n"))?;
    let mut boot = Boot::from(way.clone()).scsi(&disk).blk(&second);
    boot.machine.extra.extend(["-device".into(), "i6300esb".into()]);
    let console = boot.to_end()?;
    ensure!(console.contains("kexec_core: Starting new kernel") && console.contains("Kernel panic"), "{console}");
    for _ in 0..3 {
        Boot::from(way.clone()).scsi(&disk).start()?.wait_for("Kernel panic", DEADLINE)?;
    }
    let (facts, _) = self::boot(&way, &disk, "/sbin/menagerie status")?;
    ensure!(
        facts.cmdline.contains("dock0.fallback") && said(&facts)?.contains("running        release 0, "),
        "{:?}",
        facts.ran
    );
    Ok(())
}

/// As a small image is written to a large disk: once, while it is mounted, and both boot loaders read what lies behind its old end.
#[test]
fn the_boot_partition_grows_to_its_disk() -> Result<()> {
    const GROWS: &str = "dock0: growing it to the size of its disk";
    for way in ways()? {
        let disk = disk()?;
        fs::File::options().write(true).open(&disk.path)?.set_len(700 << 20)?;
        let install = "set -e
            /sbin/menagerie good
            cd /run/vm/bootmnt
            busybox df -m . | busybox tail -n 1
            busybox dd if=/dev/zero of=filler bs=1M count=60 2>/dev/null
            /sbin/menagerie add vm_root=1 kernel=far@artifacts/kernel/1 initrd=far@artifacts/initrd/1
            /sbin/menagerie good";
        let (facts, report) = boot(&way, &disk, install)?;
        let megabytes = said(&facts)?.lines().find_map(|line| line.split_whitespace().nth(1)?.parse::<u32>().ok());
        ensure!(megabytes.is_some_and(|size| (600..700).contains(&size)), "{}", said(&facts)?);
        ensure!(report.console.contains(GROWS), "{}", report.console);
        let behind = disk.debugfs("blocks /artifacts/kernel/far")?;
        let first = behind.split_whitespace().next().and_then(|block| block.parse::<u64>().ok());
        ensure!(first.is_some_and(|block| block * 4096 > SIZE), "the kernel is not behind the old end: {behind}");
        let (facts, report) = boot(&way, &disk, "/sbin/menagerie status")?;
        ensure!(said(&facts)?.contains("kernel far"), "{:?}", facts.ran);
        ensure!(!report.console.contains(GROWS), "{}", report.console);
        disk.check()?;
    }
    Ok(())
}
