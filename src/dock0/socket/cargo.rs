//! What is pushed, read from files and looked at as far as that saves a VM's refusal.

use super::host::Host;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// In a path, each VM's name goes here.
const HOST: &str = "{host}";
/// The longest files that a VM takes, in bytes (docs/config-socket.md).
const MAX_BUNDLE: u64 = 16 << 20;
const MAX_MANIFEST: u64 = 64 << 10;
const MAX_SIGNATURE: u64 = 4096;
/// What gzip begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

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

/// A bundle.
pub fn read_bundle(path: &Path) -> Result<Cargo> {
    let bytes = read(path, MAX_BUNDLE)?;
    match bytes.starts_with(&GZIP) {
        true => Ok(Cargo::Bundle(bytes)),
        false => bail!("{}: is no bundle, it does not begin like gzip", path.display()),
    }
}

/// A manifest, and the signature beside it.
pub fn read_release(manifest: &Path) -> Result<Cargo> {
    let mut signature = manifest.as_os_str().to_os_string();
    signature.push(".minisig");
    let signature = Path::new(&signature);
    Ok(Cargo::Release { manifest: read(manifest, MAX_MANIFEST)?, signature: read(signature, MAX_SIGNATURE)? })
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let doing = || format!("reading {}", path.display());
    let length = fs::metadata(path).with_context(doing)?.len();
    if length > most {
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
        let file = |name: &str, bytes: Vec<u8>| {
            let path = place.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let bundle = |name, bytes| read_bundle(&file(name, bytes)).map(drop).map_err(|error| format!("{error:#}"));
        assert_eq!(bundle("good", vec![0x1f, 0x8b, 8]), Ok(()));
        assert!(
            bundle("tar", b"config/".to_vec()).unwrap_err().ends_with("tar: is no bundle, it does not begin like gzip")
        );
        let large = bundle("large", vec![0; (16 << 20) + 1]).unwrap_err();
        assert!(large.ends_with("large: has 16777217 bytes, and a VM takes 16777216"), "{large}");
        let manifest = file("release.json", vec![b' '; 10]);
        let error = format!("{:#}", read_release(&manifest).map(drop).unwrap_err());
        assert!(error.ends_with("release.json.minisig: No such file or directory (os error 2)"), "{error}");
    }
}
