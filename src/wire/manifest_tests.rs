use super::*;
extern crate std;
use std::string::{String, ToString};
use std::{format, vec};

pub const GOOD: &str = r#"{"product":"dock0","channel":"stable","arch":"x86_64","serial":42,
"issued":"2026-11-25T10:00:00Z","expires":"2027-02-25T10:00:00Z","artifacts":[
{"name":"kernel","version":"6.12.117","size":5440512,
"sha256":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
"verity":"ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
"urls":["https://example.org/kernel","http://mirror.example.org/kernel"]}]}"#;

/// The artifact of [`GOOD`], under another name.
fn artifact(name: &str) -> String {
    let (_, artifact) = GOOD.split_once("[\n").unwrap();
    artifact.strip_suffix("]}").unwrap().replace("kernel\",\"version", &format!("{name}\",\"version"))
}

fn with_artifacts(artifacts: &[String]) -> String {
    let (head, _) = GOOD.split_once("[\n").unwrap();
    format!("{head}[{}]}}", artifacts.join(","))
}

#[test]
fn a_manifest_is_read() {
    let manifest = Manifest::parse(GOOD.as_bytes()).unwrap();
    let words = [&manifest.product, &manifest.channel, &manifest.arch].map(|word| word.as_str());
    assert_eq!(words, ["dock0", "stable", "x86_64"]);
    assert_eq!((manifest.serial, manifest.artifacts.len()), (42, 1));
    assert_eq!((manifest.issued.unix(), manifest.expires.unix()), (1_795_600_800, 1_803_549_600));
    let kernel = &manifest.artifacts[0];
    assert_eq!(kernel.artifact.to_string(), "kernel 6.12.117");
    assert_eq!((kernel.size, kernel.sha256[1], kernel.verity[1]), (5_440_512, 0x11, 0xee));
    assert_eq!(
        kernel.urls,
        [Url::parse("https://example.org/kernel"), Url::parse("http://mirror.example.org/kernel")].map(Result::unwrap)
    );
    let (key, id) = ("E7620F1842B4E81F".parse().unwrap(), ManifestId::of(GOOD.as_bytes()));
    let offer = manifest.offer(key, id);
    assert_eq!((offer.product.as_str(), offer.serial, offer.key, offer.manifest), ("dock0", 42, key, id));
}

#[test]
fn what_a_newer_manifest_says_besides_is_skipped() {
    let deep = r#"{"notes":"two\nlines","more":[{"a":[1,-2.5e3,null,true]},"\"}]"],"product":"#;
    let newer = GOOD.replace("{\"product\":", deep).replace("\"size\":", "\"chunks\":{\"of\":4096},\"size\":");
    assert_eq!(Manifest::parse(newer.as_bytes()), Manifest::parse(GOOD.as_bytes()));
}

#[test]
fn the_largest_manifest_is_read() {
    let artifacts: std::vec::Vec<String> = (0..16).map(|number| artifact(&format!("a{number}"))).collect();
    let url = format!("https://example.org/{}", "x".repeat(492));
    let four = format!("\"urls\":[{}]", vec![format!("{url:?}"); 4].join(","));
    let text = with_artifacts(&artifacts);
    let text = text.replace("\"urls\":[\"https://example.org/kernel\",\"http://mirror.example.org/kernel\"]", &four);
    let text = text.replace("5440512", "1099511627776").replace(":42,", ":18446744073709551615,");
    let text = format!("{text}{}", " ".repeat(MAX_BYTES - text.len()));
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let urls = manifest.artifacts.iter().map(|entry| entry.urls.len()).sum::<usize>();
    assert_eq!((manifest.artifacts.len(), urls, manifest.serial), (16, 64, u64::MAX));
    assert_eq!(manifest.artifacts[15].size, MAX_SIZE);
}

#[test]
fn each_key_is_needed() {
    for (key, whose) in [
        ("product", "it"),
        ("channel", "it"),
        ("arch", "it"),
        ("serial", "it"),
        ("issued", "it"),
        ("expires", "it"),
        ("artifacts", "it"),
        ("name", "its artifact 1"),
        ("version", "its artifact 1"),
        ("size", "its artifact 1"),
        ("sha256", "its artifact 1"),
        ("verity", "its artifact 1"),
        ("urls", "its artifact 1"),
    ] {
        let text = GOOD.replace(&format!("\"{key}\":"), &format!("\"{key}2\":"));
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err().to_string(), format!("{whose} has no {key}"));
    }
    let null = GOOD.replace(":42,", ":null,");
    assert_eq!(Manifest::parse(null.as_bytes()).unwrap_err().to_string(), "it has no serial");
}

