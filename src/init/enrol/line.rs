//! What the child that asks says on its standard output, a line each: a word, and mostly a text. It has read bytes from the network
//! and may be anybody by now, so that its lines are parsed as such: bounded, printable text, of a few kinds.

use crate::lines::{is_printable, printable};
use std::fmt;

/// How many digits of base64 go into a line.
const PIECE: usize = 1024;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// It is locked up, but for this.
    Gap,
    /// It asks again, because of this.
    Waiting,
    /// What proves the key whose fingerprint it was given.
    Proof,
    /// A CA of operators begins, in base64.
    Operator,
    /// The settings begin, in base64.
    Settings,
    /// The last one of these goes on.
    More,
    /// That was all; there is no text.
    Told,
    /// It has given up.
    Failed,
}

/// The word that each begins with.
const WORDS: [(About, &str); 8] = [
    (About::Gap, "gap"),
    (About::Waiting, "waiting"),
    (About::Proof, "proof"),
    (About::Operator, "operator"),
    (About::Settings, "settings"),
    (About::More, "more"),
    (About::Told, "told"),
    (About::Failed, "failed"),
];

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'t>(pub About, pub &'t str);

impl<'t> Line<'t> {
    /// Reads a line without its end; `None` of what is none.
    pub fn parse(line: &'t [u8]) -> Option<Line<'t>> {
        let line = std::str::from_utf8(line).ok().filter(|line| is_printable(line))?;
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        let (about, _) = WORDS.iter().find(|(_, known)| *known == word)?;
        Some(Line(*about, text))
    }

    /// A text that may be too long for one line.
    pub fn pieces(self, tell: &mut dyn FnMut(Line)) {
        let Line(mut about, mut text) = self;
        while let Some((piece, rest)) = text.split_at_checked(PIECE) {
            tell(Line(about, piece));
            (about, text) = (About::More, rest);
        }
        tell(Line(about, text));
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(about, text) = self;
        let word = WORDS.iter().find(|(known, _)| known == about).map_or("", |(_, word)| word);
        write!(f, "{word} {}", printable(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_child_says_reads_back() {
        for (about, word) in WORDS {
            let line = Line(about, "169.254.169.254 has = no/data+ yet");
            assert_eq!(line.to_string(), format!("{word} 169.254.169.254 has = no/data+ yet"));
            assert_eq!(Line::parse(line.to_string().as_bytes()), Some(line));
        }
        assert_eq!(Line::parse(b"told"), Some(Line(About::Told, "")));
        assert_eq!(Line(About::Waiting, "a\u{1b}[2J\n").to_string(), "waiting a?[2J?");
    }

    #[test]
    fn what_a_child_may_not_say_is_no_line() {
        for line in ["", "token 00", "exec sh", "waiting \u{1b}", "Told"] {
            assert_eq!(Line::parse(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn a_long_text_takes_several_lines() {
        for (length, want) in [(4, vec![4]), (PIECE, vec![PIECE, 0]), (2 * PIECE + 1, vec![PIECE, PIECE, 1])] {
            let (text, mut told) = ("x".repeat(length), Vec::new());
            Line(About::Operator, &text).pieces(&mut |Line(about, piece)| told.push((about, piece.len())));
            let about = std::iter::once(About::Operator).chain(std::iter::repeat(About::More));
            assert_eq!(told, about.zip(want).collect::<Vec<_>>());
        }
    }
}
