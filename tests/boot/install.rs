//! A blank disk becomes a running VM: kernel, initrd, trust and settings, and a manifest on a real nginx with TLS.

use anyhow::{Context, Result};
use boot_tests::boot::DEADLINE;
use boot_tests::partition::DiskFile;
use boot_tests::publisher::{HOST_IPV6, Publisher, artifact};
use boot_tests::{Boot, Root};
use dock0::image::Format;
use dock0::menu::Menu;
use dock0::origin::Origin;
use dock0::output::Existing;
use probe::Facts;
use serde_json::json;
use std::fs;

/// A boot that finds the publisher.
pub fn boot<'d>(disk: &'d DiskFile, words: &str) -> Boot<'d> {
    let mut boot = Boot::kernel(&format!("probe.read=/etc/name {words}")).scsi(disk);
    boot.machine.network = qemu::Network::User { forwards: vec![] };
    boot
}

/// The same with a clock that says this date.
pub fn at<'d>(disk: &'d DiskFile, date: &str) -> Boot<'d> {
    let mut boot = boot(disk, "");
    boot.machine.extra = vec!["-rtc".into(), format!("base={date}")];
    boot
}

/// What a root calls itself.
pub fn name(facts: &Facts) -> &str {
    facts.read.get("/etc/name").map_or("", |answer| answer.text.as_str())
}

#[test]
fn a_blank_disk_becomes_a_running_vm() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &publisher.keys)?;
    let disk = publisher.blank_disk()?;
    let facts = boot(&disk, "probe.run=/sbin/menagerie,verify,--json probe.run=/bin/busybox,ip,addr").facts()?;
    assert_eq!(name(&facts), "installed", "{:?}", facts.log);
    let [verified, addresses] = &facts.ran[..] else { panic!("{:?}", facts.ran) };
    let verified: serde_json::Value = serde_json::from_str(&verified.out).with_context(|| format!("{verified:?}"))?;
    assert_eq!(verified["faults"], json!([]));
    assert_eq!(
        (&verified["artifacts"][0]["version"], &verified["artifacts"][0]["whole"]),
        (&json!("s1"), &json!(true))
    );
    assert!(verified["artifacts"][0]["verity"].is_string(), "sealed: {verified}");
    assert!(!addresses.out.contains("10.0.2.15"), "the network was taken down: {}", addresses.out);
    // The next boot asks nobody.
    publisher.nginx.forget()?;
    assert_eq!(name(&boot(&disk, "").facts()?), "installed");
    assert_eq!(publisher.nginx.log(0), [""; 0]);
    Ok(())
}

#[test]
fn a_disk_without_network_or_server_says_so() -> Result<()> {
    let publisher = Publisher::new()?;
    let disk = publisher.blank_disk()?;
    boot(&disk, "").to_rescue("fetching the manifest: ")?;
    Ok(())
}

/// What is there boots where what is wanted cannot be had; why is shown, and stays on the disk.
#[test]
fn where_installing_fails_the_release_before_boots() -> Result<()> {
    let publisher = Publisher::new()?;
    let older = Root::with_probe("older")?.pack(Format::Erofs)?;
    let partition = publisher.partition()?.latest()?.link("releases/0/kernel", "../../artifacts/kernel/9")?;
    let partition = partition.release(1, &older)?;
    let disk = partition.disk()?;
    let (facts, report) = boot(&disk, "").to_done()?;
    assert_eq!(name(&facts), "older");
    assert!(report.console.contains("dock0: booting release 1 instead"), "{}", report.console);
    let failure = disk.debugfs("cat /dock0/state/last-failure")?;
    assert!(failure.starts_with("fetching the manifest: ") && failure.contains("404"), "{failure}");
    assert!(report.console.contains(failure.trim_end()), "{}", report.console);
    // With settings that nobody can read, too.
    let disk = partition.file("dock0/settings.json", b"{")?.disk()?;
    assert_eq!(name(&boot(&disk, "").facts()?), "older");
    let failure = disk.debugfs("cat /dock0/state/last-failure")?;
    assert!(failure.starts_with("dock0/settings.json: "), "{failure}");
    Ok(())
}

