//! The keys of a release: the secret one that signs it, and the public one that what was published is proved by.

use anyhow::{Context, Result, anyhow, bail};
use dock0::manifest::signature_path;
use dock0::signing::Signer;
use init::trust::{self, Key};
use std::env::VarError;
use std::fs;
use std::path::Path;

/// The environment variable that has the text of the secret key, for where no file can be kept.
pub const KEY: &str = "DOCK0_MINISIGN_KEY";

/// The key of the file, or else of the environment.
pub fn signer(file: Option<&Path>) -> Result<Signer> {
    if let Some(file) = file {
        return Signer::read(file);
    }
    match std::env::var(KEY) {
        Ok(text) if !text.is_empty() => Signer::parse(&text, &format!("${KEY}")),
        Ok(_) | Err(VarError::NotPresent) => {
            bail!("nothing to sign with: --key FILE or ${KEY} names the key that dock0 keygen manifest makes")
        }
        Err(VarError::NotUnicode(_)) => bail!("${KEY} is not UTF-8"),
    }
}

/// Reads a file like `manifest.pub`.
pub fn read(path: &Path) -> Result<Key> {
    let reading = || format!("reading the public key {}", path.display());
    let file = fs::read(path).with_context(reading)?;
    Key::parse(&file).map_err(|why| anyhow!(why)).with_context(reading)
}

/// The public key that belongs to a secret one.
pub fn of(signer: &Signer) -> Result<Key> {
    Key::parse(signer.public()?.as_bytes()).map_err(|why| anyhow!(why))
}

/// The file, which this key signed: `<file>.minisig` says so.
pub fn read_signed(key: &Key, file: &Path) -> Result<Vec<u8>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let (bytes, minisig) = (read(file)?, read(&signature_path(file))?);
    match trust::signer(std::slice::from_ref(key), &bytes, &minisig) {
        Ok(_) => Ok(bytes),
        Err(why) => bail!("{}: {why}", file.display()),
    }
}
