//! The way of a release, from a draft to what everybody gets.

use crate::place::{COMMIT, Place, fetch, kernel};
use hub::State;
use serde_json::json;
use std::fs;

#[test]
fn a_draft_is_filled_looked_at_and_published() {
    let place = Place::new();
    place.gh(&format!("release create 1.0 --draft --title One --notes Notes --target {COMMIT} kernel"));
    place.gh("release upload 1.0 initrd#The-initrd");
    let release = place.release();
    assert_eq!((release.tag.as_str(), release.name.as_str(), release.notes.as_str()), ("1.0", "One", "Notes"));
    assert_eq!((release.draft, release.prerelease, release.published), (true, false, None));
    assert_eq!((release.target.as_str(), place.hub.tag("1.0")), (COMMIT, None));
    assert_eq!(release.assets.keys().collect::<Vec<_>>(), ["initrd", "kernel"]);
    assert_eq!((&*release.assets["kernel"].bytes, release.assets["kernel"].state), (&*kernel(), State::Uploaded));
    assert_eq!(release.assets["initrd"].label, "The-initrd");

    let shown = place.gh("release view 1.0 --json tagName,isDraft,isPrerelease,targetCommitish,publishedAt,assets");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["tagName"], &shown["isDraft"], &shown["publishedAt"]),
        (&json!("1.0"), &json!(true), &json!(null))
    );
    assert_eq!(shown["targetCommitish"], COMMIT);
    assert_eq!((&shown["assets"][1]["name"], &shown["assets"][1]["size"]), (&json!("kernel"), &json!(300_000)));
    assert_eq!(
        (&shown["assets"][1]["state"], &shown["assets"][0]["label"]),
        (&json!("uploaded"), &json!("The-initrd"))
    );
    place.gh("release download 1.0 --dir draft");
    assert_eq!(fs::read(place.path("draft/kernel")).unwrap(), kernel());
    assert_eq!(fs::read(place.path("draft/initrd")).unwrap(), b"an initrd");
    assert!(place.refused("api repos/{owner}/{repo}/releases/tags/1.0").contains("HTTP 404"));
    assert_eq!(fetch(&["--location", &place.download("download/1.0/kernel")]).0, 404);
    assert_eq!(fetch(&["--location", &place.download("latest/download/kernel")]).0, 404);

    let said = place.gh("release edit 1.0 --draft=false");
    assert_eq!(said.trim(), place.download("tag/1.0"));
    let release = place.release();
    assert_eq!((release.draft, release.published.is_some()), (false, true));
    assert_eq!(place.hub.tag("1.0").as_deref(), Some(COMMIT));
    let found = place.api("repos/{owner}/{repo}/releases/tags/1.0");
    assert_eq!(found["assets"][1]["browser_download_url"], place.download("download/1.0/kernel"));
    assert_eq!(fetch(&["--location", &place.download("download/1.0/kernel")]), (200, kernel()));
    assert_eq!(fetch(&["--location", &place.download("latest/download/initrd")]), (200, b"an initrd".to_vec()));
}

#[test]
fn gh_publishes_in_one_go_by_way_of_a_draft() {
    let place = Place::new();
    place.gh("release create 1.0 --notes Notes kernel");
    let id = place.release().id;
    let uploaded = place.release().assets["kernel"].id;
    assert!(uploaded > id);
    let repository = "/repos/acme/dock0";
    let expected = [
        format!("POST {repository}/releases"),
        format!("POST {repository}/releases/{id}/assets?label=&name=kernel"),
        format!("PATCH {repository}/releases/{id}"),
    ];
    let asked = place.hub.asked().into_iter().filter(|asked| !asked.starts_with("HEAD ") && !asked.starts_with("GET "));
    assert_eq!(asked.collect::<Vec<_>>(), expected);
    assert_eq!((place.release().draft, place.hub.tag("1.0").as_deref()), (false, Some(COMMIT)));
}

