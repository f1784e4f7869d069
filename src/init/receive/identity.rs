//! Who this VM is: its key and its certificate on the boot partition, made where there are none, and the operators it
//! believes.

use super::certificate::{make_certificate, make_key};
use super::parent::{LIFE, Terms};
use super::tls::fingerprint_of;
use crate::failure::{Doing, Failure};
use crate::store::artifact::make_directories;
use crate::store::{Disk, Files, whole};
use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// Where they stand; nobody but root may look into it.
const DIRECTORY: &str = "dock0/identity";
const KEY: &str = "dock0/identity/vm.key";
const CERTIFICATE: &str = "dock0/identity/vm.pem";
/// What proves to operators that this VM's key is its own, where they gave it a token for that: see [`crate::enrol`].
pub const PROOF: &str = "dock0/identity/proof";
/// The longest that is shown, in bytes: they are digits of HMAC-SHA256.
const MAX_PROOF: u64 = 64;
/// The CA of those who may push.
pub const OPERATORS: &str = "dock0/trust/operators.pem";
/// The longest key that is read here, in bytes.
const MAX_KEY: u64 = 64 << 10;

/// Where it all is.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    /// This VM's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The operators' CA, if there is one.
    pub operators: Option<PathBuf>,
    /// Whether the certificate was made just now.
    pub is_new: bool,
}

impl Identity {
    /// The fingerprint of its key, as it is shown.
    pub fn fingerprint(&self) -> Result<String, Failure> {
        let path = self.certificate.display();
        fingerprint_of(&fs::read(&self.certificate).doing(|| format!("reading {path}"))?)
    }

    /// What this VM listens with, by the program that runs.
    pub fn terms(&self, port: u16) -> Terms<'_> {
        let Identity { certificate, key, operators, .. } = self;
        Terms { program: None, port, life: LIFE, certificate, key, operators: operators.as_deref() }
    }
}

/// Finds it; a key or a certificate that is missing is made.
pub fn find_or_make(disk: &Disk) -> Result<Identity, Failure> {
    let root = PathBuf::from(disk.path()?);
    let is_new = !whole::is_there(disk, CERTIFICATE)?;
    if is_new {
        make(disk)?;
    } else if !whole::is_there(disk, KEY)? {
        let (certificate, key) = (disk.show(CERTIFICATE), disk.show(KEY));
        return Err(Failure::new(format!("there is a certificate {certificate}, but no key {key}")));
    }
    let operators = operators_are_known(disk)?.then(|| root.join(OPERATORS));
    Ok(Identity { certificate: root.join(CERTIFICATE), key: root.join(KEY), operators, is_new })
}

/// Whether there is anybody who may push.
pub fn operators_are_known(disk: &Disk) -> Result<bool, Failure> {
    whole::is_there(disk, OPERATORS)
}

/// What proves that this VM's key is its own; empty where nothing does.
pub fn proof(disk: &Disk) -> String {
    let mut proof = String::new();
    // Worst case: whoever asks is not shown it, and does not believe this VM.
    let read = disk.open(PROOF).map(|file| file.take(MAX_PROOF).read_to_string(&mut proof));
    if matches!(read, Ok(Ok(_))) { proof } else { String::new() }
}

/// The key comes first: a certificate is never without one, and power may go in between.
fn make(disk: &Disk) -> Result<(), Failure> {
    if !whole::is_there(disk, DIRECTORY)? {
        make_directories(disk, DIRECTORY)?;
        disk.set_mode(DIRECTORY, 0o700).doing(|| format!("closing {}", disk.show(DIRECTORY)))?;
    }
    if !whole::is_there(disk, KEY)? {
        whole::write(disk, KEY, make_key()?.as_bytes())?;
    }
    let mut key = Vec::new();
    let doing = || format!("reading {}", disk.show(KEY));
    disk.open(KEY).doing(doing)?.take(MAX_KEY).read_to_end(&mut key).doing(doing)?;
    whole::write(disk, CERTIFICATE, make_certificate(&key)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_missing_is_made_and_what_is_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(root.path().to_str().unwrap()).unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        fs::create_dir_all(root.path().join(DIRECTORY)).unwrap();
        fs::write(root.path().join("dock0/identity/vm.key.new"), "half a").unwrap();
        let first = find_or_make(&disk).unwrap();
        let (key, certificate) = (read(KEY), read(CERTIFICATE));
        assert_eq!((first.is_new, first.operators), (true, None));
        assert_eq!(fs::metadata(root.path().join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);

        fs::create_dir_all(root.path().join("dock0/trust")).unwrap();
        fs::write(root.path().join(OPERATORS), "").unwrap();
        let second = find_or_make(&disk).unwrap();
        assert_eq!((second.is_new, second.operators), (false, Some(root.path().join(OPERATORS))));
        assert_eq!((read(KEY), read(CERTIFICATE)), (key.clone(), certificate));

        // Power was cut between the two: the key that may be known already is kept.
        fs::remove_file(root.path().join(CERTIFICATE)).unwrap();
        assert!(find_or_make(&disk).unwrap().is_new);
        assert_eq!(read(KEY), key);

        fs::remove_file(root.path().join(KEY)).unwrap();
        let failure = find_or_make(&disk).unwrap_err().to_string();
        assert!(failure.contains("/dock0/identity/vm.pem, but no key "), "{failure}");
    }

    #[test]
    fn a_directory_that_is_made_is_closed() {
        let root = tempfile::tempdir().unwrap();
        find_or_make(&Disk::open(root.path().to_str().unwrap()).unwrap()).unwrap();
        let mode = fs::metadata(root.path().join(DIRECTORY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
