//! The ways into a boot, with a disk as `dock0 disk` makes it: QEMU's own loader, GRUB 2 as Linode has it, GRUB Legacy.

use anyhow::Result;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition, Root};
use dock0::disk::{self, Disk};
use dock0::ext4;
use dock0::image::Format;
use dock0::menu::Menu;
use dock0::origin::Origin;
use dock0::output::Existing;
use dock0::release::ArtifactFile;
use menagerie::{Artifact, layout};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const SIZE: u64 = 64 << 20;

fn artifact(name: &str, version: &str, file: PathBuf) -> ArtifactFile {
    let artifact = Artifact { name: name.parse().expect(name), version: version.parse().expect(version) };
    ArtifactFile { artifact, file }
}

/// As an operator makes it; `place` keeps the root's image while the disk is made.
fn boot_disk(root: &Path, words: &str) -> Disk {
    let artifacts = vec![
        artifact("kernel", "1", boot_tests::kernel()),
        artifact("initrd", "1", boot_tests::initrd()),
        artifact("vm_root", "1", root.into()),
    ];
    let extra = format!("probe.read=/etc/name dock0.rescue=reboot:0 {words}").trim_end().to_string();
    Disk {
        artifacts,
        config: None,
        origin: Origin::default(),
        size: SIZE,
        menu: Menu { timeout: 0, extra, ..Menu::default() },
    }
}

#[test]
fn each_way_boots_the_disk_that_dock0_makes() -> Result<()> {
    let root = Root::with_probe("release 0")?.pack(Format::Erofs)?;
    let place = tempfile::tempdir()?;
    let path = place.path().join("disk.img");
    boot_disk(&root.path, "").write(&path, Existing::Refuse)?;
    let mut words = vec![];
    for boot in
        [Boot::kernel("probe.read=/etc/name"), Boot::from(qemu::Boot::grub2()?), Boot::from(qemu::Boot::grub_legacy()?)]
    {
        let facts = boot.disk(qemu::Disk::scsi(&path)).facts()?;
        assert_eq!((facts.pid, facts.mounts.len()), (1, 8));
        assert_eq!(facts.read["/etc/name"].text, "release 0");
        words.push(facts.cmdline);
    }
    for cmdline in &words[1..] {
        let ours = "root=LABEL=dock0 dock0.release=latest console=ttyS0,19200n8 loglevel=6 net.ifnames=0 oops=panic panic=10 watchdog.stop_on_reboot=0 probe.read=";
        assert!(cmdline.contains(ours), "{cmdline}");
    }
    Ok(())
}

/// Release 0 lost its kernel, release 1 its initrd; 2 is whole. Both GRUBs go on until something boots, and init boots
/// the release that the entry names.
#[test]
fn an_entry_that_cannot_be_loaded_falls_back_to_the_next() -> Result<()> {
    let root = Root::with_probe("release 2")?.pack(Format::Erofs)?;
    let staging = tempfile::tempdir()?;
    boot_disk(&root.path, "").stage(staging.path())?;
    let link = |number: u32, name: &str, version: &str| -> Result<()> {
        let directory = format!("{}/{number}", layout::RELEASES);
        disk::make_directories(staging.path(), &directory)?;
        Ok(symlink(format!("../../artifacts/{name}/{version}"), staging.path().join(directory).join(name))?)
    };
    std::fs::remove_file(staging.path().join("releases/0/kernel"))?;
    link(1, "kernel", "1")?;
    link(1, "initrd", "lost")?;
    link(1, "vm_root", "1")?;
    for name in ["kernel", "initrd", "vm_root"] {
        link(2, name, "1")?;
    }
    let disk = DiskFile::blank(SIZE)?;
    ext4::make_file_system(staging.path(), &disk.path, SIZE, "dock0")?;
    for way in [qemu::Boot::grub2()?, qemu::Boot::grub_legacy()?] {
        // A boot sets things right on the disk, and the next way shall find them as they were.
        let disk = disk.copy()?;
        let facts = Boot::from(way).scsi(&disk).facts()?;
        assert!(facts.cmdline.contains("dock0.release=2"), "{}", facts.cmdline);
        assert_eq!(facts.read["/etc/name"].text, "release 2");
    }
    Ok(())
}

/// A disk without any kernel: nobody may have to come and press a key.
#[test]
fn menus_of_which_nothing_can_be_loaded_start_again() -> Result<()> {
    let menu = Menu { timeout: 0, ..Menu::default() };
    let disk = Partition::with_probe()?
        .file(layout::GRUB_CFG, menu.grub_cfg().as_bytes())?
        .file(layout::MENU_LST, menu.menu_lst().as_bytes())?
        .disk()?;
    let whole_menu = "dock0: releases/5 has no kernel or no initrd, trying the next";
    for (way, sign) in [(qemu::Boot::grub2()?, whole_menu), (qemu::Boot::grub_legacy()?, "start again")] {
        // A reset ends QEMU, and with it the boot; a menu that stands still runs into the deadline.
        let console = Boot::from(way).scsi(&disk).to_end()?;
        assert!(console.contains(sign) && !console.contains("Linux version"), "{console}");
    }
    Ok(())
}
