//! The root's image: every form that is taken, and every broken one.

use anyhow::Result;
use boot_tests::root::HOLLOW_PROGRAM;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use probe::Facts;

/// Type and source of what is mounted at a place.
fn mounted<'f>(facts: &'f Facts, target: &str) -> Option<(&'f str, &'f str)> {
    let mount = facts.mounts.iter().find(|mount| mount.target == target)?;
    Some((&mount.kind, &mount.source))
}

fn boots(partition: Partition, words: &str) -> Result<Facts> {
    let facts = Boot::kernel(&format!("probe.read=/etc/name {words}")).scsi(&partition.disk()?).facts()?;
    assert_eq!(facts.read["/etc/name"].text, "the root");
    Ok(facts)
}

#[test]
fn erofs_needs_no_loop_device() -> Result<()> {
    let facts = boots(Partition::with_root(&Root::with_probe("the root")?, Format::Erofs)?, "")?;
    assert_eq!(mounted(&facts, "/run/vm/fs"), Some(("erofs", "/run/vm/bootmnt/artifacts/vm_root/r0")));
    assert_eq!(facts.mounts.len(), 8);
    Ok(())
}

#[test]
fn squashfs_goes_through_a_loop_device() -> Result<()> {
    let facts = boots(Partition::with_root(&Root::with_probe("the root")?, Format::Squashfs)?, "")?;
    assert_eq!(mounted(&facts, "/run/vm/fs"), Some(("squashfs", "/dev/loop0")));
    assert_eq!(facts.mounts.len(), 8);
    Ok(())
}

#[test]
fn ext4_goes_through_a_loop_device() -> Result<()> {
    let facts = boots(Partition::with_root(&Root::with_probe("the root")?, Format::Ext4)?, "")?;
    assert_eq!(mounted(&facts, "/run/vm/fs"), Some(("ext4", "/dev/loop0")));
    let options = &facts.mounts.iter().find(|mount| mount.target == "/run/vm/fs").expect("just found").options;
    assert!(options.starts_with("ro,"), "{options}");
    assert_eq!(facts.mounts.len(), 8);
    Ok(())
}

/// The predecessor's form.
#[test]
fn an_image_that_holds_only_root_fs_is_opened() -> Result<()> {
    for (inner, outer, fs) in [
        (Format::Ext4, Format::Squashfs, ("ext4", "/dev/loop1")),
        (Format::Erofs, Format::Ext4, ("erofs", "/run/vm/outer/root.fs")),
    ] {
        let inner = std::fs::read(&Root::with_probe("the root")?.pack(inner)?.path)?;
        let facts = boots(Partition::with_root(&Root::empty()?.file("root.fs", &inner, 0o644)?, outer)?, "")?;
        assert_eq!(mounted(&facts, "/run/vm/fs"), Some(fs));
        assert!(mounted(&facts, "/run/vm/outer").is_some());
        assert_eq!(facts.mounts.len(), 9);
    }
    Ok(())
}

#[test]
fn rootfspath_names_an_image_also_through_links() -> Result<()> {
    let partition = || -> Result<Partition> {
        let image = Root::with_probe("the root")?.pack(Format::Erofs)?;
        Partition::empty()?.file("images/one.erofs", &std::fs::read(&image.path)?)?.link("current", "/images/one.erofs")
    };
    for words in ["rootfspath=/images/one.erofs", "rootfspath=current"] {
        let facts = boots(partition()?, words)?;
        assert_eq!(mounted(&facts, "/run/vm/fs"), Some(("erofs", "/run/vm/bootmnt/images/one.erofs")), "{words}");
    }
    Ok(())
}

#[test]
fn what_is_no_image_is_said() -> Result<()> {
    let text = Partition::empty()?
        .latest()?
        .file("artifacts/vm_root/r0", b"<html>404</html>\n")?
        .link("releases/0/vm_root", "../../artifacts/vm_root/r0")?
        .file("directory/file", b"")?;
    let made = std::process::Command::new("mkfifo").arg(text.place("pipe")?).status()?;
    assert!(made.success());
    let disk = text.disk()?;
    for (words, sentence) in [
        ("", "/run/vm/bootmnt/artifacts/vm_root/r0 is no image of a root: neither EROFS nor squashfs nor ext4"),
        ("rootfspath=directory", "/run/vm/bootmnt/directory is no image of a root: it is not a file"),
        ("rootfspath=pipe", "/run/vm/bootmnt/pipe is no image of a root: it is not a file"),
        ("rootfspath=nowhere", "opening the image /run/vm/bootmnt/nowhere: no such file or directory"),
        ("rootfspath=directory/file", "/run/vm/bootmnt/directory/file is no image of a root"),
    ] {
        Boot::kernel(words).scsi(&disk).to_rescue(sentence)?;
    }
    Ok(())
}

