//! A directory with a configuration, in which dock0 config is called as it is typed.

use dock0::config::check;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use wire::bundle::What;

/// The value of every secret in these tests.
pub const SECRET: &str = "hunter2-hunter2";
/// The commonest call.
pub const BUILD: &str = "\"$0\" config config.yaml";

/// A directory to work in.
pub struct Place(pub tempfile::TempDir);

impl Place {
    /// With config.yaml and templates/etc/hostname.
    pub fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.put("config.yaml", "name: web1\nkey: !env SECRET\n");
        place.put("templates/etc/hostname", "{{ name }}\n");
        place
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; everybody may read it, whatever the umask is.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    /// Writes an executable. Another program does it: one that this one has open for writing, in whatever thread, cannot be
    /// started.
    pub fn script(&self, name: &str, body: &str) {
        fs::create_dir_all(self.at("scripts")).unwrap();
        let mut install = Command::new("install");
        install.args(["-m", "755", "/dev/stdin"]).arg(self.at("scripts").join(name)).stdin(Stdio::piped());
        let mut child = install.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("#!/bin/sh -e\n{body}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    pub fn run(&self, script: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_dock0")]).current_dir(self.0.path()).env("SECRET", SECRET);
        let output = command.output().unwrap();
        for said in [&output.stdout, &output.stderr] {
            let said = String::from_utf8_lossy(said);
            assert!(!said.contains(SECRET), "{script} tells the secret: {said}");
        }
        output
    }

    /// Runs `script`, where `$0` is dock0; it must end well and complain of nothing.
    pub fn must(&self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
        assert!(output.status.success(), "{script}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it complains of.
    pub fn fails(&self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{script}");
        String::from_utf8(output.stderr).unwrap().trim_end().to_string()
    }

    /// What a VM finds below config/templates: mode, path, and content or target.
    pub fn read(&self, bundle: &str) -> Vec<(String, String)> {
        read(&self.at(bundle))
    }
}

fn read(bundle: &Path) -> Vec<(String, String)> {
    let entries = check(&fs::read(bundle).unwrap(), |bundle| {
        let entry = |entry: &wire::bundle::Entry| {
            let content = match entry.what {
                What::Directory => "/".into(),
                What::Link(target) => format!("-> {target}"),
                What::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            };
            (format!("{:o} {}", entry.mode, entry.path), content)
        };
        bundle.entries().iter().map(entry).collect::<Vec<_>>()
    });
    let shorten = |(path, content): (String, String)| Some((path.replacen("config/templates/", "", 1), content));
    entries.unwrap().into_iter().filter(|(path, _)| path.contains("templates/")).filter_map(shorten).collect()
}

/// Whether this is what a VM finds.
pub fn is(found: &[(String, String)], want: &[(&str, &str)]) {
    let found: Vec<(&str, &str)> = found.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    assert_eq!(found, want);
}
