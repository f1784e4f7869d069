//! Children that were taken over: whatever they say, PID 1 takes nothing that it did not ask for, and waits no longer than it wants.

use crate::service::{Metadata, PATIENCE, ask_at, ask_by};
use plain_http::Answer;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// What comes of a child that is this shell script.
fn taken_over(script: &str, patience: Duration) -> String {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("child");
    fs::write(&program, format!("#!/bin/sh\nproof=\"proof {}\"\n{script}\n", "0a".repeat(32))).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    ask_by(&program, &[], patience).0.unwrap_err().to_string()
}

#[test]
fn what_it_never_says_ends_it() {
    let nonsense = "dock0-enrol said something that it never says; it was ended";
    let good = "echo $proof; echo operator MAA=";
    for (case, script) in [
        ("no line", "echo hello"),
        ("a control character", r"printf 'waiting \033[2J\n'"),
        ("a line without an end", "head -c 3000 /dev/zero | tr '\\0' x"),
        ("no proof", "echo operator MAA=; echo told"),
        ("a proof that is none", "echo proof 0a; echo operator MAA=; echo told"),
        ("a proof in other letters", "echo $proof | tr a A; echo operator MAA=; echo told"),
        ("two proofs", "echo $proof; echo $proof"),
        ("nobody", "echo $proof; echo told"),
        ("somebody who is no base64", "echo $proof; echo operator MA; echo told"),
        ("somebody who is nothing", "echo $proof; echo operator; echo told"),
        ("five", &format!("{good}; echo operator MAA=; echo operator MAA=; echo operator MAA=; echo operator MAA=")),
        ("more of nothing", "echo $proof; echo more MAA="),
        ("settings that nobody can use", &format!("{good}; echo settings e30x; echo told")),
        ("settings that are no base64", &format!("{good}; echo settings e3; echo told")),
        ("settings twice", &format!("{good}; echo settings e30=; echo settings e30=")),
        ("more than all", &format!("{good}; printf 'told\\ntold\\n'")),
        ("a certificate without an end", "echo operator MAAA; yes more $(head -c 600 /dev/zero | tr '\\0' A)"),
        ("reasons without an end", "yes waiting a | head -n 1000"),
    ] {
        assert_eq!(taken_over(&format!("{script}\nsleep 20"), PATIENCE), nonsense, "{case}");
    }
}

#[test]
fn one_that_ends_or_hangs_is_no_answer() {
    assert_eq!(taken_over("exit 1", PATIENCE), "dock0-enrol has ended without a word");
    assert_eq!(taken_over("echo failed all is lost; exit 1", PATIENCE), "all is lost");
    let began = Instant::now();
    let said = taken_over("echo waiting the service sleeps; sleep 20", Duration::from_secs(1));
    assert_eq!(said, "nobody said who may push within 1 s: the service sleeps");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// The kernel is asked what the child may still do.
#[test]
fn who_asks_is_locked_up() {
    let metadata = Metadata::saying(Answer::empty(204));
    let address = metadata.address();
    let asking = {
        let address = address.clone();
        std::thread::spawn(move || ask_at(&[&address], Duration::from_secs(4)).0)
    };
    let end = Instant::now() + PATIENCE;
    let is_ours = |pid: &String| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with("dock0-enrol\0") && words.contains(&address)
    };
    while metadata.asked().is_empty() {
        assert!(Instant::now() < end, "it never asks");
        std::thread::sleep(Duration::from_millis(10));
    }
    let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pid = all.into_iter().find(is_ours).expect("a child that asks");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["Uid:\t65530\t65530\t65530\t65530", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.lines().any(|found| found == line), "{line:?}: {status}");
    }
    assert!(asking.join().unwrap().is_err());
}

#[test]
fn by_hand_it_does_nothing() {
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_init")).args(["dock0-enrol", "7"]).output().unwrap();
    assert_eq!(
        String::from_utf8(ran.stdout).unwrap(),
        "failed the child that asks who may push is started by dock0 alone; nothing was done\n"
    );
    assert_eq!(ran.status.code(), Some(1));
}
