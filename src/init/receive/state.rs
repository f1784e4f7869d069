//! What a VM says about itself to whoever asks: `GET /`, for programs and for a browser. No secrets.

use std::fmt::Write;

/// What is known by which name, in the order it is shown in; and how it is printed.
pub const TABLE: [(&str, Kind); 9] = [
    ("state", Kind::Text),
    ("doing", Kind::Text),
    ("release", Kind::Text),
    ("id", Kind::Text),
    ("config", Kind::Text),
    ("addresses", Kind::Words),
    ("failure", Kind::Text),
    ("fingerprint", Kind::Text),
    ("version", Kind::Text),
];

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string; null where there is nothing.
    Text,
    /// A list of strings, divided by blanks.
    Words,
}

/// The values, in the order of [`TABLE`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State([String; TABLE.len()]);

impl State {
    /// From now on; a name that is not in the table is nobody's.
    pub fn set(&mut self, name: &str, value: &str) {
        let place = TABLE.iter().position(|(known, _)| *known == name);
        if let Some(slot) = place.and_then(|place| self.0.get_mut(place)) {
            *slot = value.to_string();
        }
    }

    /// Every name with its value.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Kind, &str)> {
        TABLE.iter().zip(&self.0).map(|((name, kind), value)| (*name, *kind, value.as_str()))
    }

    /// As one line of JSON. The machine has run for so many seconds.
    pub fn json(&self, uptime: u64) -> String {
        let mut json = String::from("{");
        for (name, kind, value) in self.all() {
            let value = match (kind, value) {
                (Kind::Text, "") => "null".to_string(),
                (Kind::Text, text) => quote(text),
                (Kind::Words, words) => {
                    format!("[{}]", words.split_ascii_whitespace().map(quote).collect::<Vec<_>>().join(","))
                }
            };
            write!(json, "\"{name}\":{value},").unwrap_or_default(); // a string takes everything
        }
        json + &format!("\"uptime\":{uptime}}}\n")
    }

    /// As a page that asks again by itself.
    pub fn page(&self, uptime: u64) -> String {
        let mut page =
            String::from("<!doctype html><meta http-equiv=refresh content=5><title>dock0</title><h1>dock0</h1><dl>");
        let uptime = format!("{uptime} s");
        let all = self.all().map(|(name, _, value)| (name, value)).chain([("uptime", uptime.as_str())]);
        for (name, value) in all.filter(|(_, value)| !value.is_empty()) {
            let value = value.replace('&', "&amp;").replace('<', "&lt;");
            write!(page, "<dt>{name}<dd>{value}").unwrap_or_default(); // a string takes everything
        }
        page + "</dl>\n"
    }
}

/// An object of JSON with one string: what an error is answered with.
pub fn error(sentence: &str) -> String {
    format!("{{\"error\":{}}}", quote(sentence))
}

/// A string of JSON. What came from a line is printable; whatever is not has no business in it.
pub fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace(|c: char| c.is_control(), "?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_json_and_a_page() {
        let mut state = State::default();
        for (name, value) in [
            ("state", "waiting"),
            ("addresses", "192.0.2.7 2001:db8::7"),
            ("failure", "reading \"a\\b\" & <c>: no"),
            ("nobody", "x"),
        ] {
            state.set(name, value);
        }
        let json: serde_json::Value = serde_json::from_str(&state.json(12)).unwrap();
        let want = serde_json::json!({
            "state": "waiting", "doing": null, "release": null, "id": null, "config": null,
            "addresses": ["192.0.2.7", "2001:db8::7"], "failure": "reading \"a\\b\" & <c>: no", "fingerprint": null,
            "version": null, "uptime": 12,
        });
        assert_eq!(json, want);
        let page = state.page(12);
        assert!(page.contains("<dt>failure<dd>reading \"a\\b\" &amp; &lt;c>: no<dt>uptime<dd>12 s</dl>"), "{page}");
        assert!(!page.contains("doing"), "what is not known is not shown: {page}");
    }

    #[test]
    fn any_sentence_is_a_string_of_json() {
        let json: serde_json::Value = serde_json::from_str(&error("a \"b\" \\ c\n\u{1b}é")).unwrap();
        assert_eq!(json, serde_json::json!({"error": "a \"b\" \\ c??é"}));
    }
}
