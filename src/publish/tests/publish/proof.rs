//! Proving what was published: by the key, by the sums, and by building it again.

use crate::place::{MAKE_ALL, Place, done, refusal};
use dock0::signing::{self, Protection, Signer};
use std::fs;

fn published() -> Place {
    published_by(MAKE_ALL)
}

fn published_by(make: &str) -> Place {
    let place = Place::of(make);
    done(&mut place.release("1.0"));
    place.checkout.git(&["tag", "1.0"]).unwrap();
    place
}

#[test]
fn what_was_published_is_what_its_commit_builds() {
    let place = published();
    let head = place.checkout.head().unwrap();
    place.commit("new", "New");
    fs::write(place.checkout.path("text"), "changed, and not committed").unwrap();
    let key = Signer::read(&place.path("manifest.key")).unwrap().id().unwrap();
    let said = done(&mut place.verify("1.0"));
    let want = format!(
        "1.0: 14 files are what the key {key} signed, serial 1\n1.0: {} builds the same 10 files here\n",
        &head[..12]
    );
    assert_eq!(said, want);
    assert_eq!(place.builds(), 3, "twice for the release, once for the proof");
    done(&mut place.verify("1.0"));
    assert_eq!(place.builds(), 4, "and each time anew");
    done(&mut place.verify("1.0 --no-rebuild"));
    assert_eq!(place.builds(), 4);
}

/// After the sentence of the first half, which holds.
#[test]
fn another_machine_builds_something_else() {
    let place = published_by(&format!("{MAKE_ALL}cat $outside/compiler >>\"$2/init\" || :\n"));
    fs::write(place.path("compiler"), "another").unwrap();
    let output = place.verify("1.0").output().unwrap();
    let sentence = String::from_utf8(output.stderr).unwrap();
    let head = &place.checkout.head().unwrap()[..12];
    assert!(sentence.contains(&format!("publish: 1.0 is not what {head} builds here:\n  init: ")), "{sentence}");
    assert!(sentence.contains("sbom.cdx.json says which; both are in "), "{sentence}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_nobody_signed_is_refused() {
    let place = published();
    let other = tempfile::tempdir().unwrap();
    signing::generate(other.path(), Protection::None).unwrap();
    let sentence = refusal(place.command("verify 1.0 --trust").arg(other.path().join("manifest.pub")));
    assert!(
        sentence.contains("/SHA256SUMS: the key ") && sentence.contains(" signed it, and trusted are "),
        "{sentence}"
    );
    let sentence = refusal(place.command("verify 1.0 --trust").arg(place.path("manifest.key")));
    assert!(sentence.contains("publish: reading the public key "), "{sentence}");
    for (file, bytes, why) in [
        ("init", "evil", "publish: init is not what SHA256SUMS says: its SHA-256 is "),
        ("SHA256SUMS", "", "SHA256SUMS: its signature by the key "),
        ("SHA256SUMS.minisig", "x", "SHA256SUMS: its signature is malformed: "),
        ("release.json", "{}", "publish: release.json is not what SHA256SUMS says"),
    ] {
        place.hub.serve_instead("1.0", file, bytes.as_bytes());
        let sentence = refusal(&mut place.verify("1.0"));
        assert!(sentence.contains(why), "{file}: {sentence}");
        let right = place.dist(file);
        place.hub.serve_instead("1.0", file, &right);
    }
    done(&mut place.verify("1.0 --no-rebuild"));
}

/// Whoever may publish, and has no key, adds a file or takes one away.
#[test]
fn files_more_and_less_are_refused() {
    let place = published();
    for name in ["stranger", "NOTES.md"] {
        fs::write(place.path(name), "hello").unwrap();
        place.gh(&format!("release upload 1.0 {}", place.path(name).display()));
        let want = format!("publish: {name} is not in SHA256SUMS: nobody signed it\n");
        assert!(refusal(&mut place.verify("1.0")).ends_with(&want));
        place.gh(&format!("release delete-asset 1.0 {name} --yes"));
    }
    place.gh("release delete-asset 1.0 menagerie --yes");
    assert!(refusal(&mut place.verify("1.0")).ends_with("publish: menagerie is missing, SHA256SUMS has it\n"));
}

/// Whoever has the key signs an older release's files as those of this one.
#[test]
fn the_files_of_another_release_are_refused() {
    let place = published();
    done(&mut place.release("1.1"));
    place.checkout.git(&["tag", "1.1"]).unwrap();
    for file in ["SHA256SUMS", "SHA256SUMS.minisig", "release.json", "release.json.minisig"] {
        let bytes = place.at_hub("1.0").assets[file].bytes.clone();
        place.hub.serve_instead("1.1", file, &bytes);
    }
    let sentence = refusal(&mut place.verify("1.1"));
    assert!(sentence.contains("publish: release.json is of another release: its kernel is at "), "{sentence}");
}

/// Whoever has the key makes a mistake: machines would refuse what they fetch.
#[test]
fn a_manifest_of_other_files_is_refused() {
    let place = published();
    let url = |file: &str| format!("{}/acme/dock0/releases/download/1.0/{file}", place.hub.public("127.0.0.1"));
    let kernel = |field: &'static str, value: serde_json::Value| {
        place.sign_again(|manifest| manifest["artifacts"][0][field] = value);
        place.upload_signed("1.0");
        refusal(&mut place.verify("1.0 --no-rebuild"))
    };
    let sentence = kernel("sha256", "0".repeat(64).into());
    assert!(sentence.contains("release.json: kernel 1.0 is not what vmlinuz-linode is: "), "{sentence}");
    let sentence = kernel("urls", [url("nothing")].as_slice().into());
    let want = format!("release.json: kernel 1.0 is at {}, and there is no file nothing\n", url("nothing"));
    assert!(sentence.ends_with(&want), "{sentence}");
}

#[test]
fn what_is_not_there_is_said() {
    let place = published();
    let sentence = refusal(&mut place.verify("1.1"));
    assert_eq!(
        sentence,
        "publish: there is no tag 1.1 here: git fetch --tags, or --no-rebuild checks signatures and sums alone\n"
    );
    let sentence = refusal(&mut place.verify("1.1 --no-rebuild"));
    assert!(sentence.contains("publish: fetching what is at GitHub: gh failed"), "{sentence}");
}
