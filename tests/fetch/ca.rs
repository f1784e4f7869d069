//! A certification authority for one test, and a certificate of a server on this machine.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A CA and what it has signed.
#[derive(Clone)]
pub struct Ca {
    /// Its own certificate, in PEM: what the child is given to trust.
    pub pem: String,
    /// The server's certificate and key, in PEM.
    pub server_pem: (String, String),
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Ca {
    /// A new one, with a certificate for these names and addresses.
    pub fn new(names: &[&str]) -> Result<Ca> {
        Ca::with_keys(&rcgen::PKCS_ECDSA_P256_SHA256, names)
    }

    /// A new one whose keys, and those it signs, are of this kind.
    pub fn with_keys(kind: &'static SignatureAlgorithm, names: &[&str]) -> Result<Ca> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(kind)?;
        // A name of its own, so that another test's CA is somebody else and not the same one with another key.
        let name = key.public_key_raw().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        params.distinguished_name.push(DnType::CommonName, name.get(..32).unwrap_or(&name));
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate_for(kind)?;
        let names = names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        let server = CertificateParams::new(names)?.signed_by(&server_key, &issuer)?;
        Ok(Ca {
            pem,
            server_pem: (server.pem(), server_key.serialize_pem()),
            certificate: server.der().clone(),
            key: server_key.serialize_der(),
        })
    }

    /// The same, but for one wrong bit in the signature under the server's certificate.
    pub fn forged(&self) -> Ca {
        let mut certificate = self.certificate.to_vec();
        if let Some(last) = certificate.last_mut() {
            *last ^= 1;
        }
        Ca { certificate: certificate.into(), ..self.clone() }
    }

    /// How a server of our own shows this certificate.
    pub fn server(&self) -> Result<Arc<rustls::ServerConfig>> {
        self.server_with(ring::default_provider())
    }

    /// The same, computing with no more than this.
    pub fn server_with(&self, provider: CryptoProvider) -> Result<Arc<rustls::ServerConfig>> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)?;
        Ok(Arc::new(config))
    }
}
