//! `menagerie receive --stay`, as a service of a VM that runs: it goes on listening, and says how the VM's release stands.

use crate::command::Place;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Lines, read_to_string};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for what comes by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that runs.
pub struct Staying {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
    port: u16,
}

impl Staying {
    /// Starts it with these words besides.
    pub fn start(place: &Place, words: &[&str]) -> Staying {
        let words = [words, &["receive", "--stay"]].concat();
        let mut child = place.menagerie(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Staying { child, said, port: place.port }
    }

    /// The next line on its standard error.
    pub fn line(&mut self) -> String {
        self.said.next().unwrap().unwrap()
    }

    /// Reads on until it says that it listens.
    pub fn wait_until_it_listens(&mut self) {
        let wanted = format!("menagerie: waiting on port {}; this VM's key is sha256//", self.port);
        while !self.line().starts_with(&wanted) {}
    }

    /// Ends it as a service is ended: what it has printed.
    pub fn end(mut self) -> String {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let printed = read_to_string(self.child.stdout.take().unwrap()).unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
        // Whoever has listened for it is gone too.
        let until = Instant::now() + PATIENCE;
        while let Err(error) = TcpListener::bind(("::", self.port)) {
            assert!(Instant::now() < until, "port {}: {error}", self.port);
            sleep(Duration::from_millis(10));
        }
        printed
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The process of its child that listens.
    fn listener(&self) -> Pid {
        let pid = self.pid();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(children).unwrap();
        Pid::from_raw(children.trim().parse().unwrap()).unwrap()
    }
}

/// A test that fails leaves nothing running.
impl Drop for Staying {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

#[test]
fn it_takes_one_push_after_the_other() {
    let place = Place::new();
    let mut staying = Staying::start(&place, &[]);
    staying.wait_until_it_listens();
    let sha256 = ["one", "two"].map(|hostname| {
        let answer = place.push(hostname);
        assert_eq!(answer["doing"], "the configuration is stored; the next boot has it");
        assert_eq!(place.hostname("config"), hostname);
        answer["sha256"].as_str().unwrap().to_string()
    });
    place.wait_for_state("doing", &json!("waiting for a configuration"), PATIENCE);
    let state = place.state();
    assert_eq!((&state["state"], &state["config"]), (&json!("waiting"), &json!(sha256[1])));
    // Somebody goes back meanwhile.
    assert!(place.menagerie(&["config", "rollback"]).status().unwrap().success());
    place.wait_for_state("config", &json!(sha256[0]), PATIENCE);
    let printed = sha256.map(|sha256| format!("the next boot has the configuration {sha256}\n"));
    assert_eq!(staying.end(), printed.concat());
}

#[test]
fn each_push_is_a_line_for_a_program() {
    let place = Place::new();
    let mut staying = Staying::start(&place, &["--json"]);
    staying.wait_until_it_listens();
    let sha256 = ["one", "two"].map(|hostname| place.push(hostname)["sha256"].clone());
    place.wait_for_state("state", &json!("waiting"), PATIENCE);
    let printed: Vec<Value> = staying.end().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(printed, sha256.map(|sha256| json!({"config": sha256})));
}

/// What a deploy waits for from outside.
#[test]
fn whether_its_release_is_good_is_known_at_once() {
    let place = Place::new();
    let id = place.run_release();
    let mut staying = Staying::start(&place, &[]);
    staying.wait_until_it_listens();
    place.wait_for_state("standing", &json!("on trial"), PATIENCE);
    let good = place.menagerie(&["good"]).output().unwrap();
    assert!(good.status.success(), "{good:?}");
    place.wait_for_state("standing", &json!("good"), Duration::from_secs(3));
    fs::write(place.disk(&format!("dock0/state/bad-{id}")), "").unwrap();
    place.wait_for_state("standing", &json!("bad"), Duration::from_secs(3));
    assert_eq!(staying.end(), "");
}

/// A VM that runs from no release of its disk has none that could be good.
#[test]
fn without_a_release_nothing_is_good() {
    let place = Place::new();
    let mut staying = Staying::start(&place, &[]);
    staying.wait_until_it_listens();
    place.wait_for_state("doing", &json!("waiting for a configuration"), PATIENCE);
    let state = place.state();
    assert_eq!((&state["id"], &state["standing"]), (&Value::Null, &Value::Null));
    staying.end();
}

#[test]
fn a_child_that_ends_is_followed_by_another() {
    let place = Place::new();
    let mut staying = Staying::start(&place, &[]);
    staying.wait_until_it_listens();
    // Nothing more is told it, so that its end is what is noticed.
    place.wait_for_state("doing", &json!("waiting for a configuration"), PATIENCE);
    kill_process(staying.listener(), Signal::KILL).unwrap();
    assert_eq!(staying.line(), "menagerie: dock0-receive has ended without a word; listening again in 1 s");
    staying.wait_until_it_listens();
    place.push("one");
    assert_eq!(place.hostname("config"), "one");
    staying.end();
}

/// Whoever listens there now will have ended some day.
#[test]
fn it_waits_for_a_port_that_is_taken() {
    let place = Place::new();
    let mut other = place.menagerie(&["receive"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    place.wait_for_it(&mut other);
    let mut staying = Staying::start(&place, &[]);
    let taken = format!("menagerie: listening on port {}: address already in use; listening again in", place.port);
    assert_eq!([staying.line(), staying.line()], [1, 2].map(|seconds| format!("{taken} {seconds} s")));
    other.kill().unwrap();
    other.wait().unwrap();
    staying.wait_until_it_listens();
    staying.end();
}

/// A service that is not told who may push says so, and ends: nothing here will change that.
#[test]
fn it_does_not_stay_for_nobody() {
    let place = Place::new();
    fs::remove_file(place.disk("dock0/trust/operators.pem")).unwrap();
    let output = place.menagerie(&["receive", "--stay"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert_eq!(err, "menagerie: nobody may push anything without dock0/trust/operators.pem\n");
}
