//! Whether a JSON document has the keys, and at each the kind of value, that a table allows; what it has not is named by its
//! path. The reader behind it ([`serde_json_core`]) refuses the same documents, but cannot say where.

use crate::json::{Expect, NotJson, Refused, Why, walk};
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
    let mut shape = Shape { table, seen: 0, within: Path::new(), awaits: Awaits::Document, fault: None };
    let walked = walk(json, &mut shape);
    match (walked, shape.fault) {
        (Ok(()), _) => Ok(()),
        (Err(NotJson { why: Why::Refused, .. }), Some(fault)) => Err(fault),
        (Err(NotJson { at, .. }), _) => Err(Fault::Broken(at)),
    }
}

/// How far the walk has come.
struct Shape<'t> {
    table: &'t Table,
    /// A bit for each row of the table.
    seen: u32,
    /// The path of the object that is open.
    within: Path,
    awaits: Awaits,
    fault: Option<Fault>,
}

/// What may come next where a value comes.
enum Awaits {
    /// The object that is the document.
    Document,
    /// The value at a key.
    Value(Path, Kind),
    /// The texts of a list.
    Items(Path),
}

impl Shape<'_> {
    fn refuse(&mut self, fault: Option<Fault>) -> Result<(), Refused> {
        self.fault = fault;
        Err(Refused)
    }
}

impl Expect for Shape<'_> {
    fn key(&mut self, key: &[u8]) -> Result<(), Refused> {
        let path = join(&self.within, key);
        let row = self.table.iter().zip(0u32..).find(|((known, _), _)| *known == path.as_str());
        // A dot in a key would look like an object.
        let Some(((_, kind), row)) = row.filter(|_| !key.contains(&b'.')) else {
            return self.refuse(Some(Fault::Unknown(path)));
        };
        let bit = 1u32.checked_shl(row).unwrap_or(0);
        if self.seen & bit != 0 {
            return self.refuse(Some(Fault::Twice(path)));
        }
        self.seen |= bit;
        self.awaits = Awaits::Value(path, *kind);
        Ok(())
    }

    /// No object is deeper than the table.
    fn value(&mut self, first: u8) -> Result<(), Refused> {
        match (&self.awaits, first) {
            (Awaits::Document, b'{')
            | (Awaits::Value(_, Kind::Text), b'"')
            | (Awaits::Value(_, Kind::Number), b'0'..=b'9')
            | (Awaits::Items(_), b'"') => Ok(()),
            (Awaits::Value(path, Kind::Object), b'{') => {
                self.within = path.clone();
                Ok(())
            }
            (Awaits::Value(path, Kind::Texts), b'[') => {
                self.awaits = Awaits::Items(path.clone());
                Ok(())
            }
            (Awaits::Document, _) => self.refuse(None),
            (Awaits::Value(path, kind), _) => self.refuse(Some(Fault::Not(path.clone(), *kind))),
            (Awaits::Items(path), _) => self.refuse(Some(Fault::Not(path.clone(), Kind::Texts))),
        }
    }

    fn number(&mut self, number: &[u8]) -> Result<(), Refused> {
        match &self.awaits {
            Awaits::Value(path, kind) if !number.iter().all(u8::is_ascii_digit) => {
                self.refuse(Some(Fault::Not(path.clone(), *kind)))
            }
            Awaits::Document | Awaits::Value(..) | Awaits::Items(_) => Ok(()),
        }
    }

    fn close_object(&mut self) {
        let outer = self.within.rfind('.').unwrap_or(0);
        self.within.truncate(outer);
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
            (r#"{"a"#, "it is not JSON from byte 3 on"),
            (r#"{"a":{},"a.n":1}"#, "a.n is unknown"),
            (r#"{"a":{"n":01}}"#, "it is not JSON from byte 11 on"),
            (r#"{"a":{"t":"\x"}}"#, "it is not JSON from byte 12 on"),
            (r#"{"a":{"n":}}"#, "a.n is not a number of digits alone"),
        ] {
            assert_eq!(check(json.as_bytes(), TABLE).unwrap_err().to_string(), want, "{json}");
        }
        let long = std::format!("{{\"{}\":1}}", "x".repeat(600));
        assert_eq!(check(long.as_bytes(), TABLE).unwrap_err().to_string(), "x".repeat(64) + " is unknown");
        let deep = "{\"a\":".repeat(10_000);
        assert_eq!(check(deep.as_bytes(), TABLE).unwrap_err().to_string(), "a.a is unknown");
    }
}
