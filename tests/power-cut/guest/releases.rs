//! Which releases there are, and which there will be: rules without a disk, and reading the links they work on.

use crate::operation::NewArtifact;
use anyhow::{Context, Result};
use menagerie::Layout;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// How many old releases an install leaves.
pub const KEEP: usize = 2;

/// A release: the version of each artifact, by name.
pub type Links = BTreeMap<String, String>;

/// The releases in a directory of releases, the newest first.
pub fn read(directory: &Path) -> Result<Vec<Links>> {
    let mut releases = Vec::new();
    loop {
        match read_one(&directory.join(releases.len().to_string()))? {
            Some(links) => releases.push(links),
            None => return Ok(releases),
        }
    }
}

/// The links of one release, if there is such a directory.
pub fn read_one(directory: &Path) -> Result<Option<Links>> {
    let doing = || format!("reading {}", directory.display());
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries.with_context(doing)?,
    };
    let mut links = Links::new();
    for entry in entries {
        let path = entry.with_context(doing)?.path();
        let target = fs::read_link(&path).with_context(|| format!("reading {}", path.display()))?;
        let artifact = target.to_str().and_then(|target| Layout::default().parse_link_target(target));
        let artifact = artifact.with_context(|| format!("{} leads to no artifact", path.display()))?;
        links.insert(artifact.name.to_string(), artifact.version.to_string());
    }
    Ok(Some(links))
}

/// This release with newer artifacts.
pub fn renewed(release: &Links, new: &[NewArtifact]) -> Links {
    let mut links = release.clone();
    links.extend(new.iter().map(|artifact| (artifact.name.to_string(), artifact.version.clone())));
    links
}

/// The releases after an install: the new one, and the newest of the old ones.
pub fn after_install(releases: &[Links], new: &[NewArtifact]) -> Vec<Links> {
    let newest = releases.first().map(|release| renewed(release, new));
    newest.into_iter().chain(releases.iter().take(KEEP).cloned()).collect()
}

/// The releases after a way back: release 1 is release 0.
pub fn after_roll_back(releases: &[Links]) -> Vec<Links> {
    let mut releases = releases.to_vec();
    if releases.len() > 1 {
        releases.swap(0, 1);
    }
    releases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(kernel: &str, root: &str) -> Links {
        [("kernel", kernel), ("vm_root", root)].map(|(name, version)| (name.to_string(), version.to_string())).into()
    }

    fn new(name: &'static str, version: &str) -> NewArtifact {
        NewArtifact { name, version: version.into(), bytes: vec![] }
    }

    #[test]
    fn an_install_keeps_two_old_releases_and_what_it_does_not_bring() {
        let two = [release("1", "b"), release("1", "a")];
        let three = after_install(&two, &[new("vm_root", "c")]);
        assert_eq!(three, [release("1", "c"), release("1", "b"), release("1", "a")]);
        let next = after_install(&three, &[new("vm_root", "d"), new("kernel", "2")]);
        assert_eq!(next, [release("2", "d"), release("1", "c"), release("1", "b")]);
    }

    #[test]
    fn a_way_back_is_one_step() {
        let releases = [release("1", "c"), release("1", "b"), release("1", "a")];
        assert_eq!(after_roll_back(&releases), [release("1", "b"), release("1", "c"), release("1", "a")]);
        assert_eq!(after_roll_back(&releases[..1]), &releases[..1]);
    }

    #[test]
    fn releases_are_read_up_to_the_first_gap() {
        let place = tempfile::tempdir().expect("a directory");
        for number in ["0", "1", "3"] {
            let directory = place.path().join(number);
            fs::create_dir(&directory).expect("made");
            let link = directory.join("vm_root");
            std::os::unix::fs::symlink(format!("../../artifacts/vm_root/{number}"), link).expect("made");
        }
        let roots: Vec<String> = read(place.path()).expect("read").into_iter().map(|r| r["vm_root"].clone()).collect();
        assert_eq!(roots, ["0", "1"]);
    }
}
