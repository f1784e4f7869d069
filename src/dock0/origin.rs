//! Where a machine's releases come from, as files of its boot disk: the settings, and whom it trusts. They are checked by
//! the very readers of the machine, so that a mistake is found here and not at its first boot.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use wire::{minisig, settings};

/// What goes below `dock0/` on a boot disk.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Becomes `dock0/settings.json`.
    pub settings: Option<PathBuf>,
    /// Minisign public keys (`*.pub`), at most two, and certificates of CAs (`ca.pem`): `dock0/trust/`.
    pub trust: Vec<PathBuf>,
}

impl Origin {
    /// All the files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.settings.iter().chain(&self.trust).map(PathBuf::as_path)
    }

    /// Each file by its path on the disk, with its content, if the machine would take all of them.
    pub fn read(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut all = Vec::new();
        if let Some(path) = &self.settings {
            let json = read(path)?;
            settings::parse(&json).map_err(|bad| anyhow::anyhow!("{}: {bad}", path.display()))?;
            all.push((settings::PATH.to_string(), json));
        }
        let mut keys = 0;
        for path in &self.trust {
            let (name, bytes) = (path.file_name().and_then(|name| name.to_str()).unwrap_or_default(), read(path)?);
            match name {
                "ca.pem" => {}
                name if name.ends_with(".pub") => {
                    minisig::PublicKey::parse(&bytes).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
                    keys += 1;
                }
                _ => bail!("{}: what a machine trusts is called ca.pem or *.pub", path.display()),
            }
            all.push((format!("{}/{name}", menagerie::layout::TRUST), bytes));
        }
        match keys {
            0..=2 => Ok(all),
            keys => bail!("{keys} keys are given, at most two can be pinned"),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_would_not_take_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let good = file("settings.json", r#"{"manifest": {"url": "https://example.org/release.json"}}"#);
        let files = Origin { settings: Some(good), trust: vec![file("ca.pem", "x")] }.read().unwrap();
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["dock0/settings.json", "dock0/trust/ca.pem"]);
        for (origin, part) in [
            (Origin { settings: Some(file("typo.json", r#"{"manifset": {}}"#)), trust: vec![] }, "manifset"),
            (Origin { settings: None, trust: vec![file("manifest.pub", "no key")] }, "manifest.pub: "),
            (Origin { settings: None, trust: vec![file("key", "")] }, "is called ca.pem or *.pub"),
            (Origin { settings: Some(place.path().join("nowhere")), trust: vec![] }, "reading "),
        ] {
            let error = format!("{:#}", origin.read().unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }
}
