//! What a VM answers: the head of an answer, its state, and what became of what was pushed. No sockets.

use serde::{Deserialize, Serialize};

/// The longest head of an answer, in bytes.
pub const MAX_HEAD: usize = 16 << 10;
/// The most bytes of an answer: a log can be long.
pub const MAX_BODY: u64 = 16 << 20;
/// More fields than a VM sends.
const MAX_FIELDS: usize = 32;

/// The head of an answer (RFC 9112, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// 200 and so on; 100 comes before the real one.
    pub status: u16,
    /// Of its body, in bytes.
    pub length: u64,
    /// Of the head itself.
    pub bytes: usize,
}

/// Reads a head: `None` if it has not come whole yet.
pub fn read_head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(|why| format!("its answer is no HTTP: {why}"))?;
    let httparse::Status::Complete(length_of_head) = parsed else {
        return if bytes.len() < MAX_HEAD { Ok(None) } else { Err("the head of its answer is too long".into()) };
    };
    let status = response.code.unwrap_or_default();
    let lengths: Vec<&[u8]> = response
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("content-length"))
        .map(|field| field.value)
        .collect();
    let length = match lengths[..] {
        [] if status < 200 => 0,
        [text] => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX),
        _ => return Err(format!("its answer {status} does not say how long it is")),
    };
    match length {
        0..=MAX_BODY => Ok(Some(Head { status, length, bytes: length_of_head })),
        _ => Err(format!("its answer {status} is too long")),
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 and so on.
    pub status: u16,
    /// What came with it.
    pub body: Vec<u8>,
}

impl Answer {
    /// The VM's own sentence, or what there is instead of one.
    pub fn sentence(&self) -> String {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }
        match serde_json::from_slice::<Refusal>(&self.body) {
            Ok(Refusal { error }) => printable(&error),
            Err(_) => "and does not say why".into(),
        }
    }

    /// The body as what it shall be.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|why| format!("its answer {} cannot be read: {why}", self.status))
    }
}

/// What `GET /` says. What is not there is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct State {
    /// `waiting`, `storing`, `installing` or `leaving`.
    pub state: String,
    /// In words, with how far it is.
    pub doing: Option<String>,
    /// What it boots.
    pub release: Option<String>,
    /// The release's id.
    pub id: Option<String>,
    /// How that release stands: `good`, `on trial` or `bad`.
    pub standing: Option<String>,
    /// The SHA-256 of the bundle that it has.
    pub config: Option<String>,
    /// Its own.
    pub addresses: Vec<String>,
    /// In seconds.
    pub uptime: Option<u64>,
    /// What the last boot ended with.
    pub failure: Option<String>,
    /// Of its key.
    pub fingerprint: Option<String>,
    /// That it was told whom to believe, and has that key.
    pub proof: Option<String>,
    /// Of its init.
    pub version: Option<String>,
    /// Its last boots, the newest last (docs/trials.md).
    pub boots: Vec<serde_json::Value>,
}

impl State {
    /// In one line.
    pub fn line(&self) -> String {
        match self.doing.as_deref().filter(|doing| !doing.is_empty()) {
            Some(doing) => format!("{}: {}", printable(&self.state), printable(doing)),
            None => printable(&self.state),
        }
    }
}

/// What a VM has stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// Of the bytes that it got.
    pub sha256: String,
    /// How many files are in the bundle.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What it does now, in words, if it says so.
    pub doing: Option<String>,
}

/// What a VM says, for a terminal: nothing in it moves the cursor.
pub fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control(), "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_strictly() {
        for (text, want) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{}", Ok(Some(Head { status: 200, length: 7, bytes: 38 }))),
            ("HTTP/1.1 100 Continue\r\n\r\n", Ok(Some(Head { status: 100, length: 0, bytes: 25 }))),
            ("HTTP/1.1 200 OK\r\nContent-Le", Ok(None)),
            ("", Ok(None)),
            ("SSH-2.0-x\r\n", Err("its answer is no HTTP: invalid HTTP version")),
            ("HTTP/1.1 200 OK\r\n\r\n", Err("its answer 200 does not say how long it is")),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                Err("its answer 200 does not say how long it is"),
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Err("its answer 200 is too long")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n", Err("its answer 200 is too long")),
        ] {
            assert_eq!(read_head(text.as_bytes()), want.map_err(String::from), "{text:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
        assert_eq!(read_head(endless.as_bytes()), Err("the head of its answer is too long".into()));
    }

    #[test]
    fn what_a_vm_says_moves_no_cursor() {
        let answer = |body: &str| Answer { status: 422, body: body.into() };
        assert_eq!(answer("{\"error\":\"it has \\u001b[2J two\"}").sentence(), "it has ?[2J two");
        assert_eq!(answer("<html>").sentence(), "and does not say why");
        let state: State = answer("{\"state\":\"waiting\",\"doing\":\"a\\nb\",\"new\":1}").json().unwrap();
        assert_eq!(state.line(), "waiting: a?b");
        assert_eq!(State { state: "leaving".into(), ..State::default() }.line(), "leaving");
        let why = answer("{").json::<State>().unwrap_err();
        assert!(why.starts_with("its answer 422 cannot be read: "), "{why}");
    }
}
