//! Which release is booted, and what is said where that cannot be done.

use anyhow::Result;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;

/// Releases 0, 1 and 5, each with its own name in `/etc/name`.
fn three_releases() -> Result<DiskFile> {
    let mut partition = Partition::empty()?.latest()?;
    for number in [0, 1, 5] {
        partition = partition.release(number, &Root::with_probe(&format!("release {number}"))?.pack(Format::Erofs)?)?;
    }
    partition.disk()
}

#[test]
fn the_wanted_release_is_booted() -> Result<()> {
    let disk = three_releases()?;
    for (words, name) in [
        ("", "release 0"),
        ("dock0.release=latest", "release 0"),
        ("dock0.release=0", "release 0"),
        ("dock0.release=1", "release 1"),
        ("dock0.release=5", "release 5"),
        ("dock0.release=5 dock0.release=1", "release 1"),
    ] {
        let facts = Boot::kernel(&format!("probe.read=/etc/name {words}")).scsi(&disk).facts()?;
        assert_eq!(facts.read["/etc/name"].text, name, "{words}");
    }
    Ok(())
}

#[test]
fn a_release_that_does_not_exist_is_said() -> Result<()> {
    let sentence = "release 7 does not exist; the boot partition holds 0 1 5";
    Boot::kernel("dock0.release=7").scsi(&three_releases()?).to_rescue(sentence)?;
    Ok(())
}

#[test]
fn a_partition_that_cannot_be_booted_is_said() -> Result<()> {
    let image = Root::with_probe("x")?.pack(Format::Erofs)?;
    let artifact = |name: &str| format!("../../artifacts/{name}/9");
    for (partition, sentence) in [
        (Partition::empty()?, "the boot partition holds no releases"),
        (Partition::empty()?.release(0, &image)?, "the link latest is missing or does not point at releases/<number>"),
        (
            Partition::empty()?.release(0, &image)?.link("latest", "artifacts")?,
            "the link latest is missing or does not point at releases/<number>",
        ),
        (
            Partition::empty()?.release(0, &image)?.link("latest", "releases/4")?,
            "release 4 does not exist; the boot partition holds 0",
        ),
        (
            Partition::empty()?.latest()?.link("releases/0/kernel", &artifact("kernel"))?,
            "release 0 has no vm_root; it has kernel 9",
        ),
        (
            Partition::empty()?.latest()?.link("releases/0/vm_root", &artifact("vm_root"))?,
            "release 0: releases/0/vm_root points at artifacts/vm_root/9, which is not there",
        ),
        (
            Partition::empty()?.latest()?.link("releases/0/vm_root", "/elsewhere")?,
            "release 0 has no vm_root; it has nothing",
        ),
        (Partition::empty()?.file("releases", b"")?, "listing /run/vm/bootmnt/releases: not a directory"),
    ] {
        Boot::kernel("").scsi(&partition.disk()?).to_rescue(sentence)?;
    }
    Ok(())
}

#[test]
fn what_is_not_ours_is_said_and_left_out() -> Result<()> {
    let disk = Partition::with_probe()?
        .link("releases/0/notes", "/elsewhere")?
        .file("releases/old/x", b"")?
        .file("releases/7", b"a file")?
        .disk()?;
    let log = Boot::kernel("").scsi(&disk).facts()?.log;
    for line in [
        "/run/vm/bootmnt/releases: left out 2 that are no directories of releases, the first is 7",
        "/run/vm/bootmnt/releases/0: left out notes, which is no link to an artifact of that name",
    ] {
        assert!(log.iter().any(|said| said == line), "{line:?} is missing: {log:?}");
    }
    Ok(())
}
