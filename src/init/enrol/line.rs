//! What the child that asks says on its standard output, a line each. It has read bytes from the network and may be anybody by
//! now, so that its lines are parsed as such: bounded, printable text, of a few kinds.

use crate::lines::{is_printable, printable};
use std::fmt;

/// How many digits of base64 go into a line.
const PIECE: usize = 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// It is locked up, but for this.
    Gap(String),
    /// It asks again, because of this.
    Waiting(String),
    /// What proves the key whose fingerprint it was given.
    Proof(String),
    /// A CA of operators begins, in base64.
    Operator(String),
    /// The settings begin, in base64.
    Settings(String),
    /// The last one of these goes on.
    More(String),
    /// That was all.
    Told,
    /// It has given up.
    Failed(String),
}

impl Line {
    /// Reads a line without its end; `None` of what is none.
    pub fn parse(line: &[u8]) -> Option<Line> {
        let line = std::str::from_utf8(line).ok().filter(|line| is_printable(line))?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let text = rest.to_string();
        Some(match word {
            "gap" => Line::Gap(text),
            "waiting" => Line::Waiting(text),
            "proof" => Line::Proof(text),
            "operator" => Line::Operator(text),
            "settings" => Line::Settings(text),
            "more" => Line::More(text),
            "told" if rest.is_empty() => Line::Told,
            "failed" => Line::Failed(text),
            _ => return None,
        })
    }

    /// A text that may be too long for one line, the first of which is of this kind.
    pub fn pieces(kind: fn(String) -> Line, text: &str) -> Vec<Line> {
        let pieces = text.as_bytes().chunks(PIECE).map(|piece| String::from_utf8_lossy(piece).into_owned());
        (0..).zip(pieces).map(|(place, piece)| if place == 0 { kind(piece) } else { Line::More(piece) }).collect()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match self {
            Line::Gap(text) => ("gap", text),
            Line::Waiting(text) => ("waiting", text),
            Line::Proof(text) => ("proof", text),
            Line::Operator(text) => ("operator", text),
            Line::Settings(text) => ("settings", text),
            Line::More(text) => ("more", text),
            Line::Told => return f.write_str("told"),
            Line::Failed(text) => ("failed", text),
        };
        write!(f, "{word} {}", printable(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_child_says_reads_back() {
        for line in [
            Line::Gap("no Landlock".into()),
            Line::Waiting("169.254.169.254: it answers 204".into()),
            Line::Proof("00ff".into()),
            Line::Operator("MAA=".into()),
            Line::Settings("e30=".into()),
            Line::More("Zm9v".into()),
            Line::Told,
            Line::Failed("all is lost".into()),
        ] {
            assert_eq!(Line::parse(line.to_string().as_bytes()), Some(line));
        }
        assert_eq!(Line::Waiting("a\u{1b}[2J\n".into()).to_string(), "waiting a?[2J?");
    }

    #[test]
    fn what_a_child_may_not_say_is_no_line() {
        for line in ["", "told so", "token 00", "exec sh", "waiting \u{1b}", "Told"] {
            assert_eq!(Line::parse(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn a_long_text_takes_several_lines() {
        let text = "x".repeat(2 * PIECE + 1);
        let lines = Line::pieces(Line::Operator, &text);
        let more = Line::More;
        assert_eq!(lines, [Line::Operator("x".repeat(PIECE)), more("x".repeat(PIECE)), more("x".into())]);
        assert_eq!(Line::pieces(Line::Settings, "e30="), [Line::Settings("e30=".into())]);
        assert!(lines.iter().all(|line| Line::parse(line.to_string().as_bytes()).as_ref() == Some(line)));
    }
}
