//! A stand-in for a test, and the two clients that go there.

use fake_linode::{FakeLinode, Settings, linode_cli};
use serde_json::Value;
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long everything takes: longer than any test, unless it lets time pass.
pub const PACE: Duration = Duration::from_secs(3600);
/// How long a machine may take to boot where it is emulated and not alone.
pub const BOOT: Duration = Duration::from_secs(120);

pub struct Place {
    pub fake: FakeLinode,
    pub directory: tempfile::TempDir,
}

impl Deref for Place {
    type Target = FakeLinode;

    fn deref(&self) -> &FakeLinode {
        &self.fake
    }
}

impl Place {
    /// One with a directory of its own.
    pub fn new() -> Place {
        Place::of(Settings::default())
    }

    pub fn of(settings: Settings) -> Place {
        let settings = Settings { pace: PACE, ..settings };
        Place { fake: FakeLinode::start(settings).unwrap(), directory: tempfile::tempdir().unwrap() }
    }

    /// linode-cli with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(linode_cli(&qemu::repository()));
        for name in self.removed() {
            command.env_remove(name);
        }
        command.arg("--suppress-warnings").args(words).envs(self.environment());
        command.current_dir(self.directory.path());
        command
    }

    /// What linode-cli prints, which must succeed.
    pub fn cli(&self, words: &[&str]) -> String {
        let output = run(&mut self.command(words));
        assert!(output.status.success(), "linode-cli {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The list linode-cli prints.
    pub fn json(&self, words: &[&str]) -> Vec<Value> {
        let said = self.cli(&[&["--json"], words].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The one thing in it.
    pub fn one(&self, words: &[&str]) -> Value {
        let [one] = self.json(words).try_into().unwrap();
        one
    }

    /// What linode-cli says of a failure.
    pub fn refused(&self, words: &[&str]) -> String {
        complains(&mut self.command(words))
    }

    /// The status and document of a request with the token.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u32, Value) {
        self.ask_with(&[], method, path, body)
    }

    /// The same with more options for curl.
    pub fn ask_with(&self, options: &[&str], method: &str, path: &str, body: &str) -> (u32, Value) {
        let address = format!("http://{}{path}", self.address());
        let token = format!("Authorization: Bearer {}", self.token());
        let words = ["-X", method, "-H", &token, "--data-binary", body, &address];
        let (status, bytes) = fetch(&[options, &words].concat());
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// The document of a request that succeeds.
    pub fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, document) = self.ask(method, path, &body.to_string());
        assert_eq!(status, 200, "{method} {path} {body}: {document}");
        document
    }

    pub fn get(&self, path: &str) -> Value {
        self.done("GET", path, Value::Null)
    }

    /// What something is when all that was begun is done.
    pub fn later(&self, path: &str, field: &str, wanted: &str) -> Value {
        self.pass(2 * PACE);
        let document = self.get(path);
        assert_eq!(document[field], wanted, "{path}: {document}");
        document
    }

    /// Waits until a machine has brought something about.
    pub fn watch(&self, path: &str, mut is_done: impl FnMut(&Value) -> bool) -> Value {
        let end = Instant::now() + BOOT;
        loop {
            let document = self.get(path);
            if is_done(&document) {
                return document;
            }
            assert!(Instant::now() < end, "{path} is not done after {BOOT:?}: {document}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a console shows a text, and returns all of it.
    pub fn wait_console(&self, linode: u64, text: &str) -> String {
        let end = Instant::now() + BOOT;
        loop {
            let bytes = std::fs::read(self.console(linode)).unwrap_or_default();
            let console = qemu::strip_escapes(&bytes);
            if console.contains(text) {
                return console;
            }
            assert!(Instant::now() < end, "no {text:?} after {BOOT:?}:\n{console}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A Linode that is there and off.
    pub fn linode(&self, label: &str) -> u64 {
        let body = serde_json::json!({"region": "us-ord", "type": "g6-nanode-1", "label": label, "booted": false});
        let id = number(&self.done("POST", "/v4/linode/instances", body));
        self.later(&format!("/v4/linode/instances/{id}"), "status", "offline");
        id
    }

    /// An image of this file, made with gzip, that can be used.
    pub fn image(&self, raw: &Path) -> String {
        let (image, status) = self.upload(&gzip(raw));
        assert_eq!(status, 200);
        self.later(&format!("/v4/images/{image}"), "status", "available");
        image
    }

    /// The name of a new image, and what is answered who uploads these bytes.
    pub fn upload(&self, bytes: &[u8]) -> (String, u32) {
        let file = self.directory.path().join("upload");
        std::fs::write(&file, bytes).unwrap();
        let wish = serde_json::json!({"label": "an image", "region": "us-ord"});
        let answer = self.done("POST", "/v4/images/upload", wish);
        let status = put(&file, answer["upload_to"].as_str().unwrap());
        (answer["image"]["id"].as_str().unwrap().into(), status)
    }

    /// A disk of a Linode, of an image or blank, that can be used.
    pub fn make_disk(&self, linode: u64, size: u64, image: Option<&str>) -> u64 {
        let (label, pass) = ("a disk", "Never-used-1");
        let body =
            serde_json::json!({"label": label, "size": size, "image": image, "root_pass": pass, "filesystem": "raw"});
        let path = format!("/v4/linode/instances/{linode}/disks");
        let id = number(&self.done("POST", &path, body));
        self.later(&format!("{path}/{id}"), "status", "ready");
        id
    }

    /// A profile with these devices.
    pub fn make_config(&self, linode: u64, devices: Value) -> u64 {
        let body = serde_json::json!({"label": "boot", "kernel": "linode/grub2", "devices": devices});
        number(&self.done("POST", &format!("/v4/linode/instances/{linode}/configs"), body))
    }
}

/// The number of what a document tells about.
pub fn number(document: &Value) -> u64 {
    document["id"].as_u64().unwrap_or_else(|| panic!("no id: {document}"))
}

/// A file as an image is uploaded.
pub fn gzip(raw: &Path) -> Vec<u8> {
    let output = run(Command::new("gzip").arg("-1").arg("-c").arg(raw));
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The status of uploading a file as an image.
pub fn put(file: &Path, address: &str) -> u32 {
    fetch(&["-H", "Content-Type: application/octet-stream", "-T", file.to_str().unwrap(), address]).0
}

/// The status, and the bytes, of what curl gets, without the proxies and settings of who runs the test.
pub fn fetch(words: &[&str]) -> (u32, Vec<u8>) {
    let mut curl = Command::new("curl");
    curl.args(["--disable", "--noproxy", "*", "--silent", "--max-time", "60", "--write-out", "%{http_code}"]);
    let mut bytes = run(curl.args(words)).stdout;
    let status = bytes.split_off(bytes.len() - 3);
    (String::from_utf8(status).unwrap().parse().unwrap(), bytes)
}

/// What a program complains about, which must fail.
pub fn complains(command: &mut Command) -> String {
    let output = run(command);
    assert!(!output.status.success(), "{command:?} succeeded: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let missing = |error| panic!("{program:?} does not run: {error}; ./justw linode-cli installs it");
    command.output().unwrap_or_else(missing)
}
