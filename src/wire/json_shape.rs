//! Whether a JSON document has the keys, and at each the kind of value, that a table allows; what it has not is named by its
//! path. The reader behind it ([`serde_json_core`]) refuses the same documents, but cannot say where.

use crate::network::cut;
use core::fmt;
use heapless::String;

/// What stands at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`, whose keys are in the table too, as `key.inner`.
    Object,
    /// `"…"`
    Text,
    /// Digits.
    Number,
    /// `["…", …]`
    Texts,
}

/// The keys that may be there, at most 32, by their paths.
pub type Table = [(&'static str, Kind)];

/// A path that a document has, as much of it as is needed to find it.
pub type Path = String<64>;

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such key.
    Unknown(Path),
    /// The key is there for the second time.
    Twice(Path),
    /// The value is of another kind.
    Not(Path, Kind),
    /// It is no JSON, from this byte on.
    Broken(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown(path) => write!(f, "{} is unknown", path.escape_debug()),
            Fault::Twice(path) => write!(f, "{} is there twice", path.escape_debug()),
            Fault::Not(path, kind) => write!(f, "{} is not {kind}", path.escape_debug()),
            Fault::Broken(at) => write!(f, "it is not JSON from byte {at} on"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Object => "an object in {}",
            Kind::Text => "a text in \"\"",
            Kind::Number => "a number of digits alone",
            Kind::Texts => "a list of texts in []",
        })
    }
}

/// Looks through a document.
pub fn check(json: &[u8], table: &Table) -> Result<(), Fault> {
    let mut reader = Reader { rest: json, table, seen: 0 };
    let outcome = reader.object(&Path::new()).and_then(|()| if reader.peek().is_none() { Ok(()) } else { BROKEN });
    outcome.map_err(|fault| {
        let here = json.len().saturating_sub(reader.rest.len());
        if matches!(fault, Fault::Broken(_)) { Fault::Broken(here) } else { fault }
    })
}

/// The place is filled in where it is known.
const BROKEN: Result<(), Fault> = Err(Fault::Broken(0));

struct Reader<'j> {
    rest: &'j [u8],
    table: &'j Table,
    /// A bit for each row of the table.
    seen: u32,
}

impl<'j> Reader<'j> {
    /// Goes no deeper than the table does.
    fn object(&mut self, path: &Path) -> Result<(), Fault> {
        self.list(b'{', b'}', |reader| {
            let key = reader.text()?;
            let path = join(path, key);
            reader.take(b':')?;
            let row = reader.table.iter().zip(0u32..).find(|((known, _), _)| *known == path.as_str());
            let Some(((_, kind), row)) = row else { return Err(Fault::Unknown(path)) };
            let bit = 1u32.checked_shl(row).unwrap_or(0);
            if reader.seen & bit != 0 {
                return Err(Fault::Twice(path));
            }
            reader.seen |= bit;
            reader.value(*kind, path)
        })
    }

    fn value(&mut self, kind: Kind, path: Path) -> Result<(), Fault> {
        match (kind, self.peek()) {
            (Kind::Object, Some(b'{')) => self.object(&path),
            (Kind::Text, Some(b'"')) => self.text().map(drop),
            (Kind::Number, Some(b'0'..=b'9')) => {
                let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.rest = self.rest.get(digits..).unwrap_or_default();
                match self.peek() {
                    Some(b',' | b'}') => Ok(()),
                    _ => Err(Fault::Not(path, kind)),
                }
            }
            (Kind::Texts, Some(b'[')) => self.list(b'[', b']', |reader| match reader.peek() {
                Some(b'"') => reader.text().map(drop),
                _ => Err(Fault::Not(path.clone(), kind)),
            }),
            _ => Err(Fault::Not(path, kind)),
        }
    }

