//! What broke in the middle is gone on with by the same command, and seen by nobody before it is whole.

use crate::place::{Place, done, refusal};
use hub::State;
use std::fs;

const GOES_ON: &str = "publish: publishing 1.0, which the same command goes on with: ";

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

/// The signed files are there first: another machine builds the rest, and goes on with those.
#[test]
fn another_machine_goes_on() {
    let place = Place::new();
    place.hub.break_upload("dock0", 5);
    refusal(&mut place.release("1.0"));
    let signed = place.at_hub("1.0").assets;
    for directory in ["dist", "build"] {
        fs::remove_dir_all(place.checkout.path(directory)).unwrap();
    }
    done(&mut place.release("1.0"));
    place.assert_uploaded("1.0");
    let published = place.at_hub("1.0");
    assert!(!published.draft && published.notes.starts_with("The first release."), "{}", published.notes);
    for name in ["SHA256SUMS", "SHA256SUMS.minisig", "release.json", "release.json.minisig"] {
        assert_eq!(published.assets[name].bytes, signed[name].bytes, "{name}");
    }
}

#[test]
fn the_first_upload_breaks_off() {
    for name in ["release.json", "release.json.minisig", "SHA256SUMS"] {
        let place = Place::new();
        place.hub.break_upload(name, 5);
        let sentence = refusal(&mut place.release("1.0"));
        assert!(sentence.contains(&format!("{GOES_ON}uploading {name}: gh failed")), "{sentence}");
        done(&mut place.release("1.0"));
        place.assert_uploaded("1.0");
        assert_eq!(place.builds(), 2);
    }
}

#[test]
fn a_draft_that_is_not_ours() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x");
    fs::write(place.path("stranger"), "hello").unwrap();
    place.gh(&format!("release upload 1.0 {}", place.path("stranger").display()));
    let sentence = refusal(&mut place.release("1.0"));
    assert_eq!(sentence, "publish: there is a draft of 1.0 with other files, stranger: --clobber replaces them\n");
    done(&mut place.release("1.0 --clobber"));
    place.assert_uploaded("1.0");
    assert!(place.at_hub("1.0").notes.starts_with("The first release."));
    place.gh("release create 1.1 --draft --notes x");
    place.gh("release create 1.1 --draft --notes y");
    let sentence = refusal(&mut place.release("1.1"));
    assert_eq!(sentence, "publish: GitHub has 2 releases of 1.1: delete all but one\n");
}

#[test]
fn a_draft_that_was_begun_with_something_else() {
    let place = Place::new();
    done(&mut place.release("1.1 --draft"));
    let cannot = "publish: the draft of 1.1 cannot be gone on with, --clobber replaces it: ";
    for (words, why) in [
        ("1.1 --expires 5", "it expires in 90 days\n"),
        ("1.1 --serial 9", "its serial is 1\n"),
        ("1.1 --prerelease --channel beta", "its channel is stable\n"),
    ] {
        let sentence = refusal(&mut place.release(words));
        assert!(sentence.ends_with(&format!("{cannot}{why}")), "{sentence}");
    }
    place.commit("new", "New");
    let sentence = refusal(&mut place.release("1.1"));
    assert!(sentence.ends_with(&format!("{cannot}it was made of another commit\n")), "{sentence}");
    // Another key's signature is none.
    let other = tempfile::tempdir().unwrap();
    dock0::signing::generate(other.path(), dock0::signing::Protection::None).unwrap();
    fs::remove_dir_all(place.checkout.path("dist")).unwrap();
    let mut release = place.command("release 1.1 --key");
    let sentence = refusal(release.arg(other.path().join("manifest.key")));
    assert!(sentence.contains(cannot) && sentence.contains(" signed it, and trusted are "), "{sentence}");
    assert!(place.at_hub("1.1").draft);
}

/// A manifest expires by the day on which it was made: an old one is made anew, and an old draft is not published.
#[test]
fn what_was_made_days_ago_is_not_published() {
    let place = Place::new();
    done(&mut place.release("1.0 --dry-run"));
    place.age_dist();
    done(&mut place.release("1.0 --draft"));
    assert!(!place.dist("release.json").starts_with(b"{\n  \"product\": \"old\""));
    place.age_dist();
    place.upload_signed("1.0");
    let sentence = refusal(&mut place.release("1.0"));
    assert!(sentence.ends_with("it was made 2020-01-01T00:00:00Z, more than a day ago\n"), "{sentence}");
    assert!(done(&mut place.release("1.0 --clobber")).contains("serial 2"));
}

/// Building takes an hour, in which others publish and tag.
#[test]
fn what_others_do_meanwhile() {
    let script =
        format!("{}if [ -e $outside/now ]; then sh $outside/now; rm $outside/now; fi\n", crate::place::MAKE_ALL);
    let meanwhile = |place: &Place, gh: &str| {
        let mut script: String =
            place.hub.environment().iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        script.push_str(gh);
        fs::write(place.path("now"), script).unwrap();
    };
    let place = Place::of(&script);
    place.gh("release create 1.0 --draft --notes x");
    meanwhile(&place, "gh release edit 1.0 --draft=false");
    let sentence = refusal(&mut place.release("1.0"));
    let look = "somebody else has published 1.0 meanwhile, look at it: --clobber replaces its files\n";
    assert!(sentence.ends_with(&format!("{GOES_ON}{look}")), "{sentence}");
    assert_eq!(place.at_hub("1.0").assets.len(), 0, "nobody sees a half of it");

    let place = Place::of(&script);
    let (ours, theirs) = (place.checkout.head().unwrap(), "1".repeat(40));
    place.hub.push(&theirs);
    meanwhile(&place, &format!("gh release create 1.0 --target {theirs} --notes x; gh release delete 1.0 --yes"));
    let sentence = refusal(&mut place.release("1.0"));
    let want = format!("at GitHub the tag 1.0 is the commit {}, and this is {}\n", &theirs[..12], &ours[..12]);
    assert!(sentence.ends_with(&format!("{GOES_ON}{want}")), "{sentence}");
    assert!(place.hub.releases().is_empty());
}

#[test]
fn two_at_once_are_one_too_many() {
    let place = Place::new();
    fs::create_dir_all(place.checkout.path("build/release")).unwrap();
    let lock = fs::File::create(place.checkout.path("build/release/lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(refusal(&mut place.release("1.0")), "publish: another release is being made here: wait for it\n");
    drop(lock);
    done(&mut place.release("1.0"));
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
    for (goes_on, serial) in [("1.0", "serial 2,"), ("1.0 --clobber", "serial 4,")] {
        place.hub.break_upload("initrd.img", 3);
        refusal(&mut place.release("1.0 --clobber"));
        assert!(place.at_hub("1.0").draft, "nobody gets half of it");
        let said = done(&mut place.release(goes_on));
        assert!(said.contains(serial), "a serial is used once: {said}");
        place.assert_uploaded("1.0");
        assert!(!place.at_hub("1.0").draft);
    }
    // Before anything is uploaded again: the manifest goes last.
    place.hub.refuse("DELETE", &format!("/assets/{}", place.at_hub("1.0").assets["release.json"].id), (500, "x"), 1);
    refusal(&mut place.release("1.0 --clobber"));
    assert!(done(&mut place.release("1.0 --clobber")).contains("serial 6,"));
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
