extern crate std;
use super::*;
use std::format;
use std::string::{String, ToString};

/// `MAA=` is the shortest thing that looks like a certificate; the settings are `{"check":"boot"}`.
pub const GOOD: &str = concat!(
    r#"{"dock0":{"token":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","#,
    r#""operators":["MAA=","MAEA"],"settings":"eyJjaGVjayI6ImJvb3QifQ=="}}"#
);

fn with(from: &str, to: &str) -> String {
    let changed = GOOD.replace(from, to);
    assert_ne!(changed, GOOD, "{from}");
    changed
}

#[test]
fn what_it_says_is_read() {
    let read = parse(GOOD.as_bytes()).unwrap().unwrap();
    assert_eq!(read.token.0[..4], [0, 1, 2, 3]);
    assert_eq!(read.token.0[31], 31);
    assert_eq!((&read.operators[..], read.settings), (&["MAA=", "MAEA"][..], Some("eyJjaGVjayI6ImJvb3QifQ==")));
    assert!(!format!("{read:?}").contains("[0, 1, 2"), "a token is not printed");
    for same in [
        format!(" \n{GOOD}\n"),
        with(r#"{"dock0""#, r#"{"cloud":{"users":[{"a":1},null]},"dock0""#),
        with(r#""settings""#, r#""later":[{"x":true}],"settings""#),
    ] {
        assert_eq!(parse(same.as_bytes()), Ok(Some(read.clone())), "{same}");
    }
    for none in [with(r#","settings":"eyJjaGVjayI6ImJvb3QifQ==""#, ""), with(r#""eyJjaGVjayI6ImJvb3QifQ==""#, "null")] {
        assert_eq!(parse(none.as_bytes()).unwrap().unwrap().settings, None, "{none}");
    }
}

#[test]
fn what_is_somebody_elses_says_nothing_of_dock0() {
    for text in [
        "",
        "#cloud-config\npackages: [nginx]\n",
        "#!/bin/sh\necho dock0\n",
        "{",
        "[]",
        r#"["dock0"]"#,
        r#""dock0""#,
        "{}",
        r#"{"other":{"dock0":{}}}"#,
        r#"{"dock0":null}"#,
        r#"{"dock0":{}} {}"#,
    ] {
        assert_eq!(parse(text.as_bytes()), Ok(None), "{text}");
    }
    assert_eq!(parse(b"\x1f\x8b\x08\x00"), Ok(None));
}

#[test]
fn what_cannot_be_used_is_said() {
    let token = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let long = format!("{GOOD}{}", " ".repeat(LONGEST));
    let bad_token = "its token is not 64 lower-case hexadecimal digits";
    for (text, sentence) in [
        (long, format!("it has {} bytes, at most 16384 can be", GOOD.len() + LONGEST)),
        (with(&format!(r#""token":"{token}","#), ""), "it has no token".into()),
        (with(token, &token[2..]), bad_token.into()),
        (with(token, &format!("{token}00")), bad_token.into()),
        (with(token, &token.to_uppercase()), bad_token.into()),
        (with(&format!(r#""{token}""#), "5"), "a text, a list or an object is where another of them belongs".into()),
        (with(r#""operators":["MAA=","MAEA"],"#, ""), "it has no operators".into()),
        (with(r#""MAA=","MAEA""#, ""), "it has 0 operators, 1 to 4 can be".into()),
        (with(r#""MAA=""#, r#""MAA=","MAA=","MAA=","MAA=","MAA=""#), "it has 6 operators, 1 to 4 can be".into()),
        (with("MAEA", "MAE"), "its operator 2 is no certificate (DER) in base64".into()),
        (with("MAA=", ""), "its operator 1 is no certificate (DER) in base64".into()),
        (with("MAA=", "LS0tLS1C"), "its operator 1 is no certificate (DER) in base64".into()),
        (with(r#"["MAA=","MAEA"]"#, r#""MAA=""#), "a text, a list or an object is where another of them belongs".into()),
        (with(r#""settings""#, r#""token":"x","settings""#), "a key is there twice".into()),
        (with("eyJj", "eyJ"), "its settings are no base64".into()),
        (
            with("eyJjaGVjayI6ImJvb3QifQ==", "e30x"),
            "its settings cannot be used: dock0/settings.json: it is not JSON from byte 2 on (docs/network.md has all that \
             can be set)"
                .into(),
        ),
        (r#"{"dock0":[]}"#.into(), "a text, a list or an object is where another of them belongs".to_string()),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), sentence, "{text}");
    }
}

#[test]
fn what_is_signed_has_its_label_before_it() {
    assert_eq!(message("sha256//abc").concat(), b"dock0 enrolment\nsha256//abc");
}
