//! A disk in gzip, as Linode takes and has it: packed quickly, and looked at closely when it is unpacked.

use crate::measure::open_file;
use anyhow::{Context, Result, bail};
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use wire::superblock::{self, Kind, PROBE_LEN};

/// The fastest: the files on the disk are packed already, and what is left of it is zeros.
const LEVEL: u32 = 1;
/// How much is looked at at once; a run of zeros of that length becomes a hole.
const PIECE: usize = 64 << 10;

/// How many bytes an image may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// As it is uploaded.
    pub packed: u64,
    /// As a disk.
    pub unpacked: u64,
}

/// Linode's: 5 GB and 6 GB. Whether these are powers of ten or of two is not written down, so it is the smaller.
pub const LIMITS: Limits = Limits { packed: 5_000_000_000, unpacked: 6_000_000_000 };

/// What a packed disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Of it as it is, packed.
    pub sha256: [u8; 32],
    /// Its bytes, packed.
    pub packed: u64,
    /// Its bytes, unpacked.
    pub unpacked: u64,
}

/// Packs a disk, from its beginning, into the file at `to`. Nothing of this machine or of the time goes with it.
pub fn pack(mut disk: impl Read, to: &Path) -> Result<()> {
    let packing = || format!("packing the disk into {}", to.display());
    let mut file = File::create(to).with_context(packing)?;
    let mut packer = GzBuilder::new().mtime(0).write(&mut file, Compression::new(LEVEL));
    io::copy(&mut disk, &mut packer).and_then(|_| packer.finish()).map(drop).with_context(packing)?;
    let size = fs::metadata(to).with_context(packing)?.len();
    check_packed(size, LIMITS)
}

/// Refuses what Linode would refuse, before there is any of it.
pub fn check_unpacked(size: u64, limits: Limits) -> Result<()> {
    match limits.unpacked {
        most if size > most => bail!("the disk has more than {most} bytes, the most that Linode takes unpacked"),
        _ => Ok(()),
    }
}

fn check_packed(size: u64, limits: Limits) -> Result<()> {
    match limits.packed {
        most if size > most => bail!("it has {size} bytes, and Linode takes no more than {most}"),
        _ => Ok(()),
    }
}

/// Unpacks a disk, if it is one, into `to`: a new file, which gets holes where there are zeros.
pub fn unpack(path: &Path, limits: Limits, to: Option<&File>) -> Result<Found> {
    read(path, limits, to).with_context(|| path.display().to_string())
}

fn read(path: &Path, limits: Limits, to: Option<&File>) -> Result<Found> {
    let (size, file) = open_file(path)?;
    check_packed(size, limits)?;
    let mut unpacker =
        GzDecoder::new(BufReader::with_capacity(PIECE, Hashed { file, sha256: Sha256::new(), count: 0 }));
    let (mut piece, mut unpacked, mut needed) = (Vec::with_capacity(PIECE), 0_u64, 0);
    loop {
        piece.clear();
        if let Err(error) = unpacker.by_ref().take(PIECE as u64).read_to_end(&mut piece) {
            match unpacker.header() {
                None => bail!("is not in gzip (dock0 disk --linode packs a boot disk)"),
                Some(_) => bail!("is damaged or cut off: {error}"),
            }
        }
        if unpacked == 0 {
            needed = size_of_ext4(&piece)?;
        }
        if piece.is_empty() {
            break;
        }
        if let Some(to) = to.filter(|_| piece.iter().any(|&byte| byte != 0)) {
            to.write_all_at(&piece, unpacked).context("unpacking it")?;
        }
        unpacked += piece.len() as u64;
        check_unpacked(unpacked, limits)?;
    }
    if let Some(to) = to {
        to.set_len(unpacked).context("unpacking it")?;
    }
    if unpacked < needed {
        bail!("holds an ext4 of {needed} bytes, of which only {unpacked} are there");
    }
    let mut source = unpacker.into_inner();
    if !source.fill_buf()?.is_empty() {
        bail!("has something behind the end of its gzip");
    }
    let Hashed { sha256, count, .. } = source.into_inner();
    Ok(Found { sha256: sha256.finalize().into(), packed: count, unpacked })
}

/// How many bytes the ext4 says it has whose first ones these are.
fn size_of_ext4(start: &[u8]) -> Result<u64> {
    match superblock::identify(start.get(..PROBE_LEN).unwrap_or(start)) {
        Some(found) if found.kind == Kind::Ext4 => Ok(found.size),
        Some(found) => bail!("holds {}, and a boot disk is ext4", found.kind.name()),
        None => bail!("holds no file system, and a boot disk is ext4 without partitions"),
    }
}

/// A file, and what was read of it.
struct Hashed {
    file: File,
    sha256: Sha256,
    count: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.sha256.update(buffer.get(..count).unwrap_or_default());
        self.count += count as u64;
        Ok(count)
    }
}
