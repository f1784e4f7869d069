//! What is written down with a file that is being fetched: how much of it is verified and on the disk. It is an extended
//! attribute of the file, so that it moves and vanishes with it, and it survives a power cut as the file does.
//!
//! It is only a hint: whoever resumes reads those bytes and hashes them again.

use super::job::{Have, Job, MAX_VALIDATOR, Url, What};
use crate::failure::{Doing, Failure};
use crate::lines::is_printable;
use heapless::{String, Vec};
use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;

/// The attribute's name. Its value: the number of verified bytes, eight bytes, the lowest first; the SHA-256 that the whole
/// file shall have, 32 bytes; the first 8 bytes of the SHA-256 of the address they came from; and what that address called
/// this version of the file (`ETag` or `Last-Modified`, word for word), up to 64 bytes.
pub const ATTRIBUTE: &str = "user.dock0.part";
/// The longest value.
pub const LONGEST: usize = 48 + MAX_VALIDATOR;

/// The value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many bytes from the start are on the disk.
    pub bytes: u64,
    /// What the whole file shall be.
    pub sha256: [u8; 32],
    /// Whom they are from.
    pub source: [u8; 8],
    /// What it called this version; may be empty.
    pub validator: String<MAX_VALIDATOR>,
}

impl Verified {
    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8, LONGEST> {
        let fields = self.bytes.to_le_bytes().into_iter().chain(self.sha256).chain(self.source);
        fields.chain(self.validator.bytes()).collect()
    }

    /// Reads what is stored; `None` of anything else.
    pub fn parse(bytes: &[u8]) -> Option<Verified> {
        let (count, rest) = bytes.split_first_chunk()?;
        let (sha256, rest) = rest.split_first_chunk()?;
        let (source, validator) = rest.split_first_chunk()?;
        let validator = std::str::from_utf8(validator).ok().filter(|text| is_printable(text))?;
        Some(Verified {
            bytes: u64::from_le_bytes(*count),
            sha256: *sha256,
            source: *source,
            validator: String::try_from(validator).ok()?,
        })
    }

    /// What a job can make of it: nothing, if it is about other bytes.
    pub fn have(&self, job: &Job) -> Have {
        match job.what {
            What::Artifact { size, sha256 } if sha256 == self.sha256 && self.bytes <= size => {}
            What::Artifact { .. } | What::Document { .. } => return Have::default(),
        }
        let number = job.urls.iter().position(|url| source(url) == self.source);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let from = number.map(|number| (number, self.validator.clone()));
        Have { bytes: self.bytes, from: from.filter(|(_, validator)| !validator.is_empty()) }
    }
}

/// The short name of an address.
pub fn source(url: &Url) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(url.as_str()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// What is written down with a file; `None` where nothing is, or can be.
pub fn read(file: &File) -> Result<Option<Verified>, Failure> {
    let mut value = [0; LONGEST];
    match fgetxattr(file, ATTRIBUTE, &mut value[..]) {
        // A longer one is not ours.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(None),
        read => {
            let length = read.doing(|| format!("reading {ATTRIBUTE} of a half fetched file"))?;
            Ok(value.get(..length).and_then(Verified::parse))
        }
    }
}

/// Writes it down, on the disk when it returns: the bytes are there already, and a power cut shall find both. A file system
/// that cannot costs no more than a fetch from the start after a power cut.
pub fn write(file: &File, verified: &Verified) -> Result<(), Failure> {
    let doing = || format!("writing {ATTRIBUTE} of a half fetched file");
    match fsetxattr(file, ATTRIBUTE, &verified.to_bytes(), XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        written => written.doing(doing).and_then(|()| file.sync_all().doing(doing)),
    }
}

/// Takes it away.
pub fn remove(file: &File) -> Result<(), Failure> {
    match fremovexattr(file, ATTRIBUTE) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        removed => removed.doing(|| format!("removing {ATTRIBUTE} of a fetched file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(job: &Job, validator: &str) -> Verified {
        let validator = String::try_from(validator).unwrap();
        Verified { bytes: 0x0102, sha256: [7; 32], source: source(&job.urls[1]), validator }
    }

    fn job() -> Job {
        Job::new("x", &["https://a/", "https://b/"], What::Artifact { size: 1000, sha256: [7; 32] }).unwrap()
    }

    #[test]
    fn it_reads_back_as_stored() {
        for validator in ["", "\"6745d2f8-12c\"", &"v".repeat(MAX_VALIDATOR)] {
            let verified = verified(&job(), validator);
            let bytes = verified.to_bytes();
            assert_eq!((bytes.len(), bytes[0], bytes[1], bytes[8]), (48 + validator.len(), 2, 1, 7));
            assert_eq!(Verified::parse(&bytes), Some(verified));
        }
        let bytes = verified(&job(), "").to_bytes();
        for length in 0..48 {
            assert_eq!(Verified::parse(&bytes[..length]), None, "{length}");
        }
        for (row, tail) in [("too long", &[b'v'; 65][..]), ("an end of line", b"a\nb"), ("no text", b"\xff")] {
            assert_eq!(Verified::parse(&[&bytes[..], tail].concat()), None, "{row}");
        }
    }

    #[test]
    fn only_what_fits_the_job_is_taken_up() {
        let job = job();
        let kept = verified(&job, "\"v\"");
        let from = Some((1, String::try_from("\"v\"").unwrap()));
        assert_eq!(kept.have(&job), Have { bytes: 0x0102, from });
        assert_eq!(verified(&job, "").have(&job), Have { bytes: 0x0102, from: None });
        let elsewhere = Verified { source: [0; 8], ..kept.clone() };
        assert_eq!(elsewhere.have(&job), Have { bytes: 0x0102, from: None });
        for other in [Verified { sha256: [8; 32], ..kept.clone() }, Verified { bytes: 1001, ..kept.clone() }] {
            assert_eq!(other.have(&job), Have::default());
        }
        let document = Job { what: What::Document { limit: 1000 }, ..job };
        assert_eq!(kept.have(&document), Have::default());
    }

    #[test]
    fn it_moves_with_the_file_and_can_be_taken_away() {
        let directory = tempfile::tempdir_in(".").unwrap();
        let path = directory.path().join("part");
        let file = File::create(&path).unwrap();
        assert_eq!(read(&file).unwrap(), None);
        let verified = verified(&job(), "\"v\"");
        write(&file, &verified).unwrap();
        std::fs::rename(&path, directory.path().join("other")).unwrap();
        assert_eq!(read(&File::open(directory.path().join("other")).unwrap()).unwrap(), Some(verified));
        remove(&file).unwrap();
        remove(&file).unwrap();
        assert_eq!(read(&file).unwrap(), None);
    }
}
