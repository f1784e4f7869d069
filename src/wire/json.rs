//! Whether bytes are one JSON value (RFC 8259), looked through whole before anything is read out of them.
//!
//! `serde-json-core`, which does the reading, is made for small devices: it jumps over what it does not want without
//! looking, takes `[,1]` for a list, and calls itself for each bracket, so that brackets alone could exhaust the stack.
//! None of that is left once a document has passed here. Which keys and values there may be is for whoever asks ([`Expect`]).

use core::fmt;
use core::str::from_utf8;
use heapless::Vec;

/// How many lists and objects may lie within one another.
pub const MAX_DEPTH: usize = 32;

/// Where bytes stop being JSON, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// Counted from 0.
    pub at: usize,
    /// What is wrong there.
    pub why: Why,
}

/// Why bytes are no JSON that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The text is not UTF-8.
    Encoding,
    /// It ends too early.
    End,
    /// Something stands behind it.
    Rest,
    /// No value begins here.
    Value,
    /// No key in double quotes begins here.
    Key,
    /// A key is written with a backslash, so that two could be one.
    EscapedKey,
    /// There is no `:` behind a key.
    Colon,
    /// There is neither `,` nor the bracket that closes.
    Separator,
    /// A text has a control character, or a backslash before something else than `"\/bfnrt` and `u` with four digits.
    Text,
    /// A number has no digits where it must, or a zero too many.
    Number,
    /// More than [`MAX_DEPTH`] brackets are open.
    Depth,
    /// Who wanted something else knows.
    Refused,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Encoding => "it is not UTF-8",
            Why::End => "it ends too early",
            Why::Rest => "something stands behind its end",
            Why::Value => "no value begins there",
            Why::Key => "no key in double quotes begins there",
            Why::EscapedKey => "a key has a backslash",
            Why::Colon => "there is no colon behind a key",
            Why::Separator => "there is neither a comma nor the closing bracket",
            Why::Text => "a text has a control character or an unknown escape",
            Why::Number => "a number is malformed",
            Why::Refused => "nobody wants what is there",
            Why::Depth => return write!(f, "at byte {}: more than {MAX_DEPTH} brackets are open", self.at),
        };
        write!(f, "at byte {}: {why}", self.at)
    }
}

/// Whether these bytes are one JSON value and nothing else.
pub fn check(bytes: &[u8]) -> Result<(), NotJson> {
    struct Anything;
    impl Expect for Anything {}
    walk(bytes, &mut Anything)
}

/// What somebody wants to find in a document: told of each thing as it comes, it may refuse it, which ends the walk.
pub trait Expect {
    /// A key, as it is written between its quotes.
    fn key(&mut self, _key: &[u8]) -> Result<(), Refused> {
        Ok(())
    }

    /// What begins with this byte where a value must be.
    fn value(&mut self, _first: u8) -> Result<(), Refused> {
        Ok(())
    }

    /// A number, whole.
    fn number(&mut self, _number: &[u8]) -> Result<(), Refused> {
        Ok(())
    }

    /// The end of an object.
    fn close_object(&mut self) {}
}

/// A thing that is not wanted.
#[derive(Debug)]
pub struct Refused;

impl From<Refused> for Why {
    fn from(_: Refused) -> Why {
        Why::Refused
    }
}

/// Goes through a document once, and says what is in it.
pub fn walk(bytes: &[u8], expect: &mut dyn Expect) -> Result<(), NotJson> {
    from_utf8(bytes).map_err(|error| NotJson { at: error.valid_up_to(), why: Why::Encoding })?;
    let mut text = Text { bytes, at: 0, expect };
    text.check().map_err(|why| NotJson { at: text.at, why })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    List,
    Object,
}

struct Text<'b> {
    bytes: &'b [u8],
    at: usize,
    expect: &'b mut dyn Expect,
}

