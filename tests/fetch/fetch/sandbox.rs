//! A probe that is locked up tries each thing that is forbidden, and the few that are not.

use crate::PROGRAM;
use fetch_tests::jail::{CHANGED, FILE_SIZE};
use init::sys;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

/// Lets the probe try something, with a file as its descriptor 3 and another one that it should not have.
fn attempt(what: &str) -> (Output, tempfile::NamedTempFile) {
    assert!(rustix::process::geteuid().is_root(), "these tests need root: run them with sudo");
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["jail", what, &std::process::id().to_string()]);
    sys::hand_over(&mut command, vec![file.reopen().unwrap().into()], 3);
    sys::hand_over(&mut command, vec![File::open("/etc/passwd").unwrap().into()], 9);
    (command.output().unwrap(), file)
}

fn word(what: &str) -> String {
    let (output, _) = attempt(what);
    String::from_utf8(output.stdout).unwrap().trim_end().to_string()
}

#[test]
fn what_is_forbidden_fails_and_what_is_needed_works() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let call = format!("calls:{}", listener.local_addr().unwrap());
    let call_in_vain = format!("calls, and may not:{}", listener.local_addr().unwrap());
    fs::create_dir_all(CHANGED).unwrap();
    fs::set_permissions(CHANGED, fs::Permissions::from_mode(0o777)).unwrap();
    let inside = |what: &str| format!("{what}:{CHANGED}/file");
    let (change, make, run) = (inside("changes"), inside("makes a directory"), inside("runs"));
    for (what, came) in [
        ("reads:/etc/hosts", "done"),
        ("reads:/etc/passwd", "EACCES"),
        ("reads:/proc/self/status", "EACCES"),
        ("reads:/dev/null", "EACCES"),
        ("lists:/", "EACCES"),
        ("lists:/etc", "EACCES"),
        ("writes:/etc/hosts", "EACCES"),
        ("writes:/tmp/by-the-probe", "EACCES"),
        ("writes:/dev/null", "EACCES"),
        ("runs:/bin/true", "EAGAIN"),
        ("starts a thread", "EAGAIN"),
        ("becomes root", "EPERM"),
        ("signals", "EPERM"),
        ("is called", "EACCES"),
        ("is called, and may", "done"),
        (call.as_str(), "done"),
        (call_in_vain.as_str(), "EACCES"),
        (change.as_str(), "done"),
        (make.as_str(), "EACCES"),
        (run.as_str(), "EAGAIN"),
        ("changes:/tmp/by-the-probe", "EACCES"),
        ("asks a name server", "done"),
        ("opens a pair of sockets", "done"),
        ("opens a raw socket", "EPERM"),
        ("asks a name server, with few calls", "EPERM"),
        ("opens a pair of sockets, with few calls", "EPERM"),
        ("starts a thread, with few calls", "EPERM"),
        ("runs, with few calls:/bin/true", "EPERM"),
        ("reads, with few calls:/etc/hosts", "done"),
        ("gaps, with few calls", "[]"),
        ("takes memory", "ENOMEM"),
        ("opens many", "EMFILE after 12"),
        ("writes enough", "done"),
        ("uses another's descriptor", "EBADF"),
        ("gaps", "[]"),
    ] {
        assert_eq!(word(what), came, "{what}");
    }
    fs::remove_dir(CHANGED).unwrap();
}

#[test]
fn a_file_that_grows_too_long_ends_it() {
    let (output, file) = attempt("writes too much");
    assert_eq!(output.status.signal(), Some(nix::libc::SIGXFSZ));
    assert_eq!(file.as_file().metadata().unwrap().len(), 0);
    let (_, file) = attempt("writes enough");
    assert_eq!(file.as_file().metadata().unwrap().len(), FILE_SIZE);
}

#[test]
fn it_is_nobody_holds_nothing_and_dies_with_its_parent() {
    let nobody = "uid 65533 65533 gid 65533 65533 groups 0";
    let rest = "nnp true leader true core Some(0) death Some(\"Signal::KILL\") dump NotDumpable";
    let none = "CapabilitySet(0x0)";
    assert_eq!(word("looks at itself"), format!("{nobody} capabilities {none} {none} 0 {rest}"));
    let one = "CapabilitySet(NET_ADMIN)";
    assert_eq!(word("keeps a capability"), format!("{nobody} capabilities {one} {one} 1 {rest}"));
    let root = nobody.replace("65533", "0");
    assert_eq!(word("stays root"), format!("{root} capabilities {none} {none} 0 {rest}"));
}

#[test]
fn somebody_elses_child_does_not_even_begin() {
    let output = Command::new(PROGRAM).args(["jail", "gaps", "1"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((said.as_str(), output.status.code()), ("process 1, its parent, has ended already\n", Some(1)));
}