    fn list(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.take(open)?;
        if self.peek() == Some(close) {
            return self.take(close);
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.take(b',')?,
                _ => return self.take(close),
            }
        }
    }

    /// What stands between quotes, escapes and all.
    fn text(&mut self) -> Result<&'j [u8], Fault> {
        self.take(b'"')?;
        let mut escaped = false;
        let end = self.rest.iter().position(|&byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        });
        let (text, rest) = end.and_then(|end| self.rest.split_at_checked(end)).ok_or(Fault::Broken(0))?;
        self.rest = rest;
        self.take(b'"').map(|()| text)
    }

    fn take(&mut self, wanted: u8) -> Result<(), Fault> {
        match (self.peek(), self.rest) {
            (Some(found), [_, rest @ ..]) if found == wanted => {
                self.rest = rest;
                Ok(())
            }
            _ => BROKEN,
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let space = self.rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.rest = self.rest.get(space..).unwrap_or_default();
        self.rest.first().copied()
    }
}

fn join(path: &Path, key: &[u8]) -> Path {
    let mut joined = path.clone();
    if !path.is_empty() {
        joined.push('.').unwrap_or_default(); // a path that is cut off is in no table
    }
    let key: Path = cut(core::str::from_utf8(key).unwrap_or("\u{fffd}"));
    for c in key.chars() {
        joined.push(c).unwrap_or_default();
    }
    joined
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    const TABLE: &Table =
        &[("a", Kind::Object), ("a.n", Kind::Number), ("a.t", Kind::Text), ("l", Kind::Texts), ("o", Kind::Object)];

    #[test]
    fn what_the_table_allows() {
        for json in ["{}", " {\n\"a\" : { } , \"l\":[ ]}\t", r#"{"a":{"n":0,"t":"\"}\\"},"l":["x","y\u0041"],"o":{}}"#]
        {
            assert_eq!(check(json.as_bytes(), TABLE), Ok(()), "{json}");
        }
    }

    #[test]
    fn what_it_does_not_allow_is_named() {
        for (json, want) in [
            (r#"{"b":1}"#, "b is unknown"),
            (r#"{"n":1}"#, "n is unknown"),
            (r#"{"a":{"n":1,"x":{"y":1}}}"#, "a.x is unknown"),
            (r#"{"o":{"n":1}}"#, "o.n is unknown"),
            (r#"{"a\u0000":1}"#, "a\\\\u0000 is unknown"),
            (r#"{"a":{},"a":{}}"#, "a is there twice"),
            (r#"{"a":{"n":1,"n":1}}"#, "a.n is there twice"),
            (r#"{"a":1}"#, "a is not an object in {}"),
            (r#"{"a":{"n":"1"}}"#, "a.n is not a number of digits alone"),
            (r#"{"a":{"n":-1}}"#, "a.n is not a number of digits alone"),
            (r#"{"a":{"n":1.5}}"#, "a.n is not a number of digits alone"),
            (r#"{"a":{"t":null}}"#, "a.t is not a text in \"\""),
            (r#"{"l":"x"}"#, "l is not a list of texts in []"),
            (r#"{"l":["x",1]}"#, "l is not a list of texts in []"),
            ("", "it is not JSON from byte 0 on"),
            ("[]", "it is not JSON from byte 0 on"),
            (r#"{"a":{}"#, "it is not JSON from byte 7 on"),
            (r#"{"a":{},}"#, "it is not JSON from byte 8 on"),
            (r#"{"a":{}} x"#, "it is not JSON from byte 9 on"),
            (r#"{"l":["x" "y"]}"#, "it is not JSON from byte 10 on"),
            (r#"{"a"#, "it is not JSON from byte 2 on"),
        ] {
            assert_eq!(check(json.as_bytes(), TABLE).unwrap_err().to_string(), want, "{json}");
        }
        let long = std::format!("{{\"{}\":1}}", "x".repeat(600));
        assert_eq!(check(long.as_bytes(), TABLE).unwrap_err().to_string(), "x".repeat(64) + " is unknown");
        let deep = "{\"a\":".repeat(10_000);
        assert_eq!(check(deep.as_bytes(), TABLE).unwrap_err().to_string(), "a.a is unknown");
    }
}
