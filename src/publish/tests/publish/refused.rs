//! What is refused before anything is built.

use crate::place::{Place, done, refusal};
use std::fs;
use std::process::Command;

/// The sentence, after which nothing was built and GitHub has nothing.
fn refused(place: &Place, command: &mut Command) -> String {
    let (builds, releases) = (place.builds(), place.hub.releases());
    let sentence = refusal(command);
    assert_eq!((place.builds(), place.hub.releases()), (builds, releases), "{sentence}");
    sentence
}

#[test]
fn a_dirty_tree() {
    let place = Place::new();
    for file in ["b", "a", "c", "d", "e", "f"] {
        fs::write(place.checkout.path(file), "").unwrap();
    }
    let want = "publish: the working tree has changes that no commit has (a, b, c, d, e, …): commit or stash them\n";
    assert_eq!(refused(&place, &mut place.release("1.0")), want);
    for file in ["a", "b", "c", "d", "e", "f"] {
        fs::remove_file(place.checkout.path(file)).unwrap();
    }
    fs::write(place.checkout.path("justw"), "").unwrap();
    let sentence = refused(&place, &mut place.release("1.0"));
    assert!(sentence.contains("has (justw): commit"), "{sentence}");
}

#[test]
fn a_version_that_can_be_none() {
    let place = Place::new();
    for (version, why) in [
        ("1.0/2", "publish: the version \"1.0/2\" "),
        ("1.0~rc1", "publish: the version \"1.0~rc1\" cannot be a tag of git\n"),
        ("1..0", "publish: the version \"1..0\" cannot be a tag of git\n"),
    ] {
        let sentence = refused(&place, &mut place.release(version));
        assert!(sentence.starts_with(why), "{sentence}");
    }
    let sentence = refused(&place, &mut place.release("-- -1"));
    assert_eq!(sentence, "publish: the version \"-1\" cannot be a tag of git\n");
}

#[test]
fn a_tag_of_another_commit() {
    let place = Place::new();
    let first = place.checkout.head().unwrap();
    done(&mut place.release("1.0"));
    let second = place.commit("new", "New");
    let sentence = refused(&place, &mut place.release("1.0 --clobber"));
    let want = format!("the tag 1.0 is the commit {}, and this is {}\n", &first[..12], &second[..12]);
    assert_eq!(sentence, format!("publish: at GitHub {want}"));
    place.checkout.git(&["tag", "--annotate", "--message", "x", "1.0", &first]).unwrap();
    assert_eq!(refused(&place, &mut place.release("1.0")), format!("publish: {want}"));
}

#[test]
fn a_commit_that_was_not_pushed() {
    let place = Place::new();
    let commit = place.checkout.commit("text", "new", "New").unwrap();
    let sentence = refused(&place, &mut place.release("1.0"));
    assert_eq!(sentence, format!("publish: GitHub has no commit {}: push it first\n", &commit[..12]));
}

#[test]
fn no_key() {
    let place = Place::new();
    let missing = "publish: nothing to sign with: --key FILE or $DOCK0_MINISIGN_KEY names the key that dock0 keygen manifest makes\n";
    assert_eq!(refused(&place, &mut place.command("release 1.0")), missing);
    assert_eq!(refused(&place, place.command("release 1.0").env("DOCK0_MINISIGN_KEY", "")), missing);
    let sentence = refused(&place, place.command("release 1.0").env("DOCK0_MINISIGN_KEY", "a secret\nthing"));
    assert_eq!(sentence, "publish: reading the secret key $DOCK0_MINISIGN_KEY: it is no secret key of minisign\n");
    let sentence = refused(&place, place.command("release 1.0 --key").arg(place.path("manifest.pub")));
    assert!(sentence.ends_with("manifest.pub: it is no secret key of minisign\n"), "{sentence}");
}

#[test]
fn github_that_does_not_answer_as_it_should() {
    let place = Place::new();
    let asking =
        "publish: asking GitHub for the repository (gh auth status; GH_REPO=OWNER/NAME): gh failed (exit status: 1):\n";
    let sentence = refused(&place, place.release("1.0").env("GH_TOKEN", "another"));
    assert!(sentence.starts_with(asking) && sentence.contains("Bad credentials"), "{sentence}");
    let sentence = refused(&place, place.release("1.0").env("GH_REPO", "github.localhost/acme/other"));
    assert!(sentence.starts_with(asking) && sentence.contains("Not Found"), "{sentence}");
    let head = place.checkout.head().unwrap();
    place.hub.refuse("GET", &head, (502, "Bad gateway"), 1);
    let sentence = refused(&place, &mut place.release("1.0"));
    assert!(
        sentence.starts_with("publish: asking GitHub for the commit: gh failed") && sentence.contains("HTTP 502"),
        "{sentence}"
    );
    place.hub.refuse("GET", "/releases", (403, "API rate limit exceeded"), 1);
    let sentence = refused(&place, &mut place.release("1.0"));
    assert!(sentence.starts_with("publish: asking GitHub for the releases: gh failed"), "{sentence}");
    assert!(sentence.contains("API rate limit exceeded"), "{sentence}");
}

#[test]
fn words_that_cannot_be() {
    let place = Place::new();
    for (words, why) in [
        ("1.0 --expires 0", "publish: --expires 0: must be 1 to 3650 days\n"),
        ("1.0 --expires 3651", "publish: --expires 3651: must be 1 to 3650 days\n"),
        ("1.0 --channel ../x", "publish: the channel \"../x\" begins with a dot\n"),
        (
            "1.0 --channel beta",
            "publish: --channel beta without --prerelease: everybody's latest release would be of it\n",
        ),
        (
            "1.0-and-so-on-and-so-on-and-so-on-and-so-on",
            "publish: the version \"1.0-and-so-on-and-so-on-and-so-on-and-so-on\" is too long for a link to it\n",
        ),
        ("1.0 --serial 0", "publish: the serial 0 does not grow: the first is 1\n"),
    ] {
        assert_eq!(refused(&place, &mut place.release(words)), why);
    }
}

/// Of this key, and of this channel.
#[test]
fn a_serial_that_does_not_grow() {
    let place = Place::new();
    done(&mut place.release("1.0 --serial 7"));
    let sentence = refused(&place, &mut place.release("1.1 --serial 7"));
    assert_eq!(sentence, "publish: the serial 7 does not grow: 1.0 has 7\n");
    assert!(done(&mut place.release("1.1 --dry-run")).contains("serial 8"));
    assert!(done(&mut place.release("1.1 --dry-run --prerelease --channel beta --serial 3")).contains("serial 3"));
    let other = tempfile::tempdir().unwrap();
    dock0::signing::generate(other.path(), dock0::signing::Protection::None).unwrap();
    let key = std::fs::read_to_string(other.path().join("manifest.key")).unwrap();
    let said = done(place.command("release 1.1 --dry-run").env("DOCK0_MINISIGN_KEY", key));
    assert!(said.contains("serial 1"), "another key begins afresh: {said}");
    // What somebody else calls a manifest is none.
    for (tag, text) in [("big", "x".repeat(70_000)), ("small", "{}".into())] {
        let at = |name: &str| place.path(name);
        fs::write(at("release.json"), text).unwrap();
        fs::write(at("release.json.minisig"), "x").unwrap();
        let paths = [at("release.json"), at("release.json.minisig")].map(|path| path.display().to_string());
        place.gh(&format!("release create {tag} --notes x {}", paths.join(" ")));
    }
    assert!(done(&mut place.release("1.1 --dry-run")).contains("serial 8"));
}
