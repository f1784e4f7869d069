//! A VM waits for its configuration, and takes it from its operators alone.

use crate::lab::{Lab, bundle, facts, laid, made, path};
use anyhow::{Context, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::{Boot, Partition, Publisher, Root};
use bundles::Row;
use dock0::image::Format;
use serde_json::{Value, json};
use std::process::Command;

#[test]
fn a_vm_waits_for_its_configuration_and_boots_with_it() -> Result<()> {
    let lab = Lab::new()?;
    let disk = lab.partition()?.disk()?;
    let mut vm = lab.boot(&disk, "probe.run=/bin/busybox,ip,addr").start()?;
    let state: Value = serde_json::from_str(&lab.curl(&mut vm, &[&lab.url("/")])?)?;
    assert_eq!((&state["state"], &state["addresses"][0]), (&json!("waiting"), &json!("10.0.2.15")), "{state}");
    assert_eq!((&state["release"], &state["config"]), (&json!("vm_root r0"), &Value::Null));
    assert_eq!(state["standing"], json!("on trial"), "nobody has called it good");
    let log = lab.curl(&mut vm, &[&lab.url("/log")])?;
    assert!(log.contains("] waiting for a configuration on port 1002 of 10.0.2.15"), "{log}");
    let stored = lab.push(&mut vm, &bundle("web1"))?;
    assert_eq!(stored["files"], json!(2), "{stored}");
    let facts = facts(vm)?;
    assert_eq!(laid(&facts, "/etc/hostname"), ("web1", "100644 0:0"));
    assert_eq!(laid(&facts, "/etc/secret"), ("secret", "100600 0:0"));
    assert!(!facts.ran[0].out.contains("10.0.2.15"), "the network was taken down: {:?}", facts.ran);
    // The next boot waits for nobody.
    let again = lab.boot(&disk, "probe.run=/bin/busybox,stat,-c,%i,/run/vm/bootmnt/config probe.run=/bin/busybox,cat,/run/vm/running-config").facts()?;
    assert_eq!(laid(&again, "/etc/hostname").0, "web1");
    assert_eq!(again.ran[0].out, again.ran[1].out, "what it is laid over is known: {:?}", again.ran);
    assert!(!again.log.iter().any(|line| line.contains("network")), "{:?}", again.log);
    Ok(())
}

/// As an operator does it: keys, a disk with this VM's identity, and the two verbs.
/// As `dock0 disk --trust operators.pem` makes it: without a configuration, and with somebody who may push one.
#[test]
fn a_disk_that_was_made_without_a_configuration_waits_for_one() -> Result<()> {
    let lab = Lab::new()?;
    let operators = lab.place.path().join("operators.pem");
    std::fs::write(&operators, &lab.operators.pem)?;
    let disk = made(vec![operators])?;
    let mut vm = lab.boot(&disk, "").start()?;
    lab.push(&mut vm, &bundle("web1"))?;
    assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, "web1");
    Ok(())
}

#[test]
fn an_operator_pushes_with_dock0() -> Result<()> {
    let lab = Lab::new()?;
    let keys = lab.place.path();
    let dock0 = |words: &[&str]| -> Result<String> {
        let ran = Command::new(boot_tests::built("target/debug/dock0")).args(words).current_dir(keys).output()?;
        ensure!(ran.status.success(), "dock0 {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        Ok(String::from_utf8(ran.stdout)?)
    };
    dock0(&["keygen", "operator"])?;
    dock0(&["keygen", "vm", "web1"])?;
    let read = |name: &str| std::fs::read(keys.join(name)).with_context(|| name.to_string());
    let disk = Partition::with_root(&Root::with_menagerie("release 0")?, Format::Erofs)?
        .file("dock0/trust/operators.pem", &read("operators.pem")?)?
        .file("dock0/identity/vm.pem", &read("web1.pem")?)?
        .file("dock0/identity/vm.key", &read("web1.key")?)?
        .disk()?;
    std::fs::write(keys.join("build.tar.gz"), bundle("web1"))?;
    let mut vm = lab.boot(&disk, "").start()?;
    let host = format!("web1=127.0.0.1:{}", lab.port);
    vm.wait_for("dock0: waiting for a configuration on port 1002", DEADLINE)?;
    let status: Value = serde_json::from_str(&dock0(&["status", "--json", &host])?)?;
    assert_eq!((&status[0]["ok"], &status[0]["state"]), (&json!(true), &json!("waiting")), "{status}");
    let said = dock0(&["push", "--bundle", "build.tar.gz", &host])?;
    assert!(said.starts_with("web1"), "{said}");
    let facts = facts(vm)?;
    assert_eq!(laid(&facts, "/etc/hostname").0, "web1");
    Ok(())
}

/// From nothing: fetch, wait, push.
#[test]
fn a_blank_disk_installs_itself_and_takes_its_configuration() -> Result<()> {
    let (lab, publisher) = (Lab::new()?, Publisher::new()?);
    publisher.publish(1, &publisher.keys)?;
    let disk = lab.trusted_by(publisher.partition()?)?.disk()?;
    let mut vm = lab.boot(&disk, "").start()?;
    lab.push(&mut vm, &bundle("web1"))?;
    let facts = facts(vm)?;
    assert_eq!((laid(&facts, "/etc/hostname").0, laid(&facts, "/etc/name").0), ("web1", "installed"));
    Ok(())
}

/// Every hostile bundle, through the socket: refused with its sentence, nothing written; then a good one is taken.
#[test]
fn hostile_bundles_change_nothing() -> Result<()> {
    let lab = Lab::new()?;
    let disk = lab.partition()?.disk()?;
    let before = disk.files()?;
    let mut vm = lab.boot(&disk, "").start()?;
    let rows = bundles::hostile();
    assert!(rows.len() >= 40, "{} rows", rows.len());
    for Row { name, bytes, sentence, .. } in rows {
        let answer = lab.push(&mut vm, &bytes).with_context(|| name.to_string())?;
        let said = answer["error"].as_str().with_context(|| format!("{name}: {answer}"))?;
        assert!(said.ends_with(&sentence.to_string()), "{name}: {said} instead of {sentence}");
    }
    lab.push(&mut vm, &bundle("web1"))?;
    assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, "web1");
    let after = disk.files()?;
    let new: Vec<&String> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(
        new.iter().all(|path| path.starts_with("config") || path.starts_with("dock0/identity")),
        "nothing else was left behind: {new:?}"
    );
    Ok(())
}

