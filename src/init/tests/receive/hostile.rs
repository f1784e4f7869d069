//! Clients that break off, dawdle, come in crowds or talk out of turn. After each the next good push is taken.

use super::office::{Vm, text};
use init::receive::desk::MAX_BUNDLE;
use init::receive::reception::Ended;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection of a test's.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// An operator's connection over which anything can be said.
fn connect(vm: &Vm) -> Tls {
    connect_to(vm.port, &vm.client())
}

/// The same, with this certificate and key, whoever listens.
pub fn connect_to(port: u16, client: &Path) -> Tls {
    let pem = fs::read(client).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("dock0").unwrap()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(client, socket)
}

/// Everything that is answered until the end.
fn answer(mut tls: Tls) -> String {
    let mut bytes = Vec::new();
    // Some are cut off without a farewell, which is no answer either.
    drop(tls.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The VM is as it was: it takes a good push.
fn takes_a_push(vm: Vm) {
    let (client, bundle) = (vm.client(), vm.place.path().join("good"));
    fs::write(&bundle, "good").unwrap();
    let words = ["--cert", client.to_str().unwrap(), "-T", bundle.to_str().unwrap(), &vm.url("/config")];
    let said = text(&vm.curl(&words));
    assert!(said.contains("\"bytes\":4,"), "{said}");
    assert_eq!(vm.ended(), (Ended::Stored, vec![b"good".to_vec()]));
}

#[test]
fn a_push_that_breaks_off_at_any_point_changes_nothing() {
    let vm = Vm::start();
    let whole = [&b"PUT /config HTTP/1.1\r\nHost: vm\r\nContent-Length: 100000\r\n\r\n"[..], &[b'x'; 100_000]].concat();
    for point in 0..20 {
        let mut tls = connect(&vm);
        tls.write_all(&whole[..whole.len() * point / 20 + point % 7]).unwrap();
        tls.flush().unwrap();
        // Gone with a reset every other time, and properly otherwise.
        rustix::net::sockopt::set_socket_linger(&tls.sock, (point % 2 == 0).then_some(Duration::ZERO)).unwrap();
    }
    takes_a_push(vm);
}

#[test]
fn half_a_push_and_then_silence_is_given_up() {
    let vm = Vm::with_life(Duration::from_secs(2));
    let mut tls = connect(&vm);
    tls.write_all(b"PUT /config HTTP/1.1\r\nHost: vm\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
    let (start, said) = (Instant::now(), answer(tls));
    assert!(
        said.starts_with("HTTP/1.1 408 ") && said.ends_with("{\"error\":\"this took longer than 2 s\"}\n"),
        "{said}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    takes_a_push(vm);
}

#[test]
fn a_byte_now_and_then_is_given_up_too() {
    let vm = Vm::with_life(Duration::from_secs(2));
    let mut slow = TcpStream::connect(("127.0.0.1", vm.port)).unwrap();
    let start = Instant::now();
    while slow.write_all(&[0x16]).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "it is still there");
        std::thread::sleep(Duration::from_millis(200));
    }
    takes_a_push(vm);
}

#[test]
fn two_pushes_at_once_are_one_after_the_other() {
    let vm = Vm::start();
    let mut first = connect(&vm);
    first.write_all(b"PUT /config HTTP/1.1\r\nHost: vm\r\nContent-Length: 4\r\n\r\ngo").unwrap();
    first.flush().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut second = connect(&vm);
    second.write_all(b"PUT /config HTTP/1.1\r\nHost: vm\r\nContent-Length: 3\r\n\r\nbad").unwrap();
    let said = answer(second);
    assert!(said.ends_with("{\"error\":\"another push is under way: try again when it is done\"}\n"), "{said}");
    first.write_all(b"od").unwrap();
    let said = answer(first);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert_eq!(vm.ended(), (Ended::Stored, vec![b"good".to_vec()]));
}

#[test]
fn the_limit_is_taken_and_a_byte_more_is_not() {
    let vm = Vm::start();
    let (client, bundle) = (vm.client(), vm.place.path().join("bundle"));
    let push = |length: u64| {
        fs::File::create(&bundle).unwrap().set_len(length).unwrap();
        let words = ["--cert", client.to_str().unwrap(), "-w", "%{http_code}", "-T", bundle.to_str().unwrap()];
        text(&vm.curl(&[&words[..], &[&vm.url("/config")]].concat()))
    };
    assert_eq!(push(MAX_BUNDLE + 1), "{\"error\":\"16842753 bytes are too many: /config can have 16842752\"}\n413");
    let stored = push(MAX_BUNDLE);
    assert!(stored.contains("\"bytes\":16842752,") && stored.ends_with("}\n200"), "{stored}");
    let (ended, stored) = vm.ended();
    assert_eq!((ended, stored[0].len()), (Ended::Stored, (16 << 20) + (64 << 10)));
}

#[test]
fn a_crowd_that_says_nothing_is_in_nobodys_way() {
    let vm = Vm::start();
    let crowd: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(("127.0.0.1", vm.port)).unwrap()).collect();
    takes_a_push(vm);
    assert_eq!(crowd.len(), 1000);
}

#[test]
fn what_is_no_request_is_answered_with_a_sentence() {
    let vm = Vm::start();
    for (request, status, sentence) in [
        (&b"NONSENSE\r\n\r\n"[..], "400", "this is no HTTP request"),
        (
            b"PUT /config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
            "send it with a Content-Length",
        ),
        (
            b"PUT /config HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
            "400",
            "exactly one number",
        ),
        (
            b"PUT /config HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabc",
            "400",
            "more came than Content-Length says",
        ),
        (b"PUT /config HTTP/1.1\r\nHost: a\r\n\r\n", "411", "no Content-Length"),
        (b"DELETE /config HTTP/1.1\r\nHost: a\r\n\r\n", "405", "with DELETE"),
        (b"GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", "404", "there is no /../etc/passwd here"),
    ] {
        let mut tls = connect(&vm);
        tls.write_all(request).unwrap();
        let said = answer(tls);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")) && said.contains(sentence), "{said}");
    }
    for fields in [b"a: b\r\n".repeat(40), [b"a: ", &[b'b'; 9000][..]].concat()] {
        let mut tls = connect(&vm);
        tls.write_all(&[b"GET / HTTP/1.1\r\nHost: a\r\n", &fields[..], b"\r\n\r\n"].concat()).unwrap();
        let said = answer(tls);
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    }
    takes_a_push(vm);
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
