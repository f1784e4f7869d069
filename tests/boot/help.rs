//! Where nothing can be booted: PID 1 calls for help, and whoever comes mends the VM without a reboot.

use crate::install;
use crate::lab::{Lab, bundle, facts, laid, path};
use anyhow::{Context, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::publisher::Signed;
use boot_tests::{Boot, Partition, Publisher, Root};
use dock0::image::Format;
use qemu::Vm;
use serde_json::{Value, json};
use std::time::Duration;

const BEGINS_ANEW: &str = "dock0: the boot begins anew with what has come";

/// Pushes a manifest with its signature before it.
fn push_release(lab: &Lab, vm: &mut Vm, signed: &Signed) -> Result<String> {
    let file = |name: &str, bytes: &[u8]| -> Result<String> {
        let file = lab.place.path().join(name);
        std::fs::write(&file, bytes)?;
        Ok(path(&file)?.into())
    };
    let files = (file("release.json.minisig", &signed.minisig)?, file("release.json", &signed.manifest)?);
    let urls = (lab.url("/release.minisig"), lab.url("/release"));
    lab.curl(vm, &["-T", &files.0, &urls.0, "-T", &files.1, &urls.1])
}

#[test]
fn a_blank_vm_with_a_dead_mirror_is_mended_by_a_push() -> Result<()> {
    let (lab, publisher) = (Lab::new()?, Publisher::new()?);
    let settings = json!({"manifest": {"url": "https://10.0.2.2:1/release.json"}}).to_string();
    let partition = lab.trusted_by(publisher.partition()?)?.file("dock0/settings.json", settings.as_bytes())?;
    let disk = partition.disk()?;
    let mut vm = lab.boot(&disk, "dock0.config=skip").and("dock0.rescue=network:600").start()?;
    vm.wait_for("dock0: waiting for help on port 1002 of 10.0.2.15", DEADLINE)?;
    let state: Value = serde_json::from_str(&lab.curl(&mut vm, &[&lab.url("/")])?)?;
    assert_eq!(state["state"], "waiting", "{state}");
    assert_eq!(state["doing"], "waiting for a release or a configuration that boots, since nothing here does");
    let failure = state["failure"].as_str().context("a failure")?;
    ensure!(failure.starts_with("fetching the manifest: "), "{failure}");
    assert_eq!((&state["boots"][0]["result"], &state["boots"][0]["sentence"]), (&json!("failed"), &state["failure"]));
    let said = push_release(&lab, &mut vm, &publisher.release(7).sign(&publisher.keys)?)?;
    ensure!(said.ends_with("{\"release\":\"vm_root s7\"}\n"), "{said}");
    vm.wait_for(BEGINS_ANEW, DEADLINE)?;
    assert_eq!(laid(&facts(vm)?, "/etc/name").0, "installed");
    Ok(())
}

#[test]
fn a_configuration_that_breaks_the_boot_is_mended_by_another() -> Result<()> {
    let lab = Lab::new()?;
    let disk = lab.partition()?.file("config/templates", b"a file")?.disk()?;
    let mut vm = lab.boot(&disk, "").and("dock0.rescue=network:600").start()?;
    vm.wait_for("config/templates is not a directory", DEADLINE)?;
    lab.push(&mut vm, &bundle("mended"))?;
    vm.wait_for(BEGINS_ANEW, DEADLINE)?;
    assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, "mended");
    Ok(())
}

/// The kernel of a release never came up, and all that the boot loader has left is one to start with. What is pushed has a kernel of its
/// own: that one runs then, and what the boot loader was told no longer counts.
#[test]
fn a_release_that_comes_to_the_rescue_brings_its_kernel() -> Result<()> {
    let (lab, publisher) = (Lab::new()?, Publisher::new()?);
    let (kernel, initrd) = (std::fs::read(boot_tests::kernel())?, std::fs::read(boot_tests::initrd())?);
    let root = Root::with_menagerie("never")?.pack(Format::Erofs)?;
    let partition = lab.trusted_by(publisher.partition()?)?.file("dock0/settings.json", b"{}")?;
    let partition = partition.latest()?.release(0, &root)?.artifact(0, "kernel", "9", b"no kernel")?;
    let partition = partition.artifact(1, "kernel", "1", &kernel)?.artifact(1, "initrd", "1", &initrd)?;
    let disk = partition.artifact(0, "initrd", "9", b"no initrd")?.disk_of(80 << 20, "dock0")?;
    let words = "dock0.release=1 dock0.fallback dock0.config=skip probe.read=/proc/sys/kernel/bootloader_type,/etc/name \
                 probe.run=/sbin/menagerie,status probe.run=/sbin/menagerie,good";
    let mut vm = lab.reachable(Boot::kernel(words).scsi(&disk)).and("dock0.rescue=network:600").start()?;
    vm.wait_for("dock0: waiting for help on port 1002 of 10.0.2.15", DEADLINE)?;
    let state: Value = serde_json::from_str(&lab.curl(&mut vm, &[&lab.url("/")])?)?;
    let failure = state["failure"].as_str().context("a failure")?;
    ensure!(failure.ends_with("never came up, and nothing else here can be booted"), "{failure}");
    let offer = |name: &str, bytes: &[u8]| -> Result<Value> {
        publisher.put(name, bytes)?;
        Ok(boot_tests::publisher::artifact(name, "2", bytes, &publisher.url(name)))
    };
    let mut release = publisher.release(7);
    release.artifacts.extend([offer("kernel", &kernel)?, offer("initrd", &initrd)?]);
    push_release(&lab, &mut vm, &release.sign(&publisher.keys)?)?;
    vm.wait_for(BEGINS_ANEW, DEADLINE)?;
    vm.wait_for("kexec_core: Starting new kernel", DEADLINE)?;
    let facts = facts(vm)?;
    assert_eq!(facts.read["/etc/name"].text, "installed");
    let loader: u32 = facts.read["/proc/sys/kernel/bootloader_type"].text.trim().parse().context("a number")?;
    ensure!(loader >= 208, "{loader} is not kexec");
    ensure!(
        facts.ran[0].out.contains("running        release 0, ") && !facts.ran[0].out.contains("bad"),
        "{:?}",
        facts.ran
    );
    ensure!(facts.ran[1].out.contains("works, but was started by kexec"), "{:?}", facts.ran);
    Ok(())
}

