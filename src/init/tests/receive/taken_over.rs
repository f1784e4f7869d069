//! Children that were taken over, and say what no child says: scripts instead of the shipped one.

use init::receive::parent::{LIFE, Receiver, Terms};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What comes of waiting for the answer of a child that is this script; and how many notes there were.
fn answered_by(script: &str) -> (Result<(), String>, u32) {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("child");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let paper = Path::new("none");
    let terms = Terms { program: Some(&program), port: 0, life: LIFE, certificate: paper, key: paper, operators: None };
    let notes = std::cell::Cell::new(0);
    let note = |_: &str| notes.set(notes.get() + 1);
    let answered = Receiver::start(&terms, &note).and_then(|mut receiver| receiver.answer(200, "{}"));
    (answered.map_err(|failure| failure.to_string()), notes.get())
}

#[test]
fn whoever_talks_without_end_is_not_listened_to() {
    let nonsense = "dock0-receive said something that it never says; it was ended";
    for (case, script) in [
        ("requests without end", "echo ready a; while :; do echo config 1; done"),
        ("reboots without end", "echo ready a; while :; do echo reboot; done"),
        ("ready twice", "echo ready a; echo ready b; exec sleep 60"),
        ("ready twice, later", "echo ready a; read word; echo ready b; exec sleep 60"),
        ("requests before it is ready", "while :; do echo release 1 1; done"),
        ("notes without end", "echo ready a; while :; do echo note a; done"),
        ("gaps without end", "while :; do echo gap a; done"),
    ] {
        let start = Instant::now();
        let (answered, notes) = answered_by(script);
        assert_eq!(answered.unwrap_err(), nonsense, "{case}");
        assert!(start.elapsed() < Duration::from_secs(9), "{case}: it was listened to for {:?}", start.elapsed());
        assert!(notes <= 10_001, "{case}: {notes} notes");
    }
    let (answered, notes) =
        answered_by("echo gap a; echo ready a; read word; echo note b; echo reboot; echo answered; read word");
    assert_eq!((answered, notes), (Ok(()), 2), "what a child may say meanwhile is kept");
}
