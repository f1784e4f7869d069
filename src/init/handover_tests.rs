//! The check of the VM's init, on directories that stand for a root.

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A root with an executable `/sbin/init` of these bytes, and a shell.
fn root(init: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for directory in ["sbin", "bin", "lib"] {
        fs::create_dir(root.path().join(directory)).unwrap();
    }
    for (path, content) in [("sbin/init", init), ("bin/sh", b"\x7fELF")] {
        let path = root.path().join(path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

fn check(root: &tempfile::TempDir, init: &str) -> Result<(), String> {
    check_init(root.path().to_str().unwrap(), init).map_err(|failure| failure.to_string())
}

#[test]
fn each_program_that_cannot_start_has_its_sentence() {
    let mut arm = [0; 64];
    arm[..6].copy_from_slice(b"\x7fELF\x02\x01");
    arm[18] = 183;
    for (init, want) in [
        (&b"#!/bin/sh\n"[..], Ok(())),
        (
            b"#!/bin/bash\n",
            Err("/sbin/init is a script for /bin/bash, which the root cannot give: no such file or directory"),
        ),
        (&arm, Err("/sbin/init is a program for another machine (ELF machine 183)")),
        (b"MZ", Err("/sbin/init is neither an ELF program nor a script")),
        (b"", Err("/sbin/init is neither an ELF program nor a script")),
    ] {
        assert_eq!(check(&root(init), "/sbin/init"), want.map_err(str::to_string), "{:?}", init.escape_ascii().next());
    }
}

#[test]
fn links_are_followed_inside_the_root_and_never_out_of_it() {
    let root = root(b"#!/bin/sh\n");
    symlink("/sbin/init", root.path().join("lib/absolute")).unwrap();
    symlink("/proc/self/exe", root.path().join("lib/outside")).unwrap();
    assert_eq!(check(&root, "/lib/absolute"), Ok(()));
    assert_eq!(
        check(&root, "/lib/outside"),
        Err("looking for /lib/outside in the root: no such file or directory".into())
    );
}

#[test]
fn what_is_missing_or_no_executable_is_said() {
    let root = root(b"#!/bin/sh\n");
    fs::set_permissions(root.path().join("sbin/init"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(check(&root, "/sbin/init"), Err("/sbin/init is not an executable file".into()));
    let pipe = root.path().join("sbin/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o777), 0).unwrap();
    assert_eq!(check(&root, "/sbin/pipe"), Err("/sbin/pipe is not an executable file".into()));
    assert_eq!(check(&root, "/lib"), Err("/lib is not an executable file".into()));
    assert_eq!(check(&root, "/init"), Err("looking for /init in the root: no such file or directory".into()));
}

#[test]
fn a_directory_is_emptied_without_following_links() {
    let (tree, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(kept.path().join("kept"), "").unwrap();
    fs::create_dir_all(tree.path().join("a/b/c")).unwrap();
    fs::write(tree.path().join("a/b/file"), "").unwrap();
    symlink(kept.path(), tree.path().join("a/link")).unwrap();
    let open = rustix::fs::open(tree.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    let device = rustix::fs::fstat(&open).unwrap().st_dev;
    empty_directory(&open, device).unwrap();
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0);
    assert!(kept.path().join("kept").exists());
}

#[test]
fn memory_is_told_from_a_disk() {
    assert_eq!(is_in_memory("/dev/shm"), Ok(true));
    assert_eq!(is_in_memory("/proc"), Ok(false));
}
