//! What is remembered of accepted manifests: the newest of each key and channel, as the name of an empty file in
//! `dock0/state`, so that the next one replaces it in one rename that needs no space.

use crate::layout::{Path, STATE};
use crate::{Name, Timestamp};
use core::fmt::{self, Write};
use core::str::FromStr;
use heapless::Vec;
use sha2::{Digest, Sha256};

/// How many can be remembered: keys times channels that a machine has ever accepted a manifest of.
pub const MAX_SEEN: usize = 32;
const PREFIX: &str = "serial-";
const LENGTH: usize = 8;

/// Which minisign key it is: a random number that key and signature carry. It tells keys apart and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; LENGTH]);

impl KeyId {
    /// Of the eight bytes in a key or a signature.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> KeyId {
        KeyId(bytes)
    }
}

/// 16 upper-case hexadecimal digits, the last byte first, as minisign prints it.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse_digits(text, b'A').map(|number| KeyId(number.to_le_bytes())).ok_or(NotAnId)
    }
}

/// Which manifest it is: the first eight bytes of the SHA-256 of `release.json`. What they leave open, the signature
/// closes: only who holds the key could make two manifests that have them in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestId([u8; LENGTH]);

impl ManifestId {
    /// Of the manifest's bytes.
    pub fn of(manifest: &[u8]) -> ManifestId {
        let digest: [u8; 32] = Sha256::digest(manifest).into();
        let mut id = [0; LENGTH];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        ManifestId(id)
    }
}

/// 16 lower-case hexadecimal digits, those that `sha256sum release.json` begins with.
impl fmt::Display for ManifestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ManifestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ManifestId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        parse_digits(text, b'a').map(|number| ManifestId(number.to_be_bytes())).ok_or(NotAnId)
    }
}

/// A text is no id of a key or of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

/// 16 hexadecimal digits, the letters from `a` on; which case they have is that of `a`.
fn parse_digits(text: &str, a: u8) -> Option<u64> {
    let ours = |byte: u8| byte.is_ascii_digit() || byte.checked_sub(a).is_some_and(|letter| letter < 6);
    (text.len() == 2 * LENGTH && text.bytes().all(ours)).then(|| u64::from_str_radix(text, 16).ok())?
}

/// An accepted manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose signature it had.
    pub key: KeyId,
    /// Its serial.
    pub serial: u64,
    /// Which one it was.
    pub manifest: ManifestId,
    /// When it was issued, by its own account.
    pub issued: Timestamp,
    /// Its channel. Each channel counts its own serials.
    pub channel: Name,
}

impl Seen {
    /// The path of the file that says so: `dock0/state/serial-<key>-<serial>-<manifest>-<issued>-<channel>`, where issued
    /// is in Unix seconds.
    pub fn path(&self) -> Path {
        let Self { key, serial, manifest, issued, channel } = self;
        let mut path = Path::new();
        // Cannot overflow: these have fewer than 170 bytes.
        write!(path, "{STATE}/{PREFIX}{key}-{serial}-{manifest}-{}-{channel}", issued.unix()).unwrap_or_default();
        path
    }

    /// What the name of a file in `dock0/state` says; `None` for any other name.
    pub fn parse(file_name: &str) -> Option<Seen> {
        let mut words = file_name.strip_prefix(PREFIX)?.splitn(5, '-');
        let seen = Seen {
            key: words.next()?.parse().ok()?,
            serial: words.next()?.parse().ok()?,
            manifest: words.next()?.parse().ok()?,
            issued: Timestamp::from_unix(words.next()?.parse().ok()?),
            channel: words.next()?.parse().ok()?,
        };
        // One thing has one name: no sign, no leading zero.
        seen.path().strip_prefix(STATE)?.strip_prefix('/')?.eq(file_name).then_some(seen)
    }
}

/// All that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    seen: Vec<Seen, MAX_SEEN>,
}

/// The one step that remembers a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file to rename, that of the manifest before; `None` where the key is new here, or the channel is, and an empty
    /// file is to be made.
    pub from: Option<Path>,
    /// What it is called then.
    pub to: Path,
}

/// There are [`MAX_SEEN`] already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{STATE} remembers {MAX_SEEN} keys and channels, and no more can be: remove the files {PREFIX}… of keys that \
             are trusted no longer"
        )
    }
}

impl Memory {
    /// Takes one that was read.
    pub fn insert(&mut self, seen: Seen) -> Result<(), Full> {
        self.seen.push(seen).map_err(|_| Full)
    }

    /// All of them, in no order.
    pub fn all(&self) -> &[Seen] {
        &self.seen
    }

    /// The one with the highest serial of this key and channel. There are several only if somebody copied files.
    pub fn newest(&self, key: KeyId, channel: &Name) -> Option<&Seen> {
        let ours = self.seen.iter().filter(|seen| seen.key == key && seen.channel == *channel);
        ours.max_by_key(|seen| seen.serial)
    }

    /// The earliest that it can be now: this program was built before, and the accepted manifests were issued before. Of
    /// a key that is trusted no longer nothing is believed, or whoever stole it could have set the clock for good.
    pub fn floor(&self, built: Timestamp, trusted: &[KeyId]) -> Timestamp {
        let issued = self.seen.iter().filter(|seen| trusted.contains(&seen.key)).map(|seen| seen.issued);
        issued.fold(built, Timestamp::max)
    }

