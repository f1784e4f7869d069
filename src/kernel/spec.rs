//! `kernel-configs/kernel.toml`: which kernel, from what, made of which fragments, and how big it may be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What `uname -v` shows.
    pub timestamp: String,
    /// Which of the two below is built.
    pub source: Preferred,
    /// The distribution's packaged source.
    pub distribution: Distribution,
    /// The kernel's makers' own tarball.
    pub upstream: Upstream,
    configurations: BTreeMap<String, Configuration>,
}

/// Whose tarball is built.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Preferred {
    /// The distribution's if it is there, else upstream's.
    Distribution,
    /// Upstream's.
    Upstream,
}

/// A tarball that a package manager has authenticated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// The package that brings it.
    pub package: String,
    /// Where it puts it.
    pub path: PathBuf,
    /// The version recorded here; the package may have moved on.
    pub version: String,
    /// The sum recorded here, in lower-case hexadecimal.
    pub sha256: String,
}

/// A tarball that only its checksum vouches for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Where to fetch it.
    pub url: String,
    /// The version recorded here.
    pub version: String,
    /// Its sum, in lower-case hexadecimal.
    pub sha256: String,
}

/// One kernel: its fragments in merging order, and its limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The largest bzImage that is accepted, in bytes.
    pub budget: u64,
    /// Names in `kernel-configs/`, without `.config`.
    pub fragments: Vec<String>,
}

impl Spec {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        parse(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// The version that is recorded for what is built.
    pub fn version(&self) -> &str {
        match self.source {
            Preferred::Distribution => &self.distribution.version,
            Preferred::Upstream => &self.upstream.version,
        }
    }

    /// Every configuration with its name.
    pub fn configurations(&self) -> impl Iterator<Item = (&str, &Configuration)> {
        self.configurations.iter().map(|(name, configuration)| (name.as_str(), configuration))
    }

    /// Takes one configuration out, or names those there are.
    pub fn take_configuration(&mut self, name: &str) -> Result<Configuration> {
        let names = self.configurations.keys().cloned().collect::<Vec<_>>().join(", ");
        self.configurations
            .remove(name)
            .ok_or_else(|| anyhow!("no configuration {name:?} in kernel-configs/kernel.toml: there is {names}"))
    }
}

/// Parses and checks the file's text.
pub fn parse(text: &str) -> Result<Spec> {
    let spec: Spec = toml::from_str(text)?;
    for (whose, sum) in [("distribution", &spec.distribution.sha256), ("upstream", &spec.upstream.sha256)] {
        ensure!(is_sha256(sum), "{whose}.sha256 is not 64 lower-case hexadecimal digits: {sum:?}");
    }
    for (name, configuration) in &spec.configurations {
        ensure!(!configuration.fragments.is_empty(), "configurations.{name} has no fragments");
    }
    Ok(spec)
}

/// Whether this is a SHA-256 as `sha256sum` prints it.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sum: &str, fragments: &str) -> String {
        let good = "0".repeat(64);
        format!(
            "timestamp = 't'\nsource = 'distribution'\n[distribution]\npackage = 'p'\npath = '/x'\nversion = '6.12.1'\nsha256 = '{sum}'\n\
             [upstream]\nurl = 'https://k.invalid/l.tar.xz'\nversion = '6.12.0'\nsha256 = '{good}'\n\
             [configurations.linode]\nbudget = 10\nfragments = {fragments}\n"
        )
    }

    #[test]
    fn parses_what_it_should() {
        let good = "0".repeat(64);
        let rows: [(&str, &str, &str, Option<&str>); 5] = [
            ("all well", &good, "['base']", None),
            ("short sum", "abc", "['base']", Some("distribution.sha256 is not 64")),
            ("capital sum", &"A".repeat(64), "['base']", Some("distribution.sha256 is not 64")),
            ("no fragments", &good, "[]", Some("configurations.linode has no fragments")),
            ("unknown field", &good, "['base']\nbugdet = 3", Some("unknown field")),
        ];
        for (row, sum, fragments, refusal) in rows {
            match (parse(&text(sum, fragments)), refusal) {
                (Ok(mut spec), None) => assert_eq!(spec.take_configuration("linode").unwrap().budget, 10, "{row}"),
                (Err(error), Some(words)) => assert!(format!("{error:#}").contains(words), "{row}: {error:#}"),
                (parsed, _) => panic!("{row}: {parsed:?}"),
            }
        }
    }

    #[test]
    fn an_unknown_configuration_names_the_known_ones() {
        let error = parse(&text(&"0".repeat(64), "['base']")).unwrap().take_configuration("lindoe").unwrap_err();
        let sentence = "no configuration \"lindoe\" in kernel-configs/kernel.toml: there is linode";
        assert_eq!(error.to_string(), sentence);
    }

    #[test]
    fn the_repositorys_own_file_is_good() {
        let path = crate::places::root().unwrap().join("kernel-configs/kernel.toml");
        let spec = Spec::read(&path).unwrap();
        let budgets = spec.configurations().map(|(name, one)| (name, one.budget)).collect::<Vec<_>>();
        assert_eq!(budgets, [("linode", 6_000_000), ("microvm", 3_000_000)]);
    }
}
