//! The child that asks who may push, and a metadata service as it is, as it may be, and as it must not be. The children of tests are the
//! shipped program.

mod liars;
mod service;

use fetch_tests::operators::Operators;
use init::enrol::Told;
use init::receive::certificate::base64;
use plain_http::{Answer, Request};
use service::{FINGERPRINT, Metadata, PATIENCE, TOKEN, ask, ask_at, complain};
use std::net::TcpListener;
use std::time::Duration;

/// Certificates and a document about them, as a deploy writes it: JSON, then base64.
struct Papers {
    operators: String,
    data: String,
}

impl Papers {
    fn new(count: usize, settings: Option<&str>) -> Papers {
        let all: Vec<_> = (0..count).map(|_| Operators::new().unwrap().pem.replace("\r\n", "\n")).collect();
        let der = |pem: &String| pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
        let operators: Vec<String> = all.iter().map(der).collect();
        let mut dock0 = serde_json::json!({"token": TOKEN, "operators": operators});
        if let Some(settings) = settings {
            dock0["settings"] = base64(settings.as_bytes()).into();
        }
        let document = serde_json::json!({"dock0": dock0}).to_string();
        Papers { operators: all.concat(), data: base64(document.as_bytes()) }
    }

    /// What comes of it; the proof is that of another implementation.
    fn told(&self, settings: Option<&str>) -> Told {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &(0..32).collect::<Vec<u8>>());
        let tag = ring::hmac::sign(&key, format!("dock0 enrolment\n{FINGERPRINT}").as_bytes());
        let proof = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Told { proof, operators: self.operators.clone(), settings: settings.map(|text| text.as_bytes().to_vec()) }
    }
}

#[test]
fn what_a_deploy_wrote_arrives() {
    // Long enough for several lines of the child's.
    let settings =
        format!("{{\"manifest\":{{\"url\":\"https://example.org/{}\"}}}}{}", "x".repeat(400), " ".repeat(5000));
    for (count, settings) in [(1, None), (4, Some(settings.as_str())), (1, Some("{}"))] {
        let papers = Papers::new(count, settings);
        let (told, said) = ask(&Metadata::saying(Answer::text(200, &papers.data)));
        assert_eq!((told.unwrap(), said), (papers.told(settings), Vec::<String>::new()));
    }
    let papers = Papers::new(1, None);
    let broken =
        papers.data.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect::<String>();
    assert_eq!(ask(&Metadata::saying(Answer::text(200, &broken))).0.unwrap(), papers.told(None), "in lines");
}

/// Each thing that means "not yet" once, then the document.
#[test]
fn a_service_that_fills_in_by_stages_is_waited_for() {
    let papers = Papers::new(1, None);
    let data = papers.data.clone();
    let metadata = Metadata::new(move |request: &Request, number| {
        let answer = match (request.method.as_str(), number) {
            ("PUT", 0) => Answer::text(500, "no"),
            ("PUT", 1) => Answer::text(200, ""),
            ("PUT", 2) => return None,
            ("PUT", _) => return Some(Answer::text(200, "a-token\n")),
            ("GET", 0) => Answer::empty(204),
            ("GET", 1) => Answer::text(200, ""),
            ("GET", 2) => Answer::text(200, "null\n"),
            ("GET", 3) => Answer::text(404, "not found"),
            ("GET", 4) => Answer::text(401, "who are you"),
            ("GET", 5) => Answer::text(503, "later"),
            _ => Answer::text(200, &data),
        };
        Some(answer)
    });
    let (told, said) = ask(&metadata);
    assert_eq!(told.unwrap(), papers.told(None));
    let name = metadata.address().replace("http://", "");
    let want = [
        "has no token yet (status 500)",
        "has no token yet",
        "closed the connection",
        "has no user data yet (status 204)",
        "has no user data yet",
        "has no user data yet (status 404)",
        "has no user data yet (status 401)",
        "has no user data yet (status 503)",
    ];
    assert_eq!(said, want.map(|why| format!("nobody says yet who may push: {name} {why}")), "each reason is said once");
    let asked = metadata.asked();
    assert_eq!(asked.first().unwrap(), "PUT /v1/token 60 -");
    assert_eq!(asked.last().unwrap(), "GET /v1/user-data - a-token");
    assert!(asked.iter().all(|line| line.contains("/v1/token") || line.contains("/v1/user-data")), "{asked:?}");
}

#[test]
fn who_never_says_anything_is_left_when_the_time_is_over() {
    let patience = Duration::from_secs(1);
    for (metadata, why) in [
        (Metadata::saying(Answer::empty(204)), "has no user data yet (status 204)"),
        (Metadata::new(|_, _| Some(Answer::text(500, "no"))), "has no token yet (status 500)"),
        // Nobody is sent elsewhere.
        (Metadata::new(|_, _| Some(Answer::found("http://127.0.0.1:1/".into()))), "has no token yet (status 302)"),
    ] {
        let failure = complain(&[&metadata.address()], patience);
        let name = metadata.address().replace("http://", "");
        assert_eq!(failure, format!("nobody said who may push within 1 s: {name} {why}"));
        // The pauses grow from 50 ms to 200.
        let count = metadata.asked().len();
        assert!((4..=16).contains(&count), "{count} requests within a second");
    }
    // It takes the connection, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    assert_eq!(complain(&[&address], patience), "nobody said who may push within 1 s: it has not answered");
}

#[test]
fn the_next_address_is_asked_where_one_cannot_be_reached() {
    let papers = Papers::new(1, None);
    let metadata = Metadata::at(TcpListener::bind("[::1]:0").unwrap(), Answer::text(200, &papers.data));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = format!("http://{gone}");
    assert!(metadata.address().starts_with("http://[::1]:"));
    let (told, said) = ask_at(&[&dead, &metadata.address()], PATIENCE);
    assert_eq!((told.unwrap(), said), (papers.told(None), Vec::<String>::new()));
    let failure = complain(&[&dead, &dead], Duration::from_millis(300));
    let refused = format!("{gone} refused the connection");
    assert_eq!(failure, format!("nobody said who may push within 0 s: {refused}; {refused}"));
    // One that answers is the one that is asked.
    let first = Metadata::saying(Answer::empty(204));
    complain(&[&first.address(), &metadata.address()], Duration::from_millis(300));
    assert_eq!(metadata.asked().len(), 2, "{:?}", metadata.asked());
}

#[test]
fn what_is_nothing_of_dock0s_or_cannot_be_used_is_said_at_once() {
    let document = |text: &str| base64(text.as_bytes());
    let nothing = "its user data say nothing of dock0";
    let unusable = "its user data cannot be used: ";
    let bad = format!(r#"{{"dock0":{{"token":"{TOKEN}","operators":["MAA="]}}}}"#);
    for (data, sentence) in [
        ("!!!".to_string(), nothing.to_string()),
        (document("#cloud-config\n"), nothing.into()),
        (document(r#"{"other":1}"#), nothing.into()),
        (document(r#"{"dock0":{}}"#), format!("{unusable}it has no token")),
        (document(&bad), format!("{unusable}operator 1 is no certificate: BadDer")),
        (document(&" ".repeat(16_385)), format!("{unusable}it has 16385 bytes, at most 16384 can be")),
        ("A".repeat(1 << 20), format!("{unusable}it has 49152 bytes, at most 16384 can be")),
    ] {
        let metadata = Metadata::saying(Answer::text(200, &data));
        assert_eq!(complain(&[&metadata.address()], PATIENCE), sentence, "{data:.60}");
        assert_eq!(metadata.asked().len(), 2, "it is not asked twice");
    }
}
