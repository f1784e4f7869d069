//! Whose manifests this machine believes: the public keys pinned in `dock0/trust`, and whether one of them signed.

use crate::failure::{Doing, Failure};
use crate::store::Files;
use menagerie::KeyId;
use menagerie::layout::TRUST;
use minisign_verify::PublicKey;
use rustix::io::Errno;
use std::io::Read;
use wire::{manifest, minisig};

/// How many keys can be pinned: one, and the one that follows it.
pub const MAX_KEYS: usize = 2;
/// What the names of their files end with.
const SUFFIX: &str = ".pub";
/// More names than a healthy directory has. Beyond them a key could be overlooked, so that is a failure.
const ENOUGH: usize = 1024;

/// A key whose manifests are believed.
#[derive(Clone, Debug)]
pub struct Key {
    /// Which one.
    pub id: KeyId,
    public: PublicKey,
}

impl Key {
    /// Reads minisign's file of a public key; an error says what is wrong with it.
    pub fn parse(file: &[u8]) -> Result<Key, String> {
        let minisig::PublicKey { id, base64 } = minisig::PublicKey::parse(file).map_err(|why| why.to_string())?;
        let public = PublicKey::from_base64(base64).map_err(|why| why.to_string())?;
        Ok(Key { id, public })
    }
}

/// Reads the pinned keys: one or two.
pub fn read_keys(files: &impl Files) -> Result<Vec<Key>, Failure> {
    let keys = pinned_keys(files)?;
    if keys.is_empty() {
        return Err(Failure::new(format!(
            "no manifest can be believed: no key is pinned, {} has no *{SUFFIX} of minisign",
            files.show(TRUST)
        )));
    }
    Ok(keys)
}

/// The same for a machine that may have none, since it takes no manifests.
pub fn pinned_keys(files: &impl Files) -> Result<Vec<Key>, Failure> {
    let entries = match files.list(TRUST, ENOUGH) {
        Err(Errno::NOENT) => Vec::new(),
        entries => entries.doing(|| format!("listing {}", files.show(TRUST)))?,
    };
    if entries.len() == ENOUGH {
        return Err(Failure::new(format!("{} holds too much to be looked through", files.show(TRUST))));
    }
    let mut names: Vec<&str> =
        entries.iter().map(|entry| entry.name.as_str()).filter(|name| name.ends_with(SUFFIX)).collect();
    names.sort_unstable();
    match names.len() {
        0..=MAX_KEYS => names.iter().map(|name| read_key(files, &format!("{TRUST}/{name}"))).collect(),
        count => Err(Failure::new(format!(
            "{} has {count} keys ({}), at most {MAX_KEYS} can be pinned",
            files.show(TRUST),
            names.join(", ")
        ))),
    }
}

fn read_key(files: &impl Files, path: &str) -> Result<Key, Failure> {
    let doing = || format!("reading the key {}", files.show(path));
    let mut bytes = Vec::new();
    let limit = u64::try_from(minisig::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    files.open(path).doing(doing)?.take(limit).read_to_end(&mut bytes).doing(doing)?;
    Key::parse(&bytes).map_err(|why| Failure::new(format!("{}: {why}", doing())))
}

/// The pinned key that signed this manifest. Nothing of the manifest is looked at before, and nothing of the signature but
/// its form and its key.
pub fn verify(keys: &[Key], manifest: &[u8], minisig: &[u8]) -> Result<KeyId, Failure> {
    let refused = |why: String| Failure::new(format!("refusing the manifest: {why}"));
    if manifest.len() > manifest::MAX_BYTES {
        let (have, most) = (manifest.len(), manifest::MAX_BYTES);
        return Err(refused(format!("it has {have} bytes, at most {most} can be")));
    }
    signer(keys, manifest, minisig).map_err(refused)
}

/// Which of these keys signed a file; an error says why none did.
pub fn signer(keys: &[Key], file: &[u8], minisig: &[u8]) -> Result<KeyId, String> {
    let malformed = |why: &dyn ToString| format!("its signature is malformed: {}", why.to_string());
    let form = minisig::Signature::parse(minisig).map_err(|why| malformed(&why))?;
    let mut candidates = keys.iter().filter(|key| key.id == form.id).peekable();
    if candidates.peek().is_none() {
        let trusted: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
        return Err(format!("the key {} signed it, and trusted are {}", form.id, trusted.join(" and ")));
    }
    if !form.prehashed {
        return Err("its signature is of minisign's old kind: sign it again, without -l".into());
    }
    let signature = minisign_verify::Signature::decode(form.text).map_err(|why| malformed(&why))?;
    // What the trusted comment says is signed too, so a changed one is refused here as well.
    match candidates.any(|key| key.public.verify(file, &signature, false).is_ok()) {
        true => Ok(form.id),
        false => Err(format!("its signature by the key {} does not fit: one of them was changed", form.id)),
    }
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
