//! Servers that are not the VM that is meant, and operators that the VM does not mean: nothing of the bundle gets through.

use crate::place::Place;
use crate::vm::{Papers, Vm, honest};
use data_encoding::BASE64;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose as Purpose, Issuer, KeyPair, PublicKeyData, date_time_ymd};
use rustls::version;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::TcpListener;

/// A certificate of the place's CA, and its key, in PEM.
fn issue(place: &Place, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let ca = KeyPair::from_pem(&place.read("keys/operators.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&place.read("keys/operators.pem"), ca).unwrap();
    let mut params = CertificateParams::new(vec!["web1".to_string()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

/// Such a key's fingerprint.
fn fingerprint(key: &str) -> String {
    let key = KeyPair::from_pem(key).unwrap();
    format!("sha256//{}", BASE64.encode(&Sha256::digest(key.subject_public_key_info())))
}

fn self_made() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["dock0".to_string()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_server_that_is_not_the_vm_gets_nothing() {
    let place = Place::new();
    place.must(
        "$0 keygen operator -o others && $0 keygen vm web1 -o others && $0 keygen vm web2 -o keys --name 192.0.2.7",
    );
    let of = |directory: &str, name| Papers::of(&place.at(directory), name).own;
    let own = self_made();
    let shown = fingerprint(&own.1);
    let of_our_ca = "it is not web1 of our CA keys/operators.pem: its certificate ";
    for (case, own, why) in [
        ("of another CA", of("others", "web1"), "is not signed by it; its key is sha256//"),
        (
            "self-made",
            own,
            &format!("is not signed by it; its key is {shown} (if the VM's console shows the same: --fingerprint)"),
        ),
        ("another VM", of("keys", "web2"), "is for web2, 192.0.2.7"),
        ("an operator", of("keys", "operator"), "is not for a VM"),
        (
            "over",
            issue(&place, |params| params.not_after = date_time_ymd(2025, 3, 1)),
            "expired 2025-03-01T00:00:00Z (dock0 keygen vm web1 --force makes another)",
        ),
        (
            "not yet",
            issue(&place, |params| params.not_before = date_time_ymd(2090, 3, 1)),
            "is valid from 2090-03-01T00:00:00Z, and the clock here says 20",
        ),
        (
            "for clients",
            issue(&place, |params| params.extended_key_usages = vec![Purpose::ClientAuth]),
            "is not for a VM",
        ),
    ] {
        let vm = Vm::start(&Papers { own, ..Papers::of(&place.at("keys"), "web1") }, |asked, _| honest(asked));
        let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{}", vm.port));
        let want = format!("dock0: web1 at 127.0.0.1:{}: {of_our_ca}{why}", vm.port);
        assert!(complaint.starts_with(&want), "{case}: {complaint}");
        assert_eq!(vm.asked(), [], "{case}: it has heard something");
    }
}

#[test]
fn a_vm_that_made_its_own_certificate_is_known_by_its_key() {
    let place = Place::new();
    let own = self_made();
    let (right, wrong) = (fingerprint(&own.1), fingerprint(&self_made().1));
    let vm = Vm::start(&Papers { own, ..Papers::of(&place.at("keys"), "web1") }, |asked, _| honest(asked));
    let push = format!("$0 push web1=127.0.0.1:{} --fingerprint", vm.port);
    let complaint = place.fails(&format!("{push} {wrong}"));
    let want = format!("dock0: web1 at 127.0.0.1:{}: it is another VM: its key is {right}, not {wrong}\n", vm.port);
    assert_eq!((complaint, vm.asked()), (want, vec![]));
    // The CA is not asked, so it need not be there.
    std::fs::remove_file(place.at("keys/operators.pem")).unwrap();
    place.must(&format!("{push} {right}"));
    assert_eq!(vm.lines(), ["GET /", "PUT /config"]);
}

#[test]
fn an_operator_that_the_vm_does_not_believe_learns_which_paper_it_is() {
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, _| honest(asked));
    place.must("$0 keygen operator -o others && mv others/operator.pem keys/other.pem && mv others/operator.key keys/other.key");
    let over = issue(&place, |params| {
        params.not_after = date_time_ymd(2025, 3, 1);
        params.extended_key_usages = vec![Purpose::ClientAuth];
    });
    place.put("keys/over.pem", over.0);
    place.put("keys/over.key", over.1);
    for (name, why) in [
        ("other", "it is not of the operators' CA that this VM trusts"),
        ("over", "by the VM's clock it has expired, or is not valid yet"),
        ("web1", "it is not for operators (dock0 keygen operator)"),
    ] {
        let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{} --identity keys/{name}", vm.port));
        let want = format!("web1 at 127.0.0.1:{}: it refuses our certificate keys/{name}.pem: {why}\n", vm.port);
        assert_eq!(complaint, format!("dock0: {want}"));
        assert_eq!(vm.asked(), []);
    }
}

#[test]
fn what_speaks_something_else_is_told_apart() {
    let place = Place::new();
    let papers = Papers { version: &version::TLS12, ..Papers::of(&place.at("keys"), "web1") };
    let vm = Vm::start(&papers, |asked, _| honest(asked));
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{}", vm.port));
    assert_eq!(complaint, format!("dock0: web1 at 127.0.0.1:{}: it does not speak TLS 1.3\n", vm.port));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            client.unwrap().write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n").unwrap_or_default();
        }
    });
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{port} --timeout 5"));
    let want = format!("dock0: web1 at 127.0.0.1:{port}: it does not speak TLS: is this the right port?\n");
    assert_eq!(complaint, want);
}
