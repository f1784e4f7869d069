//! gzip (RFC 1952), one member and nothing behind it, unpacked piece by piece into a room of fixed size: whoever feeds it
//! never needs the whole of what is packed in memory.

use super::refused::NotGzip;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Identification, method (deflate), flags, time, extra flags, operating system.
const HEADER: usize = 10;
const START: [u8; 3] = [0x1f, 0x8b, 8];
/// The place of the flags in the header, and the one flag that programs set: a file name, which ends with a zero, follows.
const FLAGS: usize = 3;
const FNAME: u8 = 1 << 3;
/// CRC-32 and length of what is unpacked, four bytes each, the lowest first.
const TRAILER: usize = 8;

/// What comes next.
enum Stage {
    /// This byte of the header.
    Header(usize),
    /// The next byte of the file's name.
    Name,
    /// What is packed.
    Body,
    /// This byte of the trailer.
    Trailer(usize),
    /// Nothing.
    End,
}

/// A gzip file on its way into a room.
pub struct Unpacker<'r> {
    room: &'r mut [u8],
    written: usize,
    stage: Stage,
    inflater: DecompressorOxide,
    flags: u8,
    trailer: [u8; TRAILER],
}

impl<'r> Unpacker<'r> {
    /// Unpacks into `room`; what does not fit into it is refused.
    pub fn new(room: &'r mut [u8]) -> Self {
        let inflater = DecompressorOxide::new();
        Unpacker { room, written: 0, stage: Stage::Header(0), inflater, flags: 0, trailer: [0; TRAILER] }
    }

    /// Takes the next bytes in.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), NotGzip> {
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = match self.stage {
                Stage::Body => self.inflate(bytes)?,
                Stage::Header(at) => {
                    self.take_header(at, first)?;
                    rest
                }
                Stage::Name => {
                    self.stage = if first == 0 { Stage::Body } else { Stage::Name };
                    rest
                }
                Stage::Trailer(at) => {
                    self.take_trailer(at, first);
                    rest
                }
                Stage::End => return Err(NotGzip::More),
            };
        }
        Ok(())
    }

    /// What was packed, when all has been fed.
    pub fn finish(self) -> Result<&'r [u8], NotGzip> {
        match self.stage {
            Stage::End => {}
            Stage::Header(_) => return Err(NotGzip::Start),
            Stage::Name | Stage::Body | Stage::Trailer(_) => return Err(NotGzip::CutOff),
        }
        let room: &'r [u8] = self.room;
        let unpacked = room.get(..self.written).unwrap_or_default();
        let [a, b, c, d, length @ ..] = self.trailer;
        if u32::from_le_bytes(length) != u32::try_from(unpacked.len()).unwrap_or(u32::MAX) {
            return Err(NotGzip::Length);
        }
        match u32::from_le_bytes([a, b, c, d]) == crc32(unpacked) {
            true => Ok(unpacked),
            false => Err(NotGzip::Checksum),
        }
    }

    fn take_header(&mut self, at: usize, byte: u8) -> Result<(), NotGzip> {
        if START.get(at).is_some_and(|wanted| *wanted != byte) {
            return Err(NotGzip::Start);
        }
        if at == FLAGS {
            self.flags = byte;
        }
        if self.flags & !FNAME != 0 {
            return Err(NotGzip::Flags);
        }
        self.stage = match at.saturating_add(1) {
            HEADER if self.flags & FNAME != 0 => Stage::Name,
            HEADER => Stage::Body,
            next => Stage::Header(next),
        };
        Ok(())
    }

    fn take_trailer(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.trailer.get_mut(at) {
            *place = byte;
        }
        self.stage = match at.saturating_add(1) {
            TRAILER => Stage::End,
            next => Stage::Trailer(next),
        };
    }

    /// Unpacks some; returns what is left of the bytes.
    fn inflate<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], NotGzip> {
        const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut self.inflater, bytes, self.room, self.written, FLAGS);
        self.written = self.written.saturating_add(written);
        match status {
            TINFLStatus::Done => self.stage = Stage::Trailer(0),
            TINFLStatus::NeedsMoreInput => {}
            // There is no room left.
            TINFLStatus::HasMoreOutput => return Err(NotGzip::TooLong),
            TINFLStatus::FailedCannotMakeProgress
            | TINFLStatus::BadParam
            | TINFLStatus::Adler32Mismatch
            | TINFLStatus::Failed
            // More may come to them; none will mean that all is well.
            | _ => return Err(NotGzip::Body),
        }
        Ok(bytes.get(read..).unwrap_or_default())
    }
}

/// CRC-32 as gzip has it (RFC 1952, section 8).
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default() ^ (crc >> 8)
    })
}

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "computed when this is compiled")]
const fn crc_table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut bits = 0;
        let mut value = at as u32;
        while bits < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bits += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}
