//! What broke in the middle is gone on with by the same command, and seen by nobody before it is whole.

use crate::place::{Place, done, refusal};
use hub::State;
use std::fs;

const GOES_ON: &str = "publish: 1.0 is a draft at best, the same command goes on with it: ";

#[test]
fn an_upload_that_breaks_off() {
    let place = Place::new();
    place.hub.break_upload("init", 5);
    let sentence = refusal(&mut place.release("1.0"));
    assert!(sentence.contains(&format!("{GOES_ON}uploading init: gh failed")), "{sentence}");
    let broken = place.at_hub("1.0");
    assert!(broken.draft && place.hub.tag("1.0").is_none());
    assert_eq!(broken.assets["init"].state, State::Starter);
    assert!(broken.assets.len() < crate::place::FILES);
    let uploads =
        || place.hub.asked().iter().filter(|asked| asked.starts_with("POST") && asked.contains("name=dock0")).count();
    assert_eq!(uploads(), 1);
    done(&mut place.release("1.0"));
    place.assert_uploaded("1.0");
    assert_eq!((uploads(), place.builds()), (1, 2), "what was there stays there");
    assert!(!place.at_hub("1.0").draft);
}

#[test]
fn an_answer_that_is_lost_after_the_last_byte() {
    let place = Place::new();
    place.hub.break_upload("SHA256SUMS", u64::MAX);
    place.hub.refuse("POST", "/releases", (502, "Bad gateway"), 1);
    let sentence = refusal(&mut place.release("1.0"));
    assert!(sentence.contains(&format!("{GOES_ON}making the release at GitHub: gh failed")), "{sentence}");
    refusal(&mut place.release("1.0"));
    done(&mut place.release("1.0"));
    place.assert_uploaded("1.0");
}

#[test]
fn a_draft_that_was_begun_with_something_else() {
    let place = Place::new();
    done(&mut place.release("1.0 --draft"));
    fs::remove_dir_all(place.checkout.path("dist")).unwrap();
    let other =
        "publish: there is a draft of 1.0, and dist/ is not what it was begun with: --clobber replaces its files\n";
    assert!(refusal(&mut place.release("1.0")).ends_with(other));
    done(&mut place.release("1.0 --clobber"));
    place.assert_uploaded("1.0");

    done(&mut place.release("1.1 --draft"));
    let cannot = "publish: the draft of 1.1 cannot be gone on with, --clobber replaces it: ";
    for (words, why) in [
        ("1.1 --expires 5", "it expires in 90 days\n"),
        ("1.1 --serial 9", "its serial is 3\n"),
        ("1.1 --channel beta", "its channel is stable\n"),
    ] {
        let sentence = refusal(&mut place.release(words));
        assert!(sentence.ends_with(&format!("{cannot}{why}")), "{sentence}");
    }
    place.commit("new", "New");
    let sentence = refusal(&mut place.release("1.1"));
    assert!(sentence.ends_with(&format!("{cannot}it was made of another commit\n")), "{sentence}");
    assert!(place.at_hub("1.1").draft);
}

/// Two people publish at once: the serial of the slower one would not grow any more.
#[test]
fn a_draft_that_another_release_overtook() {
    let place = Place::new();
    done(&mut place.release("1.0 --draft"));
    let dist = |name: &str| place.checkout.path(name);
    fs::rename(dist("dist"), dist("dist.1")).unwrap();
    done(&mut place.release("1.1 --serial 5"));
    fs::remove_dir_all(dist("dist")).unwrap();
    fs::rename(dist("dist.1"), dist("dist")).unwrap();
    let sentence = refusal(&mut place.release("1.0"));
    assert!(sentence.ends_with("--clobber replaces it: the serial 1 does not grow: 1.1 has 5\n"), "{sentence}");
    assert!(done(&mut place.release("1.0 --clobber")).contains("serial 6"));
}

#[test]
fn replacing_breaks_off() {
    let place = Place::new();
    done(&mut place.release("1.0"));
    place.hub.break_upload("initrd.img", 3);
    refusal(&mut place.release("1.0 --clobber"));
    assert!(place.at_hub("1.0").draft, "nobody gets half of it");
    done(&mut place.release("1.0"));
    place.assert_uploaded("1.0");
    assert!(!place.at_hub("1.0").draft);
}

#[test]
fn other_bytes_at_github_are_not_shown() {
    let place = Place::new();
    place.hub.serve_instead("1.0", "dock0", b"evil");
    let sentence = refusal(&mut place.release("1.0"));
    assert!(
        sentence.contains(&format!("{GOES_ON}GitHub has other bytes, --clobber replaces them:\n  dock0: ")),
        "{sentence}"
    );
    assert!(place.at_hub("1.0").draft);
}
