//! The two builds: how they fail, how they differ, and what they are not told.

use crate::place::{MAKE_ALL, Place, done, refusal};
use std::fs;

#[test]
fn two_builds_that_differ_are_not_published() {
    let place = Place::of(&format!("{MAKE_ALL}pwd >\"$2/init\"\n"));
    let sentence = refusal(&mut place.release("1.0"));
    let head = &place.checkout.head().unwrap()[..12];
    let work = place.checkout.path("build/release").join(head);
    assert!(sentence.contains(&format!("publish: the two builds of {head} differ:\n  init: ")), "{sentence}");
    let end = format!("both are in {}, and are built anew once it is removed\n", work.display());
    assert!(sentence.ends_with(&end), "{sentence}");
    assert_eq!(fs::read_to_string(work.join("one.assets/init")).unwrap(), format!("{}\n", work.join("one").display()));
    assert!(place.hub.releases().is_empty() && !place.checkout.path("dist").exists());
}

#[test]
fn a_build_that_fails_shows_its_last_lines() {
    let place = Place::of("seq 30; echo why >&2; exit 3");
    let sentence = refusal(&mut place.release("1.0"));
    assert!(sentence.contains("publish: ./justw assets failed (exit status: 3):\n12\n13\n"), "{sentence}");
    assert!(sentence.contains("\n30\nwhy\nThe whole log is ") && sentence.ends_with("/one.log\n"), "{sentence}");
    assert_eq!(place.builds(), 1);
}

#[test]
fn a_build_that_lacks_something_is_not_published() {
    let place = Place::of(&format!("{MAKE_ALL}rm \"$2/init\" \"$2/dock0\"\n"));
    assert!(refusal(&mut place.release("1.0")).ends_with("publish: the build made no dock0, no init\n"));
    let place = Place::of(&format!("{MAKE_ALL}: >\"$2/init\"\n"));
    assert!(refusal(&mut place.release("1.0")).ends_with("publish: the build made an empty init\n"));
}

#[test]
fn a_build_sees_what_is_committed_and_no_secret() {
    let place = Place::of(&format!("{MAKE_ALL}env >>$outside/env; ls -A >$outside/files\n"));
    fs::create_dir(place.checkout.path("build")).unwrap();
    fs::write(place.checkout.path("build/leftover"), "").unwrap();
    let key = fs::read_to_string(place.path("manifest.key")).unwrap();
    let mut release = place.command("release 1.0 --dry-run");
    done(release.envs([("DOCK0_MINISIGN_KEY", key.as_str()), ("DOCK0_MINISIGN_PASSWORD", "x"), ("CFLAGS", "-O0")]));
    let environment = fs::read_to_string(place.path("env")).unwrap();
    for secret in ["GH_", "DOCK0_", "CFLAGS", "the-publishers-token"] {
        assert!(!environment.contains(secret), "{environment}");
    }
    assert!(environment.contains("\nPATH=") || environment.starts_with("PATH="), "{environment}");
    assert_eq!(fs::read_to_string(place.path("files")).unwrap(), ".git\n.gitignore\njustw\n");
}
