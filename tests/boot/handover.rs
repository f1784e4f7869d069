//! What the VM's own init is handed: exactly these mounts, a clean process, and all of the memory.

use anyhow::Result;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use probe::Mount;
use std::collections::BTreeMap;

fn mount(target: &str, kind: &str, source: &str, options: &str) -> Mount {
    let [target, kind, source, options] = [target, kind, source, options].map(String::from);
    Mount { target, kind, source, options, own_options: String::new() }
}

/// Without the options of the file systems themselves, some of which depend on the kernel and the memory.
fn without_own_options(mounts: &[Mount]) -> Vec<Mount> {
    mounts.iter().map(|mount| Mount { own_options: String::new(), ..mount.clone() }).collect()
}

#[test]
fn the_root_has_exactly_these_mounts() -> Result<()> {
    let partition = Partition::with_probe()?.file("config/templates/etc/hostname", b"web1\n")?;
    let facts = Boot::kernel("").scsi(&partition.disk()?).facts()?;
    assert_eq!(
        without_own_options(&facts.mounts),
        [
            mount("/dev", "devtmpfs", "devtmpfs", "rw,nosuid,relatime"),
            mount("/proc", "proc", "proc", "rw,nosuid,nodev,noexec,relatime"),
            mount("/sys", "sysfs", "sysfs", "rw,nosuid,nodev,noexec,relatime"),
            mount("/run", "tmpfs", "tmpfs", "rw,nosuid,nodev,relatime"),
            mount("/run/vm/bootmnt", "ext4", "/dev/sda", "rw,nosuid,nodev,noexec,noatime"),
            mount("/run/vm/fs", "erofs", "/run/vm/bootmnt/artifacts/vm_root/r0", "ro,relatime"),
            mount("/run/vm/cowspace", "tmpfs", "tmpfs", "rw,nodev,relatime"),
            mount("/", "overlay", "overlay", "rw,relatime"),
        ]
    );
    let overlay = &facts.mounts.last().expect("there are eight").own_options;
    let layers = "lowerdir=/run/vm/bootmnt/config/templates:/run/vm/fs,upperdir=/run/vm/cowspace/upper";
    assert!(overlay.contains(layers), "{overlay}");
    Ok(())
}

#[test]
fn basepath_moves_everything_of_ours() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let facts = Boot::kernel("basepath=/run/other/place").scsi(&disk).facts()?;
    let targets: Vec<&str> = facts.mounts.iter().map(|mount| mount.target.as_str()).collect();
    let ours = ["/run/other/place/bootmnt", "/run/other/place/fs", "/run/other/place/cowspace"];
    assert_eq!(targets, [&["/dev", "/proc", "/sys", "/run"][..], &ours, &["/"]].concat());
    Ok(())
}

#[test]
fn init_is_a_clean_process() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let facts = Boot::kernel("fancy single some=word").and("-- last").scsi(&disk).facts()?;
    assert_eq!(facts.pid, 1);
    // What the kernel leaves for its first program; `fancy` was for us, and key=value words stay in /proc/cmdline.
    assert_eq!(facts.argv, ["/sbin/init", "single", "last"]);
    assert_eq!(facts.env, BTreeMap::from([("HOME", "/"), ("TERM", "linux")].map(|(k, v)| (k.into(), v.into()))));
    assert_eq!(facts.cwd, "/");
    assert_eq!(facts.fds, BTreeMap::from([0, 1, 2].map(|fd| (fd, "/dev/console".into()))), "no descriptor has leaked");
    assert_eq!(facts.status["Umask"], "0022");
    assert_eq!(facts.status["SigBlk"], "0000000000000000");
    Ok(())
}

