//! A publisher: its keys, the manifests it signs, and a real nginx with TLS that has them and what they name.

use crate::partition::DiskFile;
use crate::{Partition, Root};
use anyhow::Result;
use dock0::image::Format;
use dock0::signing::{self, Protection, Signer};
use dock0::verity::Verity;
use fetch_tests::ca::Ca;
use fetch_tests::nginx::Nginx;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use tempfile::TempDir;

/// How a VM on QEMU's user network calls the host.
pub const HOST: &str = "10.0.2.2";
/// The same without IPv4.
pub const HOST_IPV6: &str = "fec0::2";
/// How this machine calls itself.
pub const LOCALHOST: &str = "localhost";

/// Who signs and serves.
pub struct Publisher {
    /// The directory of the key that machines trust.
    pub keys: TempDir,
    /// Whose certificate the server has.
    pub ca: Ca,
    /// The bytes of the `vm_root`.
    pub root: Vec<u8>,
    /// The server.
    pub nginx: Nginx,
    /// How whoever installs calls this machine.
    pub host: &'static str,
    /// When manifests expire.
    pub expires: &'static str,
}

impl Publisher {
    /// Of a root with the probe and menagerie, for VMs.
    pub fn new() -> Result<Publisher> {
        Publisher::of(&Root::with_menagerie("installed")?, HOST)
    }

    /// Of this root, under this address.
    pub fn of(root: &Root, host: &'static str) -> Result<Publisher> {
        Publisher::of_format(root, Format::Erofs, host)
    }

    /// The same, packed in another way.
    pub fn of_format(root: &Root, format: Format, host: &'static str) -> Result<Publisher> {
        Publisher::of_bytes(fs::read(&root.pack(format)?.path)?, host)
    }

    /// Of any bytes instead of a root.
    pub fn of_bytes(root: Vec<u8>, host: &'static str) -> Result<Publisher> {
        let ca = Ca::new(&[HOST, HOST_IPV6, LOCALHOST, "127.0.0.1"])?;
        let nginx = Nginx::start(&ca, &[("vm_root", &root)])?;
        Ok(Publisher { keys: new_keys()?, ca, root, nginx, host, expires: "2126-11-25T10:00:00Z" })
    }

    /// The address of a file on the server.
    pub fn url(&self, file: &str) -> String {
        self.reachable(&self.nginx.https(file))
    }

    /// An address of this machine, as whoever installs calls it.
    pub fn reachable(&self, url: &str) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.into() };
        url.replace(LOCALHOST, &host).replace("127.0.0.1", &host)
    }

    /// What the manifest of this serial says: one `vm_root`, `s<serial>`, which is there.
    pub fn release(&self, serial: u64) -> Release {
        let root = artifact("vm_root", &format!("s{serial}"), &self.root, &self.url("vm_root"));
        Release { serial, expires: self.expires, artifacts: vec![root], ..Release::default() }
    }

    /// Puts that manifest there, signed with the key of this directory.
    pub fn publish(&self, serial: u64, keys: &TempDir) -> Result<()> {
        self.offer(&self.release(serial).sign(keys)?)
    }

    /// The same with more artifacts.
    pub fn publish_with(&self, serial: u64, keys: &TempDir, mut more: Vec<Value>) -> Result<()> {
        let mut release = self.release(serial);
        more.append(&mut release.artifacts);
        self.offer(&Release { artifacts: more, ..release }.sign(keys)?)
    }

    /// Puts a manifest and its signature there.
    pub fn offer(&self, signed: &Signed) -> Result<()> {
        self.nginx.put("release.json", &signed.manifest)?;
        self.nginx.put("release.json.minisig", &signed.minisig)
    }

    /// Puts a file there.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.nginx.put(name, bytes)
    }

    /// A disk that trusts this publisher and has no release at all.
    pub fn blank_disk(&self) -> Result<DiskFile> {
        self.partition()?.disk()
    }

    /// The same, before it becomes a disk.
    pub fn partition(&self) -> Result<Partition> {
        let settings = json!({"manifest": {"url": self.url("release.json")}});
        Partition::empty()?
            .file("dock0/settings.json", settings.to_string().as_bytes())?
            .file("dock0/trust/manifest.pub", &public_key(&self.keys)?)?
            .file("dock0/trust/ca.pem", self.ca.pem.as_bytes())
    }
}

/// What a manifest says.
#[derive(Clone, Debug)]
pub struct Release {
    /// What it is a release of.
    pub product: &'static str,
    /// Which line of releases.
    pub channel: &'static str,
    /// For which processor.
    pub arch: &'static str,
    /// Grows.
    pub serial: u64,
    /// When it was made.
    pub issued: &'static str,
    /// Until when it may be installed.
    pub expires: &'static str,
    /// As [`artifact`] makes them.
    pub artifacts: Vec<Value>,
}

impl Default for Release {
    fn default() -> Self {
        Release {
            product: "dock0",
            channel: "stable",
            arch: "x86_64",
            serial: 1,
            issued: "2026-11-25T10:00:00Z",
            expires: "2126-11-25T10:00:00Z",
            artifacts: vec![],
        }
    }
}

impl Release {
    /// The manifest, and its signature by the key of this directory.
    pub fn sign(&self, keys: &TempDir) -> Result<Signed> {
        let Release { product, channel, arch, serial, issued, expires, artifacts } = self;
        let manifest = serde_json::to_vec(&json!({
            "product": product, "channel": channel, "arch": arch, "serial": serial,
            "issued": issued, "expires": expires, "artifacts": artifacts,
        }))?;
        let minisig = Signer::read(&keys.path().join("manifest.key"))?.sign(&manifest, "release.json")?;
        Ok(Signed { manifest, minisig: minisig.into_bytes() })
    }
}

/// A manifest and its signature.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// `release.json`
    pub manifest: Vec<u8>,
    /// `release.json.minisig`
    pub minisig: Vec<u8>,
}

/// A new key, in a directory of its own.
pub fn new_keys() -> Result<TempDir> {
    let keys = tempfile::tempdir()?;
    signing::generate(keys.path(), Protection::None)?;
    Ok(keys)
}

/// The file that is pinned.
pub fn public_key(keys: &TempDir) -> Result<Vec<u8>> {
    Ok(fs::read(keys.path().join("manifest.pub"))?)
}

/// As a manifest has it.
pub fn artifact(name: &str, version: &str, bytes: &[u8], url: &str) -> Value {
    let mut verity = Verity::default();
    verity.update(bytes);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "name": name, "version": version, "size": bytes.len(), "urls": [url],
        "sha256": hex(&Sha256::digest(bytes)), "verity": hex(&verity.finish()),
    })
}
