//! What is published: files, manifest, sums, signatures, notes, tag, and how it is shown.

use crate::place::{FILES, Place, done, refusal};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_first_release_and_the_next() {
    let place = Place::new();
    let first = place.checkout.head().unwrap();
    let page = place.hub.public("127.0.0.1") + "/acme/dock0/releases";
    let said = done(&mut place.release("1.0"));
    assert_eq!(said, format!("1.0 is published: {FILES} files, serial 1, {page}/tag/1.0\n"));
    assert_eq!(place.builds(), 2);
    place.assert_uploaded("1.0");
    let release = place.at_hub("1.0");
    assert_eq!((release.draft, release.prerelease, release.name.as_str()), (false, false, "1.0"));
    assert_eq!(place.hub.tag("1.0"), Some(first.clone()));
    let notes = format!(
        "The first release.\n\n* The first ({})\n\nBuilt twice from the commit {first}, with the same bytes. `just verify 1.0` builds it \
         again and compares.\n",
        &first[..7]
    );
    assert_eq!((release.notes.as_bytes(), release.notes.as_str()), (&*place.dist("NOTES.md"), notes.as_str()));
    assert_eq!(place.dist("dock0"), b"dock0 of nothing\n");

    // Others' programs take what is there.
    let manifest: Value = serde_json::from_slice(&place.dist("release.json")).unwrap();
    assert_eq!((&manifest["serial"], &manifest["channel"]), (&1.into(), &"stable".into()));
    let artifact = |at: usize| (&manifest["artifacts"][at]["name"], &manifest["artifacts"][at]["version"]);
    assert_eq!(artifact(0), (&"kernel".into(), &"1.0".into()));
    let url = |at: usize| manifest["artifacts"][at]["urls"][0].as_str().unwrap();
    assert_eq!(
        [url(0), url(1), url(2)],
        ["vmlinuz-linode", "initrd.img", "vm_root-tiny"].map(|file| format!("{page}/download/1.0/{file}"))
    );
    let key = place.path("manifest.pub");
    for file in ["SHA256SUMS", "release.json"] {
        let mut minisign = Command::new("minisign");
        done(minisign.args(["-V", "-m", file, "-p"]).arg(&key).current_dir(place.checkout.path("dist")));
    }
    let mut sums = Command::new("sha256sum");
    let checked = done(sums.args(["--check", "--strict", "SHA256SUMS"]).current_dir(place.checkout.path("dist")));
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), FILES - 2);

    place.checkout.git(&["tag", "1.0"]).unwrap();
    place.commit("something", "Something");
    let git = |words: &str| place.checkout.git(&words.split(' ').collect::<Vec<_>>()).unwrap();
    git("checkout --quiet -b side 1.0");
    place.checkout.commit("side", "", "Side").unwrap();
    git("checkout --quiet main");
    git("merge --quiet --no-ff --no-edit side");
    place.commit("more", "More");
    git("tag 1.1");
    let said = done(&mut place.release("1.1 --prerelease --channel beta --expires 10"));
    assert_eq!(said, format!("1.1 is published: {FILES} files, serial 1, {page}/tag/1.1\n"));
    let release = place.at_hub("1.1");
    assert!(release.prerelease && release.notes.starts_with("Changes since 1.0:\n\n* More ("), "{}", release.notes);
    for (title, is_there) in [("* Something (", true), ("* Side (", true), ("* Merge ", false), ("The first", false)] {
        assert_eq!(release.notes.contains(title), is_there, "{}", release.notes);
    }
    let said = done(&mut place.release("1.2"));
    assert!(said.contains("serial 2"), "the channel stable goes on: {said}");
    assert!(place.at_hub("1.2").notes.starts_with("Changes since 1.1:\n\n\nBuilt"), "{}", place.at_hub("1.2").notes);
    place.assert_uploaded("1.2");
    assert_eq!(place.builds(), 4, "1.1 and 1.2 are the same commit");
}