/// A machine that finds no server tries again until there is one.
#[test]
fn a_blank_disk_keeps_trying() -> Result<()> {
    let publisher = Publisher::new()?;
    let disk = publisher.blank_disk()?;
    let mut boot = boot(&disk, "");
    boot.machine.reboot = qemu::Reboot::Happens;
    let mut vm = boot.start()?;
    for _ in 0..2 {
        vm.wait_for("dock0: the boot has failed: fetching the manifest: ", DEADLINE)?;
        vm.wait_for("dock0: rebooting", DEADLINE)?;
    }
    publisher.publish(1, &publisher.keys)?;
    let report = vm.run_to_done(DEADLINE)?;
    assert!(report.console.contains("dock0: installed release "), "{}", report.console);
    Ok(())
}

/// In a running VM, whose root has brought its network up by itself; the next boot is the new release.
#[test]
fn a_running_vm_installs_the_next_release() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &publisher.keys)?;
    let disk = publisher.blank_disk()?;
    boot(&disk, "").facts()?;
    publisher.publish(2, &publisher.keys)?;
    publisher.nginx.forget()?;
    let install = format!("/sbin/menagerie,install,{}", publisher.url("release.json"));
    let commands = [
        "/bin/busybox,ip,link,set,eth0,up",
        "/bin/busybox,ip,addr,add,10.0.2.15/24,dev,eth0",
        &install,
        "/sbin/menagerie",
        &install,
    ];
    let words = commands.map(|command| format!("probe.run={command}")).join(" ");
    let facts = boot(&disk, &words).facts()?;
    let [.., installed, listed, again] = &facts.ran[..] else { panic!("{:?}", facts.ran) };
    assert_eq!(installed.code, Some(0), "{installed:?}");
    assert!(installed.out.ends_with(": vm_root s2\n"), "{installed:?}");
    assert_eq!(listed.out, "Release: 0\n  vm_root: s2\nRelease: 1\n  vm_root: s1\n");
    assert_eq!((again.code, again.out.ends_with(": vm_root s2\n")), (Some(0), true), "{again:?}");
    let fetched = publisher.nginx.log(5);
    assert_eq!(fetched.iter().filter(|line| line.contains(" /vm_root ")).count(), 1, "nothing twice: {fetched:?}");
    // What was published before is refused now.
    publisher.publish(1, &publisher.keys)?;
    let facts = boot(&disk, &words).facts()?;
    let refused = &facts.ran[2];
    assert!(refused.err.contains("its serial is 1, and 2 was accepted from the same key (rollback)"), "{refused:?}");
    let root = facts.mounts.iter().find(|mount| mount.target == "/run/vm/fs");
    assert_eq!(root.map(|mount| mount.source.as_str()), Some("/run/vm/bootmnt/artifacts/vm_root/s2"));
    Ok(())
}

/// The power goes in the middle of a download: the next boot asks for the rest.
#[test]
fn a_download_that_was_cut_off_goes_on() -> Result<()> {
    let publisher = Publisher::new()?;
    let blob = fetch_tests::noise(32 << 20, 7);
    publisher.nginx.put("blob", &blob)?;
    publisher.publish_with(1, &publisher.keys, vec![artifact("blob", "1", &blob, &publisher.url("slower/blob"))])?;
    let disk = publisher.blank_disk()?;
    let mut vm = boot(&disk, "").start()?;
    // The second line comes after ten seconds, and by then there is much more than what is made durable at once.
    vm.wait_for("dock0: blob 1: ", DEADLINE)?;
    vm.wait_for("dock0: blob 1: ", DEADLINE)?;
    drop(vm);
    publisher.nginx.forget()?;
    assert_eq!(name(&boot(&disk, "").facts()?), "installed");
    let asked = publisher.nginx.log(4);
    let rest = asked.iter().find(|line| line.contains(" /slower/blob ")).context("the blob was asked for")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let sent: usize = fields.get(3).context("bytes")?.parse()?;
    assert_eq!(fields.get(2), Some(&"206"), "{rest}");
    assert!(sent < blob.len() && rest.contains("\"bytes="), "{rest}");
    Ok(())
}

