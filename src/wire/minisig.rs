//! minisign's files: public keys and signatures, read strictly (<https://jedisct1.github.io/minisign/>, "Signature format"
//! and "Public key format"). This tells what they say; whether a signature is genuine is not decided here.
//!
//! Of each file every byte counts but those of the untrusted comment: nobody signs that, and nobody reads it here.

use crate::base64;
use core::fmt;
use core::str::from_utf8;
use menagerie::KeyId;

/// The longest file, in bytes. Minisign's own are shorter unless a comment is very long.
pub const MAX_BYTES: usize = 4096;
const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
/// Algorithm, key id, and 32 bytes of an Ed25519 key.
const KEY_LENGTH: usize = 2 + 8 + 32;
/// Algorithm, key id, and 64 bytes of an Ed25519 signature.
const SIGNATURE_LENGTH: usize = 2 + 8 + 64;

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey<'f> {
    /// Which one.
    pub id: KeyId,
    /// The key with its algorithm and id, in base64.
    pub base64: &'f str,
}

/// A signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'f> {
    /// The key that made it, by its own account.
    pub id: KeyId,
    /// What was signed: the SHA-512-sized BLAKE2b digest of the file, or, as older programs do, the file itself.
    pub prehashed: bool,
    /// What the signer says; it is signed together with the signature.
    pub trusted_comment: &'f str,
    /// The whole file.
    pub text: &'f str,
}

/// Why bytes are no key or signature of minisign. Prints what is wrong with "it".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It has more than [`MAX_BYTES`] bytes.
    TooLong,
    /// It is not UTF-8, or has a control character in a line.
    Text,
    /// It has not this number of lines.
    Lines(usize),
    /// This line, counted from 1, does not begin as it must.
    Comment(usize, &'static str),
    /// This line is no base64 of this many bytes.
    Base64(usize, usize),
    /// The algorithm is none that minisign has.
    Algorithm([u8; 2]),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::TooLong => write!(f, "it has more than {MAX_BYTES} bytes"),
            Malformed::Text => f.write_str("it is no text, or has control characters"),
            Malformed::Lines(count) => write!(f, "it has not {count} lines"),
            Malformed::Comment(line, start) => write!(f, "its line {line} does not begin with {start:?}"),
            Malformed::Base64(line, length) => write!(f, "its line {line} is no base64 of {length} bytes"),
            Malformed::Algorithm(name) => write!(f, "its algorithm \"{}\" is not known", name.escape_ascii()),
        }
    }
}

