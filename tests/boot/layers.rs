//! The layers of the root: configuration over image, scratch over both.

use anyhow::Result;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

/// An image and a configuration that have two files in common.
fn partition() -> Result<Partition> {
    let root = Root::with_probe("image")?
        .file("etc/hostname", b"image", 0o644)?
        .file("etc/both", b"image", 0o644)?
        .file("usr/run", b"image", 0o644)?;
    let partition = Partition::with_root(&root, Format::Erofs)?
        .file("config/templates/etc/hostname", b"config")?
        .file("config/templates/etc/only", b"config")?
        .file("config/templates/usr/run", b"config")?;
    set_permissions(partition.place("config/templates/usr/run")?, Permissions::from_mode(0o750))?;
    Ok(partition)
}

#[test]
fn configuration_wins_over_the_image_and_keeps_its_mode() -> Result<()> {
    let read = "probe.read=/etc/hostname,/etc/both,/etc/only,/usr/run";
    let facts = Boot::kernel(read).scsi(&partition()?.disk()?).facts()?;
    let seen = |path: &str| (facts.read[path].text.clone(), facts.read[path].meta.clone());
    assert_eq!(seen("/etc/hostname"), ("config".into(), "100644 0:0".into()));
    assert_eq!(seen("/etc/both"), ("image".into(), "100644 0:0".into()));
    assert_eq!(seen("/etc/only"), ("config".into(), "100644 0:0".into()));
    assert_eq!(seen("/usr/run"), ("config".into(), "100750 0:0".into()));
    assert!(facts.log.contains(&"laying /run/vm/bootmnt/config/templates over the root".into()), "{:?}", facts.log);
    Ok(())
}

/// The boot partition is mounted noexec; what is laid over the root from it is part of the root.
#[test]
fn a_program_in_the_configuration_can_be_run() -> Result<()> {
    let probe = std::fs::read(boot_tests::built("target/x86_64-unknown-linux-gnu/init/probe"))?;
    let root = Root::empty()?.file("etc/name", b"no init here", 0o644)?;
    let partition = Partition::with_root(&root, Format::Erofs)?.file("config/templates/sbin/init", &probe)?;
    set_permissions(partition.place("config/templates/sbin/init")?, Permissions::from_mode(0o755))?;
    assert_eq!(Boot::kernel("").scsi(&partition.disk()?).facts()?.pid, 1);
    Ok(())
}

#[test]
fn configuration_can_be_left_out() -> Result<()> {
    let facts = Boot::kernel("dock0.config=skip probe.read=/etc/hostname").scsi(&partition()?.disk()?).facts()?;
    assert_eq!(facts.read["/etc/hostname"].text, "image");
    assert!(facts.log.contains(&"leaving the configuration out (dock0.config=skip)".into()), "{:?}", facts.log);
    Ok(())
}

#[test]
fn a_file_where_the_configuration_should_be_is_said() -> Result<()> {
    let disk = Partition::with_probe()?.file("config/templates", b"")?.disk()?;
    Boot::kernel("").scsi(&disk).to_rescue("/run/vm/bootmnt/config/templates is not a directory")?;
    Ok(())
}

#[test]
fn writes_never_reach_image_or_boot_partition() -> Result<()> {
    let disk = partition()?.disk()?;
    let before = disk.files()?;
    assert!(before.contains_key("artifacts/vm_root/r0") && before.contains_key("config/templates/etc/hostname"));
    let write = "/etc/hostname,/etc/both,/etc/new,/usr/run,/run/vm/fs/etc/both";
    let facts = Boot::kernel(&format!("probe.write={write} probe.read={write}")).scsi(&disk).facts()?;
    for path in ["/etc/hostname", "/etc/both", "/etc/new", "/usr/run"] {
        assert_eq!(facts.wrote[path].text, path, "the root can be written to");
    }
    assert_eq!(facts.wrote["/run/vm/fs/etc/both"].text, "Read-only file system (os error 30)");
    assert!(before == disk.files()?, "something on the boot partition has changed");
    Ok(())
}

