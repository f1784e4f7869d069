//! A VM of a test: TLS as a VM speaks it, and a script that says what it answers.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion, version};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long it waits for a client: longer than any test takes, and not for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it does with a request.
pub enum Reply {
    /// It takes what comes, and answers.
    Answer(u16, String),
    /// It answers without having asked for the body.
    Refuse(u16, &'static str),
    /// It takes what comes, and hangs up.
    HangUp,
    /// The same, before it has asked for the body.
    HangUpFirst,
}

/// A request: its first line, and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET /`
    pub line: String,
    /// All of it.
    pub body: Vec<u8>,
}

type Script = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// Who it is and whom it believes.
pub struct Papers {
    /// A certificate and its key in PEM.
    pub own: (String, String),
    /// The operators' CA in PEM.
    pub operators: String,
    /// TLS 1.3, or an older one.
    pub version: &'static SupportedProtocolVersion,
}

impl Papers {
    /// Those that `dock0 keygen` made in a directory.
    pub fn of(directory: &Path, name: &str) -> Papers {
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
        let own = (read(&format!("{name}.pem")), read(&format!("{name}.key")));
        Papers { own, operators: read("operators.pem"), version: &version::TLS13 }
    }

    fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.operators.as_bytes()).unwrap()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = PrivateKeyDer::from_pem_slice(self.own.1.as_bytes()).unwrap();
        let certificate = CertificateDer::from_pem_slice(self.own.0.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[self.version]).unwrap();
        let config = config.with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap());
        Arc::new(config.with_single_cert(vec![certificate], key).unwrap())
    }
}

/// It listens until the test ends.
pub struct Vm {
    /// Where.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Vm {
    /// Begins to listen; the script gets each request, and how many were there before.
    pub fn start(papers: &Papers, script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Vm {
        Vm::on(TcpListener::bind("127.0.0.1:0").unwrap(), papers, script)
    }

    /// The same, on a socket that is there.
    pub fn on(
        listener: TcpListener,
        papers: &Papers,
        script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Vm {
        let vm = Vm { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let (asked, config, script) = (vm.asked.clone(), papers.config(), Arc::new(script));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (asked, config, script) = (asked.clone(), config.clone(), script.clone());
                std::thread::spawn(move || serve(client.unwrap(), config, &asked, script.as_ref()));
            }
        });
        vm
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same, without what came along.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// What an honest VM that waits does with a bundle.
pub fn honest(asked: &Asked) -> Reply {
    match asked.line.as_str() {
        "GET /" => state("waiting", "waiting for a configuration", None),
        "PUT /config" => stored(&asked.body),
        other => Reply::Answer(404, format!("{{\"error\":\"there is no {other} here\"}}")),
    }
}

/// How it is.
pub fn state(state: &str, doing: &str, config: Option<&str>) -> Reply {
    let json = serde_json::json!({
        "state": state, "doing": doing, "release": "kernel/6.12", "id": null, "standing": "on trial",
        "config": config, "addresses": ["192.0.2.7"], "uptime": 12, "failure": null, "fingerprint": null, "version": "0.1.0",
    });
    Reply::Answer(200, json.to_string())
}

/// What it says of a bundle that is stored.
pub fn stored(bundle: &[u8]) -> Reply {
    Reply::Answer(200, format!("{{\"sha256\":\"{}\",\"files\":3,\"bytes\":{}}}", sha256(bundle), bundle.len()))
}

/// As sha256sum prints it.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One connection. A client that breaks off, or that TLS refuses, is the test's to notice.
fn serve(tcp: TcpStream, config: Arc<ServerConfig>, asked: &Mutex<Vec<Asked>>, script: &Script) -> Option<()> {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_string();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
    let mut request = Asked { line, body: Vec::new() };
    // A script that needs no body says so before it is asked for one.
    let count = asked.lock().unwrap().len();
    match script(&request, count) {
        Reply::Refuse(status, sentence) => {
            asked.lock().unwrap().push(request);
            return answer(&mut stream, status, &format!("{{\"error\":\"{sentence}\"}}"));
        }
        Reply::HangUpFirst => {
            asked.lock().unwrap().push(request);
            return None;
        }
        Reply::Answer(..) | Reply::HangUp => {}
    }
    if head.contains("Expect: 100-continue\r\n") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).ok()?;
    let reply = script(&request, count);
    asked.lock().unwrap().push(request);
    match reply {
        Reply::Answer(status, json) => answer(&mut stream, status, &json),
        Reply::Refuse(..) | Reply::HangUp | Reply::HangUpFirst => None,
    }
}

fn answer(stream: &mut StreamOwned<ServerConnection, TcpStream>, status: u16, body: &str) -> Option<()> {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}