#[test]
fn each_refusal_is_a_sentence() {
    let digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let kind = "a text, a number, a list or an object is where another of them belongs";
    let number = "a number is negative, too large or not whole";
    let size = "its artifact 1 says size";
    let (long, long_name) = ("x".repeat(81), "n".repeat(35));
    let cut = format!("it says product \"{}\"…, which is too long", "x".repeat(80));
    for (from, to, sentence) in [
        ("{\"product\"", "\"product\"", "it is no JSON at byte 9: something stands behind its end"),
        ("]}]}", "]}]", "it is no JSON at byte 428: it ends too early"),
        ("\"dock0\"", "5", kind),
        ("\"dock0\"", "\"\"", "it says product \"\", which is empty"),
        ("\"dock0\"", "\"../x\"", "it says product \"../x\", which begins with a dot"),
        ("dock0", &long, &cut),
        (
            "stable",
            "\\u0073table",
            "it says channel \"\\\\u0073table\", which has a character other than letters, digits and . _ + ~ -",
        ),
        (":42,", ":-1,", number),
        (":42,", ":42.5,", number),
        (":42,", ":4e2,", number),
        (":42,", ":18446744073709551616,", number),
        (":42,", ":\"42\",", kind),
        (":42,", ":42,\"serial\":43,", "a key is there twice"),
        (
            "2026-11-25T",
            "2026-11-25 ",
            "it says issued \"2026-11-25 10:00:00Z\", which is no time like 2026-11-25T10:00:00Z",
        ),
        (
            "2027-02-25",
            "2027-02-29",
            "it says expires \"2027-02-29T10:00:00Z\", which is no time like 2026-11-25T10:00:00Z",
        ),
        (
            "2027-02-25T10:00:00Z",
            "2026-11-25T10:00:00Z",
            "it expires 2026-11-25T10:00:00Z and is issued 2026-11-25T10:00:00Z, which is not before",
        ),
        (
            "\"name\":\"kernel\"",
            "\"name\":\"a/b\"",
            "its artifact 1 says name \"a/b\", which has a character other than letters, digits and . _ + ~ -",
        ),
        ("\"6.12.117\"", "\".\"", "its artifact 1 says version \".\", which begins with a dot"),
        (
            "\"name\":\"kernel\"",
            &format!("\"name\":\"{long_name}\""),
            "its artifact 1 has too long a name and version: a link to it has 60 bytes, at most 59 can be",
        ),
        ("5440512", "0", &format!("{size} 0, 1 to 1099511627776 can be")),
        ("5440512", "1099511627777", &format!("{size} 1099511627777, 1 to 1099511627776 can be")),
        ("\"size\":5440512", "\"size\":5440512,\"size\":1", "a key is there twice"),
        (digest, "00112233", "its artifact 1 says sha256 \"00112233\", which is not 64 lower-case hexadecimal digits"),
        (
            "ffeeddcc",
            "FFeeddcc",
            "its artifact 1 says verity \"FFeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\", which is not \
             64 lower-case hexadecimal digits",
        ),
        (
            "https://example",
            "ftp://example",
            "its artifact 1 says url \"ftp://example.org/kernel\", which begins neither with https:// nor with http://",
        ),
        (
            "[\"https://example.org/kernel\",\"http://mirror.example.org/kernel\"]",
            "[]",
            "its artifact 1 has 0 urls, 1 to 4 can be",
        ),
        ("[\"https", "[\"a\",\"b\",\"c\",\"https", "its artifact 1 has 5 urls, 1 to 4 can be"),
        ("[\"https://example.org/kernel\",", "[5,", kind),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err().to_string(), sentence, "{from} {to}");
    }
}

#[test]
fn a_list_of_artifacts_has_limits() {
    let many: std::vec::Vec<String> = (0..18).map(|number| artifact(&format!("a{number}"))).collect();
    for (artifacts, sentence) in [
        (&[][..], "it has 0 artifacts, 1 to 16 can be"),
        (&many[..17], "it has 17 artifacts, 1 to 16 can be"),
        (&many[..18], "it has 18 artifacts, 1 to 16 can be"),
        (&[artifact("b"), artifact("a"), artifact("b")], "its artifact 3 says name b, as another does"),
    ] {
        assert_eq!(Manifest::parse(with_artifacts(artifacts).as_bytes()).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn brackets_do_not_exhaust_the_stack() {
    for deep in ["[".repeat(MAX_BYTES), "{\"a\":".repeat(10_000)] {
        let why = Manifest::parse(deep.as_bytes()).unwrap_err().to_string();
        assert!(why.ends_with("more than 32 brackets are open"), "{why}");
    }
    let long = " ".repeat(MAX_BYTES + 1);
    assert_eq!(Manifest::parse(long.as_bytes()).unwrap_err().to_string(), "it has 65537 bytes, at most 65536 can be");
}
