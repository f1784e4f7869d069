//! What goes wrong, because a test wants it to.

use crate::documents::{refusal, sha256};
use crate::release::{Asset, Release};
use plain_http::{Answer, Request};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Some bytes, and their SHA-256.
pub type Content = (Arc<[u8]>, String);

/// A request that is answered without being looked at.
#[derive(Debug)]
struct Ordered {
    method: String,
    suffix: String,
    answer: Answer,
    times: u32,
}

/// All that was ordered and did not come yet.
#[derive(Debug, Default)]
pub struct Faults {
    breaks: BTreeMap<String, u64>,
    answers: Vec<Ordered>,
    bytes: BTreeMap<(String, String), Content>,
}

impl Faults {
    /// The next upload of this name is cut off after so many bytes, or, if it has no more, before it is answered.
    pub fn break_upload(&mut self, name: &str, after: u64) {
        self.breaks.insert(name.into(), after);
    }

    /// The next requests whose method is this one and whose path ends so are refused.
    pub fn refuse(&mut self, method: &str, suffix: &str, (status, message): (u16, &str), times: u32) {
        let answer = refusal(status, message);
        self.answers.push(Ordered { method: method.into(), suffix: suffix.into(), answer, times });
    }

    /// Who fetches this file of this tag gets these bytes instead of what was uploaded.
    pub fn serve_instead(&mut self, tag: &str, name: &str, bytes: &[u8]) {
        self.bytes.insert((tag.into(), name.into()), (bytes.into(), sha256(bytes)));
    }

    /// After how many bytes of its body this request is cut off, if it is.
    pub fn cut(&mut self, request: &Request) -> Option<u64> {
        if !is_upload(request) {
            return None;
        }
        self.breaks.remove(&request.query("name")?)
    }

    /// What this request is answered without being looked at, if it is.
    pub fn answer(&mut self, request: &Request) -> Option<Answer> {
        let matches = |ordered: &&mut Ordered| {
            ordered.times > 0 && ordered.method == request.method && request.path().ends_with(&ordered.suffix)
        };
        let ordered = self.answers.iter_mut().find(matches)?;
        ordered.times -= 1;
        Some(ordered.answer.clone())
    }

    /// The bytes that are served as an asset, and their digest.
    pub fn served(&self, release: &Release, asset: &Asset) -> Content {
        let other = self.bytes.get(&(release.tag.clone(), asset.name.clone())).cloned();
        other.unwrap_or_else(|| (asset.bytes.clone(), asset.digest.clone()))
    }
}

/// Whether this request sends an asset.
pub fn is_upload(request: &Request) -> bool {
    request.method == "POST" && request.path().ends_with("/assets")
}
