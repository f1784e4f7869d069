//! The kernel command line at its worst.

use anyhow::Result;
use boot_tests::{Boot, Partition};

#[test]
fn garbage_that_is_not_ours_is_skipped() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let words = "=== ,,, a=\"b c\" \"quoted\" \u{fffd}\u{7f} --x é=ü dock0.relaese=1";
    let facts = Boot::kernel(words).and("\"half a quote").scsi(&disk).facts()?;
    let line = "kernel command line: dock0.relaese: no such parameter, ignored";
    assert!(facts.log.iter().any(|said| said == line), "{:?}", facts.log);
    Ok(())
}

#[test]
fn a_bad_value_of_ours_is_said_and_the_rescue_asked_for_still_holds() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    for (words, sentence) in [
        (
            "root=sda",
            "kernel command line: root=sda: must be /dev/NAME, LABEL=NAME (at most 16 characters) or UUID=UUID",
        ),
        ("dock0.release=newest", "kernel command line: dock0.release=newest: must be latest or a number"),
        ("root=LABEL=dock0 root", "kernel command line: root=: must be /dev/NAME"),
        ("init=sh", "kernel command line: init=sh: must be an absolute path of at most 255 characters"),
        ("basepath=/mnt", "kernel command line: basepath=/mnt: must be a directory below /run"),
        ("rootfspath=../../etc", "kernel command line: rootfspath=../../etc: must be a path on the boot partition"),
    ] {
        // to_rescue() itself asks for dock0.rescue=reboot:0, behind the bad word: 30 seconds would be too long.
        let console = Boot::kernel(words).scsi(&disk).to_rescue(sentence)?;
        assert!(!console.contains("rebooting in"), "{console}");
    }
    Ok(())
}

/// x86 has room for 2,048 bytes; the word that the cut falls into must not be half believed.
#[test]
fn four_kilobytes_are_cut_and_the_cut_is_said() -> Result<()> {
    const ROOM: usize = wire::cmdline::KERNEL_MAX;
    let disk = Partition::with_probe()?.disk()?;
    let mut boot = Boot::kernel("").and("probe.read=/etc/name ").scsi(&disk);
    let qemu::Boot::Kernel { cmdline, .. } = &mut boot.machine.boot else { unreachable!("it was made so") };
    cmdline.push_str(&"x".repeat(ROOM - cmdline.len() - " dock0.release=1".len()));
    cmdline.push_str(" dock0.release=1");
    cmdline.push_str(&"1".repeat(4096 - cmdline.len()));
    let facts = boot.facts()?;
    assert!((ROOM..=ROOM + 1).contains(&facts.cmdline.len()), "{}", facts.cmdline.len());
    assert!(facts.cmdline.trim_end_matches('1').ends_with(" dock0.release="), "{}", facts.cmdline);
    assert_eq!(facts.read["/etc/name"].text, "release 0");
    let line = "the kernel command line is as long as the kernel allows, so its last word was not trusted";
    assert!(facts.log.iter().any(|said| said == line), "{:?}", facts.log);
    Ok(())
}

/// Only a boot loader can hand these bytes on: GRUB reads them out of its menu.
#[test]
fn bytes_that_are_no_text_are_skipped_or_named() -> Result<()> {
    for (words, sentence) in [
        (&b"\xff\xfe=\x80 \xc3"[..], None),
        (b"root=LABEL=\xff", Some(r"kernel command line: root=LABEL=\xff: must be /dev/NAME")),
        (b"dock0.release=\xf0\x9f", Some(r"kernel command line: dock0.release=\xf0\x9f: must be latest or a number")),
    ] {
        let line = [b"linux /kernel console=ttyS0 panic=-1 dock0.rescue=reboot:0 ", words].concat();
        let menu = [&b"set timeout=0\nmenuentry x {\n"[..], &line, b"\ninitrd /initrd\n}\n"].concat();
        let partition = Partition::with_probe()?
            .file("kernel", &std::fs::read(boot_tests::kernel())?)?
            .file("initrd", &std::fs::read(boot_tests::initrd())?)?
            .file("boot/grub/grub.cfg", &menu)?;
        let disk = partition.disk()?;
        let boot = Boot::from(qemu::Boot::grub2()?).scsi(&disk);
        match sentence {
            None => assert_eq!(boot.facts()?.pid, 1),
            Some(sentence) => drop(boot.to_rescue(sentence)?),
        }
    }
    Ok(())
}