#[test]
fn the_latest_is_the_last_published_that_is_no_prerelease() {
    let place = Place::new();
    let latest = || String::from_utf8(fetch(&["-L", &place.download("latest/download/initrd")]).1).unwrap();
    for (options, after) in [
        ("1.0", "1.0"),
        ("2.0 --draft", "1.0"),
        ("3.0 --prerelease", "1.0"),
        ("4.0", "4.0"),
        ("1.1 --latest=false", "4.0"),
    ] {
        place.write("initrd", &options.as_bytes()[..3]);
        // The file comes later: gh 2.23 forgets --latest on its way from a draft with files to a release.
        place.gh(&format!("release create {options} --notes x"));
        place.gh(&format!("release upload {} initrd", &options[..3]));
        assert_eq!(latest(), after, "{options}");
        assert_eq!(place.api("repos/{owner}/{repo}/releases/latest")["tag_name"], after, "{options}");
    }
    for (change, after) in [
        ("edit 3.0 --prerelease=false", "3.0"),
        ("edit 1.1 --latest", "1.1"),
        ("edit 4.0 --notes y", "1.1"),
        ("edit 2.0 --draft=false --latest=false", "1.1"),
        ("edit 1.1 --prerelease", "3.0"),
        ("delete 3.0 --yes", "4.0"),
    ] {
        place.gh(&format!("release {change}"));
        assert_eq!(latest(), after, "{change}");
    }
    assert_eq!(place.tags(), ["1.0", "2.0", "4.0", "1.1"]);
    place.gh("release download --dir new --pattern initrd");
    assert_eq!(fs::read(place.path("new/initrd")).unwrap(), b"4.0");
}

#[test]
fn an_asset_is_replaced_only_by_who_says_so() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x kernel");
    place.write("kernel", b"another");
    assert!(place.refused("release upload 1.0 kernel").contains("already exists"));
    assert_eq!(*place.release().assets["kernel"].bytes, *kernel());
    place.gh("release upload 1.0 kernel --clobber");
    assert_eq!(*place.release().assets["kernel"].bytes, *b"another");
    place.gh("release delete-asset 1.0 kernel --yes");
    assert!(place.release().assets.is_empty());
    assert_eq!(fetch(&["--location", &place.download("download/1.0/kernel")]).0, 404);
    place.gh("release upload 1.0 kernel");
    assert_eq!(fetch(&["--location", &place.download("download/1.0/kernel")]), (200, b"another".to_vec()));
}

#[test]
fn a_draft_has_no_address_yet() {
    let place = Place::new();
    let said = place.gh("release create 1.0 --draft --notes x initrd");
    let (id, address) = (place.release().id, said.trim().to_string());
    assert_eq!(address, place.download(&format!("tag/untagged-{id:020x}")));
    let found = place.api(&format!("repos/{{owner}}/{{repo}}/releases/{id}"));
    let file = found["assets"][0]["browser_download_url"].as_str().unwrap();
    assert_eq!(file, place.download(&format!("download/untagged-{id:020x}/initrd")));
    assert_eq!(fetch(&["--location", file]).0, 404);
}

#[test]
fn what_was_published_can_be_taken_back() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x");
    place.gh("release upload 1.0 initrd");
    let first = place.release().published.unwrap();
    place.gh("release edit 1.0 --draft");
    assert_eq!((place.release().draft, place.release().published), (true, None));
    assert_eq!(place.hub.tag("1.0").as_deref(), Some(COMMIT));
    assert_eq!(fetch(&["--location", &place.download("download/1.0/initrd")]).0, 404);
    place.gh("release edit 1.0 --draft=false");
    assert!(place.release().published.unwrap() > first);
    assert_eq!(fetch(&["--location", &place.download("latest/download/initrd")]), (200, b"an initrd".to_vec()));
}

#[test]
fn a_tag_outlives_its_release_and_keeps_its_commit() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x");
    place.gh("release delete 1.0 --yes");
    assert_eq!((place.tags().len(), place.hub.tag("1.0").as_deref()), (0, Some(COMMIT)));
    let newer = "3333333333333333333333333333333333333333";
    place.hub.push(newer);
    place.gh(&format!("release create 1.0 --verify-tag --notes x --target {newer}"));
    assert_eq!(place.hub.tag("1.0").as_deref(), Some(COMMIT));
    let tag = place.api("repos/{owner}/{repo}/git/ref/tags/1.0");
    assert_eq!((&tag["ref"], &tag["object"]["sha"]), (&json!("refs/tags/1.0"), &json!(COMMIT)));
    place.gh("release delete 1.0 --cleanup-tag --yes");
    assert_eq!(place.hub.tag("1.0"), None);
    assert!(place.refused("api repos/{owner}/{repo}/git/ref/tags/1.0").contains("HTTP 404"));
    assert!(place.refused("release create 1.0 --verify-tag --notes x").contains("1.0"));
    place.gh("release create 1.0 --notes x");
    assert_eq!(place.hub.tag("1.0").as_deref(), Some(newer), "the newest of main");
}
