//! What the child that listens and its parent say to each other, a line each. The child talks to strangers: what it says is
//! read as a stranger's words.

use crate::lines::{is_printable, number, printable};
use std::fmt;

/// What the child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is locked up, but for this.
    Gap(String),
    /// It listens; and the fingerprint of this VM's key.
    Ready(String),
    /// Something a person wants to know.
    Note(String),
    /// A bundle of so many bytes is in the file; somebody waits for an answer.
    Config(u64),
    /// A manifest of so many bytes is in the file, and behind it a signature of so many; somebody waits for an answer.
    Release(u64, u64),
    /// Somebody wants a reboot, and waits for an answer.
    Reboot,
    /// An operator has asked for something, whatever it was.
    Called,
    /// Whoever waited has the answer, or is gone.
    Answered,
    /// It has given up.
    Failed(String),
}

impl Said {
    /// Reads a line without its end; `None` of what is none.
    pub fn parse(line: &[u8]) -> Option<Said> {
        let line = std::str::from_utf8(line).ok().filter(|line| is_printable(line))?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match (word, rest) {
            ("gap", text) => Said::Gap(text.into()),
            ("note", text) => Said::Note(text.into()),
            ("failed", text) => Said::Failed(text.into()),
            ("config", bytes) => Said::Config(number(bytes)?),
            ("release", both) => {
                let (manifest, signature) = both.split_once(' ')?;
                Said::Release(number(manifest)?, number(signature)?)
            }
            ("ready", fingerprint) => Said::Ready(fingerprint.into()),
            ("reboot", "") => Said::Reboot,
            ("called", "") => Said::Called,
            ("answered", "") => Said::Answered,
            _ => return None,
        })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Gap(text) => write!(f, "gap {}", printable(text)),
            Said::Note(text) => write!(f, "note {}", printable(text)),
            Said::Failed(text) => write!(f, "failed {}", printable(text)),
            Said::Config(bytes) => write!(f, "config {bytes}"),
            Said::Release(manifest, signature) => write!(f, "release {manifest} {signature}"),
            Said::Ready(fingerprint) => write!(f, "ready {}", printable(fingerprint)),
            Said::Reboot => f.write_str("reboot"),
            Said::Called => f.write_str("called"),
            Said::Answered => f.write_str("answered"),
        }
    }
}

/// What the parent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The state from now on: one of [`super::state::TABLE`]'s names, and its value.
    Set(String, String),
    /// The answer for whoever waits: a status of HTTP, and JSON.
    Answer(u16, String),
}

impl Told {
    /// Reads a line without its end; `None` of what is none.
    pub fn parse(line: &[u8]) -> Option<Told> {
        let line = std::str::from_utf8(line).ok()?;
        let (word, rest) = line.split_once(' ')?;
        let (first, rest) = rest.split_once(' ')?;
        match word {
            "set" => Some(Told::Set(first.into(), rest.into())),
            "answer" => Some(Told::Answer(number(first)?.try_into().ok()?, rest.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Told::Set(name, value) => write!(f, "set {name} {}", printable(value)),
            Told::Answer(status, json) => write!(f, "answer {status} {}", printable(json)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_child_says_reads_back() {
        for said in [
            Said::Gap("no Landlock".into()),
            Said::Ready("sha256//aA+/=".into()),
            Said::Note("192.0.2.7: no".into()),
            Said::Config(u64::MAX),
            Said::Release(7, 0),
            Said::Reboot,
            Said::Called,
            Said::Answered,
            Said::Failed("all is lost".into()),
        ] {
            assert_eq!(Said::parse(said.to_string().as_bytes()), Some(said));
        }
        assert_eq!(Said::Note("a\u{1b}[2J\n".into()).to_string(), "note a?[2J?");
    }

    #[test]
    fn what_a_child_may_not_say_is_no_line() {
        for line in ["", "config", "config x", "config 1 2", "release 1", "release 1 -2", "exec sh", "note \u{1b}"] {
            assert_eq!(Said::parse(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn what_the_parent_says_reads_back() {
        for told in [
            Told::Set("failure".into(), "fetching: no".into()),
            Told::Set("config".into(), String::new()),
            Told::Answer(422, "{\"error\":\"no\"}".into()),
        ] {
            assert_eq!(Told::parse(told.to_string().as_bytes()), Some(told));
        }
        for line in ["", "set", "set x", "answer x {}", "answer 70000 {}", "exec x y"] {
            assert_eq!(Told::parse(line.as_bytes()), None, "{line:?}");
        }
    }
}
