//! From what is written to what is meant: `!env`, `!file` and `!command` become the values they stand for, all of them secret.

use super::child;
use super::node::{At, Node, What};
use super::secret::Secrets;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The tags, as messages list them.
const TAGS: &str = "!env NAME, !file PATH and !command [PROGRAM, ARGUMENT…]";

/// When a tag's value is found out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Reading,
    Running,
}

impl Turn {
    fn of(tag: &str) -> Turn {
        if tag == "!command" { Turn::Running } else { Turn::Reading }
    }
}

/// Where secrets come from, and where they are noted down.
pub struct Resolver<'r> {
    /// What `!file` and `!command` are relative to.
    pub directory: &'r Path,
    /// The environment.
    pub environment: fn(&str) -> Option<OsString>,
    /// How long a command may take.
    pub patience: Duration,
    /// Each value is added before anything can be said of it.
    pub secrets: &'r mut Secrets,
}

impl Resolver<'_> {
    /// The value that is meant. Commands come last: one that fails is quoted, and it may have printed any of the others.
    pub fn resolve(&mut self, mut node: Node) -> Result<Value> {
        self.replace(&mut node, Turn::Reading)?;
        self.replace(&mut node, Turn::Running)?;
        Ok(value(node))
    }

    /// Puts values where the tags of this turn are.
    fn replace(&mut self, node: &mut Node, turn: Turn) -> Result<()> {
        match (&node.tag, &mut node.what) {
            (Some(tag), what) if Turn::of(tag) == turn => {
                let secret = self.secret(tag, what, &node.at)?;
                self.secrets.add(&secret);
                (node.tag, node.what) = (None, What::Text(secret));
                Ok(())
            }
            (Some(_), _) | (None, What::Null | What::Bool(_) | What::Number(_) | What::Text(_)) => Ok(()),
            (None, What::List(list)) => list.iter_mut().try_for_each(|node| self.replace(node, turn)),
            (None, What::Map(map)) => map.values_mut().try_for_each(|node| self.replace(node, turn)),
        }
    }

    fn secret(&self, tag: &str, what: &What, at: &At) -> Result<String> {
        let (from, found) = match (tag, what) {
            ("!env", What::Text(name)) => (format!("!env {name}"), self.variable(name)),
            ("!file", What::Text(path)) => (format!("!file {path}"), self.file(path)),
            ("!command", What::List(words)) => {
                let words = texts(words).with_context(|| format!("{at}: !command"))?;
                (format!("!command {}", words.first().copied().unwrap_or_default()), self.output_of(&words))
            }
            ("!env" | "!file" | "!command", _) => bail!("{at}: {tag} is of the wrong form; there are {TAGS}"),
            _ => bail!("{at}: the tag {tag} is unknown; there are {TAGS}"),
        };
        let found = found.with_context(|| format!("{at}: {from}"))?;
        match found.is_empty() {
            true => bail!("{at}: {from}: it is empty"),
            false => Ok(found),
        }
    }

    fn variable(&self, name: &str) -> Result<String> {
        let value = (self.environment)(name).ok_or_else(|| anyhow!("the variable is not set"))?;
        value.into_string().map_err(|_| anyhow!("it is not UTF-8"))
    }

    fn file(&self, path: &str) -> Result<String> {
        let path = self.directory.join(path);
        let read = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(child::MAX_OUTPUT as u64 + 1).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        text(read().with_context(|| format!("reading {}", path.display()))?)
    }

    fn output_of(&self, words: &[&str]) -> Result<String> {
        let (program, arguments) = words.split_first().context("no program is named")?;
        let looking = || format!("looking at {}", self.directory.display());
        let directory = std::path::absolute(Path::new(".").join(self.directory)).with_context(looking)?;
        let mut command = Command::new(program_path(&directory, program));
        command.args(arguments).current_dir(&directory);
        let ended = match child::run(&mut command, Vec::new(), self.patience) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                bail!("it did not end within {} s (--timeout)", self.patience.as_secs_f32())
            }
            ended => ended.context("starting it")?,
        };
        if !ended.status.success() {
            // Its standard output is what is secret.
            bail!("it failed ({}):\n{}", ended.status, self.secrets.show(&ended.stderr));
        }
        text(ended.stdout)
    }
}

/// What is written, where no tags are left.
fn value(node: Node) -> Value {
    match node.what {
        What::Null => Value::Null,
        What::Bool(value) => Value::Bool(value),
        What::Number(number) => Value::Number(number),
        What::Text(text) => Value::String(text),
        What::List(list) => list.into_iter().map(value).collect(),
        What::Map(map) => Value::Object(map.into_iter().map(|(key, node)| (key, value(node))).collect()),
    }
}

fn texts(words: &[Node]) -> Result<Vec<&str>> {
    let all: Option<Vec<&str>> = words.iter().map(as_text).collect();
    // Which one is not told: it may be written there what should not be.
    all.ok_or_else(|| anyhow!("its words must be texts (numbers in quotes: \"16\")"))
}

fn as_text(word: &Node) -> Option<&str> {
    match (&word.tag, &word.what) {
        (None, What::Text(text)) => Some(text),
        _ => None,
    }
}

