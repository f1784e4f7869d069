//! A hostile server, a behaviour a row: each is refused with its sentence, writes nothing beyond what may come, and does not
//! hinder the next good fetch into the same place.

use crate::PROGRAM;
use fetch_tests::ca::Ca;
use fetch_tests::hostile::{Asked, Hostile, Script, Wire};
use fetch_tests::noise;
use fetch_tests::place::{Place, job};
use std::time::{Duration, Instant};

const SIZE: usize = 300_000;

type Act = fn(&[u8], &Asked, &mut Wire);

/// The head of a whole answer of so many bytes.
fn head(wire: &mut Wire, length: impl std::fmt::Display) {
    wire.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"v1\"\r\n\r\n"));
}

/// What a good server does.
fn good(bytes: &[u8], asked: &Asked, wire: &mut Wire) {
    match asked.start() {
        0 => head(wire, bytes.len()),
        start => {
            let (size, last) = (bytes.len(), bytes.len() - 1);
            wire.say(format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{last}/{size}\r\n\
                 ETag: \"v1\"\r\n\r\n",
                size - start
            ))
        }
    };
    wire.say(&bytes[asked.start()..]);
}

fn field(bytes: &[u8], wire: &mut Wire, fields: &str) {
    wire.say(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    wire.say(bytes);
}

/// Name, what it does, and what is said of it, behind its name.
const BEHAVIOURS: &[(&str, Act, &str)] = &[
    ("no answer", |_, _, _| {}, "closed the connection"),
    ("silence", |_, _, wire| wire.stay_silent(), "did not answer within 0.6 s"),
    (
        "a head that never ends",
        |_, _, wire| wire.trickle(vec![b'x'; 1000], Duration::from_millis(50)),
        "does not keep to HTTP: http parse fail: invalid HTTP version",
    ),
    (
        "a slow head",
        |_, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\nX: ");
            wire.trickle(vec![b'x'; 1000], Duration::from_millis(50));
        },
        "did not answer within 0.6 s",
    ),
    (
        "no HTTP",
        |_, _, wire| wire.say("SSH-2.0-OpenSSH_9.2\r\n"),
        "does not keep to HTTP: http parse fail: invalid HTTP version",
    ),
    ("404", |_, _, wire| wire.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "answered 404"),
    ("503", |_, _, wire| wire.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), "answered 503"),
    ("no body", |_, _, wire| head(wire, SIZE), "closed the connection"),
    ("an empty body", |_, _, wire| head(wire, 0), "announces 0 bytes instead of 300000"),
    (
        "a short body",
        |bytes, _, wire| {
            head(wire, SIZE);
            wire.say(&bytes[..1000]);
        },
        "closed the connection",
    ),
    (
        "a short body without a length",
        |bytes, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\n\r\n");
            wire.say(&bytes[..1000]);
        },
        "ended after 1000 of 300000 bytes",
    ),
    (
        "longer than promised",
        |bytes, _, wire| {
            head(wire, SIZE + 1);
            wire.say(bytes);
            wire.say("x");
        },
        "announces 300001 bytes instead of 300000",
    ),
    (
        "longer without a length",
        |bytes, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\n\r\n");
            wire.say(bytes);
            wire.say("x");
        },
        "sends more than the 300000 bytes that may come",
    ),
    (
        "endless",
        |_, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\n\r\n");
            wire.say_for_ever([b'x'; 4096])
        },
        "sends more than the 300000 bytes that may come",
    ),
    (
        "endless chunks",
        |_, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            wire.say_for_ever(format!("1000\r\n{}\r\n", "x".repeat(4096)))
        },
        "sends more than the 300000 bytes that may come",
    ),
    (
        "two Content-Lengths",
        |bytes, _, wire| field(bytes, wire, "Content-Length: 300000\r\nContent-Length: 5\r\n"),
        "does not keep to HTTP: conflicting content-length headers",
    ),
    (
        "the same Content-Length twice",
        |bytes, _, wire| field(bytes, wire, "Content-Length: 300000\r\nContent-Length: 300000\r\n"),
        "gives content-length twice",
    ),
    (
        "a list of Content-Lengths",
        |bytes, _, wire| field(bytes, wire, "Content-Length: 300000, 300000\r\n"),
        "announces \"300000, 300000\" bytes",
    ),
    (
        "a negative Content-Length",
        |bytes, _, wire| field(bytes, wire, "Content-Length: -1\r\n"),
        "does not keep to HTTP: content-length header not a number",
    ),
    (
        "Content-Length and chunks",
        |_, _, wire| field(b"0\r\n\r\n", wire, "Content-Length: 300000\r\nTransfer-Encoding: chunked\r\n"),
        "gives both Content-Length and Transfer-Encoding",
    ),
    (
        "a chunk's size that overflows",
        |_, _, wire| field(b"FFFFFFFFFFFFFFFFF\r\nx", wire, "Transfer-Encoding: chunked\r\n"),
        "does not keep to HTTP: chunk length cannot be read as a number",
    ),
    (
        "a chunk of all memory",
        |_, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n");
            wire.say_for_ever([b'x'; 4096])
        },
        "sends more than the 300000 bytes that may come",
    ),
    (
        "a chunk's size that never ends",
        |_, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            wire.say_for_ever([b'1'; 4096])
        },
        "does not keep to HTTP: its chunks make no sense",
    ),
    (
        "chunks that end early",
        |_, _, wire| field(b"5\r\nabcde\r\n0\r\n\r\n", wire, "Transfer-Encoding: chunked\r\n"),
        "ended after 5 of 300000 bytes",
    ),
    (
        "trailers that never end",
        |_, _, wire| {
            wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n");
            wire.say_for_ever("x: y\r\n")
        },
        "sends too much that is not the file",
    ),
    (
        "100,000 headers",
        |bytes, _, wire| field(bytes, wire, &"X: y\r\n".repeat(100_000)),
        "does not keep to HTTP: http parse resulted in too many headers",
    ),
    (
        "a 64 KiB header line",
        |bytes, _, wire| field(bytes, wire, &format!("X: {}\r\n", "y".repeat(64 << 10))),
        "sends a head of more than 16 KiB",
    ),
    ("100 Continue for ever", |_, _, wire| wire.say_for_ever("HTTP/1.1 100 Continue\r\n\r\n"), "sends "),
    (
        "1 byte/s", // a tenth of what 10 KiB/s would be, in the tests' half second
        |bytes, _, wire| {
            head(wire, SIZE);
            wire.trickle(bytes, Duration::from_millis(20));
        },
        "is too slow: ",
    ),
    (
        "a silent body",
        |bytes, _, wire| {
            head(wire, SIZE);
            wire.say(&bytes[..70_000]);
            wire.stay_silent();
        },
        "was silent for 0.6 s",
    ),
    (
        "a redirect loop",
        |_, asked, wire| {
            wire.say(format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {}x\r\n\r\n", asked.path))
        },
        "redirects more than 3 times",
    ),
    (
        "a redirect to file:",
        |_, _, wire| wire.say("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: file:///etc/passwd\r\n\r\n"),
        "redirects to file:///etc/passwd, which is neither https:// nor http://",
    ),
    (
        "a redirect to loopback",
        |_, _, wire| wire.say("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: https://127.0.0.2:1/\r\n\r\n"),
        "redirects to 127.0.0.2, which is 127.0.0.2 on this machine",
    ),
    (
        "a redirect to nowhere",
        |_, _, wire| wire.say("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
        "redirects to nowhere",
    ),
    (
        "206 for a full request",
        |bytes, _, wire| {
            wire.say("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-299999/300000\r\nContent-Length: 300000\r\n\r\n");
            wire.say(bytes);
        },
        "answered with a part (206) of what was asked for whole",
    ),
    (
        "gzip",
        |bytes, _, wire| field(bytes, wire, "Content-Length: 300000\r\nContent-Encoding: gzip\r\n"),
        "packs what it sends (gzip), unasked",
    ),
    (
        "other bytes",
        |bytes, _, wire| {
            head(wire, SIZE);
            wire.say(bytes.iter().map(|byte| !byte).collect::<Vec<_>>());
        },
        "sent other bytes than were signed",
    ),
];

fn run(act: Act, tls: bool) -> (Place, Hostile, Vec<u8>) {
    let ca = Ca::new(&["127.0.0.1"]).unwrap();
    let bytes = noise(SIZE, 2);
    let sent = bytes.clone();
    let script: Script = Box::new(move |_, asked, wire| match asked.path.as_str() {
        "/good" => good(&sent, asked, wire),
        _ => act(&sent, asked, wire),
    });
    let server = Hostile::start("127.0.0.1", tls.then(|| ca.server().unwrap()), script).unwrap();
    (Place::new(PROGRAM, &ca.pem).unwrap(), server, bytes)
}

#[test]
fn each_is_refused_with_its_sentence_and_hinders_nobody() {
    let mut wrong = Vec::new();
    for (row, act, why) in BEHAVIOURS {
        for tls in [false, true] {
            let row = format!("{row}, {}", if tls { "TLS" } else { "TCP" });
            let (place, server, bytes) = run(*act, tls);
            let begin = Instant::now();
            let (fetched, _) = place.fetch(&job(&bytes, &[&server.url("bad")]));
            let took = begin.elapsed();
            let sentence = fetched.map(drop).unwrap_err().to_string();
            let want = format!("fetching vm_root 2: {} {why}", server.host());
            if sentence != want && !(why.ends_with(' ') && sentence.starts_with(&want)) {
                wrong.push(format!("{row}: {sentence}"));
            }
            assert!(took < Duration::from_secs(5), "{row} took {took:?}");
            assert!(place.bytes().unwrap().len() <= SIZE, "{row} wrote more");

            let (fetched, _) = place.fetch(&job(&bytes, &[&server.url("good")]));
            fetched.and_then(|fetched| fetched.by_reading()).unwrap_or_else(|failure| panic!("{row}, then: {failure}"));
            assert!(place.bytes().unwrap() == bytes, "{row}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_encrypted_stays_encrypted() {
    let ca = Ca::new(&["127.0.0.1"]).unwrap();
    let bytes = noise(SIZE, 2);
    let sent = bytes.clone();
    let plain = Hostile::start("127.0.0.1", None, Box::new(move |_, asked, wire| good(&sent, asked, wire))).unwrap();
    let (to, port) = (plain.url("good"), plain.host());
    let script: Script = Box::new(move |_, _, wire| {
        wire.say(format!("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: {to}\r\n\r\n"));
    });
    let server = Hostile::start("127.0.0.1", Some(ca.server().unwrap()), script).unwrap();
    let place = Place::new(PROGRAM, &ca.pem).unwrap();
    let (fetched, _) = place.fetch(&job(&bytes, &[&server.url("a")]));
    let want = format!("{} redirects to http://{port}/good, which is not encrypted", server.host());
    assert_eq!(fetched.unwrap_err().to_string(), format!("fetching vm_root 2: {want}"));
    assert_eq!(plain.asked(), []);

    // The other way round is fine.
    let to = server.url("a");
    let script: Script = Box::new(move |_, _, wire| {
        wire.say(format!("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: {to}\r\n\r\n"));
    });
    let upwards = Hostile::start("127.0.0.1", None, script).unwrap();
    let (fetched, _) = place.fetch(&job(&bytes, &[&upwards.url("a")]));
    assert!(fetched.unwrap_err().to_string().ends_with("which is not encrypted"));
    assert_eq!(server.asked().len(), 2);
}
