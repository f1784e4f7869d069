//! A metadata service of a test, and the shipped child that asks it.

use init::enrol::Told;
use init::enrol::parent::{Terms, ask as ask_with};
use init::failure::Failure;
use plain_http::{Answer, Request, Server, Service};
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any test waits for an answer that comes.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The bytes 0 to 31.
pub const TOKEN: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Of some key.
pub const FINGERPRINT: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// A service that runs.
pub struct Metadata {
    server: Server,
    script: Arc<Script>,
}

type Says = dyn Fn(&Request, usize) -> Option<Answer> + Send + Sync;

struct Script {
    says: Box<Says>,
    asked: Mutex<Vec<String>>,
}

impl Service for Script {
    fn answer(&self, request: Request, _: &mut dyn Read) -> Option<Answer> {
        let field = |name: &str| request.field(name).unwrap_or("-").to_string();
        let (expiry, token) = (field("Metadata-Token-Expiry-Seconds"), field("Metadata-Token"));
        let mut asked = self.asked.lock().unwrap();
        let number = asked.iter().filter(|line| line.starts_with(&request.method)).count();
        asked.push(format!("{} {} {expiry} {token}", request.method, request.target));
        (self.says)(&request, number)
    }
}

impl Metadata {
    /// One that answers so to a request, and how many there were with its method before it.
    pub fn new(says: impl Fn(&Request, usize) -> Option<Answer> + Send + Sync + 'static) -> Metadata {
        Metadata::with(Server::bind().unwrap(), says)
    }

    /// One that gives everybody a token, and these user data.
    pub fn saying(data: Answer) -> Metadata {
        Metadata::at(Server::bind().unwrap(), data)
    }

    /// The same at another address.
    pub fn at(listener: TcpListener, data: Answer) -> Metadata {
        Metadata::with(listener, move |request, _| match request.method.as_str() {
            "PUT" => Some(Answer::text(200, "a-token")),
            _ => Some(data.clone()),
        })
    }

    fn with(
        listener: TcpListener,
        says: impl Fn(&Request, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> Metadata {
        let script = Arc::new(Script { says: Box::new(says), asked: Mutex::default() });
        Metadata { server: Server::start(listener, script.clone()).unwrap(), script }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What was asked: method, path, the fields that matter.
    pub fn asked(&self) -> Vec<String> {
        self.script.asked.lock().unwrap().clone()
    }
}

/// What comes of asking this service, and what is said meanwhile.
pub fn ask(metadata: &Metadata) -> (Result<Told, Failure>, Vec<String>) {
    ask_at(&[&metadata.address()], PATIENCE)
}

/// The same at these addresses, for so long.
pub fn ask_at(addresses: &[&str], patience: Duration) -> (Result<Told, Failure>, Vec<String>) {
    ask_by(Path::new(env!("CARGO_BIN_EXE_init")), addresses, patience)
}

/// The same by this program.
pub fn ask_by(program: &Path, addresses: &[&str], patience: Duration) -> (Result<Told, Failure>, Vec<String>) {
    let mut said = Vec::new();
    let terms = Terms { program: Some(program), addresses, pause: Duration::from_millis(50), patience };
    let told = ask_with(FINGERPRINT, &terms, &mut |line| said.push(line.to_string()));
    // Without root, or with an older kernel, it says what it could not be kept from.
    said.retain(|line| !line.starts_with("dock0-enrol is not locked up entirely: "));
    (told, said)
}

/// Why nothing comes of it.
pub fn complain(addresses: &[&str], patience: Duration) -> String {
    ask_at(addresses, patience).0.unwrap_err().to_string()
}
