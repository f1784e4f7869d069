//! Another version of the kernel: everything that can fail first, then all of it is written down, or nothing.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::compare::compare;
use crate::make::Log;
use crate::places::Places;
use crate::record::{self, Change};
use crate::released::{self, Merged};
use crate::series::{self, Patch};
use crate::source::{self, Source};
use crate::spec::{self, Spec};
use crate::tree::{self, Tree};
use crate::version::Version;
use crate::{tools, upstream};

/// A file of every kernel that no patch of ours touches: its time in the tarball is when this version was made.
const UNTOUCHED: &str = "COPYING";

/// What the operator asks for.
pub struct Wish {
    /// The version to move to.
    pub version: Version,
    /// Where tarballs, sums and signatures are.
    pub mirror: String,
    /// The tarball's sum, from somewhere that is trusted; without it the mirror's own list is asked.
    pub sha256: Option<String>,
    /// The keys of those who may sign the tarball, if that is to be checked.
    pub keyring: Option<PathBuf>,
}

/// Where the version comes from, and what it must be.
struct Tarball {
    url: String,
    sha256: String,
}

/// Moves `kernel-configs/` to another version and returns what is to be known of it. Nothing is changed if anything fails.
pub fn update(root: &Path, wish: &Wish) -> Result<String> {
    let places = Places::below(root, "update");
    let spec = Spec::read(&places.kernel_toml())?;
    let series = series::read(&places.patches)?;
    let asked = released::read_fragments(&places, &spec)?;
    tools::require_fetching()?;
    let keyring = wish.keyring.as_deref().map(prepare_checking).transpose()?;
    let tarball = choose(wish)?;
    let source = Source::Url { url: tarball.url.clone(), sha256: tarball.sha256.clone() };
    tools::require(&source, &released::list_all(&asked))?;
    let _lock = places.lock()?;
    let mut log = Log::create(&places.log)?;
    fetch(&places, &tarball, wish, keyring.as_deref())?;
    let tree = tree::provide(&places, &source, &series.patches, &mut log)?;
    check_version(&tree, wish.version)?;
    let merged = released::merge_all(&tree, asked, &mut log)?;
    let report = report(&places, &spec, wish.version, &merged, &series.patches)?;
    // kernel.toml, which names the version, is the last.
    let mut changes = released::list_changes(&places, wish.version, merged, series)?;
    changes.push(move_toml(&places, &tarball, wish.version, &made_when(&tree)?)?);
    record::write_all(&changes)?;
    Ok(report)
}

/// Whoever wants a signature checked learns before a long download that it cannot be.
fn prepare_checking(keyring: &Path) -> Result<PathBuf> {
    tools::require_checking()?;
    upstream::find_keyring(keyring)
}

fn choose(wish: &Wish) -> Result<Tarball> {
    let url = upstream::address(&wish.mirror, wish.version);
    let sha256 = match &wish.sha256 {
        Some(sum) => {
            ensure!(spec::is_sha256(sum), "--sha256 {sum:?}: that is not 64 lower-case hexadecimal digits");
            sum.clone()
        }
        None => upstream::fetch_sum(&wish.mirror, wish.version)?,
    };
    Ok(Tarball { url, sha256 })
}

/// Before anything unpacks it, the tarball has the sum, and a signature if keys were given.
fn fetch(places: &Places, Tarball { url, sha256 }: &Tarball, wish: &Wish, keyring: Option<&Path>) -> Result<()> {
    let tarball = source::fetch(url, sha256, &places.downloads())?;
    match keyring {
        Some(keyring) => upstream::check_signature(&wish.mirror, wish.version, &tarball, keyring),
        None => {
            eprintln!("kernel: no --keyring: nothing but the checksum vouches for the tarball");
            Ok(())
        }
    }
}

fn check_version(tree: &Tree, version: Version) -> Result<()> {
    let (inside, wanted) = (tree.version()?, version.in_makefile());
    ensure!(inside == wanted, "the tarball of {version} holds Linux {inside}");
    Ok(())
}

/// What an operator reads before he builds: how each configuration differs from the one that was released last.
fn report(places: &Places, spec: &Spec, version: Version, merged: &[Merged], patches: &[Patch]) -> Result<String> {
    let old = spec.version();
    let mut text = format!("kernel {old} → {version}; all {} patches apply\n", patches.len());
    for Merged { name, text: now } in merged {
        let path = places.released(old, name);
        if !path.exists() {
            writeln!(text, "{name}: there is no {} to compare with", path.display())?;
            continue;
        }
        let then = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let differences = compare(&then, now).with_context(|| format!("comparing with {}", path.display()))?;
        writeln!(text, "{name}: {} options differ from those of {old}", differences.len())?;
        for difference in differences {
            writeln!(text, "  {difference}")?;
        }
    }
    Ok(text)
}

/// When this version was made, as `uname -v` shows it.
fn made_when(tree: &Tree) -> Result<String> {
    let path = tree.source().join(UNTOUCHED);
    let asking = || format!("asking when {} was made", path.display());
    let mut date = Command::new("date");
    date.args(["--utc", "+%a %b %d %H:%M:%S UTC %Y", "--reference"]).arg(&path).env("LC_ALL", "C");
    let output = date.output().with_context(asking)?;
    ensure!(output.status.success(), "{}: {}", asking(), String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(String::from_utf8(output.stdout).with_context(asking)?.trim_end().to_owned())
}

/// `kernel.toml` with this version.
fn move_toml(places: &Places, tarball: &Tarball, version: Version, timestamp: &str) -> Result<Change> {
    let path = places.kernel_toml();
    let mut toml = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    for (table, key, value) in [
        ("", "timestamp", timestamp),
        ("", "source", "upstream"),
        ("upstream", "url", &tarball.url),
        ("upstream", "version", &version.to_string()),
        ("upstream", "sha256", &tarball.sha256),
    ] {
        toml = record::set(&toml, table, key, value)?;
    }
    spec::parse(&toml).context("kernel.toml as it would be written")?;
    Ok(Change { path, content: Some(toml.into_bytes()) })
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