    /// How to remember a manifest that was accepted; `None` where it is remembered already.
    pub fn remember(&self, accepted: &Seen) -> Result<Option<Change>, Full> {
        match self.newest(accepted.key, &accepted.channel) {
            Some(newest) if newest == accepted => Ok(None),
            Some(newest) => Ok(Some(Change { from: Some(newest.path()), to: accepted.path() })),
            None if self.seen.is_full() => Err(Full),
            None => Ok(Some(Change { from: None, to: accepted.path() })),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::ToString;

    fn seen(name: &str) -> Seen {
        Seen::parse(name).unwrap_or_else(|| panic!("{name} is none"))
    }

    const NAME: &str = "serial-E7620F1842B4E81F-42-e3b0c44298fc1c14-1795600800-stable";

    #[test]
    fn ids_are_what_minisign_and_sha256sum_print() {
        // The key of https://jedisct1.github.io/minisign: RWQf6LRCGA9i53ml…, base64 of `Ed` and these bytes.
        let key = KeyId::from_bytes([0x1f, 0xe8, 0xb4, 0x42, 0x18, 0x0f, 0x62, 0xe7]);
        assert_eq!(key.to_string(), "E7620F1842B4E81F");
        assert_eq!("E7620F1842B4E81F".parse(), Ok(key));
        // sha256sum /dev/null
        assert_eq!(ManifestId::of(b"").to_string(), "e3b0c44298fc1c14");
        assert_eq!("e3b0c44298fc1c14".parse(), Ok(ManifestId::of(b"")));
        for text in ["", "E7620F1842B4E81", "e7620F1842B4E81F", "G7620F1842B4E81F", "+7620F1842B4E81F"] {
            assert_eq!(text.parse::<KeyId>(), Err(NotAnId), "{text:?}");
        }
        assert_eq!("E3b0c44298fc1c14".parse::<ManifestId>(), Err(NotAnId));
    }

    #[test]
    fn what_is_remembered_reads_back_from_its_file_name() {
        let longest =
            format!("serial-{}-{}-{}-253402300799-{}", "F".repeat(16), u64::MAX, "f".repeat(16), "c".repeat(64));
        for name in [NAME, &NAME.replace("stable", "a-b-c"), &longest] {
            assert_eq!(seen(name).path().as_str(), format!("dock0/state/{name}"));
        }
        let read = seen(NAME);
        assert_eq!((read.serial, read.issued.to_string().as_str()), (42, "2026-11-25T10:00:00Z"));
        for (case, name) in [
            ("another file", "last-failure".to_string()),
            ("no channel", NAME.replace("-stable", "")),
            ("an empty channel", NAME.replace("stable", "")),
            ("a leading zero", NAME.replace("-42-", "-042-")),
            ("a sign", NAME.replace("-42-", "-+42-")),
            ("too large a serial", NAME.replace("-42-", "-18446744073709551616-")),
            ("a moment after the last", NAME.replace("1795600800", "253402300800")),
            ("a key in lower case", NAME.replace("E7620F", "e7620f")),
            ("unfinished", NAME.replace("serial-", ".serial-")),
        ] {
            assert_eq!(Seen::parse(&name), None, "{case}");
        }
    }

    #[test]
    fn one_step_remembers_a_manifest() {
        let mut memory = Memory::default();
        let first = seen(NAME);
        assert_eq!(memory.remember(&first), Ok(Some(Change { from: None, to: first.path() })));
        memory.insert(first.clone()).unwrap();
        assert_eq!(memory.remember(&first), Ok(None));
        let next = Seen { serial: 43, ..first.clone() };
        let rename = Change { from: Some(first.path()), to: next.path() };
        assert_eq!(memory.remember(&next), Ok(Some(rename)));
        for other in [NAME.replace("E7", "E8"), NAME.replace("stable", "edge")] {
            let other = seen(&other);
            assert_eq!(memory.remember(&other), Ok(Some(Change { from: None, to: other.path() })));
        }
        for serial in 0..31 {
            memory.insert(Seen { serial, ..first.clone() }).unwrap();
        }
        assert_eq!(memory.insert(first.clone()), Err(Full));
        assert_eq!(memory.remember(&seen(&NAME.replace("E7", "E8"))), Err(Full));
        assert_eq!(
            memory.newest(first.key, &first.channel),
            Some(&first),
            "the highest serial, whatever stands behind it"
        );
        assert_eq!(
            Full.to_string(),
            "dock0/state remembers 32 keys and channels, and no more can be: remove the files serial-… of keys that are \
             trusted no longer"
        );
    }

    #[test]
    fn the_floor_is_the_newest_of_what_is_trusted() {
        let mut memory = Memory::default();
        let (trusted, stolen) = (seen(NAME), seen(&NAME.replace("E7", "E8").replace("1795600800", "9999999999")));
        let built = |seconds| Timestamp::from_unix(seconds);
        assert_eq!(memory.floor(built(7), &[trusted.key]), built(7));
        memory.insert(trusted.clone()).unwrap();
        memory.insert(stolen.clone()).unwrap();
        for (case, at, keys, want) in [
            ("the manifest", 7, &[trusted.key][..], 1_795_600_800),
            ("the program", 1_800_000_000, &[trusted.key], 1_800_000_000),
            ("the stolen key, still trusted", 7, &[trusted.key, stolen.key], 9_999_999_999),
            ("no key", 7, &[], 7),
        ] {
            assert_eq!(memory.floor(built(at), keys), built(want), "{case}");
        }
    }
}