/// A name is looked for in `PATH`; a path is relative to `directory`, whatever the current one is.
fn program_path(directory: &Path, program: &str) -> PathBuf {
    match program.contains('/') {
        true => directory.join(program),
        false => PathBuf::from(program),
    }
}

/// A text without the end of its last line, which files and programs end with and values do not have.
fn text(bytes: Vec<u8>) -> Result<String> {
    if bytes.len() > child::MAX_OUTPUT {
        bail!("it is longer than {} MiB", child::MAX_OUTPUT >> 20);
    }
    let mut text = String::from_utf8(bytes).map_err(|_| anyhow!("it is not UTF-8"))?;
    let end = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(end.unwrap_or(text.len()));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;

    fn environment(name: &str) -> Option<OsString> {
        match name {
            "WORD" => Some("hunter2\n".into()),
            "EMPTY" => Some("".into()),
            "LATIN" => Some(OsString::from_vec(vec![0xe9])),
            _ => None,
        }
    }

    fn resolve(directory: &Path, text: &str) -> (Result<Value, String>, Secrets) {
        let mut secrets = Secrets::default();
        let patience = Duration::from_millis(500);
        let mut resolver = Resolver { directory, environment, patience, secrets: &mut secrets };
        let resolved = resolver.resolve(Node::parse("c.yaml", text).unwrap());
        (resolved.map_err(|error| format!("{error:#}")), secrets)
    }

    #[test]
    fn tags_become_the_values_they_stand_for() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("key"), "one\ntwo\n\n").unwrap();
        for (written, want) in [
            ("!env WORD", "hunter2\n"),
            ("!file key", "one\ntwo\n"),
            ("!command [cat, key]", "one\ntwo\n"),
            ("!command [printf, 'a\\r\\n']", "a"),
            ("!command [printf, '%s', '$HOME; x']", "$HOME; x"),
            ("!command [sh, -c, pwd]", place.path().canonicalize().unwrap().to_str().unwrap()),
        ] {
            let (resolved, secrets) = resolve(place.path(), &format!("a: [{written}]"));
            assert_eq!(resolved.unwrap(), serde_json::json!({ "a": [want] }), "{written}");
            assert!(secrets.occur_in(want), "{written}");
        }
    }

    #[test]
    fn a_command_that_fails_prints_no_secret_that_stands_after_it() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("key"), "hunter2\n").unwrap();
        for after in ["b: !env WORD", "b: !file key", "b: [{c: !env WORD}]"] {
            let text = format!("a: !command [sh, -c, 'echo no hunter2 >&2; exit 1']\n{after}");
            let (resolved, secrets) = resolve(place.path(), &text);
            let why = secrets.mask(&resolved.unwrap_err());
            assert_eq!(why, "c.yaml line 1: !command sh: it failed (exit status: 1):\nno ***", "{after}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_said_without_it() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().display();
        fs::write(place.path().join("binary"), b"\xff\xfe").unwrap();
        fs::write(place.path().join("long"), vec![b'x'; child::MAX_OUTPUT + 1]).unwrap();
        fs::write(place.path().join("empty"), "\n").unwrap();
        let forms = "there are !env NAME, !file PATH and !command [PROGRAM, ARGUMENT…]";
        let missing = "No such file or directory (os error 2)";
        for (written, want) in [
            ("!env NONE", "!env NONE: the variable is not set".to_string()),
            ("!env EMPTY", "!env EMPTY: it is empty".into()),
            ("!env LATIN", "!env LATIN: it is not UTF-8".into()),
            ("!env [A]", format!("!env is of the wrong form; {forms}")),
            ("!env 5", format!("!env is of the wrong form; {forms}")),
            ("!command cat", format!("!command is of the wrong form; {forms}")),
            ("!include x", format!("the tag !include is unknown; {forms}")),
            ("!file none", format!("!file none: reading {directory}/none: {missing}")),
            ("!file binary", "!file binary: it is not UTF-8".into()),
            ("!file long", "!file long: it is longer than 4 MiB".into()),
            ("!file empty", "!file empty: it is empty".into()),
            ("!command []", "!command : no program is named".into()),
            ("!command [head, -c, 16]", "!command: its words must be texts (numbers in quotes: \"16\")".into()),
            ("!command [no-such-program]", format!("!command no-such-program: starting it: {missing}")),
            ("!command [./none]", format!("!command ./none: starting it: {missing}")),
            (
                "!command [sh, -c, 'echo hunter2; echo locked >&2; exit 2']",
                "!command sh: it failed (exit status: 2):\nlocked".into(),
            ),
            ("!command [sleep, '60']", "!command sleep: it did not end within 0.5 s (--timeout)".into()),
            ("!command [printf, '\\377']", "!command printf: it is not UTF-8".into()),
            ("!command [cat, /dev/zero]", "!command cat: it failed".into()),
        ] {
            let (resolved, _) = resolve(place.path(), &format!("x: 1\na: {written}"));
            let why = resolved.unwrap_err();
            assert!(why.starts_with(&format!("c.yaml line 2: {want}")), "{written}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
