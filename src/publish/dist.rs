//! `dist/`: a release's files with their manifest, sums, signatures and notes, as they are uploaded and as they come back.

use crate::assets::{self, Assets, INSTALLED};
use crate::twice::Built;
use anyhow::{Context, Result, anyhow, bail, ensure};
use dock0::manifest::{self, Head, hex};
use dock0::measure::{Measured, Place};
use dock0::recipe::Wanted;
use dock0::signing::Signer;
use init::trust::Key;
use menagerie::{Artifact, Name, Timestamp, Version};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::manifest::Manifest;

/// The manifest that machines install from.
pub const MANIFEST: &str = "release.json";
/// Its signature.
pub const MANIFEST_SIGNATURE: &str = "release.json.minisig";
/// What every other file is proved by.
pub const SUMS: &str = "SHA256SUMS";
/// Its signature, which is not in it.
pub const SUMS_SIGNATURE: &str = "SHA256SUMS.minisig";
/// What is made beside what is built.
pub const IS_NOT_BUILT: [&str; 4] = [MANIFEST, MANIFEST_SIGNATURE, SUMS, SUMS_SIGNATURE];
/// What is new, which is the text of the release and no file of it.
pub const NOTES: &str = "NOTES.md";

/// A release's files, whole and signed.
#[derive(Debug)]
pub struct Dist {
    /// Where they are.
    pub folder: PathBuf,
    /// All that are uploaded.
    pub assets: Assets,
    /// What its manifest says.
    pub manifest: Said,
}

/// What a manifest says of the release.
#[derive(Debug)]
pub struct Said {
    /// Its serial.
    pub serial: u64,
    /// Its channel.
    pub channel: Name,
    /// When it was made.
    pub issued: Timestamp,
    /// How long it can be installed.
    pub lasts: Duration,
    /// Where its first artifact is.
    pub url: String,
}

/// What a release says of itself besides what was built.
pub struct Terms<'t> {
    /// Its version.
    pub version: Version,
    /// What its manifest says first.
    pub head: Head,
    /// The manifest's serial.
    pub serial: u64,
    /// Where a file of this name will be.
    pub url_of: &'t dyn Fn(&str) -> String,
    /// What is new, in Markdown.
    pub notes: String,
}

impl Dist {
    /// Makes it of what was built, in place of what was there.
    pub fn make(folder: &Path, built: &Built, terms: &Terms<'_>, signer: &Signer) -> Result<()> {
        assemble(folder, built, &terms.notes, |unfinished| {
            let artifacts = INSTALLED.map(|(name, file)| installed(name, file, &unfinished.join(file), terms));
            let artifacts = artifacts.into_iter().collect::<Result<Vec<_>>>()?;
            let text = manifest::compose(&terms.head, terms.serial, &artifacts)?;
            manifest::write(&unfinished.join(MANIFEST), &text, terms.serial, Some(signer))?;
            let sums = assets::sums_text(&assets::read(unfinished)?)?;
            let comment = format!("version:{}\tfile:{SUMS}\tserial:{}", terms.version, terms.serial);
            write(&unfinished.join(SUMS_SIGNATURE), signer.sign(sums.as_bytes(), &comment)?.as_bytes())?;
            write(&unfinished.join(SUMS), sums.as_bytes())
        })
    }

    /// Makes it of what was built and of what was signed of the same build before.
    pub fn gather(folder: &Path, built: &Built, notes: &str, signed: impl Fn(&str) -> Result<Vec<u8>>) -> Result<()> {
        assemble(folder, built, notes, |unfinished| {
            IS_NOT_BUILT.iter().try_for_each(|name| write(&unfinished.join(name), &signed(name)?))
        })
    }

    /// Reads `dist/`, which has notes too.
    pub fn read_own(folder: &Path, key: &Key) -> Result<Dist> {
        let notes = folder.join(NOTES);
        ensure!(notes.is_file(), "{} is missing", notes.display());
        Dist::read_but(NOTES, folder, key)
    }

    /// Reads what was published.
    pub fn read(folder: &Path, key: &Key) -> Result<Dist> {
        Dist::read_but("", folder, key)
    }