/// As an operator makes it: kernel, initrd, menus, trust and settings. The first boot installs, the second one comes through
/// GRUB 2 with the kernel that was installed.
#[test]
fn a_disk_with_a_release_to_start_with_installs_itself_through_grub() -> Result<()> {
    let publisher = Publisher::new()?;
    // Another file than the one it starts with: the kernel does not mind a few bytes behind itself.
    let kernel = [fs::read(boot_tests::kernel())?, b"published".to_vec()].concat();
    let initrd = fs::read(boot_tests::initrd())?;
    publisher.nginx.put("kernel", &kernel)?;
    publisher.nginx.put("initrd", &initrd)?;
    let more = vec![
        artifact("kernel", "2", &kernel, &publisher.url("kernel")),
        artifact("initrd", "2", &initrd, &publisher.url("initrd")),
    ];
    publisher.publish_with(1, &publisher.keys, more)?;
    let place = tempfile::tempdir()?;
    let (settings, ca) = (place.path().join("settings.json"), place.path().join("ca.pem"));
    fs::write(&settings, json!({"manifest": {"url": publisher.url("release.json")}}).to_string())?;
    fs::write(&ca, &publisher.ca.pem)?;
    let artifacts = [("kernel", boot_tests::kernel()), ("initrd", boot_tests::initrd())];
    let artifacts =
        artifacts.map(|(name, file)| format!("{name}=1@{}", file.display()).parse().map_err(anyhow::Error::msg));
    let disk = dock0::disk::Disk {
        artifacts: artifacts.into_iter().collect::<Result<_>>()?,
        config: None,
        origin: Origin {
            settings: Some(settings),
            trust: vec![ca, publisher.keys.path().join("manifest.pub")],
            ..Origin::default()
        },
        size: 64 << 20,
        menu: Menu { timeout: 0, extra: "probe.read=/etc/name dock0.rescue=reboot:0".into(), ..Menu::default() },
    };
    let path = place.path().join("disk.img");
    disk.write(&path, Existing::Refuse)?;
    for _ in 0..2 {
        let mut boot = Boot::from(qemu::Boot::grub2()?).disk(qemu::Disk::scsi(&path));
        boot.machine.network = qemu::Network::User { forwards: vec![] };
        let facts = boot.facts()?;
        assert_eq!(name(&facts), "installed", "{:?}", facts.log);
    }
    let asked = publisher.nginx.log(5);
    assert_eq!(asked.len(), 5, "the second boot asked nobody: {asked:?}");
    Ok(())
}

#[test]
fn a_machine_without_ipv4_installs_itself() -> Result<()> {
    let publisher = Publisher::of(&Root::with_probe("installed")?, HOST_IPV6)?;
    publisher.publish(1, &publisher.keys)?;
    let disk = publisher.blank_disk()?;
    let mut boot = Boot::kernel("probe.read=/etc/name").scsi(&disk);
    boot.machine.network = qemu::Network::UserIpv6;
    assert_eq!(name(&boot.facts()?), "installed");
    Ok(())
}

/// 300 MB through a machine of 128: nothing of it is kept in memory.
#[test]
fn a_large_root_fits_through_a_small_machine() -> Result<()> {
    let (facts, _) = boot_tests::large::install()?;
    assert_eq!(name(&facts), "installed");
    Ok(())
}

/// A clock that is behind is set to the earliest that it can be; one that is far ahead finds everything expired, and says
/// what it says.
#[test]
fn clocks_may_be_wrong() -> Result<()> {
    let publisher = Publisher { expires: "2027-11-25T10:00:00Z", ..Publisher::new()? };
    publisher.publish(1, &publisher.keys)?;
    let disk = publisher.blank_disk()?;
    // What QEMU's clock says of 2100 is another year altogether.
    at(&disk, "2060-01-02")
        .to_rescue("refusing the manifest: it expired 2027-11-25T10:00:00Z, and the clock says 2060-01-02")?;
    let facts = at(&disk, "1970-01-02").facts()?;
    assert_eq!(name(&facts), "installed");
    let set =
        facts.log.iter().any(|line| line.contains("the clock says 1970-01-02") && line.contains("setting it to 20"));
    assert!(set, "{:?}", facts.log);
    Ok(())
}
