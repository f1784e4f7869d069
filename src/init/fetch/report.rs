//! What the child says on its standard output, a line each. The child has read bytes from the network and may be anybody by
//! now, so that its lines are parsed as such: bounded, digits, printable text.

use super::job::MAX_VALIDATOR;
use crate::lines::{MAX_LINE, is_printable, number, printable};
use heapless::String;
use std::fmt;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// It is locked up, but for this: said before the first byte comes from the network.
    Gap(std::string::String),
    /// It asks this mirror, counted from 0.
    Mirror(u32),
    /// So many bytes from the start are written and hashed.
    At(u64),
    /// So many bytes from the start are on the disk, and what the mirror calls that version of the file.
    Durable(u64, String<MAX_VALIDATOR>),
    /// Something a person wants to know.
    Note(std::string::String),
    /// All is written: so many bytes.
    Done(u64),
    /// It has given up.
    Failed(std::string::String),
}

impl Line {
    /// Reads a line without its end; `None` of what is none.
    pub fn parse(line: &[u8]) -> Option<Line> {
        if line.len() > MAX_LINE {
            return None;
        }
        let line = std::str::from_utf8(line).ok().filter(|line| is_printable(line))?;
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "gap" => Line::Gap(rest.into()),
            "mirror" => Line::Mirror(u32::try_from(number(rest)?).ok()?),
            "at" => Line::At(number(rest)?),
            "durable" => {
                let (digits, validator) = rest.split_once(' ')?;
                Line::Durable(number(digits)?, String::try_from(validator).ok()?)
            }
            "note" => Line::Note(rest.into()),
            "done" => Line::Done(number(rest)?),
            "failed" => Line::Failed(rest.into()),
            _ => return None,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Gap(text) => write!(f, "gap {}", printable(text)),
            Line::Mirror(number) => write!(f, "mirror {number}"),
            Line::At(bytes) => write!(f, "at {bytes}"),
            Line::Durable(bytes, validator) => write!(f, "durable {bytes} {validator}"),
            Line::Note(text) => write!(f, "note {}", printable(text)),
            Line::Done(bytes) => write!(f, "done {bytes}"),
            Line::Failed(text) => write!(f, "failed {}", printable(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_reads_back_as_written() {
        for line in [
            Line::Gap("no Landlock".into()),
            Line::Mirror(3),
            Line::At(u64::MAX),
            Line::Durable(8, String::try_from("\"6745d2f8-12c\"").unwrap()),
            Line::Durable(8, String::new()),
            Line::Note("a: 404".into()),
            Line::Done(0),
            Line::Failed("all is lost".into()),
        ] {
            assert_eq!(Line::parse(line.to_string().as_bytes()), Some(line));
        }
        assert_eq!(Line::Note("a\u{1b}[2J\né".into()).to_string(), "note a?[2J??");
        let long = Line::Failed("x".repeat(5000)).to_string();
        assert!(Line::parse(long.as_bytes()).is_some(), "{}", long.len());
    }

    #[test]
    fn what_a_child_may_not_say_is_no_line() {
        for (row, line) in [
            ("empty", &b""[..]),
            ("one word", b"done"),
            ("unknown", b"exec /bin/sh"),
            ("no digits", b"at x"),
            ("a sign", b"at +1"),
            ("too large", b"at 18446744073709551616"),
            ("two numbers", b"at 1 2"),
            ("an escape", b"note \x1b[2J"),
            ("not ASCII", "note é".as_bytes()),
            ("a zero", b"note \0"),
            ("no validator", b"durable 1"),
            ("mirror too large", b"mirror 4294967296"),
        ] {
            assert_eq!(Line::parse(line), None, "{row}");
        }
        let long = [&b"durable 1 "[..], &[b'v'; 65]].concat();
        assert_eq!(Line::parse(&long), None);
    }
}
