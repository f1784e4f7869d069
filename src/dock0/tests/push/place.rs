//! A directory with keys and a bundle, in which dock0 is called as it is typed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What stands in the bundle, and must never be printed.
pub const SECRET: &str = "hunter2-hunter2-hunter2";

/// `keys/` with a CA, an operator and web1; `build.tar.gz`.
pub struct Place(tempfile::TempDir);

/// What it printed.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
}

impl Place {
    pub fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.must("umask 022; $0 keygen operator -o keys && $0 keygen vm web1 -o keys");
        place.put("build.tar.gz", place.bundle());
        place
    }

    pub fn bundle(&self) -> Vec<u8> {
        // Nobody on this side looks further than at its first bytes.
        [b"\x1f\x8b\x08", SECRET.as_bytes(), &[7; 300_000]].concat()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.at(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Runs a script in which `$0` is dock0. Nothing that is secret may be in what it prints.
    pub fn run(&self, script: &str) -> Said {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_dock0")]).current_dir(self.0.path());
        let Output { status, stdout, stderr } = command.env("DOCK0_KEYS", "keys").output().unwrap();
        let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        for text in [&out, &err] {
            assert!(!text.contains(SECRET) && !text.contains("PRIVATE KEY"), "{script}: {text}");
            for entry in fs::read_dir(self.at("keys")).into_iter().flatten().map(Result::unwrap) {
                if entry.path().extension().is_some_and(|extension| extension == "key") {
                    let key = fs::read_to_string(entry.path()).unwrap();
                    let secret = key.lines().nth(1).unwrap_or("none");
                    assert!(!text.contains(secret), "{script} prints a key");
                }
            }
        }
        Said { code: status.code(), out, err }
    }

    /// It must end well; returns what it printed.
    pub fn must(&self, script: &str) -> String {
        let said = self.run(script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        said.out
    }

    /// It must fail; returns what it complained of.
    pub fn fails(&self, script: &str) -> String {
        let said = self.run(script);
        assert_eq!(said.code, Some(1), "{script}: {said:?}");
        said.err
    }
}
