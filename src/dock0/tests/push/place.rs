//! A directory with keys and a bundle, in which dock0 is called as it is typed.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What stands in the bundle, and must never be printed.
pub const SECRET: &str = "hunter2-hunter2-hunter2";

/// `keys/` with a CA, an operator and web1; `build.tar.gz`.
pub struct Place {
    directory: tempfile::TempDir,
    /// What is in `build.tar.gz`.
    pub bundle: Vec<u8>,
}

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

/// A bundle with this as a VM's `/etc/secret`.
pub fn bundle(content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("config/templates/etc/secret").unwrap();
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    // As it is: the secret would be found in what is printed.
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
    archive.append(&header, content).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

impl Place {
    pub fn new() -> Place {
        let place = Place {
            directory: tempfile::tempdir().unwrap(),
            bundle: bundle(&[SECRET.as_bytes(), &[7; 300_000]].concat()),
        };
        place.must("umask 022; $0 keygen operator -o keys && $0 keygen vm web1 -o keys");
        place.put("build.tar.gz", &place.bundle);
        place
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
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
        command.args(["-c", script, env!("CARGO_BIN_EXE_dock0")]).current_dir(self.directory.path());
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
