//! A real nginx on free ports of the loopback, in a directory of its own, ended by its process id.

use crate::ca::Ca;
use crate::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/sbin/nginx";

/// A running server.
pub struct Nginx {
    process: Child,
    directory: tempfile::TempDir,
    plain: u16,
    tls: u16,
}

impl Nginx {
    /// Starts one that has these files.
    pub fn start(ca: &Ca, files: &[(&str, &[u8])]) -> Result<Nginx> {
        if !fs::exists(PROGRAM)? {
            bail!("{PROGRAM} is missing: run the tests with ./justw test, which installs nginx-light");
        }
        let directory = tempfile::tempdir()?;
        let below = |name: &str| directory.path().join(name);
        fs::create_dir(below("files"))?;
        for (name, bytes) in files {
            fs::write(below("files").join(name), bytes)?;
        }
        fs::write(below("server.pem"), &ca.server_pem.0)?;
        fs::write(below("server.key"), &ca.server_pem.1)?;
        let (plain, tls) = free_ports()?;
        let config =
            include_str!("nginx.conf").replace("@plain@", &plain.to_string()).replace("@tls@", &tls.to_string());
        fs::write(below("nginx.conf"), config)?;
        let process = Command::new(PROGRAM)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(format!("{}/", directory.path().display()))
            .stderr(Stdio::from(fs::File::create(below("said"))?))
            .spawn()
            .context("starting nginx")?;
        let mut nginx = Nginx { process, directory, plain, tls };
        wait_for("nginx", || {
            let ended = nginx.process.try_wait().ok()?;
            let said = fs::read_to_string(nginx.directory.path().join("said")).unwrap_or_default();
            assert!(ended.is_none(), "nginx ended: {said}");
            TcpStream::connect_timeout(&([127, 0, 0, 1], nginx.tls).into(), PATIENCE).ok()
        });
        Ok(nginx)
    }

    /// The address of a path over TLS.
    pub fn https(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.tls)
    }

    /// The address of a path without.
    pub fn http(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.plain)
    }

    /// Puts a file there, or replaces it.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.directory.path().join("files").join(name);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    /// What was asked for so far and how it was answered, a line each. nginx writes it after the answer.
    pub fn log(&self, lines: usize) -> Vec<String> {
        wait_for("the log of nginx", || {
            let log = fs::read_to_string(self.log_path()).ok()?;
            let all = log.lines().map(String::from).collect::<Vec<_>>();
            (all.len() >= lines).then_some(all)
        })
    }

    /// Who has asked so far, with which TLS and which cipher; each once.
    pub fn ciphers(&self) -> Result<BTreeSet<String>> {
        let log = fs::read_to_string(self.directory.path().join("tls.log"))?;
        Ok(log.lines().map(String::from).collect())
    }

    /// Empties the log.
    pub fn forget(&self) -> Result<()> {
        Ok(fs::write(self.log_path(), "")?)
    }

    /// Where a file that it has stands.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("files").join(name)
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Worst case: it has ended already.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

fn free_ports() -> Result<(u16, u16)> {
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}