impl<'f> PublicKey<'f> {
    /// Reads a file like `minisign.pub`.
    pub fn parse(file: &'f [u8]) -> Result<PublicKey<'f>, Malformed> {
        let text = text_of(file)?;
        let [comment, base64] = lines(text)?;
        check_start(1, comment, UNTRUSTED)?;
        let key: [u8; KEY_LENGTH] = decode(2, base64)?;
        match key {
            [b'E', b'd', rest @ ..] => Ok(PublicKey { id: id_of(&rest), base64 }),
            [first, second, ..] => Err(Malformed::Algorithm([first, second])),
        }
    }
}

impl<'f> Signature<'f> {
    /// Reads a file like `release.json.minisig`.
    pub fn parse(file: &'f [u8]) -> Result<Signature<'f>, Malformed> {
        let text = text_of(file)?;
        let [comment, signature, trusted, global] = lines(text)?;
        check_start(1, comment, UNTRUSTED)?;
        let signature: [u8; SIGNATURE_LENGTH] = decode(2, signature)?;
        let trusted_comment = check_start(3, trusted, TRUSTED)?;
        let _: [u8; 64] = decode(4, global)?;
        let (prehashed, rest) = match signature {
            [b'E', b'D', rest @ ..] => (true, rest),
            [b'E', b'd', rest @ ..] => (false, rest),
            [first, second, ..] => return Err(Malformed::Algorithm([first, second])),
        };
        Ok(Signature { id: id_of(&rest), prehashed, trusted_comment, text })
    }
}

fn text_of(file: &[u8]) -> Result<&str, Malformed> {
    if file.len() > MAX_BYTES {
        return Err(Malformed::TooLong);
    }
    let text = from_utf8(file).map_err(|_| Malformed::Text)?;
    // A tab separates the words of minisign's own trusted comment.
    let bad = text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    if bad { Err(Malformed::Text) } else { Ok(text) }
}

/// Exactly so many lines; the last one's end may be missing.
fn lines<const N: usize>(text: &str) -> Result<[&str; N], Malformed> {
    let mut parts = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let mut lines = [""; N];
    for line in &mut lines {
        *line = parts.next().ok_or(Malformed::Lines(N))?;
    }
    parts.next().map_or(Ok(lines), |_| Err(Malformed::Lines(N)))
}

fn check_start<'l>(number: usize, line: &'l str, start: &'static str) -> Result<&'l str, Malformed> {
    line.strip_prefix(start).ok_or(Malformed::Comment(number, start))
}

/// The eight bytes that a key or a signature begins with, its algorithm left out.
fn id_of(rest: &[u8]) -> KeyId {
    KeyId::from_bytes(rest.first_chunk().copied().unwrap_or_default())
}

fn decode<const N: usize>(line: usize, text: &str) -> Result<[u8; N], Malformed> {
    base64::decode_exactly(text).ok_or(Malformed::Base64(line, N))
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::ToString;

    // The example of minisign's own page, and what `minisign -S` makes of the file `test`.
    pub const KEY: &str = "untrusted comment: minisign public key E7620F1842B4E81F\n\
        RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";
    pub const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
        RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
        trusted comment: timestamp:1556193335\tfile:test\n\
        y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n";

    #[test]
    fn a_key_and_a_signature_are_read() {
        let key = PublicKey::parse(KEY.as_bytes()).unwrap();
        assert_eq!(key.id.to_string(), "E7620F1842B4E81F");
        assert_eq!(key.base64, "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
        let signature = Signature::parse(SIGNATURE.as_bytes()).unwrap();
        assert_eq!((signature.id, signature.prehashed), (key.id, true));
        assert_eq!(signature.trusted_comment, "timestamp:1556193335\tfile:test");
        assert_eq!(Signature::parse(SIGNATURE.trim_end().as_bytes()).unwrap().id, key.id, "without the last line end");
        let legacy = SIGNATURE.replace("RUQ", "RWQ");
        assert!(!Signature::parse(legacy.as_bytes()).unwrap().prehashed);
    }

    #[test]
    fn what_is_malformed_is_said() {
        let key = |file: &str| PublicKey::parse(file.as_bytes()).map(|_| ()).unwrap_err().to_string();
        let signature = |file: &str| Signature::parse(file.as_bytes()).map(|_| ()).unwrap_err().to_string();
        let long = format!("untrusted comment: {}\n", "x".repeat(4096));
        for (got, sentence) in [
            (key(""), "it has not 2 lines"),
            (key(&KEY.repeat(2)), "it has not 2 lines"),
            (key(&format!("{KEY}\n")), "it has not 2 lines"),
            (key(&KEY.replace("untrusted", "Untrusted")), "its line 1 does not begin with \"untrusted comment: \""),
            (key(&KEY.replace("RWQ", "QWQ")), "its algorithm \"Ad\" is not known"),
            (key(&KEY.replace("RWQ", "RUQ")), "its algorithm \"ED\" is not known"),
            (key(&KEY.replace("GFO3", "GFO")), "its line 2 is no base64 of 42 bytes"),
            (key(&KEY.replace("GFO3", "GF=3")), "its line 2 is no base64 of 42 bytes"),
            (key(&KEY.replace('\n', "\r\n")), "it is no text, or has control characters"),
            (key(&long), "it has more than 4096 bytes"),
            (signature(KEY), "it has not 4 lines"),
            (signature(&format!("{SIGNATURE}more")), "it has not 4 lines"),
            (
                signature(&SIGNATURE.replace("\ntrusted", "\nTrusted")),
                "its line 3 does not begin with \"trusted comment: \"",
            ),
            (signature(&SIGNATURE.replace("RUQ", "QUQ")), "its algorithm \"AD\" is not known"),
            (signature(&SIGNATURE.replace("Zwo=", "Zwp=")), "its line 2 is no base64 of 74 bytes"),
            (signature(&SIGNATURE.replace("Zwo=", "Zw==")), "its line 2 is no base64 of 74 bytes"),
            (signature(&SIGNATURE.replace("Zwo=", "Zwo-")), "its line 2 is no base64 of 74 bytes"),
            (signature(&SIGNATURE.replace("Bg==", "Bh==")), "its line 4 is no base64 of 64 bytes"),
            (signature(&SIGNATURE.replace("Bg==", "Bg=A")), "its line 4 is no base64 of 64 bytes"),
            (signature(&SIGNATURE.replace("file:test", "file:\u{1b}[2J")), "it is no text, or has control characters"),
        ] {
            assert_eq!(got, sentence);
        }
        assert_eq!(PublicKey::parse(b"untrusted comment: \xff\n").unwrap_err(), Malformed::Text);
    }
}
