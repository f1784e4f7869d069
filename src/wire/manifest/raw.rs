//! A manifest as JSON says it, before anything in it is believed: every key may be missing, texts are as they are written.

use super::{Kind, MAX_URLS};
use crate::first::First;
use menagerie::listing::MAX_ARTIFACTS;
use serde_json_core::de::Error;

/// The document.
#[derive(serde::Deserialize)]
pub struct Manifest<'m> {
    pub product: Option<&'m str>,
    pub channel: Option<&'m str>,
    pub arch: Option<&'m str>,
    pub serial: Option<u64>,
    pub issued: Option<&'m str>,
    pub expires: Option<&'m str>,
    #[serde(borrow)]
    pub artifacts: Option<First<Entry<'m>, MAX_ARTIFACTS>>,
}

/// An artifact.
#[derive(serde::Deserialize)]
pub struct Entry<'m> {
    pub name: Option<&'m str>,
    pub version: Option<&'m str>,
    pub size: Option<u64>,
    pub sha256: Option<&'m str>,
    pub verity: Option<&'m str>,
    #[serde(borrow)]
    pub urls: Option<First<&'m str, MAX_URLS>>,
}

impl<'m> Manifest<'m> {
    /// Reads a document that has passed [`crate::json::check`]; without that, it could exhaust the stack.
    pub fn read(json: &'m [u8]) -> Result<Manifest<'m>, Kind> {
        let (manifest, _) = serde_json_core::from_slice(json).map_err(kind_of)?;
        Ok(manifest)
    }
}

/// What can be wrong with a document that is JSON: where the reader of a whole number stops, it finds a `.` or an `e`
/// and no comma.
#[expect(clippy::wildcard_enum_match_arm, reason = "all that say of the text that it is not JSON are not possible")]
fn kind_of(error: Error) -> Kind {
    match error {
        Error::InvalidNumber | Error::ExpectedObjectCommaOrEnd | Error::TrailingCharacters => Kind::Number,
        Error::CustomError => Kind::Twice,
        _ => Kind::Other,
    }
}
