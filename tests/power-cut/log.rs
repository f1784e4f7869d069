//! Reading a log of writes in the format of Linux' dm-log-writes (drivers/md/dm-log-writes.c), as QEMU's blklogwrites
//! writes it: a superblock, then for each write a sector that says where it went and, behind it, the data.

/// The bytes of a sector; QEMU writes no other size unless told to.
const SECTOR: usize = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// More than any recording of ours comes near to.
const MAX_ENTRIES: u64 = 1 << 20;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One request of the guest, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Everything that came before must be on the medium before this begins.
    pub flush: bool,
    /// This must itself be on the medium before it is reported complete.
    pub fua: bool,
    /// Where on the disk, in bytes.
    pub at: u64,
    /// What is written there; nothing if this is a flush alone. A discard writes zeros.
    pub data: Vec<u8>,
}

/// The entries of a log of a disk of this many bytes. The log may come from a QEMU that was killed: what its superblock
/// does not count is not looked at.
pub fn parse(log: &[u8], disk: u64) -> Result<Vec<Entry>, String> {
    let (magic, version, entries) = (number(log, 0)?, number(log, 8)?, number(log, 16)?);
    let sector = number(log, 24)? & 0xffff_ffff;
    if magic != MAGIC {
        return Err(format!("this is no log of writes: it begins with {magic:#x}"));
    }
    if version != VERSION || sector != SECTOR as u64 {
        return Err(format!("a log of version {version} with sectors of {sector} bytes is not known here"));
    }
    if entries > MAX_ENTRIES {
        return Err(format!("the log says it has {entries} entries, and {MAX_ENTRIES} is the limit"));
    }
    let mut rest = log.get(SECTOR..).ok_or("the log is cut off in its superblock")?;
    (0..entries)
        .map(|number| {
            let (entry, behind) = parse_entry(rest, disk).map_err(|why| format!("entry {number} of the log {why}"))?;
            rest = behind;
            Ok(entry)
        })
        .collect()
}

/// The first entry, and what comes behind it.
fn parse_entry(log: &[u8], disk: u64) -> Result<(Entry, &[u8]), String> {
    let head = log.get(..SECTOR).ok_or("is cut off")?;
    let (sector, sectors, flags) = (number(head, 0)?, number(head, 8)?, number(head, 16)?);
    let behind = log.get(SECTOR..).unwrap_or_default();
    if flags & !(FLUSH | FUA | DISCARD) != 0 {
        return Err(format!("has flags that are not known here: {flags:#x}"));
    }
    let bytes = |sectors: u64| sectors.checked_mul(SECTOR as u64).filter(|&bytes| bytes <= disk);
    let (at, length) = match (bytes(sector), bytes(sectors)) {
        (Some(at), Some(length)) if at + length <= disk => (at, length as usize),
        _ => return Err(format!("reaches beyond the disk: {sectors} sectors at {sector}")),
    };
    let (data, behind) = if flags & DISCARD != 0 {
        (vec![0; length], behind)
    } else {
        let (data, behind) = behind.split_at_checked(length).ok_or("is cut off in its data")?;
        (data.to_vec(), behind)
    };
    Ok((Entry { flush: flags & FLUSH != 0, fua: flags & FUA != 0, at, data }, behind))
}

fn number(bytes: &[u8], at: usize) -> Result<u64, String> {
    let field = bytes.get(at..at + 8).and_then(|field| field.try_into().ok());
    field.map(u64::from_le_bytes).ok_or_else(|| "the log is cut off".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: u64 = 1 << 20;

    fn sector(numbers: &[u64]) -> Vec<u8> {
        let mut sector: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        sector.resize(SECTOR, 0);
        sector
    }

    fn superblock(entries: u64) -> Vec<u8> {
        sector(&[MAGIC, VERSION, entries, 512])
    }

    fn logged(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn entries_in_their_order() {
        let log = logged(&[
            &superblock(5),
            &sector(&[8, 2, 0, 0]),
            &[7; 1024],
            &sector(&[0, 0, FLUSH, 0]),
            &sector(&[0, 1, FLUSH | FUA, 0]),
            &[8; 512],
            &sector(&[4, 2, DISCARD, 0]),
            &sector(&[2047, 1, FUA, 0]),
            &[9; 512],
            b"what is behind the last one is not looked at",
        ]);
        let entry = |flush, fua, at, data: &[u8]| Entry { flush, fua, at, data: data.to_vec() };
        let wanted = [
            entry(false, false, 4096, &[7; 1024]),
            entry(true, false, 0, &[]),
            entry(true, true, 0, &[8; 512]),
            entry(false, false, 2048, &[0; 1024]),
            entry(false, true, DISK - 512, &[9; 512]),
        ];
        assert_eq!(parse(&log, DISK).expect("a log"), wanted);
        assert_eq!(parse(&superblock(0), DISK), Ok(vec![]));
    }

    #[test]
    fn garbage_and_what_is_cut_off_are_refused() {
        let one = |entry: &[u64], data: &[u8]| logged(&[&superblock(1), &sector(entry), data]);
        let table = [
            ("nothing", vec![], "cut off"),
            ("a cut superblock", superblock(0)[..100].to_vec(), "cut off in its superblock"),
            ("another file", vec![0x55; 4096], "no log of writes"),
            ("another version", sector(&[MAGIC, 2, 0, 512]), "version 2"),
            ("another sector", sector(&[MAGIC, 1, 0, 4096]), "sectors of 4096"),
            ("too many entries", superblock(u64::MAX), "is the limit"),
            ("no entry", superblock(1), "entry 0 of the log is cut off"),
            ("a cut entry", superblock(1).into_iter().chain([0; 100]).collect(), "entry 0 of the log is cut off"),
            ("cut data", one(&[0, 2, 0, 0], &[0; 1023]), "cut off in its data"),
            ("beyond the disk", one(&[2048, 1, 0, 0], &[0; 512]), "beyond the disk"),
            ("across the disk's end", one(&[2047, 2, 0, 0], &[0; 1024]), "beyond the disk"),
            ("a place that overflows", one(&[u64::MAX, 1, 0, 0], &[0; 512]), "beyond the disk"),
            ("a length that overflows", one(&[0, u64::MAX / 512 + 1, DISCARD, 0], &[]), "beyond the disk"),
            ("unknown flags", one(&[0, 0, 8, 0], &[]), "not known here: 0x8"),
        ];
        for (name, log, wanted) in table {
            let error = parse(&log, DISK).expect_err(name);
            assert!(error.contains(wanted), "{name}: {error}");
        }
    }

    #[test]
    fn every_cut_of_a_log_is_an_error() {
        let log = logged(&[&superblock(2), &sector(&[0, 1, 0, 0]), &[1; 512], &sector(&[1, 1, 0, 0]), &[2; 512]]);
        assert_eq!(parse(&log, DISK).expect("a log").len(), 2);
        for length in 0..log.len() {
            assert!(parse(&log[..length], DISK).is_err(), "{length} bytes");
        }
    }
}
