//! `patches/series`: which patches go over the source, in which order, and applying them without guesswork.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The name of the list among the patches.
pub const SERIES: &str = "series";

/// What goes over the source.
#[derive(Debug)]
pub struct Series {
    /// `patches/series` itself.
    pub text: String,
    /// What it names, in its order.
    pub patches: Vec<Patch>,
}

/// One patch, with its content, which is part of the build's key.
#[derive(Debug)]
pub struct Patch {
    /// Its file name in `patches/`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub content: Vec<u8>,
}

/// Reads the series and every patch it names.
pub fn read(folder: &Path) -> Result<Series> {
    let series = folder.join(SERIES);
    let text = std::fs::read_to_string(&series).with_context(|| format!("reading {}", series.display()))?;
    let names = parse(&text).with_context(|| format!("reading {}", series.display()))?;
    let patches = names.into_iter().map(|name| read_patch(folder, name)).collect::<Result<_>>()?;
    Ok(Series { text, patches })
}

fn read_patch(folder: &Path, name: String) -> Result<Patch> {
    let path = folder.join(&name);
    let content =
        std::fs::read(&path).with_context(|| format!("reading patch {}, named in patches/series", path.display()))?;
    Ok(Patch { name, path, content })
}

/// The names in a series: one a line, `#` begins a comment.
fn parse(text: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let name = line.split_once('#').map_or(line, |(name, _)| name).trim();
        if name.is_empty() {
            continue;
        }
        ensure!(!name.contains(char::is_whitespace), "{line:?}: one file name a line; patches are applied with -p1");
        ensure!(!name.contains('/') && !name.starts_with('.'), "{line:?}: a patch stands beside the series");
        ensure!(!names.iter().any(|earlier| earlier == name), "{line:?}: named twice");
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Applies one patch to an unpacked source. It must fit exactly; lines may have moved, context may not have changed.
pub fn apply(patch: &Patch, tree: &Path) -> Result<String> {
    let output = Command::new("patch")
        .args(["-p1", "--fuzz=0", "--batch", "--forward", "--reject-file=-", "--input"])
        .arg(&patch.path)
        .current_dir(tree)
        .output()
        .with_context(|| format!("starting patch (package patch) for {}", patch.name))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim_end().to_owned();
    if !output.status.success() {
        bail!("patch {} does not apply to the kernel's source; patch said:\n{said}", patch.name);
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names = &'static [&'static str];

    #[test]
    fn parses_series() {
        let rows: [(&str, &str, Result<Names, &str>); 7] = [
            ("empty", "", Ok(&[])),
            ("comments", "# why\n\n  # more\n", Ok(&[])),
            ("two in order", "b.patch\na.patch\n", Ok(&["b.patch", "a.patch"])),
            ("remark behind", "a.patch # for the disk\n", Ok(&["a.patch"])),
            ("quilt's options", "a.patch -p0\n", Err("one file name a line")),
            ("outside", "../a.patch\n", Err("beside the series")),
            ("twice", "a.patch\nb.patch\na.patch\n", Err("named twice")),
        ];
        for (row, text, wanted) in rows {
            match (parse(text), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{row}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{row}: {error}"),
                (got, wanted) => panic!("{row}: {got:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn a_patch_applies_or_says_why_not() {
        let rows = [("fits", "one\ntwo\nthree\n", true), ("context changed", "one\ntwo\nTHREE\n", false)];
        for (row, before, fits) in rows {
            let tree = tempfile::tempdir().unwrap();
            std::fs::write(tree.path().join("file"), before).unwrap();
            let path = tree.path().join("count.patch");
            let content = b"--- a/file\n+++ b/file\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n".to_vec();
            std::fs::write(&path, &content).unwrap();
            let applied = apply(&Patch { name: "count.patch".to_owned(), path, content }, tree.path());
            let after = std::fs::read_to_string(tree.path().join("file")).unwrap();
            match applied {
                Ok(_) => assert!(fits && after == "one\n2\nthree\n", "{row}: {after:?}"),
                Err(error) => {
                    let words = format!("{error:#}");
                    assert!(!fits && after == before, "{row}: {words}: {after:?}");
                    assert!(words.contains("patch count.patch does not apply") && words.contains("FAILED"), "{words}");
                }
            }
        }
    }
}