/// What is offered is what is here already, or what somebody went back from: neither is any help.
#[test]
fn what_is_nothing_new_is_no_help() -> Result<()> {
    let publisher = Publisher::new()?;
    publisher.publish(1, &publisher.keys)?;
    let settings = json!({"manifest": {"url": publisher.url("release.json")}, "check": "boot"}).to_string();
    let disk = publisher.partition()?.file("dock0/settings.json", settings.as_bytes())?.disk()?;
    install::boot(&disk, "probe.run=/sbin/menagerie,good").facts()?;
    publisher.publish(2, &publisher.keys)?;
    let breaks = "probe.run=/bin/busybox,mkdir,/run/vm/bootmnt/config \
                  probe.run=/bin/busybox,touch,/run/vm/bootmnt/config/templates";
    let facts = install::boot(&disk, &format!("probe.run=/sbin/menagerie,rollback {breaks}")).facts()?;
    ensure!(facts.ran.iter().all(|ran| ran.code == Some(0)), "{:?}", facts.ran);
    let console = install::boot(&disk, "").and("dock0.rescue=network:45").to_end()?;
    let (_, helped) = console.split_once("waiting for help on port 1002").context("it waits")?;
    ensure!(helped.contains("what is offered is here: release 1, "), "{console}");
    ensure!(helped.contains("nobody came: rebooting") && !helped.contains(BEGINS_ANEW), "{console}");
    Ok(())
}

/// Nobody has to come where the mirror comes back by itself.
#[test]
fn the_fetch_is_tried_again_meanwhile() -> Result<()> {
    let publisher = Publisher::new()?;
    let disk = publisher.blank_disk()?;
    let mut vm = install::boot(&disk, "").and("dock0.rescue=network:600").start()?;
    vm.wait_for("dock0: waiting for help on port 1002", DEADLINE)?;
    publisher.publish(1, &publisher.keys)?;
    vm.wait_for(BEGINS_ANEW, DEADLINE)?;
    let facts = facts(vm)?;
    assert_eq!(install::name(&facts), "installed");
    Ok(())
}

/// The time that an operator has begins anew with everything that he asks for; a stranger's questions cost nothing.
#[test]
fn whoever_asks_has_time_and_whoever_does_not_is_waited_for_no_longer() -> Result<()> {
    let lab = Lab::new()?;
    let disk = lab.partition()?.file("config/templates", b"a file")?.disk()?;
    let mut vm = lab.boot(&disk, "").and("dock0.rescue=network:12").start()?;
    vm.wait_for("dock0: waiting for help on port 1002", DEADLINE)?;
    std::thread::sleep(Duration::from_secs(6));
    lab.curl(&mut vm, &[&lab.url("/log")])?;
    let console = vm.run_to_end(DEADLINE)?;
    let at = |text: &str| -> Result<f64> {
        let line = console.lines().find(|line| line.contains(text)).context(text.to_string())?;
        Ok(line.split(['[', ']']).nth(1).context("a time")?.trim().parse()?)
    };
    let waited = at("nobody came: rebooting")? - at("waiting for help on port 1002")?;
    ensure!(waited > 16.0, "it waited {waited} s: {console}");
    Ok(())
}

/// Without operators and without a publisher there is nobody to be called.
#[test]
fn where_nobody_can_be_called_it_is_tried_again() -> Result<()> {
    let disk = Partition::with_probe()?.file("config/templates", b"a file")?.disk()?;
    let mut vm = Boot::kernel("").scsi(&disk).and("dock0.rescue=network:600").start()?;
    vm.wait_for("rebooting in 30 s", DEADLINE)?;
    ensure!(!vm.console().contains("waiting for help"), "{}", vm.console());
    Ok(())
}
