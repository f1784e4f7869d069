//! Certificates and keys in PEM, read and checked: what an operator shows a VM, what goes onto a disk, what is trusted.

use crate::authority::{CA, Pair};
use anyhow::{Context, Result, anyhow, bail};
use rustls::RootCertStore;
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of keys if nobody names one.
const DIRECTORY_VARIABLE: &str = "DOCK0_KEYS";
/// The name of an operator's files if nobody says so.
pub const OPERATOR: &str = "operator";

/// Where an operator's papers are.
#[derive(Debug, PartialEq, Eq)]
pub struct Papers {
    /// The CA that VMs are known by.
    pub operators: PathBuf,
    /// What the operator shows a VM.
    pub own: Pair,
}

impl Papers {
    /// Where an operator says they are, or the environment does, or else here.
    pub fn find(place: Option<PathBuf>) -> Result<Papers> {
        let variable = || env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        Papers::at(&place.or_else(variable).unwrap_or_else(|| PathBuf::from(".")))
    }

    /// In a directory, under the default name; or beside `BASE.pem`.
    pub fn at(place: &Path) -> Result<Papers> {
        if place.is_dir() {
            return Ok(Papers { operators: place.join(format!("{CA}.pem")), own: Pair::of(place, OPERATOR) });
        }
        let name = place.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: is no directory, and no name of a key", place.display()))?;
        let directory = place.parent().unwrap_or(Path::new(""));
        let own = Pair::of(directory, name);
        // A directory that is not there is no name either: what it is asked for then would be looked for beside it.
        if !own.certificate.exists() && !own.key.exists() {
            bail!("{}: is no directory, and there is no {} either", place.display(), own.certificate.display());
        }
        Ok(Papers { operators: directory.join(format!("{CA}.pem")), own })
    }

    /// Whom a VM's certificate must be signed by.
    pub fn roots(&self) -> Result<RootCertStore> {
        let doing = || format!("reading the operators' CA {}", self.operators.display());
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&fs::read(&self.operators).with_context(doing)?).with_context(doing)? {
            roots.add(certificate).with_context(doing)?;
        }
        Ok(roots)
    }

    /// What the operator shows.
    pub fn own(&self) -> Result<CertifiedKey> {
        let read = |path: &Path| {
            fs::read(path).with_context(|| format!("reading {} (dock0 keygen operator makes it)", path.display()))
        };
        check_pair(&self.own, &read(&self.own.certificate)?, &read(&self.own.key)?)
    }
}

/// The certificates of a PEM file, at least one.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    if all.is_empty() {
        bail!("there is no certificate in it");
    }
    for certificate in &all {
        webpki::EndEntityCert::try_from(certificate).map_err(|why| anyhow!("a certificate in it is none: {why}"))?;
    }
    Ok(all)
}

/// A certificate and its key, if they belong together and a VM can use them.
pub fn check_pair(pair: &Pair, certificate: &[u8], key: &[u8]) -> Result<CertifiedKey> {
    let chain = certificates(certificate).with_context(|| format!("reading {}", pair.certificate.display()))?;
    // What is wrong with a key is said without a byte of it.
    let parsed = PrivateKeyDer::from_pem_slice(key);
    let key = parsed.map_err(|why| anyhow!("reading {}: {why}", pair.key.display()))?;
    let key = any_ecdsa_type(&key)
        .map_err(|_| anyhow!("reading {}: it is no key of P-256 or P-384 without a password", pair.key.display()))?;
    let both = CertifiedKey::new(chain, key);
    both.keys_match().map_err(|_| {
        anyhow!("{} and {}: they do not belong together", pair.key.display(), pair.certificate.display())
    })?;
    Ok(both)
}
