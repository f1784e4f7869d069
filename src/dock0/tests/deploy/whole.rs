//! From nothing to a login: the stand-in's machines boot, hear from the metadata service whom they may believe, take their
//! configuration, call themselves good and let people log in.

use crate::keys;
use crate::place::{HERE, Place};
use fake_linode::{FakeLinode, Settings};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long everything takes at the stand-in.
const PACE: Duration = Duration::from_millis(200);

/// What the VM is told beside whom it may believe.
const SETTINGS: &str = "{\"tries\": 5}";

fn built(path: &str) -> PathBuf {
    let path = qemu::repository().join("build").join(path);
    assert!(path.exists(), "{} is missing: just initrd root debian", path.display());
    path
}

/// A port that nobody has.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Whole {
    place: Place,
    ssh: u16,
    config: u16,
}

impl Whole {
    /// An image with this root, and a configuration with a key to log in with.
    fn new(root: &str) -> Whole {
        let (ssh, config) = (port(), port());
        let forwards = BTreeMap::from([("web1".to_string(), [ssh, config])]);
        let fake = FakeLinode::start(Settings { pace: PACE, forwards, ..Settings::default() }).unwrap();
        let place = Place::with(fake, keys::Place::new());
        let Place { keys, .. } = &place;
        let [kernel, initrd, root] = ["kernel/linode/vmlinuz", "initrd.img", root].map(built);
        let artifacts =
            format!("kernel=1@{} initrd=1@{} vm_root=1@{}", kernel.display(), initrd.display(), root.display());
        keys.must(&format!("$0 disk --linode --timeout 0 -o boot.img.gz {artifacts}"));
        keys.must("rm keys/web1.* && ssh-keygen -q -t ed25519 -N '' -f key");
        keys.must(
            "umask 077 && mkdir -p templates/etc templates/root/.ssh && cp key.pub templates/root/.ssh/authorized_keys",
        );
        keys.must("echo web1 > templates/etc/hostname && chmod 755 templates/etc && chmod 644 templates/etc/hostname");
        keys.put("settings.json", SETTINGS);
        place.section(&HERE.replace("64", "512").replace("disks", "settings: settings.json, disks"));
        Whole { place, ssh, config }
    }

    fn dock0(&self, words: &str) -> keys::Said {
        self.place.run(&format!("{words} web1=127.0.0.1:{}", self.config))
    }

    /// Runs something on the VM.
    fn over_ssh(&self, command: &str) -> String {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
        ssh.args(["-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR", "-p", &self.ssh.to_string(), "-i"]);
        let output = ssh.arg(self.place.keys.at("key")).args(["root@127.0.0.1", command]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn deploys_to_a_login(&self, words: &str) {
        let said = self.dock0(&format!("deploy {words}"));
        let id = self.place.linode()["id"].as_u64().unwrap();
        let console = || std::fs::read_to_string(self.place.fake.console(id)).unwrap_or_default();
        assert_eq!(said.code, Some(0), "{said:?}\n{}", console());
        assert!(said.out.starts_with("web1: good after "), "{said:?}");
        assert!(self.over_ssh("hostname; menagerie status").starts_with("web1\nrunning        release 0, "));
        assert_eq!(self.over_ssh("cat /run/vm/bootmnt/dock0/settings.json"), SETTINGS);
        assert!(!console().contains("Attempted to kill init"), "{}", console());
    }
}

#[test]
fn from_nothing_to_a_login_in_the_tiny_root() {
    let whole = Whole::new("vm_root.erofs");
    whole.place.fake.fill_metadata_slowly(2);
    whole.deploys_to_a_login("");
    let keys = &whole.place.keys;
    assert!(keys.read("keys/web1.fingerprint").starts_with("sha256//"));
    assert!(!keys.at("keys/web1.enrolment").exists(), "the token is worth nothing any more");
    assert_eq!(whole.place.get("/images")["results"], 1, "the image that all can have stays");

    let status = whole.dock0("status");
    assert!(status.code == Some(0) && status.out.contains("standing      good"), "{status:?}");
    let before = whole.place.changes();
    let said = whole.dock0("deploy");
    assert!(said.code == Some(0) && said.out.starts_with("web1: good after "), "{said:?}");
    assert_eq!(whole.place.changes(), before, "nothing was to be done");

    // A VM that runs takes another configuration, and has it from its next boot on.
    keys.must("echo other > templates/etc/motd");
    let said = whole.dock0("deploy");
    assert!(
        said.out.starts_with("web1: up, and has its new configuration from its next boot on (dock0 reboot), after "),
        "{said:?}"
    );
    assert_eq!(whole.place.changes(), before);

    // A boot disk that is made again has another key, which its own image brings: anybody on the old VM could read its metadata.
    let first = keys.read("keys/web1.fingerprint");
    whole.over_ssh("echo kept > /root/kept; sync");
    whole.deploys_to_a_login("--keep-data --yes");
    assert_ne!(keys.read("keys/web1.fingerprint"), first);
    assert_eq!(whole.over_ssh("cat /root/kept"), "kept\n", "what was on the scratch disk is there");
}

#[test]
fn from_nothing_to_a_login_in_debian() {
    Whole::new("debian.erofs").deploys_to_a_login("");
}

/// Where no metadata service says whom to believe, the VM's own image does.
#[test]
fn from_nothing_to_a_login_where_there_is_no_metadata() {
    let whole = Whole::new("vm_root.erofs");
    let section = whole.place.keys.read("web1.yaml");
    whole.place.keys.put("web1.yaml", section.replace("us-ord", "ap-west"));
    whole.deploys_to_a_login("");
    assert_eq!(whole.place.get("/images")["results"], 0);
    assert!(whole.place.keys.read("keys/web1.fingerprint").starts_with("sha256//"));
}