#[test]
fn a_shell_script_can_be_init_and_inherits_no_ignored_signal() -> Result<()> {
    let script = "#!/bin/busybox sh\n\
        /bin/busybox echo 1 > /proc/sys/kernel/printk\n\
        /bin/busybox echo \"told: $$ $0 $(/bin/busybox grep SigIgn /proc/self/status)\"\n\
        /bin/busybox poweroff -f\n";
    let busybox = std::fs::read(boot_tests::built("/bin/busybox"))?;
    let root = Root::empty()?.file("bin/busybox", &busybox, 0o755)?.file("sbin/init", script.as_bytes(), 0o755)?;
    let console = Boot::kernel("").scsi(&Partition::with_root(&root, Format::Erofs)?.disk()?).to_end()?;
    assert!(console.contains("told: 1 /sbin/init SigIgn:\t0000000000000000"), "{console}");
    Ok(())
}

#[test]
fn another_init_can_be_named_also_by_a_link() -> Result<()> {
    let root = Root::with_probe("named")?.link("lib/start", "/sbin/init")?;
    let disk = Partition::with_root(&root, Format::Erofs)?.disk()?;
    let facts = Boot::kernel("init=/lib/start").scsi(&disk).facts()?;
    assert_eq!(facts.argv, ["/lib/start"]);
    Ok(())
}

#[test]
fn the_log_tells_each_step_and_what_it_took() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let log = Boot::kernel("").scsi(&disk).facts()?.log;
    let (last, steps) = log.split_last().expect("something was said");
    let image = "/run/vm/bootmnt/artifacts/vm_root/r0 on /run/vm/fs as erofs";
    assert_eq!(steps.len(), 7, "{log:?}");
    for (said, want) in steps.iter().zip([
        "version 0.1.0 boots LABEL=dock0",
        "mounting /dev/sda on /run/vm/bootmnt as ext4",
        "release 0 of 1: vm_root r0",
        &format!("mounting {image}"),
        "writes go to memory",
        "there is no configuration: the root is as its image has it",
        "switching to the root, and freeing the initrd's memory",
    ]) {
        assert!(said.starts_with(want), "{said:?} should begin with {want:?}");
    }
    assert!(last.starts_with("handing over to /sbin/init after "), "{last}");
    for step in
        ["kernel file systems", "orders", "disk", "boot partition", "release", "root image", "scratch layer", "overlay"]
    {
        assert!(last.contains(&format!("{step} ")), "{step} is missing: {last}");
    }
    Ok(())
}

/// The initrd with 48 MiB of noise beside /init, as a second archive behind the first: the kernel unpacks both.
fn fat_initrd() -> Result<tempfile::NamedTempFile> {
    const NOISE: u32 = 48 << 20;
    let mut image = std::fs::read(boot_tests::initrd())?;
    image.resize(image.len().next_multiple_of(4), 0);
    let mut writer = cpio::newc::Builder::new("noise/noise").ino(9).mode(0o100_644).nlink(1).write(Vec::new(), NOISE);
    let mut byte = 1_u8;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        byte = byte.wrapping_mul(5).wrapping_add(1);
        byte
    })
    .take(NOISE as usize)
    .collect();
    std::io::Write::write_all(&mut writer, &noise)?;
    let directory = cpio::newc::Builder::new("noise").ino(8).mode(0o040_755).nlink(2).write(Vec::new(), 0).finish()?;
    image.extend(directory);
    image.extend(cpio::newc::trailer(writer.finish()?)?);
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), image)?;
    Ok(file)
}

#[test]
fn the_initrds_memory_is_free_again() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let free = |boot: Boot<'_>| {
        let facts = boot.memory(384).scsi(&disk).facts()?;
        Ok::<u64, anyhow::Error>(facts.meminfo["MemFree"] + facts.free_at_hand)
    };
    let fat = fat_initrd()?;
    let (lean, fat) = (free(Boot::kernel(""))?, free(Boot::kernel_with(fat.path().into(), ""))?);
    let lost = lean.saturating_sub(fat);
    assert!(lost < 4096, "48 MiB in the initrd cost {lost} KiB after the hand-over ({lean} KiB and {fat} KiB free)");
    Ok(())
}
