//! A VM of a test: its papers, the shipped child, and an office that keeps what it is given.

use fetch_tests::operators::{Operators, Paper};
use init::config::{Stored, Undone};
use init::failure::Failure;
use init::net::parent::Network;
use init::receive::certificate::{make_certificate, make_key};
use init::receive::parent::{LIFE, Receiver, Terms};
use init::receive::reception::{Ended, Office, Purpose, receive};
use init::receive::state::TABLE;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a test waits at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// A VM that listens until something comes of it.
pub struct Vm {
    /// Its papers, and whatever else a test puts there.
    pub place: tempfile::TempDir,
    /// Who may push.
    pub operators: Operators,
    /// Where it listens.
    pub port: u16,
    /// Of its key.
    pub fingerprint: String,
    ended: JoinHandle<(Ended, Vec<Vec<u8>>)>,
    notes: mpsc::Receiver<String>,
}

impl Vm {
    /// One that waits.
    pub fn start() -> Vm {
        Vm::with_life(LIFE)
    }

    /// One whose connections live so long.
    pub fn with_life(life: Duration) -> Vm {
        let (place, operators) = (tempfile::tempdir().unwrap(), Operators::new().unwrap());
        let file = |name: &str| place.path().join(name);
        let key = make_key().unwrap();
        fs::write(file("vm.pem"), make_certificate(key.as_bytes()).unwrap()).unwrap();
        fs::write(file("vm.key"), key).unwrap();
        fs::write(file("operators.pem"), &operators.pem).unwrap();
        let (ready, is_ready) = mpsc::channel();
        let (note, notes) = mpsc::channel();
        let papers = [file("vm.pem"), file("vm.key"), file("operators.pem")];
        let ended = std::thread::spawn(move || {
            let [certificate, key, operators] = &papers;
            let program = Path::new(env!("CARGO_BIN_EXE_init"));
            let terms = Terms { program: Some(program), port: 0, life, certificate, key, operators: Some(operators) };
            let note = move |text: &str| note.send(text.to_string()).unwrap_or_default();
            let mut receiver = Receiver::start(&terms, &note).unwrap();
            for (name, _) in TABLE {
                receiver.set(name, &format!("the {name}")).unwrap();
            }
            ready.send((receiver.port, receiver.fingerprint.clone())).unwrap();
            let mut office = Shelf::default();
            let ended = receive(&mut receiver, &mut office, Some(Instant::now() + PATIENCE)).unwrap();
            receiver.end().unwrap();
            (ended, office.stored)
        });
        let (port, fingerprint) = is_ready.recv_timeout(PATIENCE).unwrap();
        Vm { place, operators, port, fingerprint, ended, notes }
    }

    /// The address of something there.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// An operator's certificate.
    pub fn client(&self) -> PathBuf {
        self.operators.issue(Paper::Client, self.place.path()).unwrap()
    }

    /// curl with these words, as an operator would call it for a VM that made its own certificate.
    pub fn curl(&self, words: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-k", "--noproxy", "*", "--max-time", "50", "--pinnedpubkey", &self.fingerprint]);
        curl.args(words).output().expect("curl: apt-get install curl")
    }

    /// What came of it, and what was stored or offered.
    pub fn ended(self) -> (Ended, Vec<Vec<u8>>) {
        self.ended.join().unwrap()
    }

    /// The next thing that a person might want to know.
    pub fn note(&self) -> String {
        self.notes.recv_timeout(PATIENCE).unwrap()
    }
}

/// What curl printed.
pub fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[derive(Default)]
struct Shelf {
    stored: Vec<Vec<u8>>,
}

fn read(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

impl Office for Shelf {
    fn purpose(&self) -> Purpose {
        Purpose::Configuration
    }

    fn store(&mut self, bundle: File) -> Result<Stored, Undone> {
        let bytes = read(bundle);
        if bytes.starts_with(b"bad") {
            return Err(Undone::Refused(Failure::new("it is no \"bundle\"")));
        }
        if bytes.starts_with(b"full") {
            return Err(Undone::Failed(Failure::new("storing it: no space left on device")));
        }
        let length = u64::try_from(bytes.len()).unwrap();
        self.stored.push(bytes);
        Ok(Stored { sha256: "ab".repeat(32), files: 1, bytes: length })
    }

    fn believe(&mut self, manifest: File, signature: File) -> Result<String, Undone> {
        let (manifest, signature) = (read(manifest), read(signature));
        if signature.starts_with(b"bad") {
            return Err(Undone::Refused(Failure::new("refusing the manifest")));
        }
        self.stored = vec![manifest, signature];
        Ok("kernel/1".into())
    }

    fn install(&mut self, _: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        Ok(())
    }

    fn reboots(&self) -> bool {
        true
    }

    fn network(&mut self) -> Option<&mut Network> {
        None
    }
}
