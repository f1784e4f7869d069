//! Files that are written together or not at all, and `kernel.toml` with other values and the same comments.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::places::create_folder;

/// A file and what it is to hold.
#[derive(Debug)]
pub struct Change {
    /// Which file.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// Writes every file, in their order; if one cannot be written, those before it are as they were. A power cut leaves some
/// of the first, whole: what decides belongs at the end.
pub fn write_all(changes: &[Change]) -> Result<()> {
    let earlier = changes.iter().map(|change| read_if_there(&change.path)).collect::<Result<Vec<_>>>()?;
    for (written, change) in changes.iter().enumerate() {
        if let Err(error) = write(&change.path, &change.text) {
            return match undo(changes.iter().zip(&earlier).take(written)) {
                Ok(()) => Err(error),
                Err(worse) => Err(error.context(format!("what was written before is not undone: {worse:#}"))),
            };
        }
    }
    Ok(())
}

fn undo<'c>(written: impl Iterator<Item = (&'c Change, &'c Option<String>)>) -> Result<()> {
    for (Change { path, .. }, before) in written {
        match before {
            Some(text) => write(path, text)?,
            None => std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?,
        }
    }
    Ok(())
}

fn read_if_there(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    create_folder(path.parent().context("a file needs a folder")?)?;
    let part = path.with_extension("part");
    std::fs::write(&part, text).with_context(|| format!("writing {}", part.display()))?;
    std::fs::rename(&part, path).map_err(|error| {
        // Left behind, it would be a stranger's file in the repository: git shows it.
        std::fs::remove_file(&part).unwrap_or_default();
        anyhow::Error::new(error).context(format!("renaming {} to {}", part.display(), path.display()))
    })
}

/// The text of a TOML file with another string as the value of a key that stands on a line of its own in a table; the table
/// with an empty name is the file's beginning.
pub fn set(text: &str, table: &str, key: &str, value: &str) -> Result<String> {
    let (mut now, mut done) = (String::new(), false);
    let mut lines = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            name.clone_into(&mut now);
        }
        let is_it = now == table && line.split_once('=').is_some_and(|(name, _)| name.trim_end() == key);
        if is_it {
            lines.push_str(&format!("{key} = {}\n", toml::Value::from(value)));
            done = true;
        } else {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    if !done {
        let place = if table.is_empty() { "above its tables".to_owned() } else { format!("in [{table}]") };
        bail!("kernel.toml has no line for {key} {place}");
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_one_value_and_keeps_the_rest() {
        let text = "# Why.\nversion = \"1\"\n\n[one]\nversion = \"2\" # old\n# version = \"3\"\n[two]\nversion = '4'\n";
        let rows = [
            ("at the beginning", "", "# Why.\nversion = \"9\"\n\n[one]"),
            ("in a table", "one", "[one]\nversion = \"9\"\n# version"),
            ("in the last", "two", "[two]\nversion = \"9\"\n"),
        ];
        for (row, table, wanted) in rows {
            let set = set(text, table, "version", "9").unwrap();
            assert!(set.contains(wanted) && set.lines().count() == text.lines().count(), "{row}: {set}");
        }
        let error = set(text, "one", "url", "9").unwrap_err().to_string();
        assert_eq!(error, "kernel.toml has no line for url in [one]");
    }

    #[test]
    fn all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let change = |name: &str| Change { path: place(name), text: "new".into() };
        std::fs::write(place("old"), "old").unwrap();
        // One cannot be read before anything is written; the other fails when two are.
        std::fs::create_dir(place("folder")).unwrap();
        std::fs::create_dir(place("busy.part")).unwrap();
        let rows = [("folder", "reading"), ("busy", "writing")];
        for (last, doing) in rows {
            let error = format!("{:#}", write_all(&[change("old"), change("sub/new"), change(last)]).unwrap_err());
            assert!(error.starts_with(&format!("{doing} {}", place(last).display())), "{error}");
            assert_eq!(std::fs::read_to_string(place("old")).unwrap(), "old", "{last}");
            assert_eq!(std::fs::read_dir(place("sub")).into_iter().flatten().count(), 0, "{last}");
        }
        write_all(&[change("old"), change("sub/new")]).unwrap();
        assert_eq!(std::fs::read_to_string(place("old")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(place("sub/new")).unwrap(), "new");
    }
}
