//! What the child says on its standard output, a line each. The child has read bytes from the network and may be anybody by
//! now, so that its lines are parsed as such: bounded, digits, printable text.

use super::job::MAX_VALIDATOR;
use heapless::String;
use std::fmt;

/// The longest line, in bytes, without its end.
pub const MAX_LINE: usize = 2048;

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

/// Digits and nothing else: no sign, no blank.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Printable ASCII and blanks: what a terminal does not obey.
pub fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// A text as a line may hold it: what is not printable is replaced, and what is too long cut off.
pub fn printable(text: &str) -> std::string::String {
    const ROOM: usize = MAX_LINE - 16;
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(ROOM).collect()
}

/// Cuts a stream into lines, whatever pieces it comes in.
#[derive(Default)]
pub struct Lines {
    begun: std::vec::Vec<u8>,
}

/// The stream is no report.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonsense;

impl Lines {
    /// Takes the next bytes and hands on each line that is whole by then. What is no line ends it.
    pub fn take(&mut self, bytes: &[u8], told: &mut dyn FnMut(Line)) -> Result<(), Nonsense> {
        for byte in bytes {
            if *byte == b'\n' {
                told(Line::parse(&self.begun).ok_or(Nonsense)?);
                self.begun.clear();
            } else if self.begun.len() < MAX_LINE {
                self.begun.push(*byte);
            } else {
                return Err(Nonsense);
            }
        }
        Ok(())
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

    #[test]
    fn lines_come_in_any_pieces_and_end_where_they_are_none() {
        let stream = b"mirror 0\nat 5\ndone 5\n";
        for size in 1..stream.len() {
            let (mut lines, mut told) = (Lines::default(), Vec::new());
            for piece in stream.chunks(size) {
                lines.take(piece, &mut |line| told.push(line)).unwrap();
            }
            assert_eq!(told, [Line::Mirror(0), Line::At(5), Line::Done(5)], "{size}");
        }
        let mut told = Vec::new();
        assert_eq!(Lines::default().take(b"at 1\nat -1\nat 2\n", &mut |line| told.push(line)), Err(Nonsense));
        assert_eq!(told, [Line::At(1)]);
        assert_eq!(Lines::default().take(&vec![b'x'; 1 << 20], &mut |_| ()), Err(Nonsense));
    }
}
