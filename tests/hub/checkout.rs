//! A repository to publish from: real git, one file, and a `./justw assets FOLDER` that makes what a test wants.

use crate::Hub;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who commits, when, with no settings of this machine's.
const GIT: [(&str, &str); 8] = [
    ("GIT_AUTHOR_NAME", "A Publisher"),
    ("GIT_AUTHOR_EMAIL", "publisher@example.org"),
    ("GIT_AUTHOR_DATE", "@1700000000 +0000"),
    ("GIT_COMMITTER_NAME", "A Publisher"),
    ("GIT_COMMITTER_EMAIL", "publisher@example.org"),
    ("GIT_COMMITTER_DATE", "@1700000000 +0000"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
];

/// A working directory with its repository.
#[derive(Debug)]
pub struct Checkout {
    directory: tempfile::TempDir,
}

impl Checkout {
    /// With one commit, whose `justw` is this script of a shell; `$1` is `assets`, and `$2` the folder to fill.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(script: &str) -> io::Result<Checkout> {
        let checkout = Checkout { directory: tempfile::tempdir()? };
        checkout.git(&["init", "--quiet", "--initial-branch", "main"])?;
        std::fs::write(checkout.path(".gitignore"), "/build\n/dist\n/dist.*\n")?;
        std::fs::write(checkout.path("justw"), format!("#!/bin/sh\nset -eu\n{script}"))?;
        checkout.git(&["add", "."])?;
        checkout.git(&["update-index", "--chmod=+x", "justw"])?;
        checkout.git(&["commit", "--quiet", "--message", "The first"])?;
        checkout.git(&["checkout", "--quiet", "--", "."])?;
        Ok(checkout)
    }

    /// A place in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, commits it under this title, and returns the commit's name.
    ///
    /// # Errors
    /// If git fails.
    pub fn commit(&self, file: &str, text: &str, title: &str) -> io::Result<String> {
        std::fs::write(self.path(file), text)?;
        self.git(&["add", file])?;
        self.git(&["commit", "--quiet", "--message", title])?;
        self.head()
    }

    /// The newest commit's name.
    ///
    /// # Errors
    /// If git fails.
    pub fn head(&self) -> io::Result<String> {
        self.git(&["rev-parse", "HEAD"])
    }

    /// What git prints.
    ///
    /// # Errors
    /// If it fails: with what it says.
    pub fn git(&self, words: &[&str]) -> io::Result<String> {
        let output = Command::new("git").args(words).current_dir(self.directory.path()).envs(GIT).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// A program in this directory, whose `gh` goes to the hub.
    pub fn command(&self, program: &Path, hub: &Hub) -> Command {
        let mut command = Command::new(program);
        for name in hub.removed() {
            command.env_remove(name);
        }
        command.envs(hub.environment()).envs(GIT).current_dir(self.directory.path());
        command
    }
}
