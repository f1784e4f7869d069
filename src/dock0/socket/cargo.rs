//! What is pushed, read from files and looked at as far as that saves a VM's refusal.

use super::host::Host;
use crate::config::check;
use crate::manifest::signature_path;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use wire::{bundle, manifest, minisig};

/// In a path, each VM's name goes here.
const HOST: &str = "{host}";

/// What is pushed.
pub enum Cargo {
    /// A config bundle.
    Bundle(Vec<u8>),
    /// A manifest and its signature.
    Release {
        /// `release.json`
        manifest: Vec<u8>,
        /// `release.json.minisig`
        signature: Vec<u8>,
    },
}

/// A bundle that somebody has made, by hand perhaps: it is held to the rules that a VM has.
pub fn read_bundle(path: &Path) -> Result<Cargo> {
    let bytes = read(path, bundle::MAX_PACKED)?;
    check(&bytes, |_| ()).with_context(|| format!("{}: a VM would refuse it", path.display()))?;
    Ok(Cargo::Bundle(bytes))
}

/// A manifest, and the signature beside it.
pub fn read_release(path: &Path) -> Result<Cargo> {
    let manifest = read(path, manifest::MAX_BYTES)?;
    Ok(Cargo::Release { manifest, signature: read(&signature_path(path), minisig::MAX_BYTES)? })
}

/// Reads no more than a VM takes (docs/config-socket.md).
fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    let doing = || format!("reading {}", path.display());
    let length = fs::metadata(path).with_context(doing)?.len();
    if length > most as u64 {
        bail!("{}: has {length} bytes, and a VM takes {most}", path.display());
    }
    fs::read(path).with_context(doing)
}

/// These paths for each host; once, for all of them, where no path has `{host}` in it.
pub fn with_host(paths: &[PathBuf], hosts: &[Host]) -> Result<Vec<Vec<PathBuf>>> {
    let texts = paths.iter().map(|path| path.to_str().with_context(|| format!("{}: is not UTF-8", path.display())));
    let texts: Vec<&str> = texts.collect::<Result<_>>()?;
    let differ = texts.iter().any(|text| text.contains(HOST));
    let hosts = if differ { hosts } else { hosts.get(..1).unwrap_or_default() };
    let of = |host: &Host| texts.iter().map(|text| PathBuf::from(text.replace(HOST, &host.name))).collect();
    Ok(hosts.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    #[test]
    fn each_host_has_its_paths_or_all_have_one() {
        let hosts: Vec<Host> = ["web1", "web2=192.0.2.7"].iter().map(|host| host.parse().unwrap()).collect();
        for (paths, want) in [
            (&["a.gz"][..], &[&["a.gz"][..]][..]),
            (&["{host}/{host}.gz"], &[&["web1/web1.gz"], &["web2/web2.gz"]]),
            (&["all", "{host}"], &[&["all", "web1"], &["all", "web2"]]),
        ] {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let want: Vec<Vec<PathBuf>> = want.iter().map(|row| row.iter().map(PathBuf::from).collect()).collect();
            assert_eq!(with_host(&paths, &hosts).unwrap(), want);
        }
    }

    #[test]
    fn what_no_vm_takes_is_not_sent() {
        let place = tempfile::tempdir().unwrap();
        let refusal = |bytes: &[u8]| {
            let path = place.path().join("file");
            fs::write(&path, bytes).unwrap();
            let refused = read_bundle(&path).map(drop).map_err(|error| format!("{error:#}"));
            refused.map_err(|why| why.replace(&path.display().to_string(), "FILE"))
        };
        let good = bundle_of("config/templates/etc/hostname");
        assert_eq!(refusal(&good), Ok(()));
        let refused = "FILE: a VM would refuse it: ";
        assert_eq!(refusal(b"config/"), Err(format!("{refused}the bundle is no gzip file")));
        let cut_off = refusal(&good[..good.len() - 1]);
        assert_eq!(cut_off, Err(format!("{refused}the bundle is cut off: the gzip file ends too early")));
        let stranger = refusal(&bundle_of("etc/hostname"));
        assert_eq!(stranger, Err(format!("{refused}in the bundle etc/hostname is not below config/")));
        // One byte more than can be is not even read, and as many are.
        assert_eq!(
            refusal(&vec![0; bundle::MAX_PACKED + 1]),
            Err("FILE: has 16842753 bytes, and a VM takes 16842752".into())
        );
        assert_eq!(refusal(&vec![0; bundle::MAX_PACKED]), Err(format!("{refused}the bundle is no gzip file")));
    }

    fn bundle_of(path: &str) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(4);
        header.set_cksum();
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        tar.append(&header, &b"web1"[..]).unwrap();
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn a_release_is_read_with_its_signature_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("release.json");
        let refusal = || format!("{:#}", read_release(&path).map(drop).unwrap_err());
        fs::write(&path, vec![b' '; 65_537]).unwrap();
        assert!(refusal().ends_with("release.json: has 65537 bytes, and a VM takes 65536"));
        fs::write(&path, vec![b' '; 65_536]).unwrap();
        assert!(refusal().ends_with("release.json.minisig: No such file or directory (os error 2)"));
        fs::write(signature_path(&path), vec![b' '; 4097]).unwrap();
        assert!(refusal().ends_with("release.json.minisig: has 4097 bytes, and a VM takes 4096"));
        fs::write(signature_path(&path), vec![b' '; 4096]).unwrap();
        read_release(&path).unwrap();
    }
}
