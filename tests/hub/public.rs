//! What everybody may fetch: the files of published releases, and the object store that their addresses lead to.

use crate::documents::Site;
use crate::faults::Faults;
use crate::release::{Asset, Release, State};
use crate::repository::{Refusal, Repository};
use plain_http::{Answer, Request};

/// Whether a path, in its parts, is one of these. All others need a token.
pub fn is_public(parts: &[&str]) -> bool {
    matches!(parts, ["objects", ..] | [_, _, "releases", ..]) && parts.first() != Some(&"repos")
}

/// The answer to a request, whose path has these parts.
pub fn answer(
    site: &Site,
    repository: &Repository,
    faults: &Faults,
    request: &Request,
    parts: &[&str],
) -> Result<Answer, Answer> {
    if !["GET", "HEAD"].contains(&request.method.as_str()) {
        return Err(missing());
    }
    let parts = match parts {
        // Such an address stands for a signed one: who has it may fetch.
        ["objects", id] => {
            let (release, asset) = id.parse().map_err(|_| Refusal::NotFound).and_then(|id| repository.asset(id))?;
            return object(faults, request, release, asset);
        }
        [owner, name, "releases", parts @ ..] if site.name.eq_ignore_ascii_case(&format!("{owner}/{name}")) => parts,
        _ => return Err(missing()),
    };
    match parts {
        ["latest", "download", file] => {
            let latest = repository.latest().map_err(|_| missing())?;
            let path = format!("/{}/releases/download/{}/{file}", site.name, latest.tag);
            Ok(Answer::found(format!("http://{}{path}", request.authority)))
        }
        ["download", tag @ .., file] => {
            let release = repository.published(&tag.join("/")).map_err(|_| missing())?;
            let asset = release.assets.get(*file).filter(|asset| asset.state == State::Uploaded).ok_or_else(missing)?;
            Ok(Answer::found(format!("http://{}/objects/{}", request.authority, asset.id)))
        }
        _ => Err(missing()),
    }
}

fn missing() -> Answer {
    Answer::text(404, "Not Found")
}

/// An asset's bytes, from where they are asked for.
fn object(faults: &Faults, request: &Request, release: &Release, asset: &Asset) -> Result<Answer, Answer> {
    let (bytes, digest) = faults.served(release, asset);
    let (size, tag) = (bytes.len(), format!("\"{digest}\""));
    let answer = Answer::empty(200)
        .with("Content-Type", asset.kind.clone())
        .with("Accept-Ranges", "bytes".into())
        .with("ETag", tag.clone());
    // RFC 9110, 13.1.5: who has the beginning of something else gets the whole.
    let is_same = request.field("If-Range").is_none_or(|known| known == tag);
    let Some(start) = request.field("Range").filter(|_| is_same).and_then(first_byte) else {
        return Ok(Answer { body: bytes, ..answer });
    };
    let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) else {
        return Err(Answer { status: 416, ..answer }.with("Content-Range", format!("bytes */{size}")));
    };
    let part = Answer { status: 206, body: rest.into(), ..answer };
    Ok(part.with("Content-Range", format!("bytes {start}-{}/{size}", size.saturating_sub(1))))
}

/// `bytes=N-`. Other ranges are not understood, and what is not understood is passed over (RFC 9110, 14.2).
fn first_byte(range: &str) -> Option<usize> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}
