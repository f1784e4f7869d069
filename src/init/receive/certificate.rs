//! A key and a certificate that a machine makes for itself: P-256, signed by itself, for a server, without an end.
//!
//! It is written out here field by field (RFC 5280, RFC 5480; X.690 for the encoding): a library that makes any certificate
//! weighs more than these few lines.

use crate::failure::Failure;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use std::fmt::Display;

/// Makes a key: PKCS #8, as PEM.
pub fn make_key() -> Result<String, Failure> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    Ok(pem("PRIVATE KEY", pkcs8.map_err(|_| failed(&"the kernel gives no random numbers"))?.as_ref()))
}

/// Makes the certificate of a key, as PEM. Its name says nothing: who pins it goes by its key.
pub fn make_certificate(key: &[u8]) -> Result<String, Failure> {
    let random = SystemRandom::new();
    let key = PrivatePkcs8KeyDer::from_pem_slice(key).map_err(|why| failed(&why))?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der(), &random)
        .map_err(|why| failed(&why))?;
    let body = body(key.public_key().as_ref());
    let signature = key.sign(&random, &body).map_err(|_| failed(&"its key does not sign"))?;
    Ok(pem("CERTIFICATE", &sequence(&[&body, &sequence(&[&ECDSA_WITH_SHA256]), &bits(signature.as_ref())])))
}

fn failed(why: &dyn Display) -> Failure {
    Failure::new(format!("making this VM's identity: {why}"))
}

/// `TBSCertificate`
fn body(point: &[u8]) -> Vec<u8> {
    let name = sequence(&[&der(SET, &[&sequence(&[&COMMON_NAME, &der(UTF8, &[b"dock0"])])])]);
    let validity = sequence(&[&der(TIME, &[b"20240101000000Z"]), &der(TIME, &[b"99991231235959Z"])]);
    let public = sequence(&[&sequence(&[&EC_PUBLIC_KEY, &PRIME256V1]), &bits(point)]);
    let for_servers = sequence(&[&EXTENDED_KEY_USAGE, &octets(&sequence(&[&SERVER_AUTH]))]);
    let is_dock0 = sequence(&[&SUBJECT_ALT_NAME, &octets(&sequence(&[&der(DNS_NAME, &[b"dock0"])]))]);
    // The serial need only differ among what one authority signed, and this one signs nothing else.
    let (version, serial) = (der(0xa0, &[&der(INTEGER, &[&[2]])]), der(INTEGER, &[&[1]]));
    let algorithm = sequence(&[&ECDSA_WITH_SHA256]);
    let extensions = der(0xa3, &[&sequence(&[&for_servers, &is_dock0])]);
    sequence(&[&version, &serial, &algorithm, &name, &validity, &name, &public, &extensions])
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTF8: u8 = 0x0c;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const DNS_NAME: u8 = 0x82;

/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// 1.2.840.10045.3.1.7
const PRIME256V1: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// 2.5.4.3
const COMMON_NAME: [u8; 5] = [6, 3, 0x55, 4, 3];
/// 2.5.29.17
const SUBJECT_ALT_NAME: [u8; 5] = [6, 3, 0x55, 0x1d, 17];
/// 2.5.29.37
const EXTENDED_KEY_USAGE: [u8; 5] = [6, 3, 0x55, 0x1d, 37];
/// 1.3.6.1.5.5.7.3.1
const SERVER_AUTH: [u8; 10] = [6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(SEQUENCE, parts)
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    der(OCTET_STRING, &[bytes])
}

/// Whole bytes: no bit of the last one is unused.
fn bits(bytes: &[u8]) -> Vec<u8> {
    der(BIT_STRING, &[&[0], bytes])
}

/// A value of these parts: its tag, its length in the shortest form, its bytes. No certificate here has 64 KiB.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let bytes = parts.concat();
    let [.., high, low] = bytes.len().to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..0x80) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, &bytes].concat()
}

/// A document in PEM (RFC 7468).
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (place, c) in text.chars().enumerate() {
        if place > 0 && place.is_multiple_of(64) {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem + &format!("\n-----END {label}-----\n")
}

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, at| number << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let letter = ALPHABET.get(number >> (18 - 6 * place) & 63).copied().unwrap_or_default();
            text.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn openssl_reads_what_is_made_and_finds_its_signature_good() {
        let (one, other) = (make_key().unwrap(), make_key().unwrap());
        assert_ne!(one, other);
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("vm.pem");
        std::fs::write(&file, make_certificate(one.as_bytes()).unwrap()).unwrap();
        let openssl = |words: &[&str]| {
            let ran =
                Command::new("openssl").args(words).arg(&file).output().expect("openssl: apt-get install openssl");
            assert!(ran.status.success(), "{ran:?}");
            String::from_utf8(ran.stdout).unwrap()
        };
        assert!(
            openssl(&["verify", "-check_ss_sig", "-x509_strict", "-CAfile", file.to_str().unwrap()])
                .ends_with(": OK\n")
        );
        let text = openssl(&["x509", "-noout", "-text", "-in"]);
        for line in [
            "Subject: CN = dock0",
            "ASN1 OID: prime256v1",
            "DNS:dock0",
            "TLS Web Server Authentication",
            "Not After : Dec 31 23:59:59 9999 GMT",
        ] {
            assert!(text.contains(line), "{line:?}: {text}");
        }
        std::fs::write(&file, one).unwrap();
        assert!(openssl(&["pkey", "-noout", "-check", "-in"]).contains("Key is valid"));
    }

    #[test]
    fn what_is_no_key_of_this_kind_gets_no_certificate() {
        for (key, why) in [
            (&b""[..], "making this VM's identity: no items found"),
            (
                b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "making this VM's identity: InvalidEncoding",
            ),
        ] {
            let failure = make_certificate(key).unwrap_err().to_string();
            assert!(failure.starts_with(why), "{failure}");
        }
    }
}
