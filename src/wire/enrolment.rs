//! What whoever makes a machine gives it by its cloud's metadata ("user data"), so that it knows who may push to it, and so
//! that they know it: docs/linode.md, "How a Linode comes to know its operators".
//!
//! A machine may have user data that are none of dock0's. Keys that are not known here are skipped, so that an older init reads
//! what a newer `dock0` wrote.

#![expect(clippy::result_large_err, reason = "it is read once in a VM's life, and a sentence takes room")]

use crate::base64;
use crate::first::First;
use crate::json;
use crate::manifest::parse_digest;
use crate::settings::{self, BadSettings};
use core::fmt;
use heapless::Vec;
use serde::Deserialize;
use serde_json_core::de::Error;

/// The longest document, in bytes.
pub const LONGEST: usize = 16 << 10;
/// The most operators' CAs.
pub const MAX_OPERATORS: usize = 4;
/// The most bytes of a certificate or of settings: all of the document in base64.
const MOST_DECODED: usize = LONGEST / 4 * 3;
/// What a certificate begins with: SEQUENCE (X.690, 8.9).
const SEQUENCE: u8 = 0x30;

/// What the message of every proof begins with, so that it is no proof of anything else.
pub const LABEL: &str = "dock0 enrolment\n";

/// The parts of the message whose HMAC-SHA256 under the token is a VM's proof that the key of this fingerprint
/// (`sha256//…`) is its own.
pub fn message(fingerprint: &str) -> [&[u8]; 2] {
    [LABEL.as_bytes(), fingerprint.as_bytes()]
}

/// The document, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment<'d> {
    /// The secret that proves the VM.
    pub token: Token,
    /// Certificates of CAs, each as base64 of its DER; at least one. Whether they are any is not looked at here.
    pub operators: Vec<&'d str, MAX_OPERATORS>,
    /// `dock0/settings.json`, as base64; they can be used.
    pub settings: Option<&'d str>,
}

/// 32 bytes that nobody prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub [u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why a document of dock0's cannot be used. Prints what is wrong with "it".
#[expect(clippy::large_enum_variant, reason = "without an allocator there is nowhere else to put a sentence")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It has so many bytes.
    TooLong(usize),
    /// A text, a list or an object is where another of them belongs.
    Kind,
    /// A key is there twice.
    Twice,
    /// This key is missing.
    Missing(&'static str),
    /// The token is none.
    Token,
    /// It has so many operators.
    Operators(usize),
    /// The operator of this number, counted from 1, is no certificate.
    Operator(usize),
    /// The settings are no base64.
    Encoding,
    /// The settings cannot be used.
    Settings(BadSettings),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::TooLong(length) => write!(f, "it has {length} bytes, at most {LONGEST} can be"),
            Unusable::Kind => f.write_str("a text, a list or an object is where another of them belongs"),
            Unusable::Twice => f.write_str("a key is there twice"),
            Unusable::Missing(key) => write!(f, "it has no {key}"),
            Unusable::Token => f.write_str("its token is not 64 lower-case hexadecimal digits"),
            Unusable::Operators(count) => write!(f, "it has {count} operators, 1 to {MAX_OPERATORS} can be"),
            Unusable::Operator(number) => write!(f, "its operator {number} is no certificate (DER) in base64"),
            Unusable::Encoding => f.write_str("its settings are no base64"),
            Unusable::Settings(why) => write!(f, "its settings cannot be used: {why}"),
        }
    }
}

/// Reads user data. `None` where they say nothing of dock0: they are no JSON, or have no `dock0`.
pub fn parse(bytes: &[u8]) -> Result<Option<Enrolment<'_>>, Unusable> {
    if bytes.len() > LONGEST {
        return Err(Unusable::TooLong(bytes.len()));
    }
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    if !is_object || json::check(bytes).is_err() {
        return Ok(None);
    }
    let (document, _) = serde_json_core::from_slice::<Document>(bytes).map_err(unusable)?;
    document.dock0.map(|dock0| dock0.check()).transpose()
}

/// As JSON says it. A document that has not passed [`crate::json::check`] could exhaust the stack.
#[derive(Deserialize)]
struct Document<'d> {
    #[serde(borrow)]
    dock0: Option<Dock0<'d>>,
}

#[derive(Deserialize)]
struct Dock0<'d> {
    token: Option<&'d str>,
    #[serde(borrow)]
    operators: Option<First<&'d str, MAX_OPERATORS>>,
    settings: Option<&'d str>,
}

impl<'d> Dock0<'d> {
    fn check(self) -> Result<Enrolment<'d>, Unusable> {
        let token = self.token.ok_or(Unusable::Missing("token"))?;
        let token = parse_digest(token).map(Token).ok_or(Unusable::Token)?;
        let operators = self.operators.ok_or(Unusable::Missing("operators"))?;
        if !(1..=MAX_OPERATORS).contains(&operators.count) {
            return Err(Unusable::Operators(operators.count));
        }
        let mut room = [0; MOST_DECODED];
        for (number, text) in (1..).zip(&operators.first) {
            let der = base64::decode(text.as_bytes(), &mut room);
            der.filter(|der| der.first() == Some(&SEQUENCE)).ok_or(Unusable::Operator(number))?;
        }
        if let Some(text) = self.settings {
            let json = base64::decode(text.as_bytes(), &mut room).ok_or(Unusable::Encoding)?;
            settings::parse(json).map_err(Unusable::Settings)?;
        }
        Ok(Enrolment { token, operators: operators.first, settings: self.settings })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all that say of the text that it is not JSON are not possible")]
fn unusable(error: Error) -> Unusable {
    match error {
        Error::CustomError => Unusable::Twice,
        _ => Unusable::Kind,
    }
}

#[cfg(test)]
#[path = "enrolment_tests.rs"]
pub(crate) mod tests;
