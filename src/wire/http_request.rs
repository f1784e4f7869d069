//! The head of an HTTP/1.1 request (RFC 9112), read strictly: what a server that takes one request a connection needs of it.

use core::fmt;
use httparse::{EMPTY_HEADER, Header, Status};

/// The longest head, in bytes.
pub const MAX_HEAD: usize = 8 * 1024;
/// The most fields in it.
pub const MAX_FIELDS: usize = 32;

/// A request, as far as anybody here wants to know it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'h> {
    /// `GET`, `PUT` and so on.
    pub method: &'h str,
    /// The path, with whatever stands behind a `?`.
    pub path: &'h str,
    /// `Content-Length`: how many bytes follow.
    pub length: Option<u64>,
    /// `Expect: 100-continue`: the client waits for a word before it sends them.
    pub expects_continue: bool,
    /// `Accept` has `text/html`: a person looks at it in a browser.
    pub wants_page: bool,
    /// There is an `Origin`: a page in a browser asks, whoever has written it (RFC 6454, 7.3).
    pub from_page: bool,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Head<'h> {
    /// There is more to come.
    Unfinished,
    /// A request, and how many bytes its head has; the body stands behind them.
    Whole(Request<'h>, usize),
}

/// Why it is no request that can be answered. Prints itself as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// More than [`MAX_HEAD`] bytes.
    TooLong,
    /// More than [`MAX_FIELDS`] fields.
    TooManyFields,
    /// Not what RFC 9112 says.
    Malformed,
    /// Another version.
    Version,
    /// No `Host`, or two.
    Host,
    /// `Content-Length` twice, or no number.
    Length,
    /// `Transfer-Encoding`: what is sent must have a length.
    TransferEncoding,
    /// `Expect` something else than `100-continue`.
    Expect,
}

impl BadRequest {
    /// The status of the answer (RFC 9110, 15.5).
    pub fn status(self) -> u16 {
        match self {
            BadRequest::TooLong | BadRequest::TooManyFields => 431,
            BadRequest::Malformed
            | BadRequest::Version
            | BadRequest::Host
            | BadRequest::Length
            | BadRequest::TransferEncoding
            | BadRequest::Expect => 400,
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRequest::TooLong => write!(f, "the head of the request has more than {MAX_HEAD} bytes"),
            BadRequest::TooManyFields => write!(f, "the head of the request has more than {MAX_FIELDS} fields"),
            BadRequest::Malformed => f.write_str("this is no HTTP request"),
            BadRequest::Version => f.write_str("this is not HTTP/1.1"),
            BadRequest::Host => f.write_str("the request has not exactly one Host"),
            BadRequest::Length => f.write_str("the request has not exactly one number as Content-Length"),
            BadRequest::TransferEncoding => {
                f.write_str("the request has a Transfer-Encoding: send it with a Content-Length (curl -T FILE does)")
            }
            BadRequest::Expect => f.write_str("the request expects something else than 100-continue"),
        }
    }
}

/// Reads the start of what a client sends.
pub fn read(bytes: &[u8]) -> Result<Head<'_>, BadRequest> {
    let start = bytes.get(..bytes.len().min(MAX_HEAD)).unwrap_or_default();
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(start) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => return Ok(Head::Unfinished),
        Ok(Status::Partial) => return Err(BadRequest::TooLong),
        Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
        Err(httparse::Error::Version) => return Err(BadRequest::Version),
        Err(_) => return Err(BadRequest::Malformed),
    };
    let (Some(method), Some(path), Some(1)) = (request.method, request.path, request.version) else {
        return Err(BadRequest::Version);
    };
    Ok(Head::Whole(judge(method, path, request.headers)?, length))
}

fn judge<'h>(method: &'h str, path: &'h str, fields: &[Header<'h>]) -> Result<Request<'h>, BadRequest> {
    if only(fields, "host").map_err(|Twice| BadRequest::Host)?.is_none() {
        return Err(BadRequest::Host);
    }
    if named(fields, "transfer-encoding").next().is_some() {
        return Err(BadRequest::TransferEncoding);
    }
    let length = only(fields, "content-length").map_err(|Twice| BadRequest::Length)?;
    let length = length.map(|text| number(text).ok_or(BadRequest::Length)).transpose()?;
    let expects_continue = match only(fields, "expect").map_err(|Twice| BadRequest::Expect)? {
        None => false,
        Some(text) if text.eq_ignore_ascii_case(b"100-continue") => true,
        Some(_) => return Err(BadRequest::Expect),
    };
    let html = b"text/html";
    let wants_page =
        named(fields, "accept").any(|value| value.windows(html.len()).any(|part| part.eq_ignore_ascii_case(html)));
    let from_page = named(fields, "origin").next().is_some();
    Ok(Request { method, path, length, expects_continue, wants_page, from_page })
}

struct Twice;

