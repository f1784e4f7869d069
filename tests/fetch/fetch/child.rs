//! Children that have been taken over: whatever they say or do, the parent says a sentence, the child is gone, and the next good
//! fetch into the same place works.

use crate::PROGRAM;
use fetch_tests::ca::Ca;
use fetch_tests::nginx::Nginx;
use fetch_tests::place::{Place, job, notes};
use init::fetch::verified;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

const NONSENSE: &str = "fetching vm_root 2: the child said something that it never says; it was ended";

fn setting() -> (Place, Nginx) {
    let ca = Ca::new(&["localhost"]).unwrap();
    let nginx = Nginx::start(&ca, &[("five", b"12345")]).unwrap();
    (Place::new(PROGRAM, &ca.pem).unwrap(), nginx)
}

/// The place, with a child that does this.
fn with(place: &mut Place, misdeed: &str) {
    place.program = place.directory.path().join(misdeed);
    std::fs::hard_link(PROGRAM, &place.program).unwrap();
}

#[test]
fn whatever_a_child_says_it_is_ended_and_not_believed() {
    let (mut place, nginx) = setting();
    let job = job(b"12345", &[&nginx.https("five")]);
    let deadline = Duration::from_secs(2);
    for (misdeed, sentence) in [
        ("says-done", "vm_root 2: what the child has fetched is not what was signed"),
        ("says-escapes", NONSENSE),
        ("says-too-much", NONSENSE),
        ("says-another-mirror", NONSENSE),
        ("says-words", NONSENSE),
        ("says-durable", "of course"),
        ("never-ends-a-line", NONSENSE),
        ("floods", NONSENSE),
        ("says-nothing", "fetching vm_root 2: it has taken too long"),
        ("ends-with-a-failure", "fetching vm_root 2: the child said something that it never says; it was ended"),
        ("dies", "fetching vm_root 2: the child was ended by signal 9 without a word"),
        ("hangs-up", "fetching vm_root 2: the child was ended by signal 9 without a word"),
    ] {
        with(&mut place, misdeed);
        let begin = Instant::now();
        let (fetched, heard) = place.fetch_within(&job, deadline);
        let failure = fetched.and_then(|fetched| fetched.by_reading()).unwrap_err();
        assert_eq!(failure.to_string(), sentence, "{misdeed}");
        assert!(begin.elapsed() < 2 * deadline, "{misdeed}");
        let pid = notes(&heard)[0].strip_prefix("pid ").unwrap().parse().unwrap();
        assert_eq!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH), "{misdeed}");

        place.program = PROGRAM.into();
        let (fetched, _) = place.fetch(&job);
        fetched.and_then(|fetched| fetched.by_reading()).unwrap_or_else(|failure| panic!("{misdeed}, then: {failure}"));
        assert_eq!(verified::read(&place.open().unwrap()).unwrap(), None, "{misdeed}");
        std::fs::remove_file(place.part()).unwrap();
    }
}

#[test]
fn it_gets_four_descriptors_no_variable_and_no_place_of_ours() {
    let (mut place, nginx) = setting();
    with(&mut place, "tells-what-it-has");
    let (_fetched, heard) = place.fetch(&job(b"12345", &[&nginx.https("five")]));
    // Descriptor 4 is the listing itself.
    let has = "[] [\"0\", \"1\", \"2\", \"3\", \"4\"] /";
    assert_eq!(notes(&heard)[1], has);
}

#[test]
fn a_program_that_is_not_there_is_a_sentence() {
    let (mut place, nginx) = setting();
    place.program = "/no/such/program".into();
    let (fetched, _) = place.fetch(&job(b"12345", &[&nginx.https("five")]));
    let sentence = fetched.unwrap_err().to_string();
    assert_eq!(sentence, "starting the child that fetches vm_root 2: no such file or directory");
}

#[test]
fn the_ca_file_must_be_one() {
    let (place, nginx) = setting();
    let job = job(b"12345", &[&nginx.https("five")]);
    std::fs::write(place.ca(), "no certificate").unwrap();
    assert_eq!(place.fetch(&job).0.unwrap_err().to_string(), "reading the CA file: there is no certificate in it");
    std::fs::write(place.ca(), "x".repeat(300_000)).unwrap();
    let sentence = place.fetch(&job).0.unwrap_err().to_string();
    assert_eq!(sentence, format!("reading the CA file {}: it has more than 256 KiB", place.ca().display()));
    std::fs::remove_file(place.ca()).unwrap();
    let sentence = place.fetch(&job).0.unwrap_err().to_string();
    assert_eq!(sentence, format!("reading the CA file {}: no such file or directory", place.ca().display()));
}