    /// Proves each file but one by what this key signed.
    fn read_but(unsigned: &str, folder: &Path, key: &Key) -> Result<Dist> {
        let place = |name: &str| folder.join(name);
        let mut assets = assets::read(folder)?;
        assets.remove(unsigned);
        let sums = text(crate::trust::read_signed(key, &place(SUMS))?)?;
        let sums = assets::parse_sums(&sums).with_context(|| place(SUMS).display().to_string())?;
        for (name, sum) in &sums {
            let asset = assets.get(name).with_context(|| format!("{name} is missing, {SUMS} has it"))?;
            ensure!(asset.sha256 == *sum, "{name} is not what {SUMS} says: its SHA-256 is {}, not {sum}", asset.sha256);
        }
        let unknown = |name: &&String| ![SUMS, SUMS_SIGNATURE].contains(&name.as_str()) && !sums.contains_key(*name);
        if let Some(name) = assets.keys().find(unknown) {
            bail!("{name} is not in {SUMS}: nobody signed it");
        }
        let bytes = crate::trust::read_signed(key, &place(MANIFEST))?;
        let manifest = Manifest::parse(&bytes).map_err(|why| anyhow!("{MANIFEST}: {why}"))?;
        let mut first = None;
        for entry in &manifest.artifacts {
            let url = entry.urls.first().map(ToString::to_string).unwrap_or_default();
            let file = url.rsplit('/').next().unwrap_or_default();
            let artifact = &entry.artifact;
            ensure!(assets.contains_key(file), "{MANIFEST}: {artifact} is at {url}, and there is no file {file}");
            let measured = Place::Local(place(file)).measure(file)?;
            let said = Measured { size: entry.size, sha256: hex(&entry.sha256), verity: hex(&entry.verity) };
            ensure!(measured == said, "{MANIFEST}: {artifact} is not what {file} is: {said:?}, not {measured:?}");
            first.get_or_insert(url);
        }
        let url = first.with_context(|| format!("{MANIFEST} has no artifacts"))?;
        let lasts = Duration::from_secs(manifest.expires.unix().saturating_sub(manifest.issued.unix()));
        let Manifest { serial, channel, issued, .. } = manifest;
        let manifest = Said { serial, channel, issued, lasts, url };
        Ok(Dist { folder: folder.into(), assets, manifest })
    }

    /// Whether it has just the files that were built.
    pub fn is_made_of(&self, built: &Built) -> bool {
        built.assets.iter().all(|(name, sum)| self.assets.get(name) == Some(sum))
            && self.assets.len() == built.assets.len() + IS_NOT_BUILT.len()
    }

    /// The bytes that prove all others.
    pub fn sums(&self) -> Result<Vec<u8>> {
        let path = self.folder.join(SUMS);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// The notes' file.
    pub fn notes(&self) -> PathBuf {
        self.folder.join(NOTES)
    }
}

/// A directory beside it becomes it once it is whole: what was built, the notes, and what `sign` adds.
fn assemble(folder: &Path, built: &Built, notes: &str, sign: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = folder.parent().context("dist has no parent")?;
    let making = || format!("making a directory in {}", parent.display());
    let temporary = || tempfile::Builder::new().prefix("dist.").tempdir_in(parent).with_context(making);
    let (unfinished, old) = (temporary()?, temporary()?);
    for name in built.assets.keys() {
        let from = built.folder.join(name);
        fs::copy(&from, unfinished.path().join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    sign(unfinished.path())?;
    write(&unfinished.path().join(NOTES), notes.as_bytes())?;
    let renaming = || format!("renaming what is finished to {}", folder.display());
    if folder.exists() {
        fs::rename(folder, old.path()).with_context(renaming)?;
    }
    fs::rename(unfinished.keep(), folder).with_context(renaming)
}

fn installed(name: &str, file: &str, path: &Path, terms: &Terms<'_>) -> Result<(Wanted, Measured)> {
    let name = name.parse().map_err(|why| anyhow!("the name {name:?} {why}"))?;
    let from = Place::Local(path.into());
    let measured = from.measure(file)?;
    let artifact = Artifact { name, version: terms.version.clone() };
    Ok((Wanted { artifact, from, urls: vec![(terms.url_of)(file)] }, measured))
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).context("reading it as text")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
