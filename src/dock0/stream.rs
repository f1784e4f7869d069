//! The bytes of an artifact as they come, held against what was announced and what a manifest says of them: wrong ones are an
//! error before they are taken for all.

use crate::http::Flow;
use crate::manifest::hex;
use crate::measure::Place;
use menagerie::space::{Megabytes, on_disk};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use wire::manifest::MAX_SIZE;

/// What the bytes shall be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// How many are announced, if that was said.
    pub announced: Option<u64>,
    /// How many a manifest says they are, and their SHA-256.
    pub known: Option<(u64, [u8; 32])>,
    /// What there is room for on the disk, in bytes.
    pub room: u64,
}

/// Whose fault it is that an artifact did not come.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// That of the place it is read from; another may do.
    Source(String),
    /// That of the disk it goes to.
    Disk(String),
}

impl Trouble {
    /// The sentence, if it was said of what is read, begins with where that is.
    pub fn with(self, place: &Place) -> Trouble {
        match self {
            Trouble::Source(why) => Trouble::Source(format!("{place}: {why}")),
            Trouble::Disk(why) => Trouble::Disk(format!("{place}: {why}")),
        }
    }
}

/// Reads as long as the rules hold.
pub struct Stream {
    flow: Flow<Box<dyn Read>>,
    rules: Rules,
    count: u64,
    digest: Sha256,
    /// Why reading ended early.
    pub trouble: Option<Trouble>,
}

impl Stream {
    /// Begins to read, if what is announced fits.
    pub fn new(flow: Flow<Box<dyn Read>>, rules: Rules) -> Result<Stream, Trouble> {
        if let (Some(announced), Some((size, _))) = (rules.announced, rules.known)
            && announced != size
        {
            return Err(Trouble::Source(format!("it has {announced} bytes, and the manifest says {size}")));
        }
        Ok(Stream { flow, rules, count: 0, digest: Sha256::new(), trouble: None })
    }

    fn read_next(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let count = self.flow.read(buffer).map_err(|why| Trouble::Source(format!("{why:#}")))?;
        if count == 0 {
            return self.check_end().map(|()| 0);
        }
        self.count += count as u64;
        self.check_count()?;
        if self.rules.known.is_some() {
            self.digest.update(&buffer[..count]);
        }
        Ok(count)
    }

    fn check_count(&self) -> Result<(), Trouble> {
        let Rules { announced, known, room } = self.rules;
        match (known, announced) {
            (Some((size, _)), _) if self.count > size => {
                Err(Trouble::Source(format!("it has more than the {size} bytes that the manifest says")))
            }
            (None, Some(announced)) if self.count > announced => {
                Err(Trouble::Source(format!("it has more than the {announced} bytes that were announced")))
            }
            (None, _) if self.count > MAX_SIZE => Err(Trouble::Source(format!(
                "it has more than {MAX_SIZE} bytes, which is more than an artifact can have"
            ))),
            (None, None) if on_disk(self.count) > room => Err(Trouble::Disk(format!(
                "it has more than the {} that are free, and nobody said how much it is",
                Megabytes(room)
            ))),
            _ => Ok(()),
        }
    }

    fn check_end(&mut self) -> Result<(), Trouble> {
        let Rules { announced, known, .. } = self.rules;
        let wrong = |why: String| Err(Trouble::Source(why));
        match announced {
            _ if self.count == 0 => return wrong("it is empty".into()),
            Some(announced) if announced != self.count => {
                return wrong(format!("{} bytes came, and {announced} were announced", self.count));
            }
            Some(_) | None => {}
        }
        let Some((size, sha256)) = known else { return Ok(()) };
        if self.count != size {
            return wrong(format!("it has {} bytes, and the manifest says {size}", self.count));
        }
        let found: [u8; 32] = std::mem::take(&mut self.digest).finalize().into();
        if found != sha256 {
            return wrong(format!("it has the SHA-256 {}, and the manifest says {}", hex(&found), hex(&sha256)));
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_next(buffer).map_err(|trouble| {
            self.trouble = Some(trouble);
            io::Error::other("its bytes are not what they shall be")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn read(rules: Rules, bytes: &'static [u8]) -> Result<usize, Trouble> {
        let mut stream = Stream::new(Flow::of(Box::new(bytes)), rules)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).map_err(|_| stream.trouble.take().unwrap())
    }

    #[test]
    fn bytes_are_what_was_announced_and_what_the_manifest_says() {
        let sha256: [u8; 32] = std::array::from_fn(|at| u8::from_str_radix(&HELLO[2 * at..2 * at + 2], 16).unwrap());
        let (room, hello) = (1 << 20, Some((5, sha256)));
        let zeros = format!("it has the SHA-256 {HELLO}, and the manifest says {}", "00".repeat(32));
        for (announced, known, bytes, want) in [
            (Some(5), hello, &b"hello"[..], Ok(5)),
            (None, hello, b"hello", Ok(5)),
            (Some(5), None, b"jello", Ok(5)),
            (None, None, b"hello", Ok(5)),
            (None, None, b"", Err("it is empty")),
            (Some(6), None, b"hello", Err("5 bytes came, and 6 were announced")),
            (Some(4), None, b"hello", Err("it has more than the 4 bytes that were announced")),
            (Some(6), hello, b"hello", Err("it has 6 bytes, and the manifest says 5")),
            (None, hello, b"hell", Err("it has 4 bytes, and the manifest says 5")),
            (None, hello, b"hello!", Err("it has more than the 5 bytes that the manifest says")),
            (None, Some((5, [0; 32])), b"hello", Err(&zeros)),
        ] {
            let want = want.map_err(|why: &str| Trouble::Source(why.into()));
            assert_eq!(read(Rules { announced, known, room }, bytes), want, "{announced:?} {bytes:?}");
        }
    }

    #[test]
    fn what_nobody_announced_ends_where_the_room_ends() {
        let bytes: &'static [u8] = &[7; 100_000];
        let rules = |room| Rules { room, ..Rules::default() };
        assert_eq!(read(rules(200_000), bytes), Ok(100_000));
        let why = "it has more than the 0.1 MB that are free, and nobody said how much it is";
        assert_eq!(read(rules(50_000), bytes), Err(Trouble::Disk(why.into())));
    }
}
