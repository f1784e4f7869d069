//! From `just release` to a login: what is published at GitHub, here a stand-in, installs itself on a blank disk.

use anyhow::{Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::publisher::HOST;
use boot_tests::{Boot, Partition, built};
use dock0::signing::{self, Protection};
use dock0::tool::Tool;
use hub::{Checkout, Hub};
use qemu::Network;
use serde_json::json;
use std::fs;

const PUBLISH: Tool = Tool { program: "publish", package: "dock0" };

/// A build that takes what is built here already: the real one takes twenty minutes, and twice.
fn assets() -> String {
    let copy = |from: &str, to: &str| format!("cp {} \"$2/{to}\"\n", built(from).display());
    let named = [("build/kernel/linode/vmlinuz", "vmlinuz-linode"), ("build/initrd.img", "initrd.img")];
    let named = named.into_iter().chain([("build/vm_root.erofs", "vm_root-tiny")]);
    let copies: String = named.map(|(from, to)| copy(from, to)).collect();
    let others = "config-linode config-microvm dock0 init menagerie sbom.cdx.json vmlinuz-microvm";
    format!("mkdir \"$2\"\nfor name in {others}; do echo \"$name\" >\"$2/$name\"; done\n{copies}")
}

#[test]
fn a_blank_disk_installs_what_was_published() -> Result<()> {
    let (hub, checkout, keys) = (Hub::start_as("acme/dock0", HOST)?, Checkout::new(&assets())?, tempfile::tempdir()?);
    hub.push(&checkout.head()?);
    let key = signing::generate(keys.path(), Protection::None)?;
    // Broken off and gone on with, it is no other than in one go.
    hub.break_upload("vm_root-tiny", 3_000_000);
    let release = || {
        let mut release = checkout.command(&built("target/debug/publish"), &hub);
        release.args(["release", "1.0", "--key"]).arg(&key.secret);
        PUBLISH.run(&mut release)
    };
    let broken = format!("{:#}", release().expect_err("an upload that breaks off"));
    ensure!(broken.contains("uploading vm_root-tiny: gh failed"), "{broken}");
    release()?;

    let latest = format!("{}/acme/dock0/releases/latest/download/release.json", hub.public(HOST));
    let settings = json!({"manifest": {"url": latest}}).to_string();
    let partition = Partition::empty()?.file("dock0/settings.json", settings.as_bytes())?;
    let disk = partition.file("dock0/trust/manifest.pub", &fs::read(&key.public)?)?.disk()?;
    let mut boot = Boot::kernel("dock0.config=skip").scsi(&disk);
    boot.machine.network = Network::User { forwards: vec![] };
    let mut vm = boot.start()?;
    vm.wait_for("login:", DEADLINE)?;
    let names = disk.names("/artifacts")?;
    assert_eq!(names, ["initrd", "kernel", "vm_root"]);
    assert_eq!(disk.names("/artifacts/vm_root")?, ["1.0"]);
    Ok(())
}
