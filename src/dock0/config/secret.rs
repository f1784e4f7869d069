//! Secrets, and how they are kept out of everything that is printed.

use std::fmt;

/// What is shown in a secret's place.
const MASK: &str = "***";
/// A line of a secret of several lines is looked for by itself (a template may indent it) if it has this many bytes; shorter
/// ones, such as a brace, would mask what is none.
const SHORTEST_LINE: usize = 6;

/// How much of what a program has printed is shown, in bytes: its end.
const SHOWN: usize = 64 << 10;

/// All values that must not be printed, in the forms they may turn up in. What it holds is never shown.
#[derive(Default)]
pub struct Secrets {
    /// The longest first: one may lie within another.
    forms: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({MASK})")
    }
}

impl Secrets {
    /// Adds a value.
    pub fn add(&mut self, value: &str) {
        let whole = value.trim();
        let lines = whole.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
        for text in lines.chain([whole]) {
            let json = serde_json::Value::from(text).to_string();
            let json = json.trim_matches('"').to_string();
            // As the filter tojson writes it.
            let escaped = ['<', '>', '&', '\''].iter().fold(json.clone(), |text, character| {
                text.replace(*character, &format!("\\u{:04x}", u32::from(*character)))
            });
            self.forms.extend([text.to_string(), text.escape_debug().to_string(), json, escaped]);
        }
        self.forms.retain(|form| !form.is_empty());
        self.forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.forms.dedup();
    }

    /// The text, without any of the values.
    pub fn mask(&self, text: &str) -> String {
        self.forms.iter().fold(text.to_string(), |text, form| text.replace(form.as_str(), MASK))
    }

    /// What a program has printed, for a terminal: the end of it, without any of the values and without what moves the cursor.
    pub fn show(&self, printed: &[u8]) -> String {
        // Cut last: half a value would not be found.
        let text = self.mask(String::from_utf8_lossy(printed).trim_end());
        let start = text.ceil_char_boundary(text.len().saturating_sub(SHOWN));
        let mut shown = if start > 0 { String::from("(only the end is shown) …") } else { String::new() };
        for character in text.get(start..).unwrap_or_default().chars() {
            match character.is_control() && !"\n\t".contains(character) {
                true => shown.extend(character.escape_default()),
                false => shown.push(character),
            }
        }
        shown
    }

    /// Whether one of the values occurs.
    pub fn occur_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_in_every_form_they_turn_up_in() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("hunter2 and more\n");
        secrets.add("a<b>\"c\"\\");
        secrets.add("-----BEGIN-----\nabcdefgh\n}\n");
        secrets.add("");
        for (text, want) in [
            ("the word hunter2.", "the word ***."),
            ("hunter2 and more, hunter2", "***, ***"),
            ("{\"x\":\"a<b>\\\"c\\\"\\\\\"}", "{\"x\":\"***\"}"),
            ("a\\u003cb\\u003e\\\"c\\\"\\\\", "***"),
            ("a<b>\"c\"\\ raw", "*** raw"),
            ("  abcdefgh", "  ***"),
            ("-----BEGIN-----\\nabcdefgh\\n}", "***"),
            ("}", "}"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(secrets.mask(text), want);
            assert_eq!(secrets.occur_in(text), want.contains(MASK), "{text}");
        }
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }

    #[test]
    fn what_a_program_prints_does_not_move_the_cursor_and_has_an_end() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        for (printed, want) in [
            (&b"one\n\ttwo\r\n"[..], "one\n\ttwo"),
            (b"\x1b[2Jgone\rback\x07 \xc2\x9b2J", "\\u{1b}[2Jgone\\rback\\u{7} \\u{9b}2J"),
            (b"caf\xe9 hunter2\x00", "caf\u{fffd} ***\\u{0}"),
        ] {
            assert_eq!(secrets.show(printed), want);
        }
        // A secret and a character that lie across the place where it is cut.
        let end = "\n".to_string() + &"x".repeat(SHOWN - 2);
        assert_eq!(secrets.show(format!("much hunter2{end}").as_bytes()), format!("(only the end is shown) …*{end}"));
        assert_eq!(secrets.show(format!("much é{end}").as_bytes()), format!("(only the end is shown) …{end}"));
    }
}
