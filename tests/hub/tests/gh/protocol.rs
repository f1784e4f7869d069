//! Requests that gh and VMs do not send, or seldom.

use crate::place::{COMMIT, Place, fetch};
use hub::State;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// What is answered to some bytes, after which nothing more comes.
fn answer(place: &Place, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(place.hub.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn what_is_no_request_is_told_so() {
    let place = Place::new();
    for (request, first) in [
        ("nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n", "HTTP/1.1 413 Content Too Large"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 411 Length Required"),
        ("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 401 Unauthorized"),
        ("GET /%zz/%f HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 401 Unauthorized"),
        ("GET /", ""),
    ] {
        assert_eq!(answer(&place, request.as_bytes()).lines().next().unwrap_or_default(), first, "{request}");
    }
}

#[test]
fn to_head_the_head_alone_is_answered() {
    let place = Place::new();
    let said =
        answer(&place, format!("HEAD /repos/acme/dock0 HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", place.token()).as_bytes());
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("\r\n\r\n"), "{said}");
    let length = said.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert!(length.parse::<usize>().unwrap() > 100, "{said}");
}

#[test]
fn who_goes_away_in_the_middle_leaves_a_starter_too() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x");
    let path = format!("/repos/acme/dock0/releases/{}", place.release().id);
    let head = format!("HTTP/1.1\r\nHost: a\r\n{}\r\nContent-Length: 9\r\n\r\n", place.token());
    assert_eq!(answer(&place, format!("POST {path}/assets?name=kernel {head}1234").as_bytes()), "");
    assert_eq!(place.release().assets["kernel"].state, State::Starter);
    let head = head.replace("Content-Length: 9", "Content-Length: 99");
    assert_eq!(answer(&place, format!("PATCH {path} {head}{{\"body\": \"y\"}}").as_bytes()), "");
    assert_eq!(place.release().notes, "x", "a document of which more was to come changes nothing");
}

#[test]
fn curl_is_told_to_go_on_with_a_long_body() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x");
    place.write("root", &vec![7; 3 << 20]);
    let address = format!("{}/repos/acme/dock0/releases/{}/assets", place.hub.public("127.0.0.1"), place.release().id);
    let body = format!("@{}", place.path("root").display());
    let token = place.token();
    let words = ["-H", &token, "-H", "Expect: 100-continue", "--expect100-timeout", "60", "--data-binary", &body];
    assert_eq!(fetch(&[&words[..], &[&format!("{address}?name=root")]].concat()).0, 201);
    assert_eq!(*place.release().assets["root"].bytes, *vec![7; 3 << 20]);
}

#[test]
fn a_tag_may_have_a_slash() {
    let place = Place::new();
    place.gh("release create kernel/1.0+b --notes x initrd");
    assert_eq!(place.hub.tag("kernel/1.0+b").as_deref(), Some(COMMIT));
    for path in ["download/kernel%2F1.0%2Bb/initrd", "download/kernel/1.0+b/initrd", "latest/download/initrd"] {
        assert_eq!(fetch(&["--location", &place.download(path)]), (200, b"an initrd".to_vec()), "{path}");
    }
    assert_eq!(place.api("repos/{owner}/{repo}/releases/tags/kernel/1.0+b")["tag_name"], "kernel/1.0+b");
    assert_eq!(place.api("repos/{owner}/{repo}/git/ref/tags/kernel/1.0+b")["object"]["sha"], COMMIT);
}
