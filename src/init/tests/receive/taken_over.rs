//! Scripts instead of the shipped child: what no child says that was not taken over, and what one is told.

use init::config::{Stored, Undone};
use init::failure::Failure;
use init::net::parent::Network;
use init::receive::parent::{LIFE, Receiver, Terms};
use init::receive::reception::{Ended, Office, Purpose, receive};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What comes of waiting for the answer of a child that is this script; and how many notes there were.
fn answered_by(script: &str) -> (Result<(), String>, u32) {
    with_child(script, |mut receiver| receiver.answer(200, "{}"))
}

fn with_child<T>(script: &str, work: impl FnOnce(Receiver) -> Result<T, Failure>) -> (Result<T, String>, u32) {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("child");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let paper = Path::new("none");
    let terms = Terms { program: Some(&program), port: 0, life: LIFE, certificate: paper, key: paper, operators: None };
    let notes = std::cell::Cell::new(0);
    let note = |_: &str| notes.set(notes.get() + 1);
    let came = Receiver::start(&terms, &note).and_then(work);
    (came.map_err(|failure| failure.to_string()), notes.get())
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
        assert!(notes <= 10_010, "{case}: {notes} notes");
    }
    let (answered, notes) =
        answered_by("echo gap a; echo ready a; read word; echo note b; echo reboot; echo answered; read word");
    assert_eq!((answered, notes), (Ok(()), 2), "what a child may say meanwhile is kept");
}

/// An office whose install takes until this file is there. It reboots, or does not.
struct Slow(PathBuf, bool);

impl Office for Slow {
    fn purpose(&self) -> Purpose {
        Purpose::Configuration
    }

    fn store(&mut self, _: File) -> Result<Stored, Undone> {
        Ok(Stored { sha256: "ab".into(), files: 1, bytes: 2 })
    }

    fn believe(&mut self, _: File, _: File) -> Result<String, Undone> {
        Ok("kernel/1".into())
    }

    fn install(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.0.exists() {
            if until < Instant::now() {
                return Err(Failure::new("the child is held up"));
            }
            tell("fetching");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn reboots(&self) -> bool {
        self.1
    }

    fn network(&mut self) -> Option<&mut Network> {
        None
    }
}

/// Strangers knock while a release is fetched: the child says more of it than the pipe to its parent holds.
#[test]
fn a_child_can_talk_while_its_parent_installs() {
    let place = tempfile::tempdir().unwrap();
    let over = place.path().join("over");
    let line = "x".repeat(1000);
    let script = format!(
        "echo ready a; echo release 0 0
         while read word rest; do [ $word = answer ] && break; done; echo answered
         n=0; while [ $n -lt 500 ]; do echo note {line}; n=$((n + 1)); done
         : > {}; while read word; do :; done",
        over.display()
    );
    let (ended, notes) = with_child(&script, |mut receiver| receive(&mut receiver, &mut Slow(over, true), None));
    assert_eq!(ended, Ok(Ended::Installed));
    // The last of them are still in the pipe, which holds 64 KiB.
    assert!(notes > 400, "{notes} notes");
}

#[test]
fn who_asks_is_told_what_comes_next() {
    for (reboots, doing) in [
        (true, "set doing booting with the configuration"),
        (false, "set doing the configuration is stored; the next boot has it"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let told = place.path().join("told");
        let script = format!(
            "echo ready a; echo config 0
             while read -r line; do echo \"$line\" >> {}; case $line in answer*) echo answered;; esac; done",
            told.display()
        );
        let mut office = Slow(told.clone(), reboots);
        let (ended, _) = with_child(&script, |mut receiver| {
            let ended = receive(&mut receiver, &mut office, None)?;
            receiver.end().map(|()| ended)
        });
        assert_eq!(ended, Ok(Ended::Stored));
        let want = [
            "set state waiting",
            "set doing waiting for a configuration",
            "set state storing",
            "set doing storing a configuration of 0 bytes",
            "set config ab",
            "set state leaving",
            doing,
            &format!(
                "answer 200 {{\"sha256\":\"ab\",\"files\":1,\"bytes\":2,\"doing\":\"{}\"}}",
                doing.trim_start_matches("set doing ")
            ),
        ];
        assert_eq!(fs::read_to_string(told).unwrap().lines().collect::<Vec<_>>(), want);
    }
}
