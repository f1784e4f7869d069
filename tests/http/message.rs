//! HTTP/1.1 as stand-ins speak it: one request a connection, bodies with a length, addresses with and without a host.

use httparse::{EMPTY_HEADER, Status};
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

/// The longest head, in bytes: clients' have one thousand.
const MAX_HEAD: u64 = 64 * 1024;
/// The most fields in it.
const MAX_FIELDS: usize = 64;

/// A request. Its body is read after its head, by whoever knows how much of it to read.
#[derive(Debug, Default)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// The host and port it was sent to: of the address, if that has one, as a proxy is asked; else of `Host`.
    pub authority: String,
    /// The path and what stands behind a `?`, as they came.
    pub target: String,
    /// The names and values of the head.
    fields: Vec<(String, String)>,
    /// `Content-Length`.
    pub length: u64,
    /// What came of the body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path without its query, as it came.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The path's parts, decoded: a tag may have a slash in it.
    pub fn parts(&self) -> Vec<String> {
        self.path().trim_matches('/').split('/').map(decode).collect()
    }

    /// A value of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| decode(&value.replace('+', " ")))
    }

    /// Reads the body, or as much of it as `limit` allows, or as comes.
    pub fn read_body(&mut self, body: &mut dyn Read, limit: u64) {
        // Worst case: a client fell silent or went away, and `is_whole` says that not everything came.
        body.take(self.length.min(limit)).read_to_end(&mut self.body).map(drop).unwrap_or_default();
    }

    /// Whether everything came that was to come.
    pub fn is_whole(&self) -> bool {
        self.body.len() as u64 == self.length
    }
}

/// `%2B` is `+`, and so on (RFC 3986, 2.1). What is no such triple is left as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a request's head. What cannot be answered in earnest is refused by the answer it gets.
pub fn read_head(stream: &mut impl BufRead) -> io::Result<Result<Request, Answer>> {
    let mut bytes = Vec::new();
    let mut limited = stream.take(MAX_HEAD);
    while !bytes.ends_with(b"\r\n\r\n") {
        if limited.read_until(b'\n', &mut bytes)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(parse_head(&bytes))
}

fn parse_head(bytes: &[u8]) -> Result<Request, Answer> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let parsed = head.parse(bytes);
    let (Ok(Status::Complete(_)), Some(method), Some(address)) = (parsed, head.method, head.path) else {
        return Err(Answer::text(400, "this is no HTTP request"));
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let fields = head.headers.iter().map(|field| (field.name.to_string(), text(field.value))).collect();
    let mut request = Request { method: method.into(), fields, ..Request::default() };
    let host = request.field("Host").unwrap_or_default();
    let (authority, target) = split_address(address).unwrap_or((host, address));
    (request.authority, request.target) = (authority.into(), target.into());
    if request.authority.is_empty() {
        return Err(Answer::text(400, "the request has no Host"));
    }
    if request.field("Transfer-Encoding").is_some() {
        return Err(Answer::text(411, "a body must have a Content-Length"));
    }
    request.length = match request.field("Content-Length").unwrap_or("0").parse() {
        Ok(length) => length,
        Err(_) => return Err(Answer::text(400, "Content-Length is no number")),
    };
    Ok(request)
}

/// `http://host/path` in two. A proxy is asked for such addresses (RFC 9112, 3.2.2).
fn split_address(address: &str) -> Option<(&str, &str)> {
    let rest = address.strip_prefix("http://")?;
    Some(rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash)))
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Fields besides `Content-Length` and `Connection`.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: Arc<[u8]>,
}

impl Answer {
    /// A status alone.
    pub fn empty(status: u16) -> Answer {
        Answer { status, fields: Vec::new(), body: Arc::default() }
    }

    /// A sentence.
    pub fn text(status: u16, text: &str) -> Answer {
        Answer { body: text.as_bytes().into(), ..Answer::empty(status) }.with("Content-Type", "text/plain".into())
    }

    /// A JSON document.
    pub fn json(status: u16, document: &serde_json::Value) -> Answer {
        let body = document.to_string().into_bytes().into();
        Answer { body, ..Answer::empty(status) }.with("Content-Type", "application/json; charset=utf-8".into())
    }

    /// It is to be had there.
    pub fn found(location: String) -> Answer {
        Answer::empty(302).with("Location", location)
    }

    /// The same with one more field.
    pub fn with(mut self, name: &'static str, value: String) -> Answer {
        self.fields.push((name, value));
        self
    }

    /// Sends it; to `HEAD` without its body.
    pub fn send(&self, stream: &mut impl Write, method: &str) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\nConnection: close\r\n", self.status, reason(self.status));
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        // RFC 9110, 8.6: an answer of 204 has no length.
        if self.status != 204 {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if method != "HEAD" {
            stream.write_all(&self.body)?;
        }
        stream.flush()
    }
}

/// The words of RFC 9110, for who reads along; a program goes by the number.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        411 => "Length Required",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
