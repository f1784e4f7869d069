//! The operators of VMs: a CA, and certificates that it signs, good ones and others.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Purpose, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// A CA of operators.
pub struct Operators {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub pem: String,
}

/// For whom a certificate is, and for when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// An operator's.
    Client,
    /// An operator's that is over.
    Expired,
    /// A VM's.
    Server,
}

impl Operators {
    /// New ones.
    pub fn new() -> Result<Operators> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        // A name of its own, so that others' CA is somebody else and not the same one with another key.
        let name = key.public_key_raw().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        params.distinguished_name.push(DnType::CommonName, name.get(..32).unwrap_or(&name));
        let pem = params.self_signed(&key)?.pem();
        Ok(Operators { issuer: Issuer::new(params, key), pem })
    }

    /// A certificate and its key in one new PEM file of this directory.
    pub fn issue(&self, paper: Paper, directory: &Path) -> Result<PathBuf> {
        let mut params = CertificateParams::new(vec!["operator".to_string()])?;
        params.extended_key_usages = vec![match paper {
            Paper::Client | Paper::Expired => Purpose::ClientAuth,
            Paper::Server => Purpose::ServerAuth,
        }];
        if paper == Paper::Expired {
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate()?;
        let pem = params.signed_by(&key, &self.issuer)?.pem() + &key.serialize_pem();
        let path = directory.join(format!("client-{}.pem", fs::read_dir(directory)?.count()));
        fs::write(&path, pem)?;
        Ok(path)
    }
}
