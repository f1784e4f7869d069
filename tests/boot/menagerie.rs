//! The menagerie command in a running VM: what it installs is sealed, booted, kept and checked by the real kernel.

use anyhow::{Context, Result, ensure};
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition, Root};
use dock0::image::Format;
use probe::{Facts, Ran};
use serde_json::Value;
use std::process::Command;

const BOOTMNT: &str = "/run/vm/bootmnt";
const R0: &str = "/run/vm/bootmnt/artifacts/vm_root/r0";

/// Release 0 with the probe, the command and busybox.
fn disk() -> Result<DiskFile> {
    Partition::with_root(&Root::with_menagerie("r0")?, Format::Erofs)?.disk()
}

/// Boots, runs these commands, and powers off.
fn run(disk: &DiskFile, words: &str, commands: &[&str]) -> Result<Facts> {
    let commands: Vec<String> =
        commands.iter().map(|command| format!("probe.run={}", command.replace(' ', ","))).collect();
    Boot::kernel(&format!("{words} {}", commands.join(" "))).scsi(disk).facts()
}

fn done(ran: &Ran) -> Result<&str> {
    ensure!(ran.code == Some(0), "{ran:?}");
    Ok(&ran.out)
}

fn json(ran: &Ran) -> Result<Value> {
    serde_json::from_str(done(ran)?).with_context(|| format!("{ran:?}"))
}

fn root_mount(facts: &Facts) -> Option<&str> {
    facts.mounts.iter().find(|mount| mount.target == "/run/vm/fs").map(|mount| mount.source.as_str())
}

/// What `fsverity digest` of the distribution says of the file that became an artifact.
fn fsverity_digest(disk: &DiskFile) -> Result<String> {
    let copy = tempfile::NamedTempFile::new()?;
    disk.debugfs(&format!("dump /artifacts/vm_root/r0 {}", copy.path().display()))?;
    let mut tool = Command::new("fsverity");
    let output = tool.args(["digest", "--compact"]).arg(copy.path()).output();
    let output = output.context("running fsverity (apt-get install fsverity)")?;
    ensure!(output.status.success(), "fsverity: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

#[test]
fn what_it_installs_is_sealed_booted_and_rolled_back() -> Result<()> {
    let disk = disk()?;
    let add = format!("/sbin/menagerie add vm_root=r1@{R0}");
    let verify = "/sbin/menagerie verify --json";
    let first = run(&disk, "", &[&add, "/sbin/menagerie status --json", verify])?;
    assert_eq!(root_mount(&first), Some(R0));
    assert!(done(&first.ran[0])?.ends_with(": vm_root r1\n"), "{:?}", first.ran[0]);
    assert!(!first.ran[0].err.contains("not sealed"), "{:?}", first.ran[0]);
    let (status, verified) = (json(&first.ran[1])?, json(&first.ran[2])?);
    let running = status["running"].as_str().context("something runs")?.to_string();
    assert_ne!(status["next"]["id"], running.as_str());
    assert_eq!(verified["faults"], serde_json::json!([]));
    assert_eq!(verified["artifacts"][1]["version"], "r1");
    assert_eq!(verified["artifacts"][1]["verity"], fsverity_digest(&disk)?.as_str());
    assert_eq!(verified["remarks"], serde_json::json!([format!("{R0} is not sealed with fs-verity")]));

    // The next boot runs from the sealed file, which nobody can write to; then back, and nothing has to be remembered.
    let r1 = format!("{BOOTMNT}/artifacts/vm_root/r1");
    let second =
        run(&disk, &format!("probe.write={r1}"), &["/sbin/menagerie reap --retain 0", "/sbin/menagerie rollback"])?;
    assert_eq!(root_mount(&second), Some(r1.as_str()));
    assert_eq!(second.wrote[&r1].text, "Operation not permitted (os error 1)");
    assert!(second.ran[1].err.contains("there is no older release"), "{:?}", second.ran[1]);
    let third = run(
        &disk,
        "",
        &[
            &format!("/sbin/menagerie add vm_root=r2@{r1}"),
            "/sbin/menagerie rollback",
            "/sbin/menagerie reap --retain 0",
        ],
    )?;
    assert_eq!(root_mount(&third), Some(r1.as_str()));
    assert_eq!(done(&third.ran[1])?.split(": ").last(), Some("vm_root r1\n"));
    let listed = run(&disk, "", &["/sbin/menagerie"])?;
    assert_eq!(done(&listed.ran[0])?, "Release: 0\n  vm_root: r1\n");
    Ok(())
}

/// The release that runs is kept whatever is asked for, also when it is not the newest.
#[test]
fn what_runs_is_kept() -> Result<()> {
    let disk = disk()?;
    let add = format!("/sbin/menagerie add vm_root=r1@{R0} --retain 0");
    let facts =
        run(&disk, "", &[&add, "/sbin/menagerie reap --retain 0", "/sbin/menagerie", "/sbin/menagerie status"])?;
    assert_eq!(done(&facts.ran[2])?, "Release: 0\n  vm_root: r1\nRelease: 1\n  vm_root: r0\n");
    assert!(done(&facts.ran[3])?.starts_with("running        release 1, "), "{:?}", facts.ran[3]);
    Ok(())
}

#[test]
fn a_disk_that_is_too_full_says_what_is_missing() -> Result<()> {
    let disk = disk()?;
    let facts = run(
        &disk,
        "",
        &[
            &format!("/sbin/menagerie add vm_root=r1@{R0}"),
            "/bin/busybox truncate -s 60M /run/big",
            "/sbin/menagerie add vm_root=big@/run/big",
            "/sbin/menagerie",
        ],
    )?;
    let refused = &facts.ran[2];
    assert_eq!(refused.code, Some(1));
    let said = refused.err.trim_end();
    assert!(said.starts_with(&format!("menagerie: {BOOTMNT} is too full: ")), "{said}");
    assert!(said.contains(" MB of the 63.6 MB that it takes are missing; "), "{said}");
    assert!(said.ends_with("nothing that may be reaped makes enough room, a larger disk does"), "{said}");
    assert_eq!(facts.ran[3].out, "Release: 0\n  vm_root: r1\nRelease: 1\n  vm_root: r0\n", "nothing has changed");
    Ok(())
}

/// A byte of a sealed artifact that changes on the disk is noticed by the kernel, and named by verify.
#[test]
fn a_sealed_artifact_that_rots_is_noticed() -> Result<()> {
    let disk = disk()?;
    let facts = run(&disk, "", &[&format!("/sbin/menagerie add vm_root=r1@{R0}"), "/sbin/menagerie rollback"])?;
    done(&facts.ran[1])?;
    let blocks = disk.debugfs("blocks /artifacts/vm_root/r1")?;
    let block: u64 = blocks.split_whitespace().nth(20).context("it has blocks")?.parse()?;
    disk.overwrite(block * 4096 + 17, b"rot")?;
    let facts = run(&disk, "", &["/sbin/menagerie verify"])?;
    assert_eq!(facts.ran[0].code, Some(3));
    let fault = format!("FAULT: reading {BOOTMNT}/artifacts/vm_root/r1: input/output error\n");
    assert!(facts.ran[0].out.contains(&fault), "{:?}", facts.ran[0]);
    Ok(())
}

/// The kernel hands on to PID 1 what it does not know: such a word must not turn PID 1 into a command that ends.
#[test]
fn a_word_on_the_command_line_is_no_command_for_pid_1() -> Result<()> {
    let facts = run(&disk()?, "menagerie verify", &[])?;
    assert_eq!(facts.argv, ["/sbin/init", "menagerie", "verify"]);
    Ok(())
}