impl Text<'_> {
    fn check(&mut self) -> Result<(), Why> {
        let mut open: Vec<Open, MAX_DEPTH> = Vec::new();
        loop {
            if let Some((kind, closed)) = self.begin_value()? {
                open.push(kind).map_err(|_| Why::Depth)?;
                if !closed {
                    continue;
                }
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Reads a value up to its end; of a list or an object, up to its first value, or to the bracket that closes it.
    fn begin_value(&mut self) -> Result<Option<(Open, bool)>, Why> {
        let first = self.skip_white().ok_or(Why::End)?;
        self.expect.value(first)?;
        match first {
            b'{' => {
                self.step();
                let closed = self.skip_white() == Some(b'}');
                if !closed {
                    self.read_key()?;
                }
                Ok(Some((Open::Object, closed)))
            }
            b'[' => {
                self.step();
                Ok(Some((Open::List, self.skip_white() == Some(b']'))))
            }
            b'"' => self.read_text().map(|_| None),
            b'-' | b'0'..=b'9' => self.read_number().map(|()| None),
            b't' => self.read_word(b"true").map(|()| None),
            b'f' => self.read_word(b"false").map(|()| None),
            b'n' => self.read_word(b"null").map(|()| None),
            _ => Err(Why::Value),
        }
    }

    /// Closes what closes behind a value, up to where the next value begins; `true` if that was all.
    fn close(&mut self, open: &mut Vec<Open, MAX_DEPTH>) -> Result<bool, Why> {
        loop {
            match (open.last(), self.skip_white()) {
                (None, None) => return Ok(true),
                (None, Some(_)) => return Err(Why::Rest),
                (Some(_), None) => return Err(Why::End),
                (Some(Open::Object), Some(b'}')) => {
                    self.step();
                    open.pop();
                    self.expect.close_object();
                }
                (Some(Open::List), Some(b']')) => {
                    self.step();
                    open.pop();
                }
                (Some(Open::List), Some(b',')) => {
                    self.step();
                    return Ok(false);
                }
                (Some(Open::Object), Some(b',')) => {
                    self.step();
                    self.read_key()?;
                    return Ok(false);
                }
                (Some(_), Some(_)) => return Err(Why::Separator),
            }
        }
    }

    /// A key and its colon.
    fn read_key(&mut self) -> Result<(), Why> {
        match self.skip_white() {
            Some(b'"') => {}
            Some(_) => return Err(Why::Key),
            None => return Err(Why::End),
        }
        let begin = self.at.saturating_add(1);
        let escaped = self.read_text()?;
        let key = self.bytes.get(begin..self.at.saturating_sub(1)).unwrap_or_default();
        self.expect.key(key)?;
        if escaped {
            return Err(Why::EscapedKey);
        }
        match self.skip_white() {
            Some(b':') => self.step(),
            Some(_) => return Err(Why::Colon),
            None => return Err(Why::End),
        }
        Ok(())
    }

    /// A text with its quotes; whether it has a backslash.
    fn read_text(&mut self) -> Result<bool, Why> {
        let mut escaped = false;
        loop {
            self.step();
            match self.peek().ok_or(Why::End)? {
                b'"' => {
                    self.step();
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.read_escape()?;
                }
                0..=0x1f => return Err(Why::Text),
                _ => {}
            }
        }
    }

    /// What follows a backslash, up to its last byte.
    fn read_escape(&mut self) -> Result<(), Why> {
        self.step();
        match self.peek().ok_or(Why::End)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => (0..4).try_for_each(|_| {
                self.step();
                self.peek().ok_or(Why::End)?.is_ascii_hexdigit().then_some(()).ok_or(Why::Text)
            }),
            _ => Err(Why::Text),
        }
    }

    fn read_number(&mut self) -> Result<(), Why> {
        let begin = self.at;
        self.skip_if(|byte| byte == b'-');
        if !self.skip_if(|byte| byte == b'0') {
            self.read_digits()?;
        }
        if self.skip_if(|byte| byte == b'.') {
            self.read_digits()?;
        }
        if self.skip_if(|byte| matches!(byte, b'e' | b'E')) {
            self.skip_if(|byte| matches!(byte, b'+' | b'-'));
            self.read_digits()?;
        }
        // `01` and `1x`.
        if self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Why::Number);
        }
        Ok(self.expect.number(self.bytes.get(begin..self.at).unwrap_or_default())?)
    }

    fn read_digits(&mut self) -> Result<(), Why> {
        if !self.skip_if(|byte| byte.is_ascii_digit()) {
            return Err(self.peek().map_or(Why::End, |_| Why::Number));
        }
        while self.skip_if(|byte| byte.is_ascii_digit()) {}
        Ok(())
    }

    fn read_word(&mut self, word: &[u8]) -> Result<(), Why> {
        word.iter().try_for_each(|&byte| if self.skip_if(|have| have == byte) { Ok(()) } else { Err(Why::Value) })
    }

    fn skip_if(&mut self, wanted: impl FnOnce(u8) -> bool) -> bool {
        let skip = self.peek().is_some_and(wanted);
        if skip {
            self.step();
        }
        skip
    }

    /// The next byte that is no white space.
    fn skip_white(&mut self) -> Option<u8> {
        while self.skip_if(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {}
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn json_passes() {
        let deepest = "[".repeat(32) + &"]".repeat(32);
        for text in [
            "0",
            "-1.5e+10",
            "0.25E3",
            "true",
            " null\r\n\t",
            "\"\"",
            r#""é \" \\ \/ \b\f\n\r\t \u00e9""#,
            "[]",
            "{ }",
            "[ 1 , [ ] , { } ]",
            r#"{"a":{"b":[1,false]},"a":"]}"}"#,
            &deepest,
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_where_it_begins() {
        let too_deep = "[".repeat(33);
        for (text, sentence) in [
            (&b""[..], "at byte 0: it ends too early"),
            (b" ", "at byte 1: it ends too early"),
            (b"\"\xff\"", "at byte 1: it is not UTF-8"),
            (b"\xef\xbb\xbf{}", "at byte 0: no value begins there"),
            (b"{} {}", "at byte 3: something stands behind its end"),
            (b"[,1]", "at byte 1: no value begins there"),
            (b"[1,]", "at byte 3: no value begins there"),
            (b"[1 2]", "at byte 3: there is neither a comma nor the closing bracket"),
            (b"[1}", "at byte 2: there is neither a comma nor the closing bracket"),
            (b"[1", "at byte 2: it ends too early"),
            (b"{,}", "at byte 1: no key in double quotes begins there"),
            (b"{a:1}", "at byte 1: no key in double quotes begins there"),
            (b"{\"a\":1,}", "at byte 7: no key in double quotes begins there"),
            (b"{\"a\\u0062\":1}", "at byte 10: a key has a backslash"),
            (b"{\"a\"", "at byte 4: it ends too early"),
            (b"{\"a\" 1}", "at byte 5: there is no colon behind a key"),
            (b"{\"a\":}", "at byte 5: no value begins there"),
            (b"{\"a\":1", "at byte 6: it ends too early"),
            (b"{", "at byte 1: it ends too early"),
            (b"\"a\nb\"", "at byte 2: a text has a control character or an unknown escape"),
            (b"\"\\x\"", "at byte 2: a text has a control character or an unknown escape"),
            (b"\"\\u12g4\"", "at byte 5: a text has a control character or an unknown escape"),
            (b"\"\\u12", "at byte 5: it ends too early"),
            (b"\"a\\\"", "at byte 4: it ends too early"),
            (b"01", "at byte 1: a number is malformed"),
            (b"-", "at byte 1: it ends too early"),
            (b"-x", "at byte 1: a number is malformed"),
            (b"1.", "at byte 2: it ends too early"),
            (b"[1.]", "at byte 3: a number is malformed"),
            (b"1e+", "at byte 3: it ends too early"),
            (b"0x10", "at byte 1: a number is malformed"),
            (b"+1", "at byte 0: no value begins there"),
            (b"NaN", "at byte 0: no value begins there"),
            (b"tru", "at byte 3: no value begins there"),
            (b"'a'", "at byte 0: no value begins there"),
            (b"[1] // no", "at byte 4: something stands behind its end"),
            (too_deep.as_bytes(), "at byte 33: more than 32 brackets are open"),
        ] {
            let refused = check(text).unwrap_err();
            assert_eq!(refused.to_string(), sentence, "{}", text.escape_ascii());
        }
    }
}
