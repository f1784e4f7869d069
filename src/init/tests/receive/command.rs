//! `menagerie receive` and `menagerie config rollback`, as they ship, on a directory instead of a boot partition.

use crate::office::text;
use bundles::gzip;
use bundles::tar::{Archive, Header};
use fetch_tests::operators::{Operators, Paper};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A directory instead of a boot partition, and an operator.
pub struct Place {
    directory: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
    client: PathBuf,
}

impl Place {
    /// One where nothing has happened yet.
    pub fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let operators = Operators::new().unwrap();
        let client = operators.issue(Paper::Client, directory.path()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = Place { directory, port, client };
        fs::create_dir_all(place.disk("dock0/trust")).unwrap();
        fs::write(place.disk("dock0/trust/operators.pem"), operators.pem).unwrap();
        fs::write(place.disk("dock0/settings.json"), json!({"config": {"port": port}}).to_string()).unwrap();
        place
    }

    /// A path on the disk.
    pub fn disk(&self, path: &str) -> PathBuf {
        self.directory.path().join("disk").join(path)
    }

    /// The command, with these words.
    pub fn menagerie(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_init"));
        command.arg("menagerie").arg("--root").arg(self.disk("")).args(words);
        command
    }

    /// Starts it, and pushes a bundle as soon as it says that it waits: the answer, and what came of it.
    fn receive(&self, hostname: &str) -> (Value, Output) {
        let mut child = self.menagerie(&["receive"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.wait_for_it(&mut child);
        (self.push(hostname), child.wait_with_output().unwrap())
    }

    /// Pushes a bundle: the answer.
    pub fn push(&self, hostname: &str) -> Value {
        let file = self.bundle(hostname);
        serde_json::from_str(&text(&self.curl(&["-T", file.to_str().unwrap(), &self.url("/config")]))).unwrap()
    }

    /// What an operator is told.
    pub fn state(&self) -> Value {
        serde_json::from_str(&text(&self.curl(&[&self.url("/")]))).unwrap()
    }

    /// Waits until a part of that has this value.
    pub fn wait_for_state(&self, name: &str, wanted: &Value, patience: Duration) {
        let until = Instant::now() + patience;
        while self.state()[name] != *wanted {
            assert!(Instant::now() < until, "{name} is not {wanted} after {patience:?}: {}", self.state());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A release of one artifact that runs: its id.
    pub fn run_release(&self) -> String {
        fs::create_dir_all(self.disk("artifacts/vm_root")).unwrap();
        fs::write(self.disk("artifacts/vm_root/7"), "").unwrap();
        fs::create_dir_all(self.disk("releases/0")).unwrap();
        symlink("../../artifacts/vm_root/7", self.disk("releases/0/vm_root")).unwrap();
        symlink("releases/0", self.disk("latest")).unwrap();
        let list = self.menagerie(&["--json", "list"]).output().unwrap();
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        let id = list["releases"][0]["id"].as_str().unwrap();
        let device = fs::metadata(self.disk("")).unwrap().dev();
        fs::write(self.directory.path().join("release"), format!("{id} {device}\n")).unwrap();
        id.to_string()
    }

    fn bundle(&self, hostname: &str) -> PathBuf {
        let file = self.directory.path().join("bundle");
        let header = Header::file("config/templates/etc/hostname", hostname.len());
        fs::write(&file, gzip::pack(&Archive::default().add(header, hostname.as_bytes()).end())).unwrap();
        file
    }

    /// Waits until this `receive` says that it listens.
    pub fn wait_for_it(&self, child: &mut Child) {
        let said = BufReader::new(child.stderr.as_mut().unwrap()).lines().next().unwrap().unwrap();
        assert!(
            said.starts_with(&format!("menagerie: waiting on port {}; this VM's key is sha256//", self.port)),
            "{said}"
        );
    }

    fn curl(&self, words: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-k", "--noproxy", "*", "--max-time", "50", "--cert"]).arg(&self.client).args(words);
        curl.output().expect("curl: apt-get install curl")
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    fn status(&self, words: &[&str]) -> String {
        let output = self.menagerie(&["status"]).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn status_json(&self) -> Value {
        serde_json::from_str(&self.status(&["--json"])).unwrap()
    }

    /// What the configuration of this name lays over the root.
    pub fn hostname(&self, of: &str) -> String {
        fs::read_to_string(self.disk(&format!("{of}/templates/etc/hostname"))).unwrap()
    }
}

fn said(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_vm_that_runs_takes_a_configuration_and_goes_back() {
    let place = Place::new();
    assert!(place.status(&[]).contains("config         none\n"));
    assert_eq!(place.status_json()["config"], Value::Null);
    let (answer, output) = place.receive("one");
    let sha256 = answer["sha256"].as_str().unwrap();
    assert!(place.status(&[]).contains(&format!("config         the bundle {sha256}\n")));
    assert!(!place.status(&[]).contains("config before"));
    let next = format!("the next boot has the configuration {sha256}\n");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout)),
        (Some(0), next.as_str().into()),
        "{output:?}"
    );
    place.receive("two");
    assert_eq!((place.hostname("config"), place.hostname("config.prev")), ("two".into(), "one".into()));
    assert!(place.status(&[]).contains(&format!("config before  the bundle {sha256}\n")));
    assert_eq!(place.status_json()["config_before"], json!({"sha256": sha256}));

    let output = place.menagerie(&["config", "rollback"]).output().unwrap();
    assert_eq!(said(&output), (0, next.as_str(), ""));
    assert_eq!((place.hostname("config"), place.hostname("config.prev")), ("one".into(), "two".into()));
    let output = place.menagerie(&["--json", "config", "rollback"]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["config"].as_str().is_some_and(|digest| digest.len() == 64 && digest != sha256), "{json}");
}

/// Settings that keep configurations off the disk keep them off it here too; a release may still be pushed.
#[test]
fn what_is_never_on_the_disk_is_refused() {
    let place = Place::new();
    let settings = json!({"config": {"port": place.port, "store": "memory"}});
    fs::write(place.disk("dock0/settings.json"), settings.to_string()).unwrap();
    let mut child = place.menagerie(&["receive"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    place.wait_for_it(&mut child);
    let bundle = place.bundle("secret");
    let refused = place.curl(&["-w", "%{http_code}", "-T", bundle.to_str().unwrap(), &place.url("/config")]);
    let sentence = "this VM keeps its configuration off its disk (config.store is memory): \
                    it takes one when it waits for one, at every boot";
    assert_eq!(text(&refused), format!("{{\"error\":\"{sentence}\"}}\n422"));
    assert!(!place.disk("config").exists() && !place.disk("config.new").exists());
    // It still listens: what does not fit its own signature is looked at.
    let (paper, url) = (bundle.to_str().unwrap(), place.url("/release.minisig"));
    let kept = place.curl(&["-w", "%{http_code}", "-T", place.client.to_str().unwrap(), &url]);
    assert_eq!(text(&kept), "{\"kept\":true}\n200");
    let judged = place.curl(&["-w", "%{http_code}", "-T", paper, &place.url("/release")]);
    assert!(text(&judged).ends_with("\n422"), "{judged:?}");
    assert_ne!(text(&judged), text(&refused));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// An artifact that is on the disk, signed for: nothing has to be fetched for the release that is pushed.
fn signed_release(place: &Place) -> [String; 2] {
    let root = b"a root";
    fs::create_dir_all(place.disk("artifacts/vm_root")).unwrap();
    fs::write(place.disk("artifacts/vm_root/2"), root).unwrap();
    let sha256: String = Sha256::digest(root).iter().map(|byte| format!("{byte:02x}")).collect();
    let artifact = json!({"name": "vm_root", "version": "2", "size": root.len(), "sha256": sha256, "verity": "0".repeat(64),
        "urls": ["https://192.0.2.1/vm_root"]});
    let manifest = json!({"product": "dock0", "channel": "stable", "arch": "x86_64", "serial": 1,
        "issued": "2026-11-25T10:00:00Z", "expires": "2126-11-25T10:00:00Z", "artifacts": [artifact]});
    let [file, key, pinned] = [
        place.directory.path().join("release.json"),
        place.directory.path().join("key"),
        place.disk("dock0/trust/manifest.pub"),
    ];
    fs::write(&file, manifest.to_string()).unwrap();
    for words in [
        &["-G".as_ref(), "-W".as_ref(), "-p".as_ref(), pinned.as_os_str(), "-s".as_ref(), key.as_os_str()][..],
        &["-S".as_ref(), "-s".as_ref(), key.as_os_str(), "-m".as_ref(), file.as_os_str()],
    ] {
        let ran = Command::new("minisign").args(words).output().expect("minisign: apt-get install minisign");
        assert!(ran.status.success(), "{ran:?}");
    }
    let file = file.to_str().unwrap().to_string();
    [format!("{file}.minisig"), file]
}

#[test]
fn a_release_that_is_pushed_is_printed_as_an_installed_one_is() {
    for (words, want) in [
        (&["receive"][..], "release 0 is "),
        (&["--json", "receive"], "{\"latest\":0,\"releases\":[{\"number\":0,\"id\":\""),
    ] {
        let place = Place::new();
        let [signature, manifest] = signed_release(&place);
        let mut child = place.menagerie(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        place.wait_for_it(&mut child);
        let (first, then) = (place.url("/release.minisig"), place.url("/release"));
        let answers = place.curl(&["-T", &signature, &first, "-T", &manifest, &then]);
        assert_eq!(text(&answers), "{\"kept\":true}\n{\"release\":\"vm_root 2\"}\n");
        let output = child.wait_with_output().unwrap();
        let (code, out, err) = said(&output);
        assert_eq!(code, 0, "{err}");
        assert!(out.starts_with(want) && out.lines().count() == 1, "{out}");
        assert!(out.contains("vm_root"), "{out}");
    }
}

/// As much as a VM that waits says.
#[test]
fn it_says_what_runs_and_where() {
    let place = Place::new();
    let id = place.run_release();
    let mut child = place.menagerie(&["receive"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    place.wait_for_it(&mut child);
    let state = place.state();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((&state["release"], &state["id"]), (&json!("vm_root 7"), &json!(id)));
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    let own = Command::new("hostname").arg("-I").output().expect("hostname: apt-get install hostname");
    let own = String::from_utf8(own.stdout).unwrap();
    let told = state["addresses"].as_array().unwrap();
    assert!(told.iter().all(|told| own.split_whitespace().any(|own| told == own)), "{told:?} of {own}");
    assert_eq!(told.is_empty(), own.trim().is_empty(), "{own}");
}

#[test]
fn what_it_cannot_do_is_said() {
    let place = Place::new();
    let output = place.menagerie(&["config", "rollback"]).output().unwrap();
    let (code, _, err) = said(&output);
    assert_eq!(code, 1);
    assert!(err.ends_with("/config.prev: there is no configuration before this one\n"), "{err}");
    let output = place.menagerie(&["receive", "--retain", "3"]).output().unwrap();
    assert_eq!(said(&output).0, 2, "{output:?}");

    // A reboot is none of its business.
    let mut child = place.menagerie(&["receive"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    place.wait_for_it(&mut child);
    let refused = place.curl(&["-X", "POST", &place.url("/reboot")]);
    assert_eq!(text(&refused), "{\"error\":\"this VM runs, and is rebooted from inside\"}\n");
    // It was there first.
    let output = place.menagerie(&["receive"]).output().unwrap();
    let (code, _, err) = said(&output);
    assert_eq!(
        (code, err),
        (1, format!("menagerie: listening on port {}: address already in use\n", place.port).as_str())
    );
    child.kill().unwrap();
    child.wait().unwrap();

    fs::create_dir_all(place.disk("config/templates")).unwrap();
    assert!(place.status(&[]).contains("config         one that came as no bundle\n"));
    assert_eq!(place.status_json()["config"], json!({"sha256": null}));
    fs::remove_file(place.disk("dock0/trust/operators.pem")).unwrap();
    let output = place.menagerie(&["receive"]).output().unwrap();
    let err = said(&output).2;
    assert_eq!(err, "menagerie: nobody may push anything without dock0/trust/operators.pem\n");
    assert!(Path::new(&place.disk("dock0/identity/vm.key")).exists());
}
