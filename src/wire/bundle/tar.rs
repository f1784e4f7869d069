//! An archive's structure: where its headers and their contents lie, by `tar-no-std`, and what it has beside them. What its
//! `entries()` says is not used: it leaves directories and links out, and believes names.

use super::entry::{Entry, Header};
use super::refused::{Flaw, Refused, Why};
use super::{MAX_ENTRIES, MAX_UNPACKED};
use heapless::Vec;
use tar_no_std::{CorruptDataError, TarArchiveRef};

const BLOCK: usize = 512;

/// The entries of an archive, in its order, each checked by itself.
pub fn entries(archive: &[u8]) -> Result<Vec<Entry<'_>, MAX_ENTRIES>, Refused<'_>> {
    if archive.len() > MAX_UNPACKED {
        return Err(Refused::Archive(Flaw::TooLong));
    }
    let structure = TarArchiveRef::new(archive).map_err(|error| refusal(archive, error))?;
    let (mut entries, mut end) = (Vec::new(), 0);
    for (block, _) in structure.headers() {
        let (header, content) = at(archive, block);
        let entry = header.entry(content).map_err(|why| Refused::Entry(header.path(), why))?;
        entries.push(entry).map_err(|_| Refused::Archive(Flaw::TooMany))?;
        let blocks = content.len().div_ceil(BLOCK);
        end = block.saturating_add(1).saturating_add(blocks).saturating_mul(BLOCK);
    }
    if archive.get(end..).unwrap_or_default().iter().any(|byte| *byte != 0) {
        return Err(Refused::Archive(Flaw::More));
    }
    match entries.is_empty() {
        true => Err(Refused::Archive(Flaw::Empty)),
        false => Ok(entries),
    }
}

/// The header in a block, and what follows it.
fn at(archive: &[u8], block: usize) -> (Header<'_>, &[u8]) {
    let (header, rest) =
        archive.get(block.saturating_mul(BLOCK)..).unwrap_or_default().split_at_checked(BLOCK).unwrap_or_default();
    let header = Header(header);
    // A directory has no content, whatever its header says.
    let size = header.size().ok().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
    (header, rest.get(..size).unwrap_or_default())
}

fn refusal(archive: &[u8], error: CorruptDataError) -> Refused<'_> {
    let entry = |block, why: fn(Header) -> Why| {
        let (header, _) = at(archive, block);
        Refused::Entry(header.path(), why(header))
    };
    match error {
        CorruptDataError::EmptyArchive => Refused::Archive(Flaw::Empty),
        CorruptDataError::InvalidBlockSize => Refused::Archive(Flaw::Ragged),
        CorruptDataError::TooShort { .. } => match archive.iter().all(|byte| *byte == 0) {
            true => Refused::Archive(Flaw::Empty),
            false => Refused::Archive(Flaw::NoEnd),
        },
        CorruptDataError::MissingTerminator => Refused::Archive(Flaw::NoEnd),
        CorruptDataError::InvalidChecksum { block_index } => entry(block_index, |_| Why::Checksum),
        CorruptDataError::InvalidTypeFlag { block_index } => {
            entry(block_index, |header| header.check_type().err().unwrap_or(Why::Checksum))
        }
        CorruptDataError::InvalidPayloadSize { block_index } => {
            entry(block_index, |header| header.size().err().unwrap_or(Why::CutOff))
        }
        CorruptDataError::PayloadExtendsBeyondArchive { block_index } => entry(block_index, |_| Why::CutOff),
    }
}
