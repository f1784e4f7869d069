//! What goes wrong on order.

use crate::place::{Place, fetch, kernel};
use hub::State;
use serde_json::json;
use std::fs;

#[test]
fn a_broken_upload_leaves_a_starter_and_clobber_mends_it() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x initrd");
    place.hub.break_upload("kernel", 1000);
    place.refused("release upload 1.0 kernel");
    let asset = place.release().assets["kernel"].clone();
    assert_eq!((asset.state, asset.bytes.len()), (State::Starter, 0));
    let found = place.api(&format!("repos/{{owner}}/{{repo}}/releases/assets/{}", asset.id));
    assert_eq!((&found["state"], &found["size"], &found["digest"]), (&json!("starter"), &json!(0), &json!(null)));
    place.refused("release download 1.0 --pattern kernel");
    assert!(place.refused("release upload 1.0 kernel").contains("already exists"));
    place.gh("release edit 1.0 --draft=false");
    assert_eq!(fetch(&["--location", &place.download("download/1.0/kernel")]).0, 404);

    place.gh("release upload 1.0 kernel --clobber");
    let mended = place.release().assets["kernel"].clone();
    assert_eq!((mended.state, &*mended.bytes, mended.id > asset.id), (State::Uploaded, &*kernel(), true));
    assert_eq!(fetch(&["--location", &place.download("download/1.0/kernel")]), (200, kernel()));
}

#[test]
fn an_upload_can_break_off_at_its_first_byte_and_after_its_last() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x");
    place.hub.break_upload("initrd", 0);
    place.refused("release upload 1.0 initrd");
    assert_eq!(place.release().assets["initrd"].state, State::Starter);
    place.hub.break_upload("kernel", 300_000);
    place.refused("release upload 1.0 kernel");
    assert_eq!(*place.release().assets["kernel"].bytes, *kernel());
    place.gh("release delete-asset 1.0 initrd --yes");
    place.gh("release upload 1.0 initrd");
    assert_eq!(*place.release().assets["initrd"].bytes, *b"an initrd");
}

#[test]
fn requests_are_refused_as_often_as_it_was_ordered() {
    let place = Place::new();
    place.hub.refuse("GET", "/releases", (403, "API rate limit exceeded"), 2);
    place.hub.refuse("POST", "/releases", (502, "Server Error"), 1);
    for attempt in 0..2 {
        let said = place.refused("api repos/{owner}/{repo}/releases?per_page=100");
        assert!(said.contains("HTTP 403") && said.contains("API rate limit exceeded"), "{attempt}: {said}");
    }
    assert_eq!(place.api("repos/{owner}/{repo}/releases?per_page=100"), json!([]));
    let said = place.refused("release create 1.0 --draft --notes x");
    assert!(said.contains("HTTP 502") && said.contains("Server Error"), "{said}");
    assert_eq!(place.hub.releases(), []);
    place.gh("release create 1.0 --draft --notes x");
    assert_eq!(place.tags(), ["1.0"]);
}

#[test]
fn a_publishing_that_fails_leaves_nothing_public() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x initrd");
    place.hub.refuse("PATCH", &format!("/releases/{}", place.release().id), (500, "Server Error"), 1);
    let said = place.refused("release edit 1.0 --draft=false");
    assert!(said.contains("HTTP 500"), "{said}");
    assert_eq!((place.release().draft, place.hub.tag("1.0")), (true, None));
    assert_eq!(fetch(&["--location", &place.download("download/1.0/initrd")]).0, 404);
    place.gh("release edit 1.0 --draft=false");
    assert_eq!(fetch(&["--location", &place.download("download/1.0/initrd")]).0, 200);
}

#[test]
fn a_file_is_served_with_other_bytes() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x initrd kernel");
    place.gh("release create 0.9 --notes x initrd");
    place.hub.serve_instead("1.0", "initrd", b"not that");
    let file = |path: &str| fetch(&["--location", &place.download(path)]);
    assert_eq!(file("download/1.0/initrd"), (200, b"not that".to_vec()));
    place.gh("release download 1.0 --pattern initrd --dir new");
    assert_eq!(fs::read(place.path("new/initrd")).unwrap(), b"not that");
    assert_eq!(file("download/1.0/kernel"), (200, kernel()));
    assert_eq!(file("download/0.9/initrd"), (200, b"an initrd".to_vec()));
    assert_eq!(*place.hub.releases()[0].assets["initrd"].bytes, *b"an initrd", "what was uploaded is still known");
}
