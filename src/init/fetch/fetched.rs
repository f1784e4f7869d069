//! A file that the child says it has fetched. Its bytes come out of here checked, or not at all.

use super::job::{MAX_NAME, What};
use super::verified;
use crate::failure::{Doing, Failure};
use heapless::String;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// A fetched file, of which nothing is known but what an unprivileged child said. It has to be checked one way or the other:
/// [`by_measure`](Fetched::by_measure), [`by_reading`](Fetched::by_reading) or, a document, [`document`](Fetched::document).
#[must_use = "the child is not to be trusted: check what it has fetched"]
#[derive(Debug)]
pub struct Fetched {
    what: What,
    name: String<MAX_NAME>,
    file: File,
}

/// An artifact's file that holds what was signed, on the disk. Only a check makes one.
#[derive(Debug)]
pub struct Checked {
    size: u64,
    sha256: [u8; 32],
}

impl Checked {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Their SHA-256, as it was signed.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

impl Fetched {
    pub(super) fn new(what: What, name: String<MAX_NAME>, file: File) -> Fetched {
        Fetched { what, name, file }
    }

    /// Checks an artifact by the kernel's own measurement: `measure` seals the file, which is closed by then, with fs-verity
    /// and tells its digest, which must be `wanted`. Where it says `None`, since it cannot seal, the bytes are read and hashed.
    pub fn by_measure(
        self,
        wanted: [u8; 32],
        measure: impl FnOnce() -> Result<Option<[u8; 32]>, Failure>,
    ) -> Result<Checked, Failure> {
        let (size, sha256) = self.artifact()?;
        self.put_on_disk()?;
        let Fetched { name, file, .. } = self;
        let length = length(&file, &name)?;
        let again = reopened(&file, &name)?;
        // A file that is open for writing cannot be sealed.
        drop(file);
        // Where there is no room for the seal, how far the file got stays written down, for the next time.
        let checked = match measure()? {
            Some(measured) if measured == wanted && length == size => Ok(Checked { size, sha256 }),
            Some(_) => Err(wrong(&name)),
            None => check_bytes(&again, &name, size, sha256),
        };
        verified::remove(&again)?;
        checked
    }

    /// Checks an artifact by reading it and hashing what is read.
    pub fn by_reading(self) -> Result<Checked, Failure> {
        let (size, sha256) = self.artifact()?;
        self.put_on_disk()?;
        let checked = check_bytes(&self.file, &self.name, size, sha256);
        verified::remove(&self.file)?;
        checked
    }

    /// The bytes of a document, no more of them than the job allows. Whether they are worth anything its signature says.
    pub fn document(mut self) -> Result<Vec<u8>, Failure> {
        let most = self.what.most();
        let doing = || format!("reading {}", self.name);
        self.file.seek(SeekFrom::Start(0)).doing(doing)?;
        let mut bytes = Vec::new();
        self.file.take(most.saturating_add(1)).read_to_end(&mut bytes).doing(doing)?;
        match u64::try_from(bytes.len()) {
            Ok(length) if length <= most => Ok(bytes),
            _ => Err(Failure::new(format!("{} has more than {most} bytes", self.name))),
        }
    }

    fn artifact(&self) -> Result<(u64, [u8; 32]), Failure> {
        match self.what {
            What::Artifact { size, sha256 } => Ok((size, sha256)),
            What::Document { .. } => {
                Err(Failure::new(format!("{} is a document: its signature has to be checked", self.name)))
            }
        }
    }

    fn put_on_disk(&self) -> Result<(), Failure> {
        self.file.sync_all().doing(|| format!("syncing {}", self.name))
    }
}

fn length(file: &File, name: &str) -> Result<u64, Failure> {
    Ok(file.metadata().doing(|| format!("looking at the file of {name}"))?.len())
}

/// The same file, open for reading alone.
fn reopened(file: &File, name: &str) -> Result<File, Failure> {
    use std::os::fd::AsRawFd;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).doing(|| format!("opening the file of {name} again"))
}

fn check_bytes(mut file: &File, name: &str, size: u64, sha256: [u8; 32]) -> Result<Checked, Failure> {
    let doing = || format!("reading {name} again");
    if length(file, name)? != size {
        return Err(wrong(name));
    }
    file.seek(SeekFrom::Start(0)).doing(doing)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).doing(doing)? {
            0 => break,
            count => digest.update(chunk.get(..count).unwrap_or_default()),
        }
    }
    match <[u8; 32]>::from(digest.finalize()) == sha256 {
        true => Ok(Checked { size, sha256 }),
        false => Err(wrong(name)),
    }
}

fn wrong(name: &str) -> Failure {
    Failure::new(format!("{name}: what the child has fetched is not what was signed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn fetched(bytes: &[u8], what: What) -> Fetched {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Fetched::new(what, String::try_from("vm_root 2").unwrap(), file)
    }

    fn artifact(bytes: &[u8]) -> What {
        What::Artifact { size: u64::try_from(bytes.len()).unwrap(), sha256: Sha256::digest(bytes).into() }
    }

    const WRONG: &str = "vm_root 2: what the child has fetched is not what was signed";

    #[test]
    fn only_the_signed_bytes_pass() {
        for (row, there, passes) in [
            ("the same", &b"abc"[..], true),
            ("others", b"abd", false),
            ("fewer", b"ab", false),
            ("more", b"abcd", false),
            ("none", b"", false),
        ] {
            let want = if passes { Ok(3) } else { Err(WRONG.to_string()) };
            let say = |checked: Result<Checked, Failure>| checked.map(|c| c.size()).map_err(|f| f.to_string());
            assert_eq!(say(fetched(there, artifact(b"abc")).by_reading()), want, "{row}");
            assert_eq!(say(fetched(there, artifact(b"abc")).by_measure([1; 32], || Ok(None))), want, "{row}, no seal");
        }
    }

    #[test]
    fn the_kernels_measurement_is_enough_and_decides() {
        let what = || artifact(b"abc");
        let checked = fetched(b"abc", what()).by_measure([1; 32], || Ok(Some([1; 32]))).unwrap();
        assert_eq!((checked.size(), checked.sha256()), (3, Sha256::digest(b"abc").into()));
        for (row, there, measured) in [("another digest", &b"abc"[..], [2; 32]), ("another length", b"abcd", [1; 32])] {
            let failure = fetched(there, what()).by_measure([1; 32], || Ok(Some(measured))).unwrap_err();
            assert_eq!(failure.to_string(), WRONG, "{row}");
        }
        let failure = fetched(b"abc", what()).by_measure([1; 32], || Err(Failure::new("sealing: no"))).unwrap_err();
        assert_eq!(failure.to_string(), "sealing: no");
    }

    #[test]
    fn documents_are_bounded_and_never_pass_as_artifacts() {
        let document = What::Document { limit: 3 };
        assert_eq!(fetched(b"abc", document.clone()).document().unwrap(), b"abc");
        let failure = fetched(b"abcd", document.clone()).document().unwrap_err();
        assert_eq!(failure.to_string(), "vm_root 2 has more than 3 bytes");
        let failure = fetched(b"abc", document).by_reading().unwrap_err();
        assert_eq!(failure.to_string(), "vm_root 2 is a document: its signature has to be checked");
    }
}
