//! Where a machine's releases come from, as files of its boot disk: the settings, and whom it trusts. They are checked by
//! the very readers of the machine, so that a mistake is found here and not at its first boot.

use crate::authority::Pair;
use crate::papers;
use anyhow::{Context, Result, anyhow, bail};
use menagerie::layout::TRUST;
use std::fs;
use std::path::{Path, PathBuf};
use wire::{minisig, settings};

/// Who this machine is: its certificate and its key. Nobody but root may look into it.
const IDENTITY: &str = "dock0/identity";

/// What goes below `dock0/` on a boot disk.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Becomes `dock0/settings.json`.
    pub settings: Option<PathBuf>,
    /// Minisign public keys (`*.pub`), at most two, and certificates of CAs (`ca.pem`, `operators.pem`): `dock0/trust/`.
    pub trust: Vec<PathBuf>,
    /// `BASE.pem` and `BASE.key` become `dock0/identity/vm.pem` and `vm.key`.
    pub identity: Option<PathBuf>,
}

/// Who may read a file on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Whoever is on the machine.
    Anybody,
    /// root alone, and its directory too.
    Root,
}

/// A file of the boot disk.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenFile {
    /// Where it goes.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Who may read it.
    pub reader: Reader,
}

impl Origin {
    /// All the files that it is read from.
    pub fn files(&self) -> Vec<PathBuf> {
        let pair = self.identity.as_deref().map(pair);
        let own = pair.into_iter().flat_map(|pair| [pair.certificate, pair.key]);
        self.settings.iter().chain(&self.trust).cloned().chain(own).collect()
    }

    /// The files of the disk, if the machine would take all of them.
    pub fn read(&self) -> Result<Vec<GivenFile>> {
        let mut all = Vec::new();
        if let Some(path) = &self.settings {
            let bytes = read(path)?;
            settings::parse(&bytes).map_err(|bad| anyhow!("{}: {bad}", path.display()))?;
            all.push(GivenFile { path: settings::PATH.into(), bytes, reader: Reader::Anybody });
        }
        for path in &self.trust {
            all.push(read_trusted(path)?);
        }
        match all.iter().filter(|file| file.path.ends_with(".pub")).count() {
            0..=2 => {}
            keys => bail!("{keys} keys are given, at most two can be pinned"),
        }
        if let Some(base) = &self.identity {
            all.extend(read_identity(&pair(base))?);
        }
        Ok(all)
    }
}

fn read_trusted(path: &Path) -> Result<GivenFile> {
    let (name, bytes) = (path.file_name().and_then(|name| name.to_str()).unwrap_or_default(), read(path)?);
    match name {
        "ca.pem" => {}
        "operators.pem" => drop(papers::certificates(&bytes).with_context(|| format!("reading {}", path.display()))?),
        name if name.ends_with(".pub") => {
            minisig::PublicKey::parse(&bytes).map_err(|why| anyhow!("{}: {why}", path.display()))?;
        }
        _ => bail!("{}: what a machine trusts is called ca.pem, operators.pem or *.pub", path.display()),
    }
    Ok(GivenFile { path: format!("{TRUST}/{name}"), bytes, reader: Reader::Anybody })
}

fn read_identity(pair: &Pair) -> Result<[GivenFile; 2]> {
    let (certificate, key) = (read(&pair.certificate)?, read(&pair.key)?);
    papers::check_pair(pair, &certificate, &key)?;
    let file = |name: &str, bytes| GivenFile { path: format!("{IDENTITY}/{name}"), bytes, reader: Reader::Root };
    Ok([file("vm.pem", certificate), file("vm.key", key)])
}

fn pair(base: &Path) -> Pair {
    Pair::of(Path::new(""), &base.to_string_lossy())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{self, Order, Role};
    use crate::output::Existing;

    #[test]
    fn what_the_machine_would_not_take_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = place.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let good = file("settings.json", r#"{"manifest": {"url": "https://example.org/release.json"}}"#);
        let trust = vec![file("ca.pem", "x")];
        let files = Origin { settings: Some(good), trust, identity: None }.read().unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["dock0/settings.json", "dock0/trust/ca.pem"]);
        let settings = |path| Origin { settings: Some(path), ..Origin::default() };
        let trust = |path| Origin { trust: vec![path], ..Origin::default() };
        for (origin, part) in [
            (settings(file("typo.json", r#"{"manifset": {}}"#)), "manifset"),
            (trust(file("manifest.pub", "no key")), "manifest.pub: "),
            (trust(file("operators.pem", "")), "operators.pem: there is no certificate in it"),
            (trust(file("key", "")), "is called ca.pem, operators.pem or *.pub"),
            (settings(place.path().join("nowhere")), "reading "),
        ] {
            let error = origin.read().map(drop).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
    }

    #[test]
    fn a_machine_is_who_its_key_says_or_nobody() {
        let place = tempfile::tempdir().unwrap();
        authority::make_ca(place.path()).unwrap();
        for name in ["web1", "web2"] {
            let order = Order { name, role: Role::Vm, aliases: &[], days: 1 };
            authority::issue(place.path(), &order, Existing::Refuse).unwrap();
        }
        let identity = || Origin { identity: Some(place.path().join("web1")), ..Origin::default() };
        let files = identity().read().unwrap();
        let shown: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.reader)).collect();
        assert_eq!(shown, [("dock0/identity/vm.pem", Reader::Root), ("dock0/identity/vm.key", Reader::Root)]);
        let file = |name: &str| place.path().join(name);
        let secret = fs::read_to_string(file("web1.key")).unwrap();
        for (case, bytes, why) in [
            ("another's", fs::read(file("web2.key")).unwrap(), "web1.pem: they do not belong together"),
            ("a certificate", fs::read(file("web1.pem")).unwrap(), "web1.key: "),
            ("cut off", secret.as_bytes()[..secret.len() / 2].to_vec(), "web1.key: "),
            ("of another kind", secret.replace("MIGH", "AAAA").into_bytes(), "web1.key: it is no key of P-256"),
        ] {
            fs::write(file("web1.key"), bytes).unwrap();
            let refused = format!("{:#}", identity().read().map(drop).unwrap_err());
            assert!(refused.contains(why) && !refused.contains(&secret[40..60]), "{case}: {refused}");
        }
        fs::remove_file(file("web1.key")).unwrap();
        let refused = format!("{:#}", identity().read().map(drop).unwrap_err());
        assert!(refused.ends_with("web1.key: No such file or directory (os error 2)"), "{refused}");
    }
}
