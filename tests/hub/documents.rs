//! The documents of GitHub's REST API, as far as a publisher reads them: <https://docs.github.com/rest/releases>.

use crate::release::{Asset, Release, State};
use crate::repository::{BRANCH, Refusal};
use plain_http::Answer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where GitHub describes what it answers; in every refusal.
const EXPLAINED: &str = "https://docs.github.com/rest";

/// The addresses that documents name.
#[derive(Clone, Debug)]
pub struct Site {
    /// `owner/name`
    pub name: String,
    /// The API, as gh finds it over a proxy.
    pub api: &'static str,
    /// Where assets are sent to.
    pub uploads: &'static str,
    /// Where people and VMs find what was published.
    pub public: String,
}

impl Site {
    /// The address of something in the repository's API.
    pub fn api(&self, path: &str) -> String {
        format!("{}/repos/{}{path}", self.api, self.name)
    }

    /// The page of something in the repository.
    pub fn page(&self, path: &str) -> String {
        format!("{}/{}{path}", self.public, self.name)
    }

    /// The repository.
    pub fn repository(&self) -> Value {
        let (owner, name) = self.name.split_once('/').unwrap_or_default();
        json!({
            "id": 1,
            "node_id": "R_1",
            "name": name,
            "full_name": self.name,
            "private": false,
            "owner": {"login": owner, "id": 2, "type": "Organization"},
            "url": self.api(""),
            "html_url": self.page(""),
            "releases_url": self.api("/releases{/id}"),
            "default_branch": BRANCH,
            "permissions": {"admin": true, "push": true, "pull": true},
        })
    }

    /// A commit.
    pub fn commit(&self, sha: &str) -> Value {
        json!({"sha": sha, "url": self.api(&format!("/commits/{sha}")), "html_url": self.page(&format!("/commit/{sha}"))})
    }

    /// A tag, as git has it.
    pub fn tag(&self, tag: &str, commit: &str) -> Value {
        let object = json!({"type": "commit", "sha": commit, "url": self.api(&format!("/git/commits/{commit}"))});
        json!({"ref": format!("refs/tags/{tag}"), "url": self.api(&format!("/git/refs/tags/{tag}")), "object": object})
    }

    /// A release with its assets.
    pub fn release(&self, release: &Release) -> Value {
        let url = self.api(&format!("/releases/{}", release.id));
        let uploads = format!("{}/repos/{}/releases/{}/assets{{?name,label}}", self.uploads, self.name, release.id);
        json!({
            "id": release.id,
            "node_id": format!("RE_{}", release.id),
            "url": url,
            "assets_url": format!("{url}/assets"),
            "upload_url": uploads,
            "html_url": self.page(&format!("/releases/tag/{}", release.address())),
            "tag_name": release.tag,
            "target_commitish": release.target,
            "name": release.name,
            "body": release.notes,
            "draft": release.draft,
            "prerelease": release.prerelease,
            "created_at": moment(release.created),
            "published_at": release.published.map(moment),
            "author": {"login": "publisher", "id": 3, "type": "User"},
            "assets": release.assets.values().map(|asset| self.asset(release, asset)).collect::<Vec<_>>(),
        })
    }

    /// An asset.
    pub fn asset(&self, release: &Release, asset: &Asset) -> Value {
        let is_there = asset.state == State::Uploaded;
        json!({
            "id": asset.id,
            "node_id": format!("RA_{}", asset.id),
            "url": self.api(&format!("/releases/assets/{}", asset.id)),
            "browser_download_url": self.page(&format!("/releases/download/{}/{}", release.address(), asset.name)),
            "name": asset.name,
            "label": asset.label,
            "state": if is_there { "uploaded" } else { "starter" },
            "content_type": asset.kind,
            "size": asset.bytes.len(),
            "digest": is_there.then(|| format!("sha256:{}", asset.digest)),
            "download_count": 0,
            "created_at": moment(asset.id),
            "updated_at": moment(asset.id),
            "uploader": {"login": "publisher", "id": 3, "type": "User"},
        })
    }
}

/// The digest of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time of the hub's clock, which begins with 2026 and does not see its second day.
fn moment(seconds: u64) -> String {
    format!("2026-01-01T{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A refusal in GitHub's form.
pub fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message, "documentation_url": EXPLAINED}))
}

impl From<Refusal> for Answer {
    fn from(refused: Refusal) -> Answer {
        match refused {
            Refusal::NotFound => refusal(404, "Not Found"),
            Refusal::Empty => refusal(422, "Repository is empty."),
            Refusal::NoCommit(name) => refusal(422, &format!("No commit found for SHA: {name}")),
            Refusal::NoBytes => refusal(400, "Bad Content-Length: "),
            Refusal::Invalid { resource, field, code } => {
                let errors = json!([{"resource": resource, "field": field, "code": code}]);
                let message = json!({"message": "Validation Failed", "errors": errors, "documentation_url": EXPLAINED});
                Answer::json(422, &message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_over_minutes_and_hours() {
        for (seconds, said) in [(0, "00:00:00"), (59, "00:00:59"), (61, "00:01:01"), (3600 + 23, "01:00:23")] {
            assert_eq!(moment(seconds), format!("2026-01-01T{said}Z"));
        }
    }
}