#[test]
fn another_one_is_waited_for_as_long_as_was_asked() -> Result<()> {
    let lab = Lab::new()?;
    let disk = lab.partition()?.file("config/templates/etc/hostname", b"old")?.disk()?;
    let mut vm = lab.boot(&disk, "dock0.config=wait").start()?;
    lab.push(&mut vm, &bundle("new"))?;
    assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, "new");
    let late = lab.boot(&disk, "dock0.config=wait:5").facts()?;
    assert_eq!(laid(&late, "/etc/hostname").0, "new");
    let line = "nobody has pushed a configuration in time: going on without";
    assert!(late.log.iter().any(|said| said == line), "{:?}", late.log);
    let without = Partition::with_probe()?.disk()?;
    Boot::kernel("dock0.config=wait")
        .scsi(&without)
        .to_rescue("dock0.config=wait: nobody may push a configuration without dock0/trust/operators.pem")?;
    Ok(())
}

/// A VM that has all that it needs does not stand still because of a file that it would need for something else.
#[test]
fn settings_that_nobody_can_read_keep_no_configuration_from_booting() -> Result<()> {
    let lab = Lab::new()?;
    let partition = lab.partition()?.file("config/templates/etc/hostname", b"web1")?;
    let facts = lab.boot(&partition.file("dock0/settings.json", b"{")?.disk()?, "").facts()?;
    assert_eq!(laid(&facts, "/etc/hostname").0, "web1");
    assert!(facts.log.iter().any(|line| line.starts_with("dock0/settings.json: it is not JSON")), "{:?}", facts.log);
    Ok(())
}

#[test]
fn a_configuration_that_is_kept_in_memory_is_pushed_at_every_boot() -> Result<()> {
    let lab = Lab::new()?;
    let disk = lab.partition()?.file("dock0/settings.json", br#"{"config":{"store":"memory"}}"#)?.disk()?;
    for name in ["one", "two"] {
        let mut vm = lab.boot(&disk, "").start()?;
        lab.push(&mut vm, &bundle(name))?;
        assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, name);
    }
    assert!(!disk.files()?.keys().any(|path| path.starts_with("config")), "it is not on the disk");
    Ok(())
}

/// A manifest instead of a configuration: it is installed, and the VM reboots.
#[test]
fn a_release_is_pushed_too() -> Result<()> {
    let (lab, publisher) = (Lab::new()?, Publisher::new()?);
    let signed = publisher.release(7).sign(&publisher.keys)?;
    let disk = lab.trusted_by(publisher.partition()?)?;
    let old = Root::with_probe("old")?.pack(Format::Erofs)?;
    let disk = disk.latest()?.release(0, &old)?.disk()?;
    let file = |name: &str, bytes: &[u8]| -> Result<String> {
        let file = lab.place.path().join(name);
        std::fs::write(&file, bytes)?;
        Ok(path(&file)?.into())
    };
    let (manifest, signature) =
        (file("release.json", &signed.manifest)?, file("release.json.minisig", &signed.minisig)?);
    let mut vm = lab.boot(&disk, "").start()?;
    // What was refused before is in nobody's way.
    assert_eq!(lab.push(&mut vm, b"no bundle")?, json!({"error": "the bundle is no gzip file"}));
    let urls = (lab.url("/release.minisig"), lab.url("/release"));
    let said = lab.curl(&mut vm, &["-T", &signature, &urls.0, "-T", &manifest, &urls.1])?;
    assert!(said.ends_with("{\"release\":\"vm_root s7\"}\n"), "{said}");
    let console = vm.run_to_end(DEADLINE)?;
    assert!(console.contains("dock0: the release that was pushed is installed: rebooting"), "{console}");
    let mut vm = lab.boot(&disk, "").start()?;
    lab.push(&mut vm, &bundle("web1"))?;
    assert_eq!(laid(&facts(vm)?, "/etc/name").0, "installed");
    Ok(())
}
