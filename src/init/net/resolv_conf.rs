//! `etc/resolv.conf`, where the resolver finds its name servers (resolv.conf(5)).

use crate::failure::{Doing, Failure};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use wire::inet::is_link_local;

/// The file, and what it was before.
pub struct ResolvConf {
    path: PathBuf,
    before: Option<Option<Vec<u8>>>,
}

impl ResolvConf {
    /// Nothing is touched yet.
    pub fn below(root: &Path) -> ResolvConf {
        ResolvConf { path: root.join("etc/resolv.conf"), before: None }
    }

    /// Names these servers; a link-local one is of this interface.
    pub fn name(&mut self, servers: &[IpAddr], interface: &str) -> Result<(), Failure> {
        if self.before.is_none() {
            self.before = Some(self.read()?);
        }
        self.replace(text(servers, interface).as_bytes())
    }

    /// Puts back what was there.
    pub fn put_back(&mut self) -> Result<(), Failure> {
        match self.before.take() {
            None => Ok(()),
            Some(Some(before)) => self.replace(&before),
            Some(None) => fs::remove_file(&self.path).doing(|| format!("removing {}", self.path.display())),
        }
    }

    fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some).doing(|| format!("reading {}", self.path.display())),
        }
    }

    /// Whoever reads it meanwhile reads the old one or the new one.
    fn replace(&self, text: &[u8]) -> Result<(), Failure> {
        let new = self.path.with_extension("new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .doing(|| format!("writing {}", self.path.display()))
    }
}

fn text(servers: &[IpAddr], interface: &str) -> String {
    let line = |server: &IpAddr| match (server, is_link_local(*server)) {
        (IpAddr::V6(v6), true) => format!("nameserver {v6}%{interface}\n"),
        (server, _) => format!("nameserver {server}\n"),
    };
    // One that is dead costs two seconds, and not five.
    servers.iter().map(line).collect::<String>() + "options timeout:2\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn link_local_servers_are_of_the_interface() {
        assert_eq!(
            text(&servers(&["192.0.2.53", "2001:db8::53", "fe80::1"]), "eth0"),
            "nameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\noptions timeout:2\n"
        );
    }

    #[test]
    fn what_was_there_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("etc/resolv.conf");
        let mut file = ResolvConf::below(root.path());
        let failure = file.name(&servers(&["192.0.2.53"]), "eth0").unwrap_err().to_string();
        assert_eq!(failure, format!("writing {}: no such file or directory", path.display()));
        fs::create_dir(root.path().join("etc")).unwrap();
        for before in [None, Some("nameserver 192.0.2.9\n")] {
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let mut file = ResolvConf::below(root.path());
            file.put_back().unwrap();
            file.name(&servers(&["192.0.2.53"]), "eth0").unwrap();
            file.name(&servers(&["192.0.2.54"]), "eth0").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "nameserver 192.0.2.54\noptions timeout:2\n");
            file.put_back().unwrap();
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            assert_eq!(fs::read_dir(root.path().join("etc")).unwrap().count(), usize::from(before.is_some()));
        }
    }
}
