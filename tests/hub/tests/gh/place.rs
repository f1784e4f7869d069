//! A hub, files to publish, and the programs that speak to it.

use hub::{Hub, Release};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A commit that was pushed.
pub const COMMIT: &str = "1111111111111111111111111111111111111111";
/// One that was not.
pub const STRANGE: &str = "2222222222222222222222222222222222222222";

pub struct Place {
    pub hub: Hub,
    directory: tempfile::TempDir,
}

impl Place {
    /// With one commit, and a kernel and an initrd.
    pub fn new() -> Place {
        let place = Place::of(Hub::start("acme/dock0").unwrap());
        place.hub.push(COMMIT);
        place
    }

    /// The same without the commit.
    pub fn of(hub: Hub) -> Place {
        let place = Place { hub, directory: tempfile::tempdir().unwrap() };
        place.write("kernel", &kernel());
        place.write("initrd", b"an initrd");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The only release there is.
    pub fn release(&self) -> Release {
        let releases = self.hub.releases();
        assert_eq!(releases.len(), 1, "{releases:?}");
        releases.into_iter().next().unwrap()
    }

    pub fn tags(&self) -> Vec<String> {
        self.hub.releases().into_iter().map(|release| release.tag).collect()
    }

    /// The field of a request that opens the API.
    pub fn token(&self) -> String {
        let variables = self.hub.environment().into_iter();
        let tokens: Vec<_> = variables.filter(|(name, _)| name == "GH_TOKEN").map(|(_, token)| token).collect();
        format!("Authorization: token {}", tokens[0])
    }

    /// gh with these words, in the directory of the files.
    pub fn command(&self, words: &str) -> Command {
        let mut gh = Command::new("gh");
        for name in self.hub.removed() {
            gh.env_remove(name);
        }
        gh.args(words.split(' ')).envs(self.hub.environment()).current_dir(self.directory.path());
        gh
    }

    /// What gh says, which must succeed.
    pub fn gh(&self, words: &str) -> String {
        let output = run(&mut self.command(words));
        assert!(output.status.success(), "gh {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The document gh fetches.
    pub fn api(&self, words: &str) -> Value {
        serde_json::from_str(&self.gh(&format!("api {words}"))).unwrap()
    }

    /// What gh complains about, which must fail.
    pub fn refused(&self, words: &str) -> String {
        complaint(&mut self.command(words))
    }

    /// The address of a file for everybody.
    pub fn download(&self, path: &str) -> String {
        format!("{}/acme/dock0/releases/{path}", self.hub.public("127.0.0.1"))
    }
}

/// More than fits into one packet, and no text.
pub fn kernel() -> Vec<u8> {
    (0..300_000_u32).map(|number| (number.wrapping_mul(number) >> 7) as u8).collect()
}

/// What a program complains about, which must fail.
pub fn complaint(command: &mut Command) -> String {
    let output = run(command);
    assert!(!output.status.success(), "{command:?} succeeded: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let missing = |error| panic!("{program:?} does not run: {error}; ./justw test installs it");
    command.output().unwrap_or_else(missing)
}

/// Runs curl without the proxies and settings of who runs the test.
pub fn curl(words: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    run(curl.args(["--disable", "--noproxy", "*", "--silent", "--max-time", "30"]).args(words))
}

/// The status, and the bytes, of what curl gets.
pub fn fetch(words: &[&str]) -> (u32, Vec<u8>) {
    let mut bytes = curl(&[&["--write-out", "%{http_code}"], words].concat()).stdout;
    let status = bytes.split_off(bytes.len() - 3);
    (String::from_utf8(status).unwrap().parse().unwrap(), bytes)
}
