//! Who a VM must be: of our CA and of its name, or the holder of one key. TLS 1.3 alone, as VMs speak it.

use anyhow::{Context, Result};
use data_encoding::BASE64;
use menagerie::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, RootCertStore,
    SignatureScheme, version,
};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a fingerprint begins with, as curl's `--pinnedpubkey` takes it.
const FINGERPRINT: &str = "sha256//";

/// The SHA-256 of a key (of its SubjectPublicKeyInfo), written `sha256//` and base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate's key.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
        let parsed = webpki::EndEntityCert::try_from(certificate);
        let parsed = parsed.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        Ok(Fingerprint(Sha256::digest(parsed.subject_public_key_info()).into()))
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix(FINGERPRINT).and_then(|rest| BASE64.decode(rest.as_bytes()).ok());
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok()).map(Fingerprint);
        bytes.ok_or_else(|| "must be sha256// and 44 characters of base64, as the VM's console shows it".into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FINGERPRINT}{}", BASE64.encode(&self.0))
    }
}

/// What makes a server the VM that is meant.
pub enum Expected {
    /// A certificate for its name by this CA, which is shown as the file it is in.
    OfCa(RootCertStore, String),
    /// This key, whatever its certificate says.
    Key(Fingerprint),
    /// Whoever answers: for questions that anybody may ask and hear.
    Anybody,
}

/// TLS to such a VM; `own` is shown if the VM asks for it.
pub fn client(expected: Expected, own: Option<CertifiedKey>) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let proof = match expected {
        Expected::Key(fingerprint) => Proof::Key(fingerprint),
        Expected::Anybody => Proof::None,
        Expected::OfCa(roots, shown_as) => {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            Proof::Ca(verifier.context("trusting the operators' CA")?, shown_as)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .context("setting TLS up")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { proof, provider }));
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => builder.with_no_client_auth(),
    };
    // A connection lives for one request; there is nothing to resume.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

#[derive(Debug)]
enum Proof {
    Ca(Arc<WebPkiServerVerifier>, String),
    Key(Fingerprint),
    None,
}

/// Finds out whether a server is who it must be, and says why not in an operator's words.
#[derive(Debug)]
struct Verifier {
    proof: Proof,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(certificate)?;
        match &self.proof {
            Proof::None => Ok(ServerCertVerified::assertion()),
            Proof::Key(pinned) if *pinned == shown => Ok(ServerCertVerified::assertion()),
            Proof::Key(pinned) => Err(refusal(format!("it is another VM: its key is {shown}, not {pinned}"))),
            Proof::Ca(verifier, ca) => {
                verifier.verify_server_cert(certificate, between, name, ocsp, now).map_err(|error| {
                    let name = name.to_str();
                    refusal(format!("it is not {name} of our CA {ca}: {}", words(&error, &name, &shown)))
                })
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()) // TLS 1.2 is not offered
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

fn refusal(why: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refusal(why)))))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named here all means that the CA did not sign it")]
fn words(error: &Error, name: &str, shown: &Fingerprint) -> String {
    let Error::InvalidCertificate(why) = error else { return error.to_string() };
    let time = |time: &UnixTime| Timestamp::from_unix(time.as_secs());
    match why {
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
            format!("its certificate is for {}", if names.is_empty() { "no name" } else { &names })
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired {} (dock0 keygen vm {name} --force makes another)", time(not_after))
        }
        CertificateError::NotValidYetContext { time: now, not_before } => {
            let (begins, now) = (time(not_before), time(now));
            format!("its certificate is valid from {begins}, and the clock here says {now}")
        }
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "its certificate is not for a VM".into()
        }
        _ => format!(
            "its certificate is not signed by it; its key is {shown} (if the VM's console shows the same: --fingerprint)"
        ),
    }
}

/// `DnsName("web2")` and `IpAddress(192.0.2.7)` without what rustls puts around them.
fn plain(presented: &str) -> String {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(presented);
    inner.trim_matches('"').replace(|c: char| c.is_control(), "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_shown() {
        let text = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
        for bad in ["", "sha256//", &text[8..], &text[..51], "sha256//QUJD", &text.replace('+', "-")] {
            assert!(bad.parse::<Fingerprint>().unwrap_err().starts_with("must be sha256//"), "{bad}");
        }
    }

    #[test]
    fn presented_names_are_shown_plainly() {
        for (presented, want) in [("DnsName(\"web2\")", "web2"), ("IpAddress(192.0.2.7)", "192.0.2.7"), ("x", "x")] {
            assert_eq!(plain(presented), want);
        }
    }
}