#[test]
fn an_image_that_is_cut_off_is_said() -> Result<()> {
    for (format, name) in [(Format::Erofs, "EROFS"), (Format::Squashfs, "squashfs"), (Format::Ext4, "ext4")] {
        let partition =
            Partition::with_root(&Root::with_probe("cut")?, format)?.cut("artifacts/vm_root/r0", 300_000)?;
        let sentence = "/run/vm/bootmnt/artifacts/vm_root/r0 is cut off: 300000 of the ";
        let console = Boot::kernel("").scsi(&partition.disk()?).to_rescue(sentence)?;
        assert!(console.to_lowercase().contains(&format!("bytes of its {}", name.to_lowercase())), "{console}");
    }
    Ok(())
}

#[test]
fn damage_that_only_the_kernel_sees_is_said() -> Result<()> {
    let partition = Partition::with_root(&Root::with_probe("damaged")?, Format::Squashfs)?;
    let path = partition.place("artifacts/vm_root/r0")?;
    let mut image = std::fs::read(&path)?;
    image[32..40].fill(0xff); // the place of the root directory's inode
    std::fs::write(&path, image)?;
    let sentence = "mounting /run/vm/bootmnt/artifacts/vm_root/r0 on /run/vm/fs as squashfs: ";
    Boot::kernel("").scsi(&partition.disk()?).to_rescue(sentence)?;

    let partition = Partition::with_root(&Root::with_probe("damaged")?, Format::Erofs)?;
    let path = partition.place("artifacts/vm_root/r0")?;
    let mut image = std::fs::read(&path)?;
    image[1024 + 80..1024 + 84].fill(0xff); // features that no kernel has
    std::fs::write(&path, image)?;
    let sentence = "mounting /run/vm/bootmnt/artifacts/vm_root/r0 on /run/vm/fs as erofs: ";
    Boot::kernel("").scsi(&partition.disk()?).to_rescue(sentence)?;

    let inner = Root::empty()?.file("root.fs", b"no image either", 0o644)?;
    let sentence = "/run/vm/outer/root.fs is no image of a root: neither EROFS nor squashfs nor ext4";
    Boot::kernel("").scsi(&Partition::with_root(&inner, Format::Erofs)?.disk()?).to_rescue(sentence)?;
    Ok(())
}

#[test]
fn an_init_that_cannot_start_is_said() -> Result<()> {
    let script = Root::empty()?.file("sbin/init", b"#!/bin/nothing\n", 0o755)?;
    let text = Root::empty()?.file("sbin/init", b"hello\n", 0o755)?;
    let plain = Root::empty()?.file("sbin/init", b"#!/bin/nothing\n", 0o644)?;
    let none = Root::empty()?.file("etc/name", b"", 0o644)?;
    let dynamic = Root::empty()?.file("sbin/init", &std::fs::read("/bin/true")?, 0o755)?;
    let no_place = Root::with_probe("no place for /dev")?.file("dev", b"", 0o644)?;
    for (root, sentence) in [
        (script, "/sbin/init is a script for /bin/nothing, which the root cannot give: no such file or directory"),
        (text, "/sbin/init is neither an ELF program nor a script"),
        (plain, "/sbin/init is not an executable file"),
        (none, "looking for /sbin/init in the root: no such file or directory"),
        (
            dynamic,
            "/sbin/init is a program that is loaded by /lib64/ld-linux-x86-64.so.2, which the root cannot give: \
             no such file or directory",
        ),
        (no_place, "making the directory /newroot/dev: not a directory"),
    ] {
        Boot::kernel("").scsi(&Partition::with_root(&root, Format::Erofs)?.disk()?).to_rescue(sentence)?;
    }
    Ok(())
}

/// The last step of all: every check has passed, the root has been switched to, and the kernel still refuses.
#[test]
fn an_init_that_the_kernel_refuses_is_said_from_inside_the_new_root() -> Result<()> {
    let root = Root::empty()?.file("sbin/init", &HOLLOW_PROGRAM, 0o755)?;
    let disk = Partition::with_root(&root, Format::Erofs)?.disk()?;
    Boot::kernel("").scsi(&disk).to_rescue("starting /sbin/init: exec format error")?;
    let record = disk.debugfs("cat /dock0/state/last-failure")?;
    assert_eq!(record, "starting /sbin/init: exec format error\n");
    Ok(())
}
