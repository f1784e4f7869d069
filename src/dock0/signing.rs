//! The keys that manifests are signed with: minisign's own, made here or by the minisign program, usable with either.

use crate::output::{Access, Existing, Output};
use anyhow::{Context, Result, anyhow, bail};
use menagerie::KeyId;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use std::env;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use wire::base64::decode_exactly;

/// The environment variable that has the password of the secret key, for where nobody can be asked.
pub const PASSWORD: &str = "DOCK0_MINISIGN_PASSWORD";
/// The longest file of a secret key, in bytes; minisign's have some 300.
const MAX_BYTES: u64 = 4096;
/// A secret key in bytes: three algorithms of 2, salt 32, two limits of 8, id 8, Ed25519 key 64, checksum.
const LENGTH: usize = 3 * 2 + 32 + 3 * 8 + 64 + CHECKSUM;
const CHECKSUM: usize = 32;
/// What the key in base64 begins with: `Ed`, `Sc` for scrypt or two zeros for no password, and `B2`.
const WITH_PASSWORD: &str = "RWRTY0Iy";
const WITHOUT_PASSWORD: &str = "RWQAAEIy";

/// Whether a new secret key gets a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// From [`PASSWORD`], or asked for twice.
    Password,
    /// The file's mode alone keeps others from using it.
    None,
}

/// A new key pair's files.
#[derive(Debug)]
pub struct NewKey {
    /// Which key it is.
    pub id: KeyId,
    /// `manifest.pub`, to be pinned in `dock0/trust` of each machine.
    pub public: PathBuf,
    /// `manifest.key`, to be kept.
    pub secret: PathBuf,
}

/// Makes a key pair in a directory. Files that are there stay as they are.
pub fn generate(directory: &Path, protection: Protection) -> Result<NewKey> {
    let (public, secret) = (directory.join("manifest.pub"), directory.join("manifest.key"));
    for path in [&public, &secret] {
        if path.symlink_metadata().is_ok() {
            bail!("{}: exists, and was not touched", path.display());
        }
    }
    let pair = match protection {
        Protection::Password => KeyPair::generate_encrypted_keypair(Some(new_password()?)),
        Protection::None => KeyPair::generate_unencrypted_keypair(),
    };
    let KeyPair { pk, sk } = pair.context("making a key")?;
    let id = key_id(pk.keynum())?;
    let secret_text = sk.to_box(Some(&format!("minisign secret key {id}"))).context("writing the secret key")?;
    let public_text = pk.to_box().context("writing the public key")?;
    write(&secret, &secret_text.to_string(), Existing::Refuse, Access::Owner)?;
    write(&public, &public_text.to_string(), Existing::Refuse, Access::Umask)?;
    Ok(NewKey { id, public, secret })
}

/// Writes a file at once.
pub fn write(path: &Path, text: &str, existing: Existing, access: Access) -> Result<()> {
    let output = Output { path, existing, access, made_from: None };
    output.write(|to| fs::write(to, text).with_context(|| format!("writing {}", to.display())))
}

/// A secret key that is ready to sign.
pub struct Signer(SecretKey);

impl Signer {
    /// Reads a secret key's file, and its password if it has one, and tries it.
    pub fn read(path: &Path) -> Result<Signer> {
        let doing = || format!("reading the secret key {}", path.display());
        if fs::metadata(path).with_context(doing)?.len() > MAX_BYTES {
            bail!("{}: it is too long for a key", doing());
        }
        let text = fs::read_to_string(path).with_context(doing)?;
        Signer::parse(&text, &path.display().to_string())
    }

    /// Reads the text of such a file; `name` is what the key is called where its password is asked for.
    pub fn parse(text: &str, name: &str) -> Result<Signer> {
        let doing = || format!("reading the secret key {name}");
        let key = text.lines().nth(1).unwrap_or_default();
        let secret = match decode_exactly::<LENGTH>(key) {
            Some(_) if key.starts_with(WITH_PASSWORD) => {
                let password = password(name)?;
                SecretKeyBox::from_string(text).and_then(|boxed| boxed.into_secret_key(Some(password)))
            }
            Some(bytes) if key.starts_with(WITHOUT_PASSWORD) => read_plain(text, &bytes),
            Some(_) | None => bail!("{}: it is no secret key of minisign", doing()),
        };
        let signer = Signer(secret.with_context(doing)?);
        signer.sign(b"", "").with_context(doing)?;
        Ok(signer)
    }

    /// The text of the file that is pinned on machines: `manifest.pub`.
    pub fn public(&self) -> Result<String> {
        let public = PublicKey::from_secret_key(&self.0).and_then(|public| public.to_box());
        Ok(public.context("writing the public key")?.to_string())
    }

    /// Which key it is.
    pub fn id(&self) -> Result<KeyId> {
        key_id(self.0.keynum())
    }

    /// The text of `<file>.minisig`.
    pub fn sign(&self, file: &[u8], trusted_comment: &str) -> Result<String> {
        let comment = format!("signature by dock0 with the key {}", self.id()?);
        // With the public key at hand, the signature is tried at once: a damaged secret key makes some that fit nothing.
        let public = PublicKey::from_secret_key(&self.0).context("signing")?;
        let signature = minisign::sign(Some(&public), &self.0, file, Some(trusted_comment), Some(&comment));
        Ok(signature.context("signing")?.into_string())
    }
}

/// A key without a password. The minisign program leaves zeros where its checksum would be.
fn read_plain(text: &str, bytes: &[u8; LENGTH]) -> minisign::Result<SecretKey> {
    match bytes.last_chunk() == Some(&[0; CHECKSUM]) {
        true => SecretKey::from_bytes(bytes),
        false => SecretKeyBox::from_string(text)?.into_unencrypted_secret_key(),
    }
}

fn key_id(bytes: &[u8]) -> Result<KeyId> {
    let bytes = bytes.try_into().map_err(|_| anyhow!("the key's id has {} bytes", bytes.len()))?;
    Ok(KeyId::from_bytes(bytes))
}

fn password(name: &str) -> Result<String> {
    match given_password()? {
        Some(password) => Ok(password),
        None => ask(&format!("Password of {name}: ")),
    }
}

fn new_password() -> Result<String> {
    if let Some(password) = given_password()? {
        return Ok(password);
    }
    let password = ask("Password for the new secret key: ")?;
    if password.is_empty() {
        bail!("an empty password protects nothing: --no-password makes a key without one");
    }
    if ask("The same again: ")? != password {
        bail!("the two passwords are not the same");
    }
    Ok(password)
}

fn given_password() -> Result<Option<String>> {
    match env::var(PASSWORD) {
        Ok(password) => Ok(Some(password)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => bail!("${PASSWORD} is not UTF-8"),
    }
}

fn ask(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("the secret key needs a password, and there is no terminal to ask on: set ${PASSWORD}");
    }
    rpassword::prompt_password(prompt).context("asking for the password")
}
