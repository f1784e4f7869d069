//! What the serial console said, as text a person and a test can read, and the probe's report in it.

use std::time::Duration;

/// What a run of the probe left on the console.
#[derive(Clone, Debug)]
pub struct Report {
    /// All that the console said so far, without escape sequences.
    pub console: String,
    /// What stood behind `probe: ` on each of the probe's lines, in order, without the closing `done`.
    pub probe: Vec<String>,
    /// From QEMU's start to "done".
    pub took: Duration,
}

/// The text of `bytes` without terminal escapes: carriage returns and cursor movements become line ends, other
/// control characters vanish, bytes that are not UTF-8 become U+FFFD.
pub fn strip_escapes(bytes: &[u8]) -> String {
    let mut screen = Screen::default();
    screen.push(bytes);
    screen.text
}

/// The probe's lines in `text` up to its "done", and the length of the text up to there; None without a "done".
pub(crate) fn parse_report(text: &str) -> Option<(Vec<String>, usize)> {
    let mut lines = Vec::new();
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        match line.strip_suffix('\n').and_then(|line| line.strip_prefix("probe: ")) {
            Some("done") => return Some((lines, end)),
            Some(json) => lines.push(json.to_string()),
            None => {}
        }
    }
    None
}

/// A console that takes bytes as they come and keeps both them and their text.
#[derive(Default)]
pub(crate) struct Screen {
    /// Everything, as it came.
    pub raw: Vec<u8>,
    /// The same without escapes. It only ever grows, so a position in it stays valid.
    pub text: String,
    state: State,
    /// The start of a character whose end has not come yet.
    partial: Vec<u8>,
}

/// Where in an escape sequence (ECMA-48) the last byte left us.
#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Text,
    Return,
    Escape,
    Control,
    Title,
}

impl Screen {
    /// Takes the next bytes, of any number.
    pub fn push(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        for &byte in bytes {
            self.state = self.step(byte);
        }
        self.flush_characters();
    }

    fn step(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::Escape, b'[') => State::Control,
            (State::Escape, b']') => State::Title,
            (State::Escape, b' '..=b'/') => State::Escape,
            (State::Escape, _) => State::Text,
            (State::Control, b'H' | b'f') => {
                self.end_line();
                State::Text
            }
            (State::Control, b'@'..=b'~') => State::Text,
            (State::Control, _) => State::Control,
            (State::Title, 7) => State::Text,
            (State::Title, 27) | (State::Text | State::Return, 27) => State::Escape,
            (State::Title, _) => State::Title,
            (State::Text | State::Return, b'\r') => State::Return,
            (State::Text | State::Return, b'\n') => {
                self.partial.push(b'\n');
                State::Text
            }
            (State::Return, _) => {
                self.end_line();
                self.state = State::Text;
                self.step(byte)
            }
            (State::Text, byte) => {
                if byte >= b' ' && byte != 127 || byte == b'\t' {
                    self.partial.push(byte);
                }
                State::Text
            }
        }
    }

    /// Begins a new line unless we are at the start of one.
    fn end_line(&mut self) {
        let last = self.partial.last().or(self.text.as_bytes().last());
        if last.is_some_and(|&byte| byte != b'\n') {
            self.partial.push(b'\n');
        }
    }

    /// Moves what is complete from `partial` to `text`.
    fn flush_characters(&mut self) {
        let bytes = std::mem::take(&mut self.partial);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.text.push_str(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            let unfinished = chunks.peek().is_none()
                && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if unfinished {
                self.partial = chunk.invalid().to_vec();
            } else {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips() {
        let table: [(&str, &[u8], &str); 14] = [
            ("plain", b"a\nb\n", "a\nb\n"),
            ("a terminal's line ends", b"a\r\nb\r\n", "a\nb\n"),
            ("doubled carriage returns", b"a\r\r\nb", "a\nb"),
            ("overwritten line", b"10 %\r20 %\r\n", "10 %\n20 %\n"),
            ("return at the start of a line", b"a\n\r\rb", "a\nb"),
            ("colours", b"\x1b[0;30;47mGRUB\x1b[0m", "GRUB"),
            ("cursor movement", b"a\x1b[2;1Hb\x1b[3;1H\x1b[4;1Hc", "a\nb\nc"),
            ("reset and clear", b"\x1bc\x1b[?7l\x1b[2Jx", "x"),
            ("character set", b"\x1b(Bx", "x"),
            ("title", b"\x1b]0;vm\x07x\x1b]0;vm\x1b\\y", "xy"),
            ("control characters", b"\0a\x08\x07b\tc\x7f", "ab\tc"),
            ("UTF-8", "é\u{2192}".as_bytes(), "é\u{2192}"),
            ("not UTF-8", b"a\xffb\xe2\x86c", "a\u{fffd}b\u{fffd}c"),
            ("cut off", b"a\x1b[3", "a"),
        ];
        for (name, bytes, wanted) in table {
            assert_eq!(strip_escapes(bytes), wanted, "{name}");
        }
    }

    #[test]
    fn bytes_may_come_one_at_a_time() {
        let bytes = "a\r\r\nb\rc\x1b[1;2Hd\x1b]0;t\x07é\u{1f980}\n".as_bytes();
        let mut screen = Screen::default();
        let mut before = String::new();
        for byte in bytes {
            screen.push(&[*byte]);
            assert!(screen.text.starts_with(&before), "the text only grows");
            before.clone_from(&screen.text);
        }
        assert_eq!(screen.text, strip_escapes(bytes));
        assert_eq!(screen.raw, bytes);
    }

    #[test]
    fn reports() {
        let lines = |lines: &[&str]| lines.iter().map(|l| l.to_string()).collect::<Vec<_>>();
        let table = [
            ("empty", "", None),
            ("nothing but done", "probe: done\n", Some((lines(&[]), 12))),
            ("two lines", "x\nprobe: {\"a\":1}\nprobe: []\nprobe: done\nx", Some((lines(&["{\"a\":1}", "[]"]), 39))),
            ("no line end yet", "probe: {}\nprobe: done", None),
            ("another word", "probe: {}\nprobe: done.\n", None),
            ("inside a line", "x probe: done\n", None),
        ];
        for (name, text, wanted) in table {
            assert_eq!(parse_report(text), wanted, "{name}");
        }
    }
}
