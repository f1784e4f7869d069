//! Files that are changed together or not at all, and `kernel.toml` with other values and the same comments.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::places::create_folder;

/// A file and what it is to hold.
#[derive(Debug)]
pub struct Change {
    /// Which file.
    pub path: PathBuf,
    /// All of it; without it, the file is not to be there.
    pub content: Option<Vec<u8>>,
}

/// Makes every change, in their order; if one cannot be made, those before it are undone. A power cut leaves some of the
/// first, each whole: what decides belongs at the end.
pub fn write_all(changes: &[Change]) -> Result<()> {
    let earlier = changes.iter().map(|change| read_if_there(&change.path)).collect::<Result<Vec<_>>>()?;
    for (done, change) in changes.iter().enumerate() {
        if let Err(error) = put(&change.path, change.content.as_deref()) {
            let stuck = undo(changes.iter().zip(&earlier).take(done));
            ensure!(stuck.is_empty(), "{error:#}; of what was changed before, not undone:\n  {}", stuck.join("\n  "));
            return Err(error);
        }
    }
    Ok(())
}

/// Puts everything back that can be, and says what cannot.
fn undo<'c>(done: impl Iterator<Item = (&'c Change, &'c Option<Vec<u8>>)>) -> Vec<String> {
    done.filter_map(|(Change { path, .. }, before)| put(path, before.as_deref()).err())
        .map(|error| format!("{error:#}"))
        .collect()
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn put(path: &Path, content: Option<&[u8]>) -> Result<()> {
    match content {
        Some(content) => write(path, content),
        None => remove(path),
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    create_folder(path.parent().context("a file needs a folder")?)?;
    let part = path.with_extension("part");
    // Under its name it is whole, after a power cut too.
    let written = File::create(&part).and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    let written = written.with_context(|| format!("writing {}", part.display()));
    let renaming = || format!("renaming {} to {}", part.display(), path.display());
    written.and_then(|()| std::fs::rename(&part, path).with_context(renaming)).inspect_err(|_| {
        // Left behind, it would be a stranger's file in the repository: git shows it.
        std::fs::remove_file(&part).unwrap_or_default();
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
        let change = |name: &str| Change { path: place(name), content: Some("new".into()) };
        let drop = |name: &str| Change { path: place(name), content: None };
        std::fs::write(place("old"), "old").unwrap();
        std::fs::write(place("dropped"), "old").unwrap();
        // One cannot be read before anything is changed; the other fails when all else is.
        std::fs::create_dir(place("folder")).unwrap();
        std::fs::create_dir(place("busy.part")).unwrap();
        let rows = [("folder", "reading"), ("busy", "writing")];
        for (last, doing) in rows {
            let error = format!(
                "{:#}",
                write_all(&[change("old"), change("sub/new"), drop("dropped"), drop("none"), change(last)])
                    .unwrap_err()
            );
            assert!(error.starts_with(&format!("{doing} {}", place(last).display())), "{error}");
            for name in ["old", "dropped"] {
                assert_eq!(std::fs::read_to_string(place(name)).unwrap(), "old", "{last}: {name}");
            }
            assert_eq!(std::fs::read_dir(place("sub")).into_iter().flatten().count(), 0, "{last}");
        }
        write_all(&[change("old"), change("sub/new"), drop("dropped"), drop("none")]).unwrap();
        assert_eq!(std::fs::read_to_string(place("old")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(place("sub/new")).unwrap(), "new");
        assert!(!place("dropped").exists());
    }

    /// A disk that lets nothing be put back: here the way back is closed by the very change that fails.
    #[test]
    fn what_cannot_be_undone_is_said_and_the_rest_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let change = |path: PathBuf| Change { path, content: Some("new".into()) };
        std::fs::write(place("stuck"), "old").unwrap();
        std::fs::write(place("free"), "old").unwrap();
        // Its folder stands where the first would be written anew, and with ".part" its name is too long.
        let too_long = place("stuck.part").join("x".repeat(252));
        let changes = [change(place("stuck")), change(place("free")), change(too_long.clone())];
        let error = format!("{:#}", write_all(&changes).unwrap_err());
        let wanted = format!(
            "writing {}.part: File name too long (os error 36); of what was changed before, not undone:\n  \
             writing {}: Is a directory (os error 21)",
            too_long.display(),
            place("stuck.part").display()
        );
        assert_eq!(error, wanted);
        assert_eq!(std::fs::read_to_string(place("stuck")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(place("free")).unwrap(), "old");
    }
}