/// A field that may stand there once at most.
fn only<'h>(fields: &[Header<'h>], name: &str) -> Result<Option<&'h [u8]>, Twice> {
    let mut all = named(fields, name);
    match (all.next(), all.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(Twice),
    }
}

fn named<'f, 'h>(fields: &'f [Header<'h>], name: &'f str) -> impl Iterator<Item = &'h [u8]> + use<'f, 'h> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::{String, ToString};

    #[test]
    fn what_curl_sends_is_read() {
        let head = "PUT /config HTTP/1.1\r\nHost: web1:1002\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\
            Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n";
        let request = Request {
            method: "PUT",
            path: "/config",
            length: Some(1_048_577),
            expects_continue: true,
            wants_page: false,
            from_page: false,
        };
        assert_eq!(read(format!("{head}body").as_bytes()), Ok(Head::Whole(request, head.len())));
        for end in 0..head.len() {
            assert_eq!(read(&head.as_bytes()[..end]), Ok(Head::Unfinished), "{end}");
        }
    }

    #[test]
    fn a_browser_wants_a_page() {
        let get = |accept: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{accept}\r\n");
        for (accept, wants_page) in [
            ("", false),
            ("Accept: */*\r\n", false),
            ("Accept: text/html,application/xhtml+xml;q=0.9\r\n", true),
            ("accept: application/json\r\naccept: Text/HTML\r\n", true),
        ] {
            let text = get(accept);
            let request = Request {
                method: "GET",
                path: "/",
                length: None,
                expects_continue: false,
                wants_page,
                from_page: false,
            };
            assert_eq!(read(text.as_bytes()), Ok(Head::Whole(request, text.len())), "{accept}");
        }
    }

    #[test]
    fn what_a_page_asks_for_says_so() {
        for (origin, from_page) in [
            ("", false),
            ("Referer: https://example.org/\r\n", false),
            ("Origin: https://example.org\r\n", true),
            ("origin: null\r\n", true),
            ("ORIGIN:\r\n", true),
        ] {
            let text = format!("POST /reboot HTTP/1.1\r\nhost: a\r\n{origin}\r\n");
            match read(text.as_bytes()) {
                Ok(Head::Whole(request, _)) => assert_eq!(request.from_page, from_page, "{origin}"),
                other => panic!("{origin}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_request_has_its_sentence_and_status() {
        let with = |field: &str| format!("PUT / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        let many = |count: usize| with(&"a: b\r\n".repeat(count)[..6 * count - 2]);
        let length = "the request has not exactly one number as Content-Length";
        for (name, text, status, sentence) in [
            ("noise", String::from("\u{1}\u{2}"), 400, "this is no HTTP request"),
            ("TLS in TLS", "\u{16}\u{3}\u{1}".into(), 400, "this is no HTTP request"),
            ("HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n".into(), 400, "this is not HTTP/1.1"),
            ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400, "this is not HTTP/1.1"),
            ("no Host", "GET / HTTP/1.1\r\n\r\n".into(), 400, "the request has not exactly one Host"),
            ("two Hosts", with("Host: b"), 400, "the request has not exactly one Host"),
            ("two lengths", with("Content-Length: 1\r\nContent-Length: 1"), 400, length),
            ("a list of lengths", with("Content-Length: 1, 1"), 400, length),
            ("a sign", with("Content-Length: +1"), 400, length),
            ("hexadecimal", with("Content-Length: 0x10"), 400, length),
            ("no number", with("Content-Length: "), 400, length),
            ("too large a number", with("Content-Length: 99999999999999999999"), 400, length),
            (
                "chunks",
                with("Transfer-Encoding: chunked"),
                400,
                "the request has a Transfer-Encoding: send it with a Content-Length (curl -T FILE does)",
            ),
            (
                "chunks and a length",
                with("Content-Length: 1\r\nTransfer-Encoding: identity"),
                400,
                "the request has a Transfer-Encoding: send it with a Content-Length (curl -T FILE does)",
            ),
            (
                "another expectation",
                with("Expect: 200-ok"),
                400,
                "the request expects something else than 100-continue",
            ),
            ("a blank before the colon", with("Content-Length : 1"), 400, "this is no HTTP request"),
            ("a folded line", with("A: b\r\n c"), 400, "this is no HTTP request"),
            ("a NUL", with("A: \0"), 400, "this is no HTTP request"),
            ("too many fields", many(MAX_FIELDS), 431, "the head of the request has more than 32 fields"),
            (
                "too long",
                with(&format!("A: {}", "b".repeat(MAX_HEAD))),
                431,
                "the head of the request has more than 8192 bytes",
            ),
        ] {
            let bad = read(text.as_bytes()).unwrap_err();
            assert_eq!((bad.status(), bad.to_string().as_str()), (status, sentence), "{name}");
        }
        assert!(read(many(MAX_FIELDS - 1).as_bytes()).is_ok());
    }
}
