//! The `vm` program, as a person or a script calls it.

mod guest;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs `vm boot` on a small kernel with an empty disk.
fn vm(folder: &Path, arguments: &[&str]) -> Output {
    let kernel = guest::kernel(folder);
    let disk: PathBuf = folder.join("disk.img");
    std::fs::write(&disk, vec![0; 1 << 20]).expect("a disk");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vm"));
    command.env("DOCK0_ACCEL", "tcg").stdin(Stdio::null());
    command.arg("boot").arg("--kernel").arg(kernel).arg("--disk").arg(disk).args(arguments);
    command.output().expect("vm")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_console_and_qemus_status_are_passed_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = vm(folder.path(), &["--append", "hello"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("hello\0-\n"), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("disk.img through the kernel") && said.contains("256 MiB"), "{said}");
    assert!(said.contains("it ends when the guest powers off"), "{said}");
}

#[test]
fn the_command_line_is_printed_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--print", "--memory", "64", "--cpus", "2", "--snapshot", "--forward", "2222:22"];
    let output = vm(folder.path(), &options);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let line = text(&output.stdout);
    assert!(line.starts_with("qemu-system-x86_64 ") && line.lines().count() == 1, "{line}");
    for wanted in [" -m 64 -smp 2 ", " -append console=ttyS0 ", "snapshot=on", "hostfwd=tcp:127.0.0.1:2222-:22"] {
        assert!(line.contains(wanted), "{wanted:?} in {line}");
    }
}

#[test]
fn until_tells_the_time_or_shows_the_console() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = vm(folder.path(), &["--append", "login:", "--until", "login:", "--deadline", "60"]);
    assert!(found.status.success(), "{found:?}");
    let said = text(&found.stdout);
    assert!(said.starts_with("\"login:\" after ") && said.ends_with(" s\n"), "{said}");
    let missed = vm(folder.path(), &["--append", "panic", "--until", "login:", "--deadline", "60"]);
    assert_eq!(missed.status.code(), Some(1), "{missed:?}");
    let said = text(&missed.stderr);
    assert!(said.contains("waiting for \"login:\"") && said.contains("panic-\n"), "{said}");
}

#[test]
fn wrong_arguments_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let table: [(&[&str], &str); 3] = [
        (&["--grub", "3"], "3: it must be 2 or legacy"),
        (&["--forward", "22"], "22: it must be two port numbers, HOST:GUEST"),
        (&["--disk", "/nonexistent.img"], "there is no disk /nonexistent.img; `./justw disk` makes build/disk.img"),
    ];
    for (arguments, wanted) in table {
        let output = vm(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains(wanted), "{wanted:?} in {said}");
    }
}
