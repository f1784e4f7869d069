//! The files of a release: which there must be, what a folder of them holds, and how two such folders differ.

use anyhow::{Context, Result, bail, ensure};
use dock0::manifest::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

/// What `./justw assets` makes, at least.
pub const MADE: [&str; 10] = [
    "config-linode",
    "config-microvm",
    "dock0",
    "init",
    "initrd.img",
    "menagerie",
    "sbom.cdx.json",
    "vm_root-tiny",
    "vmlinuz-linode",
    "vmlinuz-microvm",
];

/// What machines install, and the file that it is.
pub const INSTALLED: [(&str, &str); 3] =
    [("kernel", "vmlinuz-linode"), ("initrd", "initrd.img"), ("vm_root", "vm_root-tiny")];

/// Names of files, and what each one's bytes are.
pub type Assets = BTreeMap<String, Sum>;

/// A file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// All files of a folder, which holds nothing else.
pub fn read(folder: &Path) -> Result<Assets> {
    let reading = || format!("reading {}", folder.display());
    let mut assets = Assets::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        ensure!(entry.file_type().with_context(reading)?.is_file(), "{}: is not a regular file", path.display());
        let name = entry.file_name().into_string().ok().filter(|name| is_plain(name));
        let name = name.with_context(|| format!("{}: GitHub would call it something else", path.display()))?;
        assets.insert(name, sum(&path)?);
    }
    Ok(assets)
}

/// The same of a folder that `./justw assets` filled: nothing is missing, nothing is empty.
pub fn read_built(folder: &Path) -> Result<Assets> {
    let assets = read(folder)?;
    let missing: Vec<&str> = MADE.into_iter().filter(|&name| !assets.contains_key(name)).collect();
    ensure!(missing.is_empty(), "the build made no {}", missing.join(", no "));
    if let Some((name, _)) = assets.iter().find(|(_, sum)| sum.bytes == 0) {
        bail!("the build made an empty {name}");
    }
    Ok(assets)
}

/// GitHub puts dots in place of other characters.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) && !name.starts_with('.')
}

fn sum(path: &Path) -> Result<Sum> {
    let reading = || format!("reading {}", path.display());
    let mut file = fs::File::open(path).with_context(reading)?;
    let (mut sha256, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut chunk).with_context(reading)?;
        if count == 0 {
            return Ok(Sum { bytes, sha256: hex(&sha256.finalize()) });
        }
        bytes += count as u64;
        sha256.update(chunk.get(..count).unwrap_or_default());
    }
}

/// A line for each file that is not the same in both, `one` and `other` being what they are called.
pub fn differences((one, in_one): (&str, &Assets), (other, in_other): (&str, &Assets)) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = in_one.keys().chain(in_other.keys()).collect();
    let describe = |sum: &Sum| format!("{} bytes, {}…", sum.bytes, sum.sha256.get(..12).unwrap_or_default());
    let mut lines = Vec::new();
    for name in names {
        match (in_one.get(name), in_other.get(name)) {
            (Some(left), Some(right)) if left == right => {}
            (Some(left), Some(right)) => {
                lines.push(format!("{name}: {} {one}, {} {other}", describe(left), describe(right)));
            }
            (Some(_), None) => lines.push(format!("{name}: only {one}")),
            (None, _) => lines.push(format!("{name}: only {other}")),
        }
    }
    lines
}

/// The lines that `sha256sum --check` reads.
pub fn sums_text(assets: &Assets) -> Result<String> {
    let mut text = String::new();
    for (name, sum) in assets {
        writeln!(text, "{}  {name}", sum.sha256)?;
    }
    Ok(text)
}

/// Reads such lines again.
pub fn parse_sums(text: &str) -> Result<BTreeMap<String, String>> {
    let line = |line: &str| {
        let (sum, name) = line.split_once("  ").filter(|(sum, name)| sum.len() == 64 && is_plain(name))?;
        Some((name.to_owned(), sum.to_owned()))
    };
    text.lines().map(|text| line(text).with_context(|| format!("no line of sha256sum: {text:?}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_makes_everything_and_nothing_that_github_would_rename() {
        let place = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
        let why = || format!("{:#}", read_built(place.path()).unwrap_err());
        MADE.iter().skip(2).for_each(|name| put(name, "x"));
        assert_eq!(why(), "the build made no config-linode, no config-microvm");
        put("config-linode", "");
        put("config-microvm", "x");
        assert_eq!(why(), "the build made an empty config-linode");
        put("config-linode", "x");
        assert_eq!(read_built(place.path()).unwrap().len(), MADE.len());
        for name in ["two words", ".hidden", "caf\u{e9}"] {
            put(name, "x");
            assert!(why().ends_with(&format!("{name}: GitHub would call it something else")), "{}", why());
            fs::remove_file(place.path().join(name)).unwrap();
        }
        fs::create_dir(place.path().join("folder")).unwrap();
        assert!(why().ends_with("folder: is not a regular file"), "{}", why());
    }

    #[test]
    fn two_builds_are_compared_file_by_file() {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in
            [("one/a", "1"), ("one/b", "2"), ("one/c", "3"), ("two/a", "1"), ("two/b", "22"), ("two/d", "4")]
        {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let (one, two) = (read(&place.path().join("one")).unwrap(), read(&place.path().join("two")).unwrap());
        let lines = differences(("here", &one), ("there", &two));
        let b = "b: 1 bytes, d4735e3a265e… here, 2 bytes, 785f3ec7eb32… there";
        assert_eq!(lines, [b, "c: only here", "d: only there"]);
        assert!(differences(("here", &one), ("there", &one)).is_empty());
    }

    #[test]
    fn sums_are_written_and_read() {
        let sum = |digit: &str| Sum { bytes: 1, sha256: digit.repeat(64) };
        let assets = Assets::from([("b".into(), sum("2")), ("a".into(), sum("1"))]);
        let text = sums_text(&assets).unwrap();
        assert_eq!(text, format!("{}  a\n{}  b\n", "1".repeat(64), "2".repeat(64)));
        assert_eq!(parse_sums(&text).unwrap().get("b"), Some(&"2".repeat(64)));
        for bad in ["x  a", &format!("{}  ../a", "1".repeat(64)), &format!("{} a", "1".repeat(64))] {
            assert_eq!(parse_sums(bad).unwrap_err().to_string(), format!("no line of sha256sum: {bad:?}"));
        }
    }
}
