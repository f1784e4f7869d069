//! TLS for the child that listens: 1.3 alone, with this VM's certificate, for clients that the operators' CA vouches for and
//! for those that show nothing.

use super::certificate::base64;
use crate::failure::Failure;
use crate::fetch::crypto;
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, version};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What this VM shows, and whom it believes; all of it PEM.
pub struct Papers<'p> {
    /// Its certificate, and those between it and a CA.
    pub certificate: &'p [u8],
    /// Its key: PKCS #8 or SEC 1, P-256 or P-384.
    pub key: &'p [u8],
    /// The operators' CA, if there is one.
    pub operators: Option<&'p [u8]>,
}

/// What a server needs to know, and the fingerprint of its key.
pub fn server(papers: &Papers) -> Result<(Arc<ServerConfig>, String), Failure> {
    let chain = certificates(papers.certificate, "this VM's certificate")?;
    let fingerprint = fingerprint_of(papers.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(papers.key).map_err(|why| bad("this VM's key", &why))?;
    let key = any_ecdsa_type(&key).map_err(|why| bad("this VM's key", &why))?;
    let own = CertifiedKey::new(chain, key);
    own.keys_match().map_err(|why| bad("this VM's key and certificate", &why))?;
    let builder = ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|why| bad("TLS", &why))?;
    let builder = match papers.operators {
        None => builder.with_no_client_auth(),
        Some(pem) => builder.with_client_cert_verifier(verifier(pem)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A connection lives for one request; there is nothing to resume.
    config.send_tls13_tickets = 0;
    Ok((Arc::new(config), fingerprint))
}

fn verifier(pem: &[u8]) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Failure> {
    const WHAT: &str = "the operators' CA";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, WHAT)? {
        roots.add(certificate).map_err(|why| bad(WHAT, &why))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto::provider());
    builder.allow_unauthenticated().build().map_err(|why| bad(WHAT, &why))
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|why| bad(what, &why))?;
    if all.is_empty() {
        return Err(bad(what, &"there is no certificate in it"));
    }
    Ok(all)
}

/// The fingerprint of the key of this VM's certificate.
pub fn fingerprint_of(certificate: &[u8]) -> Result<String, Failure> {
    let chain = certificates(certificate, "this VM's certificate")?;
    chain.first().map(fingerprint).transpose().map(Option::unwrap_or_default)
}

/// `sha256//…` of its public key, as curl's `--pinnedpubkey` takes it.
fn fingerprint(certificate: &CertificateDer<'_>) -> Result<String, Failure> {
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|why| bad("this VM's certificate", &why))?;
    Ok(format!("sha256//{}", base64(&Sha256::digest(parsed.subject_public_key_info()))))
}

fn bad(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("reading {what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::certificate;

    #[test]
    fn papers_that_cannot_be_used_are_named() {
        let (one, other) = (certificate::make_key().unwrap(), certificate::make_key().unwrap());
        let made = certificate::make_certificate(one.as_bytes()).unwrap();
        let (certificate, key) = (made.as_bytes(), one.as_bytes());
        let papers = |certificate, key, operators| Papers { certificate, key, operators };
        server(&papers(certificate, key, Some(certificate))).unwrap();
        let (_, fingerprint) = server(&papers(certificate, key, None)).unwrap();
        assert_eq!((fingerprint.len(), fingerprint.get(..8)), (52, Some("sha256//")));
        for (name, papers, sentence) in [
            ("no certificate", papers(b"", key, None), "reading this VM's certificate: there is no certificate in it"),
            ("no key", papers(certificate, b"", None), "reading this VM's key: no items found"),
            ("another key", papers(certificate, other.as_bytes(), None), "reading this VM's key and certificate: "),
            ("no CA", papers(certificate, key, Some(b"x")), "reading the operators' CA: there is no certificate in it"),
            (
                "a CA of noise",
                papers(certificate, key, Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
                "reading the operators' CA: ",
            ),
        ] {
            let failure = server(&papers).map(drop).unwrap_err().to_string();
            assert!(failure.starts_with(sentence), "{name}: {failure}");
        }
    }
}
