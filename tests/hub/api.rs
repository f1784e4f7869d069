//! The API: which request asks for what. Everything here has the token.

use crate::documents::{Site, refusal, sha256};
use crate::release::{Asset, State};
use crate::repository::{Latest, Refusal, Repository, Wish};
use crate::{graphql, page};
use plain_http::{Answer, Request};
use serde_json::Value;
use std::sync::Arc;

/// The answer to a request, whose path has these parts.
pub fn answer(site: &Site, repository: &mut Repository, request: &Request, parts: &[&str]) -> Result<Answer, Answer> {
    let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
    let parts = match parts {
        ["graphql"] if method == "POST" => return graphql::answer(site, repository, &request.body),
        ["repos", owner, name, parts @ ..] if site.name.eq_ignore_ascii_case(&format!("{owner}/{name}")) => parts,
        _ => return Err(Refusal::NotFound.into()),
    };
    match (method, parts) {
        ("GET", []) => Ok(Answer::json(200, &site.repository())),
        ("GET", ["commits", name]) => {
            let commit = repository.commit(name).ok_or_else(|| Refusal::NoCommit(name.to_string()))?;
            Ok(Answer::json(200, &site.commit(commit)))
        }
        ("GET", ["commits", "tags", tag @ ..]) => {
            let tag = tag.join("/");
            let commit = repository.tags.get(&tag).ok_or_else(|| Refusal::NoCommit(format!("tags/{tag}")))?;
            Ok(Answer::json(200, &site.commit(commit)))
        }
        ("GET", ["git", "ref", "tags", tag @ ..]) => {
            let tag = tag.join("/");
            let commit = repository.tags.get(&tag).ok_or(Refusal::NotFound)?;
            Ok(Answer::json(200, &site.tag(&tag, commit)))
        }
        ("DELETE", ["git", "refs", "tags", tag @ ..]) => {
            repository.tags.remove(&tag.join("/")).ok_or(Refusal::NotFound)?;
            Ok(Answer::empty(204))
        }
        (_, ["releases", parts @ ..]) => releases(site, repository, request, (method, parts)),
        _ => Err(Refusal::NotFound.into()),
    }
}

fn releases(
    site: &Site,
    repository: &mut Repository,
    request: &Request,
    asked: (&str, &[&str]),
) -> Result<Answer, Answer> {
    let release = match asked {
        ("GET", []) => {
            // The newest first, drafts among them.
            let all = repository.releases.iter().rev().map(|release| site.release(release)).collect();
            return Ok(page::answer(site, request, all));
        }
        (method, ["assets", id]) => return asset(site, repository, request, (method, number(id)?)),
        (method, [id, "assets"]) => return assets(site, repository, request, (method, number(id)?)),
        ("GET", ["latest"]) => repository.latest()?,
        ("GET", ["tags", tag @ ..]) => repository.published(&tag.join("/"))?,
        ("GET", [id]) => repository.release(number(id)?)?,
        ("PATCH", [id]) => repository.change(number(id)?, wish(&request.body)?)?,
        ("DELETE", [id]) => {
            repository.delete(number(id)?)?;
            return Ok(Answer::empty(204));
        }
        ("POST", []) => {
            let document = site.release(repository.create(wish(&request.body)?)?);
            return Ok(Answer::json(201, &document));
        }
        _ => return Err(Refusal::NotFound.into()),
    };
    Ok(Answer::json(200, &site.release(release)))
}

/// The assets of one release.
fn assets(site: &Site, repository: &mut Repository, request: &Request, asked: (&str, u64)) -> Result<Answer, Answer> {
    match asked {
        ("GET", id) => {
            let release = repository.release(id)?;
            let all = release.assets.values().map(|asset| site.asset(release, asset)).collect();
            Ok(page::answer(site, request, all))
        }
        ("POST", id) => {
            let state = if request.is_whole() { State::Uploaded } else { State::Starter };
            let bytes: Arc<[u8]> = if request.is_whole() { request.body.as_slice().into() } else { Arc::default() };
            let name = request.query("name").filter(|name| !name.is_empty());
            let missing = Refusal::Invalid { resource: "ReleaseAsset", field: "name", code: "missing_field" };
            let name = name.ok_or(missing)?;
            let label = request.query("label").unwrap_or_default();
            let kind = request.field("Content-Type").unwrap_or("application/octet-stream").into();
            let digest = sha256(&bytes);
            let asset = repository.upload(id, Asset { id: 0, name, label, kind, state, bytes, digest })?.clone();
            Ok(Answer::json(201, &site.asset(repository.release(id)?, &asset)))
        }
        _ => Err(Refusal::NotFound.into()),
    }
}

/// One asset: what is known of it, or, for who asks for bytes, where they are.
fn asset(site: &Site, repository: &mut Repository, request: &Request, asked: (&str, u64)) -> Result<Answer, Answer> {
    match asked {
        ("GET", id) => {
            let (release, asset) = repository.asset(id)?;
            let wants_bytes = request.field("Accept").is_some_and(|kinds| kinds.contains("application/octet-stream"));
            match asset.state {
                State::Starter if wants_bytes => Err(Refusal::NotFound.into()),
                State::Uploaded if wants_bytes => {
                    let host = request.authority.strip_prefix("api.").map(|rest| format!("objects.{rest}"));
                    let host = host.as_ref().unwrap_or(&request.authority);
                    Ok(Answer::found(format!("http://{host}/objects/{id}")))
                }
                State::Starter | State::Uploaded => Ok(Answer::json(200, &site.asset(release, asset))),
            }
        }
        ("DELETE", id) => {
            repository.delete_asset(id)?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::NotFound.into()),
    }
}

fn number(part: &str) -> Result<u64, Answer> {
    part.parse().map_err(|_| Refusal::NotFound.into())
}

/// What a document wants a release to be. A field of the wrong kind is refused, not passed over.
fn wish(body: &[u8]) -> Result<Wish, Answer> {
    let document: Value = serde_json::from_slice(body).map_err(|_| refusal(400, "Problems parsing JSON"))?;
    let text = |field: &'static str| match document.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::Invalid { resource: "Release", field, code: "invalid" }),
    };
    let truth = |field: &'static str| match document.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(_) => Err(Refusal::Invalid { resource: "Release", field, code: "invalid" }),
    };
    let latest = match text("make_latest")?.as_deref() {
        None | Some("legacy") => Latest::Automatic,
        Some("true") => Latest::This,
        Some("false") => Latest::Other,
        Some(_) => Err(Refusal::Invalid { resource: "Release", field: "make_latest", code: "invalid" })?,
    };
    Ok(Wish {
        tag: text("tag_name")?,
        name: text("name")?,
        notes: text("body")?,
        target: text("target_commitish")?,
        draft: truth("draft")?,
        prerelease: truth("prerelease")?,
        latest,
    })
}
