//! A stand-in for Linode, a boot image without anything that boots, keys and files to deploy web1 with.

use crate::keys::{self, Said};
use crate::vm::{Papers, Reply, Vm, sha256, state, stored};
use fake_linode::{FakeLinode, Settings};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long everything takes there.
const PACE: Duration = Duration::from_millis(100);

/// The section `linode:` of a VM where there is no metadata service.
pub const ELSEWHERE: &str = "{region: ap-west, type: g6-nanode-1, image: boot.img.gz, disks: {boot: 64}}";
/// The same where there is one.
pub const HERE: &str = "{region: us-ord, type: g6-nanode-1, image: boot.img.gz, disks: {boot: 64}}";

/// The first of these with more in it.
pub fn elsewhere_and(more: &str) -> String {
    format!("{}, {more}}}", ELSEWHERE.strip_suffix('}').unwrap())
}

pub struct Place {
    pub fake: FakeLinode,
    pub keys: keys::Place,
    /// Who answers for web1.
    pub vm: Vm,
}

impl Place {
    /// With this section `linode:`.
    pub fn new(section: &str) -> Place {
        Place::of(section, Settings::default())
    }

    /// The same, with a stand-in that is set so.
    pub fn of(section: &str, settings: Settings) -> Place {
        let fake = FakeLinode::start(Settings { pace: PACE, ..settings }).unwrap();
        let place = Place::with(fake, keys::Place::new());
        place.image("boot.img.gz", "1");
        place.section(section);
        place.keys.must("mkdir -p templates/etc && echo web1 > templates/etc/hostname");
        place
    }

    /// Nothing to deploy yet.
    pub fn with(fake: FakeLinode, keys: keys::Place) -> Place {
        let vm = answering(&keys, "good");
        Place { fake, keys, vm }
    }

    /// A boot image of files with this text, which no boot loader would take.
    pub fn image(&self, name: &str, text: &str) {
        let disk =
            format!("$0 disk --linode --size 32M -o {name} kernel={text}@file initrd={text}@file vm_root={text}@file");
        self.keys.put("file", text);
        self.keys.must(&disk);
    }

    /// What the configuration says of its Linode from now on.
    pub fn section(&self, section: &str) {
        self.keys.put("web1.yaml", format!("hostname: web1\nlinode: {section}\n"));
    }

    /// `dock0 deploy`, with the VM of this test as web1.
    pub fn deploy(&self, words: &str) -> Said {
        self.run(&format!("deploy {words} web1=127.0.0.1:{}", self.vm.port))
    }

    /// dock0 with these words.
    pub fn run(&self, words: &str) -> Said {
        self.keys.run(&self.line(words))
    }

    /// The same, as a shell takes it.
    pub fn line(&self, words: &str) -> String {
        let base = format!("http://{}/v4", self.fake.address());
        format!("LINODE_API_URL={base} LINODE_TOKEN={} $0 {words}", self.fake.token())
    }

    /// It must end well; returns what it printed.
    pub fn deployed(&self, words: &str) -> String {
        let said = self.deploy(words);
        assert_eq!(said.code, Some(0), "{words}: {said:?}");
        said.out
    }

    /// What the API answers.
    pub fn get(&self, path: &str) -> Value {
        let address = format!("http://{}/v4{path}", self.fake.address());
        let token = format!("Authorization: Bearer {}", self.fake.token());
        let output = Command::new("curl").args(["-s", "-H", &token, &address]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Has it do something.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let address = format!("http://{}/v4{path}", self.fake.address());
        let token = format!("Authorization: Bearer {}", self.fake.token());
        let words = ["-s", "-X", "POST", "-H", &token, "--data-binary", &body.to_string(), &address];
        serde_json::from_slice(&Command::new("curl").args(words).output().unwrap().stdout).unwrap()
    }

    /// The only Linode.
    pub fn linode(&self) -> Value {
        let all = self.get("/linode/instances")["data"].clone();
        assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
        all[0].clone()
    }

    /// The names of its disks, and what its profiles have at sda and sdb.
    pub fn stands(&self) -> (Vec<String>, Vec<[String; 2]>) {
        let at = format!("/linode/instances/{}", self.linode()["id"]);
        let disks = self.get(&format!("{at}/disks"))["data"].clone();
        let disks = disks.as_array().unwrap();
        let name = |id: &Value| {
            let disk = disks.iter().find(|disk| disk["id"] == *id).unwrap_or_else(|| panic!("no disk {id}: {disks:?}"));
            disk["label"].as_str().unwrap().to_string()
        };
        let profiles = self.get(&format!("{at}/configs"))["data"].clone();
        let devices = profiles
            .as_array()
            .unwrap()
            .iter()
            .map(|profile| ["sda", "sdb"].map(|place| name(&profile["devices"][place]["disk_id"])));
        (disks.iter().map(|disk| name(&disk["id"])).collect(), devices.collect())
    }

    /// The requests that change something.
    pub fn changes(&self) -> Vec<String> {
        self.fake.asked().into_iter().filter(|asked| !asked.starts_with("GET ")).collect()
    }
}

/// A VM that installs for ever.
pub fn installing(keys: &keys::Place) -> Vm {
    Vm::start(&Papers::of(&keys.at("keys"), "web1"), |_, _| state("installing", "installing kernel/6.12", None))
}

/// A VM that says this of itself, whatever it is asked.
pub fn showing(keys: &keys::Place, state: Value) -> Vm {
    Vm::start(&Papers::of(&keys.at("keys"), "web1"), move |_, _| Reply::Answer(200, state.to_string()))
}

/// A VM that waits for its configuration, and has this standing once it has one.
pub fn answering(keys: &keys::Place, standing: &'static str) -> Vm {
    booted(keys, standing, json!([]))
}

/// The same, with these boots behind it.
pub fn booted(keys: &keys::Place, standing: &'static str, boots: Value) -> Vm {
    let config: Arc<Mutex<Option<String>>> = Arc::default();
    Vm::start(&Papers::of(&keys.at("keys"), "web1"), move |asked, _| match asked.line.as_str() {
        "GET /" => {
            let config = config.lock().unwrap().clone();
            let standing = if config.is_some() { standing } else { "on trial" };
            let state = json!({"state": "waiting", "doing": "waiting for a configuration", "config": config,
                "standing": standing, "boots": boots, "addresses": ["192.0.2.7"], "failure": null});
            Reply::Answer(200, state.to_string())
        }
        _ => {
            *config.lock().unwrap() = Some(sha256(&asked.body));
            stored(&asked.body)
        }
    })
}
