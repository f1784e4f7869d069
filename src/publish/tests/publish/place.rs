//! A hub, a repository, a key, and the program between them.

use dock0::signing::{self, Protection};
use hub::{Checkout, Hub, Release, State};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// All that a build makes: each file has its name in it, and what the file `text` has.
pub const MAKE_ALL: &str = "mkdir \"$2\"\n\
    for name in config-linode config-microvm dock0 init initrd.img menagerie sbom.cdx.json vm_root-tiny vmlinuz-linode vmlinuz-microvm\n\
    do echo \"$name of $(cat text 2>/dev/null || echo nothing)\" >\"$2/$name\"; done\n";
/// How many files a release has then: ten, the manifest, the sums, and both signatures.
pub const FILES: usize = 14;

pub struct Place {
    pub hub: Hub,
    pub checkout: Checkout,
    /// Of this machine, and of no commit.
    pub outside: tempfile::TempDir,
}

impl Place {
    /// One commit, pushed, and a key. Each build leaves a line in the file `builds` outside.
    pub fn new() -> Place {
        Place::of(MAKE_ALL)
    }

    /// The same with other words of `./justw assets`; `$outside` is where the file `builds` is.
    pub fn of(make: &str) -> Place {
        let outside = tempfile::tempdir().unwrap();
        let count = format!("outside={}\necho \"$*\" >>$outside/builds\n{make}", outside.path().display());
        let place = Place { hub: Hub::start("acme/dock0").unwrap(), checkout: Checkout::new(&count).unwrap(), outside };
        signing::generate(place.outside.path(), Protection::None).unwrap();
        place.hub.push(&place.checkout.head().unwrap());
        place
    }

    /// Another commit, pushed: what is built of it has this text.
    pub fn commit(&self, text: &str, title: &str) -> String {
        let commit = self.checkout.commit("text", text, title).unwrap();
        self.hub.push(&commit);
        commit
    }

    /// A place outside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// How often something was built.
    pub fn builds(&self) -> usize {
        fs::read_to_string(self.path("builds")).map_or(0, |text| text.lines().count())
    }

    /// The program with these words.
    pub fn command(&self, words: &str) -> Command {
        let mut command = self.checkout.command(env!("CARGO_BIN_EXE_publish").as_ref(), &self.hub);
        command.env_remove("DOCK0_MINISIGN_KEY").env_remove("DOCK0_MINISIGN_PASSWORD").args(words.split(' '));
        command
    }

    /// `release` with the key and these words.
    pub fn release(&self, words: &str) -> Command {
        let mut command = self.command("release --key");
        command.arg(self.path("manifest.key")).args(words.split(' '));
        command
    }

    /// `verify` with the key and these words.
    pub fn verify(&self, words: &str) -> Command {
        let mut command = self.command("verify --trust");
        command.arg(self.path("manifest.pub")).args(words.split(' '));
        command
    }

    /// What gh prints, which must succeed.
    pub fn gh(&self, words: &str) -> String {
        done(self.checkout.command("gh".as_ref(), &self.hub).args(words.split(' ')))
    }

    /// What is in `dist/`, as if it had been made in 2020.
    pub fn age_dist(&self) {
        self.sign_again(|manifest| {
            manifest["issued"] = "2020-01-01T00:00:00Z".into();
            manifest["expires"] = "2020-03-31T00:00:00Z".into();
        });
    }

    /// Changes the manifest in `dist/`, as whoever has the key can.
    pub fn sign_again(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut manifest: serde_json::Value = serde_json::from_slice(&self.dist("release.json")).unwrap();
        change(&mut manifest);
        let signer = signing::Signer::read(&self.path("manifest.key")).unwrap();
        let dist = |name: &str| self.checkout.path("dist").join(name);
        let write = |name: &str, text: &str| {
            fs::write(dist(name), text).unwrap();
            fs::write(dist(&format!("{name}.minisig")), signer.sign(text.as_bytes(), name).unwrap()).unwrap();
        };
        write("release.json", &manifest.to_string());
        let mut sums = Command::new("sh");
        let files = "sha256sum $(ls | grep -v -e SHA256SUMS -e NOTES.md)";
        write("SHA256SUMS", &done(sums.args(["-c", files]).current_dir(self.checkout.path("dist"))));
    }

    /// Uploads what is signed in `dist/`, in place of what is there.
    pub fn upload_signed(&self, tag: &str) {
        for name in ["SHA256SUMS", "SHA256SUMS.minisig", "release.json", "release.json.minisig"] {
            self.gh(&format!("release upload {tag} --clobber {}", self.checkout.path("dist").join(name).display()));
        }
    }

    /// The release of this tag at the hub.
    pub fn at_hub(&self, tag: &str) -> Release {
        self.hub.releases().into_iter().find(|release| release.tag == tag).unwrap()
    }

    /// The file of `dist/`.
    pub fn dist(&self, name: &str) -> Vec<u8> {
        fs::read(self.checkout.path("dist").join(name)).unwrap()
    }

    /// That GitHub has every file of `dist/`, and nothing else, whole.
    pub fn assert_uploaded(&self, tag: &str) {
        let release = self.at_hub(tag);
        assert_eq!(release.assets.len(), FILES);
        for (name, asset) in release.assets {
            assert_eq!((asset.state, &*asset.bytes), (State::Uploaded, &*self.dist(&name)), "{name}");
        }
    }
}

/// What it prints, which must succeed.
pub fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text(&output).0
}

/// What it complains about, which must fail; it has printed nothing then.
pub fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (printed, complaint) = text(&output);
    assert_eq!((output.status.code(), printed.as_str()), (Some(1), ""), "{complaint}");
    complaint
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}
