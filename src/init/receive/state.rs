//! What a VM says about itself to whoever asks: `GET /`, for programs and for a browser. No secrets.

use super::desk::Client;
use crate::boots;
use std::fmt::Write;

/// What is known by which name, in the order it is shown in; and how it is printed.
pub const TABLE: [(&str, Kind); 11] = [
    ("state", Kind::Text),
    ("doing", Kind::Text),
    ("release", Kind::Text),
    ("id", Kind::Text),
    ("standing", Kind::Text),
    (CONFIG, Kind::Text),
    ("addresses", Kind::Words),
    ("failure", Kind::Text),
    ("fingerprint", Kind::Text),
    ("proof", Kind::Text),
    ("version", Kind::Text),
];

/// The SHA-256 of the bundle in force, for operators alone: whoever has the rest of a bundle, which anybody can build anew, could
/// try passwords against it in peace.
const CONFIG: &str = "config";

/// How a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string; null where there is nothing.
    Text,
    /// A list of strings, divided by blanks.
    Words,
}

/// The name under which the records of the last boots are set, one by one: each is JSON.
pub const BOOT: &str = "boot";

/// The values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// In the order of [`TABLE`].
    values: [String; TABLE.len()],
    /// The last boots.
    boots: Vec<String>,
}

impl State {
    /// From now on; a name that is not in the table is nobody's. Boots are added. Whether that changes anything.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        if name == BOOT {
            let has_room = self.boots.len() < boots::MOST;
            if has_room {
                self.boots.push(value.to_string());
            }
            return has_room;
        }
        let place = TABLE.iter().position(|(known, _)| *known == name);
        let slot = place.and_then(|place| self.values.get_mut(place)).filter(|slot| *slot != value);
        let changes = slot.is_some();
        if let Some(slot) = slot {
            *slot = value.to_string();
        }
        changes
    }

    /// Every name, with its value where this client may see it.
    fn shown_to(&self, client: Client) -> impl Iterator<Item = (&'static str, Kind, &str)> {
        TABLE.iter().zip(&self.values).map(move |((name, kind), value)| match (*name, client) {
            (CONFIG, Client::Stranger) => (*name, *kind, ""),
            _ => (*name, *kind, value.as_str()),
        })
    }

    /// As one line of JSON. The machine has run for so many seconds.
    pub fn json(&self, uptime: u64, client: Client) -> String {
        let mut json = String::from("{");
        for (name, kind, value) in self.shown_to(client) {
            let value = match (kind, value) {
                (Kind::Text, "") => "null".to_string(),
                (Kind::Text, text) => quote(text),
                (Kind::Words, words) => {
                    format!("[{}]", words.split_ascii_whitespace().map(quote).collect::<Vec<_>>().join(","))
                }
            };
            write!(json, "\"{name}\":{value},").unwrap_or_default(); // a string takes everything
        }
        json + &format!("\"boots\":[{}],\"uptime\":{uptime}}}\n", self.boots.join(","))
    }

    /// As a page that asks again by itself.
    pub fn page(&self, uptime: u64, client: Client) -> String {
        let mut page =
            String::from("<!doctype html><meta http-equiv=refresh content=5><title>dock0</title><h1>dock0</h1><dl>");
        let uptime = format!("{uptime} s");
        let boots = self.boots.join("\n");
        let last = [("boots", boots.as_str()), ("uptime", uptime.as_str())];
        let all = self.shown_to(client).map(|(name, _, value)| (name, value)).chain(last);
        for (name, value) in all.filter(|(_, value)| !value.is_empty()) {
            let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('\n', "<br>");
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
            ("standing", "on trial"),
            ("addresses", "192.0.2.7 2001:db8::7"),
            ("failure", "reading \"a\\b\" & <c>: no"),
            ("nobody", "x"),
            ("config", "abcd"),
            ("boot", "{\"time\":1}"),
            ("boot", "{\"time\":2}"),
        ] {
            state.set(name, value);
        }
        let json: serde_json::Value = serde_json::from_str(&state.json(12, Client::Stranger)).unwrap();
        let mut want = serde_json::json!({
            "state": "waiting", "doing": null, "release": null, "id": null, "standing": "on trial", "config": null,
            "addresses": ["192.0.2.7", "2001:db8::7"], "failure": "reading \"a\\b\" & <c>: no", "fingerprint": null,
            "proof": null, "version": null, "boots": [{"time": 1}, {"time": 2}], "uptime": 12,
        });
        assert_eq!(json, want);
        want["config"] = "abcd".into();
        let json: serde_json::Value = serde_json::from_str(&state.json(12, Client::Operator)).unwrap();
        assert_eq!(json, want, "an operator sees which configuration it is");
        assert!(state.page(12, Client::Operator).contains("<dt>config<dd>abcd<dt>addresses"));
        let page = state.page(12, Client::Stranger);
        assert!(!page.contains("config"), "{page}");
        assert!(page.contains("<dt>failure<dd>reading \"a\\b\" &amp; &lt;c>: no<dt>boots<dd>{\"time\":1}<br>{\"time\":2}<dt>uptime<dd>12 s</dl>"));
        assert!(!page.contains("doing"), "what is not known is not shown: {page}");
    }

    #[test]
    fn what_is_known_already_changes_nothing() {
        let mut state = State::default();
        for (name, value, changes) in [
            ("standing", "on trial", true),
            ("standing", "on trial", false),
            ("standing", "good", true),
            ("failure", "", false),
            ("nobody", "x", false),
        ] {
            assert_eq!(state.set(name, value), changes, "{name} {value}");
        }
        let added: Vec<bool> = (0..=boots::MOST).map(|_| state.set(BOOT, "{}")).collect();
        assert_eq!(added.iter().filter(|added| **added).count(), boots::MOST, "two boots may be alike");
    }

    #[test]
    fn any_sentence_is_a_string_of_json() {
        let json: serde_json::Value = serde_json::from_str(&error("a \"b\" \\ c\n\u{1b}é")).unwrap();
        assert_eq!(json, serde_json::json!({"error": "a \"b\" \\ c??é"}));
    }
}
