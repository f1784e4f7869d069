//! What everybody gets, as a VM asks for it.

use crate::place::{Place, curl, fetch, kernel};
use hub::Hub;
use serde_json::json;

/// The heads of the answers on the way to a file, and its bytes.
fn follow(words: &[&str]) -> (String, Vec<u8>) {
    let all = curl(&[&["--location", "--include"], words].concat()).stdout;
    let end = all.windows(4).enumerate().filter(|(_, bytes)| bytes == b"\r\n\r\n").map(|(at, _)| at + 4);
    // Every answer on the way is a head without a body, and the last one's body is no text.
    let count = end.clone().take_while(|at| std::str::from_utf8(&all[..*at]).is_ok()).last().unwrap();
    (String::from_utf8(all[..count].to_vec()).unwrap(), all[count..].to_vec())
}

fn fields<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[test]
fn the_latest_leads_to_its_tag_and_that_to_the_store() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x kernel");
    let (head, bytes) = follow(&[&place.download("latest/download/kernel")]);
    let store = format!("{}/objects/{}", place.hub.public("127.0.0.1"), place.release().assets["kernel"].id);
    assert_eq!(fields(&head, "Location"), [place.download("download/1.0/kernel"), store]);
    assert_eq!(fields(&head, "Content-Length"), ["0", "0", "300000"]);
    assert_eq!(head.lines().filter(|line| line.starts_with("HTTP/1.1 200")).count(), 1);
    assert_eq!(bytes, kernel());
    let (head, bytes) = follow(&["--head", &place.download("latest/download/kernel")]);
    assert_eq!((fields(&head, "Content-Length"), bytes.len()), (vec!["0", "0", "300000"], 0));
    for path in ["download/1.0/nothing", "download/2.0/kernel", "latest/download/nothing", "latest", "download/1.0"] {
        assert_eq!(fetch(&["--location", &place.download(path)]).0, 404, "{path}");
    }
    assert_eq!(fetch(&["--data", "x", &place.download("download/1.0/kernel")]).0, 404);
    assert_eq!(fetch(&[&format!("{}/acme/other/releases/download/1.0/kernel", place.hub.public("127.0.0.1"))]).0, 404);
}

#[test]
fn who_has_the_beginning_gets_the_rest() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x kernel");
    let file = place.download("download/1.0/kernel");
    let (head, _) = follow(&[&file]);
    let [tag] = fields(&head, "ETag")[..] else { panic!("{head}") };
    let (known, other) = (format!("If-Range: {tag}"), "If-Range: \"other\"");
    for (range, condition, status, said, bytes) in [
        ("bytes=299000-", "X: y", 206, "bytes 299000-299999/300000", &kernel()[299_000..]),
        ("bytes=0-", "X: y", 206, "bytes 0-299999/300000", &kernel()),
        ("bytes=299999-", &known, 206, "bytes 299999-299999/300000", &kernel()[299_999..]),
        ("bytes=299000-", other, 200, "", &kernel()),
        ("bytes=1-2", "X: y", 200, "", &kernel()),
        ("bytes=300000-", "X: y", 416, "bytes */300000", &[]),
    ] {
        let (head, found) = follow(&["-H", &format!("Range: {range}"), "-H", condition, &file]);
        let row = format!("{range} {condition}: {head}");
        assert!(head.contains(&format!("HTTP/1.1 {status} ")), "{row}");
        assert_eq!(fields(&head, "Content-Range").join(""), said, "{row}");
        assert_eq!(fields(&head, "Content-Length").last().unwrap(), &bytes.len().to_string(), "{row}");
        assert!(found == bytes, "{row}");
    }
}

#[test]
fn addresses_are_those_of_the_host_it_was_given() {
    let place = Place::of(Hub::start_as("acme/dock0", "10.0.2.2").unwrap());
    place.hub.push("1");
    let port = place.hub.address().port();
    let base = format!("http://10.0.2.2:{port}/acme/dock0");
    assert_eq!(place.hub.public("10.0.2.2"), format!("http://10.0.2.2:{port}"));
    assert_eq!(place.api("repos/{owner}/{repo}")["html_url"], base);
    assert_eq!(place.gh("release create 1.0 --notes x kernel").trim(), format!("{base}/releases/tag/1.0"));
    let found = place.api("repos/{owner}/{repo}/releases/latest");
    assert_eq!(found["assets"][0]["browser_download_url"], json!(format!("{base}/releases/download/1.0/kernel")));
    // A VM calls the host by that name; here the name leads nowhere, but a redirect stays with the name that was used.
    let host = format!("Host: 10.0.2.2:{port}");
    let (head, _) = follow(&["--max-redirs", "0", "-H", &host, &place.download("download/1.0/kernel")]);
    let store = format!("http://10.0.2.2:{port}/objects/{}", place.release().assets["kernel"].id);
    assert_eq!(fields(&head, "Location"), [store]);
    place.gh("release download 1.0 --dir new");
    assert_eq!(std::fs::read(place.path("new/kernel")).unwrap(), kernel());
}
