//! A real nginx: what a good server gives.

use crate::PROGRAM;
use fetch_tests::ca::Ca;
use fetch_tests::hostile::{Hostile, Wire};
use fetch_tests::nginx::Nginx;
use fetch_tests::noise;
use fetch_tests::place::{Place, job, notes};
use init::fetch::job::{Job, What};
use init::fetch::parent::Progress;
use init::fetch::verified;

const SIZE: usize = 5 << 20;

fn setting() -> (Ca, Place, Nginx, Vec<u8>) {
    let ca = Ca::new(&["localhost"]).unwrap();
    let place = Place::new(PROGRAM, &ca.pem).unwrap();
    let bytes = noise(SIZE, 1);
    let nginx = Nginx::start(&ca, &[("vm_root", &bytes), ("release.json", b"{}")]).unwrap();
    (ca, place, nginx, bytes)
}

#[test]
fn an_artifact_comes_over_tls_and_without() {
    let (_ca, place, nginx, bytes) = setting();
    for url in [nginx.https("vm_root"), nginx.http("vm_root")] {
        let (fetched, heard) = place.fetch(&job(&bytes, &[&url]));
        let checked = fetched.and_then(|fetched| fetched.by_reading()).unwrap();
        assert_eq!(checked.size(), 5 << 20);
        assert!(place.bytes().unwrap() == bytes);
        assert_eq!((heard.first(), heard.last()), (Some(&Progress::Mirror(0)), Some(&Progress::At(5 << 20))));
        assert_eq!(notes(&heard), [""; 0]);
        assert_eq!(verified::read(&place.open().unwrap()).unwrap(), None);
        std::fs::remove_file(place.part()).unwrap();
    }
    let line = "GET /vm_root 200 5242880 \"-\" \"-\" \"identity\"";
    assert_eq!(nginx.log(2), [line, line]);
}

#[test]
fn a_document_comes_whole_and_replaces_a_longer_one() {
    let (_ca, place, nginx, _) = setting();
    std::fs::write(place.part(), "a longer one").unwrap();
    let job = Job::new("release.json", &[&nginx.https("release.json")], What::Document { limit: 64 << 10 }).unwrap();
    let (fetched, _) = place.fetch(&job);
    assert_eq!(fetched.unwrap().document().unwrap(), b"{}");
}

#[test]
fn the_first_mirror_that_has_it_gives_it() {
    let (_ca, place, nginx, bytes) = setting();
    let urls = [nginx.https("nothing"), "https://localhost:1/".into(), nginx.https("moved/?to=vm_root")];
    let (fetched, heard) = place.fetch(&job(&bytes, &urls.each_ref().map(String::as_str)));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    let host = urls[0].split('/').nth(2).unwrap();
    assert_eq!(notes(&heard), [format!("{host} answered 404").as_str(), "localhost:1 refused the connection"]);
}

#[test]
fn nothing_is_asked_for_packed_and_no_stranger_is_trusted() {
    let (_ca, place, nginx, bytes) = setting();
    let (fetched, _) = place.fetch(&job(&bytes, &[&nginx.https("packed/vm_root")]));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();

    let other = Place::new(PROGRAM, &Ca::new(&["localhost"]).unwrap().pem).unwrap();
    let (fetched, _) = other.fetch(&job(&bytes, &[&nginx.https("vm_root")]));
    let sentence = fetched.unwrap_err().to_string();
    assert!(sentence.ends_with(" has no certificate that we trust: UnknownIssuer"), "{sentence}");
    assert_eq!(other.bytes().unwrap(), b"");

    let url = nginx.https("vm_root").replace("localhost", "127.0.0.1");
    let (fetched, _) = place.fetch(&job(&bytes, &[&url]));
    let sentence = fetched.unwrap_err().to_string();
    assert!(sentence.contains(" has no certificate that we trust: "), "{sentence}");
}

#[test]
fn a_signed_address_of_a_kilobyte_is_followed() {
    let to = format!("/store?signature={}", "%2B".repeat(1000));
    let location = to.clone();
    let script = Box::new(move |number, _: &_, wire: &mut Wire| match number {
        0 => wire.say(format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n")),
        _ => wire.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"),
    });
    let ca = Ca::new(&["127.0.0.1"]).unwrap();
    let server = Hostile::start("127.0.0.1", Some(ca.server().unwrap()), script).unwrap();
    let place = Place::new(PROGRAM, &ca.pem).unwrap();
    let (fetched, _) = place.fetch(&job(b"12345", &[&server.url("five")]));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap();
    assert_eq!(server.asked().iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), ["/five", &to]);
}
