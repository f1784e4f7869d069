//! The child as it ships: how much memory it takes and may take; and servers with every kind of handshake that needs its arithmetic
//! on curves, which is not the one of the tests' own build.

use fetch_tests::ca::Ca;
use fetch_tests::hostile::{Hostile, Script};
use fetch_tests::nginx::Nginx;
use fetch_tests::place::{Place, job};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm};
use rustls::crypto::ring::{cipher_suite as suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use std::path::PathBuf;
use std::time::Duration;

fn shipped() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../build/init");
    let path =
        path.canonicalize().expect("build/init is missing: run the tests with ./justw test, which builds it first");
    path.to_string_lossy().into_owned()
}

#[test]
fn the_child_that_ships_is_small_whatever_it_fetches() {
    let ca = Ca::new(&["localhost"]).unwrap();
    let place = Place::new(&shipped(), &ca.pem).unwrap();
    // Slow enough to be looked at.
    for (size, path) in [(2 << 20, "slower/blob"), (24 << 20, "slow/blob")] {
        let bytes = fetch_tests::noise(size, 3);
        let nginx = Nginx::start(&ca, &[("blob", &bytes)]).unwrap();
        let (fetched, watched) = place.fetch_watched(&job(&bytes, &[&nginx.https(path)]), Duration::from_secs(60));
        fetched.and_then(|fetched| fetched.by_reading()).unwrap();
        let watched = watched.expect("the child was never seen");
        assert_eq!(watched.address_space, 16 << 20, "{size} bytes");
        assert!((1 << 10..4 << 10).contains(&watched.peak), "{size} bytes: {watched:?}");
        std::fs::remove_file(place.part()).unwrap();
    }
}

fn five() -> Script {
    Box::new(|_, _, wire| wire.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"))
}

#[test]
fn the_child_that_ships_knows_good_servers_and_forged_ones() {
    let groups: [&'static dyn SupportedKxGroup; 2] = [kx_group::X25519, kx_group::SECP256R1];
    for keys in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        for suite in [suite::TLS13_AES_128_GCM_SHA256, suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256] {
            for group in groups {
                let provider =
                    CryptoProvider { cipher_suites: vec![suite], kx_groups: vec![group], ..default_provider() };
                one_knows(&format!("{keys:?}, {:?}, {:?}", suite.suite(), group.name()), keys, &provider);
            }
        }
    }
}

fn one_knows(row: &str, keys: &'static SignatureAlgorithm, provider: &CryptoProvider) {
    let ca = Ca::with_keys(keys, &["127.0.0.1"]).unwrap();
    let place = Place::new(&shipped(), &ca.pem).unwrap();
    let serve = |ca: &Ca| Hostile::start("127.0.0.1", Some(ca.server_with(provider.clone()).unwrap()), five()).unwrap();
    let (good, forged) = (serve(&ca), serve(&ca.forged()));

    let (fetched, _) = place.fetch(&job(b"12345", &[&forged.url("five")]));
    let sentence = fetched.unwrap_err().to_string();
    assert!(sentence.ends_with(" has no certificate that we trust: BadSignature"), "{row}: {sentence}");
    assert_eq!(forged.asked(), [], "{row}");

    let (fetched, _) = place.fetch(&job(b"12345", &[&good.url("five")]));
    fetched.and_then(|fetched| fetched.by_reading()).unwrap_or_else(|failure| panic!("{row}: {failure}"));
    assert_eq!(good.asked().len(), 1, "{row}");
}