#[test]
fn a_blank_scratch_disk_is_formatted_grown_and_kept() -> Result<()> {
    let (disk, scratch) = (partition()?.disk()?, DiskFile::blank(3 << 30)?);
    let words = "cowspace=/dev/sdb probe.statfs=/run/vm/cowspace";
    let boot = |more: &str| Boot::kernel(&format!("{words} {more}")).scsi(&disk).scsi(&scratch).facts();
    let facts = boot("probe.write=/etc/hostname")?;
    assert!(facts.log.contains(&"formatting /dev/sdb, which is blank".into()), "{:?}", facts.log);
    let mount = facts.mounts.iter().find(|mount| mount.target == "/run/vm/cowspace").expect("it is mounted");
    assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext4", "/dev/sdb"));
    let size = facts.statfs["/run/vm/cowspace"];
    assert!((2_900 << 20..3 << 30).contains(&size), "3 GiB became {size} bytes");
    assert_eq!(facts.mounts.len(), 8);

    let facts = boot("probe.read=/etc/hostname")?;
    assert_eq!(facts.read["/etc/hostname"].text, "/etc/hostname", "what was written is there after a reboot");
    assert!(!facts.log.iter().any(|line| line.starts_with("formatting")), "{:?}", facts.log);
    let check = std::process::Command::new("/sbin/e2fsck").args(["-fn"]).arg(&scratch.path).output()?;
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    Ok(())
}

#[test]
fn a_scratch_disk_whose_formatting_was_cut_short_is_formatted_again() -> Result<()> {
    let (disk, scratch) = (partition()?.disk()?, DiskFile::blank(64 << 20)?);
    let started = [&b"dock0 is formatting this disk\n"[..], &[0; 5000], b"and some of it is written"].concat();
    std::os::unix::fs::FileExt::write_all_at(&std::fs::File::options().write(true).open(&scratch.path)?, &started, 0)?;
    let facts = Boot::kernel("cowspace=/dev/sdb").scsi(&disk).scsi(&scratch).facts()?;
    assert!(facts.log.contains(&"formatting /dev/sdb, which is blank".into()), "{:?}", facts.log);
    Ok(())
}

#[test]
fn a_scratch_layer_that_cannot_be_built_on_is_said() -> Result<()> {
    let (disk, scratch) = (partition()?.disk()?, Partition::empty()?.file("upper", b"in the way")?.disk_labelled("x")?);
    let boot = Boot::kernel("cowspace=/dev/sdb").scsi(&disk).scsi(&scratch);
    boot.to_rescue("making the directory /run/vm/cowspace/upper: not a directory")?;
    let mut protected = qemu::Disk::scsi(&scratch.path);
    protected.writes = qemu::Writes::Refused;
    let boot = Boot::kernel("cowspace=/dev/sdb").scsi(&disk).disk(protected);
    boot.to_rescue("mounting /dev/sdb on /run/vm/cowspace as ext4: read-only file system")?;
    let boot = Boot::kernel("cowspace=LABEL=dock0").scsi(&disk);
    boot.to_rescue("cowspace=/dev/sda is the boot partition, which takes no scratch layer")?;
    let image = Root::empty()?.pack(Format::Squashfs)?;
    let boot = Boot::kernel("cowspace=/dev/sdb").scsi(&disk).disk(qemu::Disk::scsi(&image.path));
    boot.to_rescue("cowspace=/dev/sdb: it holds something other than ext4 and was not touched")?;
    Ok(())
}

#[test]
fn a_scratch_disk_can_be_named_by_its_label() -> Result<()> {
    let scratch = Partition::empty()?.disk_labelled("scratch")?;
    let facts = Boot::kernel("cowspace=LABEL=scratch").scsi(&partition()?.disk()?).scsi(&scratch).facts()?;
    assert!(facts.log.contains(&"writes go to /dev/sdb".into()), "{:?}", facts.log);
    Ok(())
}

#[test]
fn a_scratch_disk_that_holds_something_else_is_not_touched() -> Result<()> {
    let foreign = DiskFile::blank(64 << 20)?;
    std::fs::write(&foreign.path, [&[0; 510][..], &[0x55, 0xaa], &vec![0; 64 << 20]].concat())?;
    let before = std::fs::read(&foreign.path)?;
    let disk = partition()?.disk()?;
    let boot = Boot::kernel("cowspace=/dev/sdb").scsi(&disk).scsi(&foreign);
    boot.to_rescue("cowspace=/dev/sdb: it holds something other than ext4 and was not touched")?;
    assert!(before == std::fs::read(&foreign.path)?, "it was touched");
    let small = DiskFile::blank(4 << 20)?;
    let boot = Boot::kernel("cowspace=/dev/sdb").scsi(&disk).scsi(&small);
    boot.to_rescue("formatting /dev/sdb: it has 4194304 bytes, and 8388608 are the least")?;
    Ok(())
}