#[test]
fn a_dry_run_uploads_nothing_and_what_it_made_is_what_is_uploaded() {
    let place = Place::new();
    let said = done(&mut place.release("1.0 --dry-run"));
    assert_eq!(said, format!("{}: {FILES} files, serial 1; not uploaded\n", place.checkout.path("dist").display()));
    assert!(place.hub.releases().is_empty());
    assert!(place.hub.asked().iter().all(|asked| asked.starts_with("GET ")), "{:?}", place.hub.asked());
    let sums = place.dist("SHA256SUMS");
    done(&mut place.release("1.0"));
    assert_eq!(place.dist("SHA256SUMS"), sums);
    assert_eq!(place.builds(), 2);
    place.assert_uploaded("1.0");
}

#[test]
fn a_draft_is_published_later() {
    let place = Place::new();
    let said = done(&mut place.release("1.0 --draft"));
    assert_eq!(said, format!("1.0 is a draft of {FILES} files: the same without --draft publishes it\n"));
    assert!(place.at_hub("1.0").draft && place.hub.tag("1.0").is_none());
    let drafted = place.at_hub("1.0").assets;
    done(&mut place.release("1.0"));
    let release = place.at_hub("1.0");
    assert!(!release.draft);
    assert_eq!(release.assets, drafted);
}

#[test]
fn what_is_published_is_replaced_when_asked() {
    let place = Place::new();
    done(&mut place.release("1.0"));
    let refused = refusal(&mut place.release("1.0"));
    assert!(
        refused.ends_with("1.0 is published already: take another version, or --clobber replaces its files\n"),
        "{refused}"
    );
    let before = place.at_hub("1.0");
    let said = done(&mut place.release("1.0 --clobber"));
    assert!(said.contains("serial 2"), "a machine may have the serial 1: {said}");
    place.assert_uploaded("1.0");
    let after = place.at_hub("1.0");
    assert_eq!((after.id, after.draft), (before.id, false));
    assert_ne!(after.assets["SHA256SUMS"].bytes, before.assets["SHA256SUMS"].bytes);
}

/// The tag is the commit that was built, not the newest of the branch; and an old version that is replaced is not the latest.
#[test]
fn what_is_tagged_and_what_is_the_latest() {
    let place = Place::new();
    place.hub.push(&"1".repeat(40));
    done(&mut place.release("1.0"));
    assert_eq!(place.hub.tag("1.0"), Some(place.checkout.head().unwrap()));
    done(&mut place.release("1.1"));
    let latest = || place.hub.releases().into_iter().max_by_key(|release| release.rank).unwrap().tag;
    assert_eq!(latest(), "1.1");
    assert!(done(&mut place.release("1.0 --clobber")).contains("serial 3"));
    assert_eq!(latest(), "1.1");
    assert!(done(&mut place.release("1.1 --clobber")).contains("serial 4"));
    assert_eq!(latest(), "1.1");
}

/// Where the build's programs shall find neither key nor token, it is a step of its own.
#[test]
fn building_alone_asks_nobody() {
    let place = Place::new();
    let said = done(&mut place.command("release 1.0 --build-only"));
    assert_eq!(said, format!("{}: two builds have the same 10 files\n", &place.checkout.head().unwrap()[..12]));
    assert!(place.hub.asked().is_empty() && !place.checkout.path("dist").exists());
    done(&mut place.release("1.0"));
    assert_eq!(place.builds(), 2);
}

/// The key may be in the environment alone, as where a secret store puts it.
#[test]
fn the_key_can_come_as_text() {
    let place = Place::new();
    let key = std::fs::read_to_string(place.path("manifest.key")).unwrap();
    done(place.command("release 1.0").env("DOCK0_MINISIGN_KEY", &key));
    let said = done(&mut place.verify("1.0 --no-rebuild"));
    assert!(said.starts_with("1.0: 14 files are what the key "), "{said}");
}
