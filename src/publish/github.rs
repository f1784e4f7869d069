//! GitHub, asked through gh: a repository's releases and their files.

use crate::assets::Assets;
use crate::repository::Commit;
use anyhow::{Context, Result, ensure};
use dock0::tool::Tool;
use menagerie::Version;
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

const GH: Tool = Tool { program: "gh", package: "gh" };
/// What gh says of a thing that GitHub does not have, or that is no name of one.
const MISSING: [&str; 2] = ["HTTP 422", "HTTP 404"];
/// What an asset is that came whole.
const UPLOADED: &str = "uploaded";

/// The repository at GitHub that belongs to the working directory, or that $GH_REPO names.
#[derive(Debug, Deserialize)]
pub struct GitHub {
    /// Its address.
    #[serde(rename = "html_url")]
    pub url: String,
}

/// A release at GitHub.
#[derive(Clone, Debug, Deserialize)]
pub struct Release {
    /// Its version.
    #[serde(rename = "tag_name")]
    pub tag: String,
    /// Whether nobody else sees it.
    pub draft: bool,
    /// Its files.
    pub assets: Vec<Asset>,
}

/// A file at GitHub.
#[derive(Clone, Debug, Deserialize)]
pub struct Asset {
    id: u64,
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    state: String,
}

/// How a release is shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// To nobody else yet.
    pub draft: bool,
    /// As one that is not for everybody yet.
    pub prerelease: bool,
    /// Not as the one that people get who name none.
    pub not_latest: bool,
}

impl GitHub {
    /// Asks which repository it is, and whether gh may ask.
    pub fn find() -> Result<GitHub> {
        let answer =
            GH.bytes(&mut api("")).context("asking GitHub for the repository (gh auth status; GH_REPO=OWNER/NAME)")?;
        serde_json::from_slice(&answer).context("reading what GitHub says of the repository")
    }

    /// Where a file of a release can be fetched, once it is published.
    pub fn file_url(&self, version: &Version, file: &str) -> String {
        format!("{}/releases/download/{version}/{file}", self.url)
    }

    /// The page of a release.
    pub fn page(&self, version: &Version) -> String {
        format!("{}/releases/tag/{version}", self.url)
    }

    /// Whether the commit was pushed.
    pub fn has(&self, commit: &Commit) -> Result<bool> {
        Ok(self.commit(&commit.to_string())?.is_some())
    }

    /// The commit that a tag names there, if there is such a tag.
    pub fn tagged(&self, version: &Version) -> Result<Option<Commit>> {
        self.commit(&format!("tags/{version}"))
    }

    fn commit(&self, name: &str) -> Result<Option<Commit>> {
        #[derive(Deserialize)]
        struct Answer {
            sha: Commit,
        }
        let answer = ask_for(&format!("/commits/{name}")).context("asking GitHub for the commit")?;
        let answer: Option<Answer> = answer.as_deref().map(serde_json::from_slice).transpose()?;
        Ok(answer.map(|answer| answer.sha))
    }

    /// All releases, drafts too, the newest first.
    pub fn releases(&self) -> Result<Vec<Release>> {
        let answer =
            GH.bytes(api("/releases?per_page=100").arg("--paginate")).context("asking GitHub for the releases")?;
        // A list for each page, one behind the other.
        let pages: Result<Vec<Vec<Release>>, _> = serde_json::Deserializer::from_slice(&answer).into_iter().collect();
        Ok(pages.context("reading GitHub's list of releases")?.concat())
    }

    /// The version that people get who name none.
    pub fn latest(&self) -> Result<Option<String>> {
        let answer = ask_for("/releases/latest").context("asking GitHub for the latest release")?;
        let release: Option<Release> = answer.as_deref().map(serde_json::from_slice).transpose()?;
        Ok(release.map(|release| release.tag))
    }

    /// A file's bytes, if there are no more than so many.
    pub fn read(&self, asset: &Asset, most: usize) -> Result<Vec<u8>> {
        let Asset { id, name, size, .. } = asset;
        ensure!(*size <= most as u64, "{name} at GitHub has {size} bytes, at most {most} can be");
        let mut gh = api(&format!("/releases/assets/{id}"));
        GH.bytes(gh.args(["--header", "Accept: application/octet-stream"])).with_context(|| format!("fetching {name}"))
    }

    /// Makes a release that nobody else sees. Publishing it tags the target, where there is one.
    pub fn create_draft(&self, version: &Version, target: Option<&Commit>, notes: &Path) -> Result<()> {
        let mut gh = release("create", version);
        gh.args(["--draft", "--title", version.as_str(), "--notes-file"]).arg(notes);
        GH.run(aim(&mut gh, target)).context("making the release at GitHub").map(drop)
    }

    /// Uploads a file of this directory; one of that name is replaced.
    pub fn upload(&self, version: &Version, directory: &Path, file: &str) -> Result<()> {
        // gh takes what follows a # in a path for a label.
        GH.run(release("upload", version).args([file, "--clobber"]).current_dir(directory)).map(drop)
    }

    /// Removes a file.
    pub fn remove(&self, version: &Version, file: &str) -> Result<()> {
        GH.run(release("delete-asset", version).args([file, "--yes"])).with_context(|| format!("removing {file}"))?;
        Ok(())
    }

    /// Fetches all files into a directory.
    pub fn download(&self, version: &Version, to: &Path) -> Result<()> {
        GH.run(release("download", version).arg("--dir").arg(to)).context("fetching what is at GitHub").map(drop)
    }

    /// Hides a release until it is shown again.
    pub fn hide(&self, version: &Version) -> Result<()> {
        GH.run(release("edit", version).arg("--draft=true")).context("hiding the release").map(drop)
    }

    /// Gives it other notes.
    pub fn note(&self, version: &Version, notes: &Path) -> Result<()> {
        GH.run(release("edit", version).arg("--notes-file").arg(notes)).context("writing the notes").map(drop)
    }

    /// Shows a release.
    pub fn show(&self, version: &Version, target: Option<&Commit>, look: Look) -> Result<()> {
        let Look { draft, prerelease, not_latest } = look;
        let mut gh = release("edit", version);
        gh.args([format!("--draft={draft}"), format!("--prerelease={prerelease}")]);
        gh.args(not_latest.then_some("--latest=false"));
        GH.run(aim(&mut gh, target)).context("showing the release").map(drop)
    }
}

impl Release {
    /// A file of it that came whole.
    pub fn asset(&self, name: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.name == name && asset.state == UPLOADED)
    }

    /// Which of these files it does not have whole, as far as their lengths tell.
    pub fn lacks<'a>(&self, assets: &'a Assets) -> Vec<&'a str> {
        let is_there = |(name, sum): &(&String, &crate::assets::Sum)| {
            self.asset(name).is_some_and(|asset| asset.size == sum.bytes)
        };
        assets.iter().filter(|both| !is_there(both)).map(|(name, _)| name.as_str()).collect()
    }
}

/// A question about the repository to GitHub's API.
fn api(path: &str) -> Command {
    let mut gh = command();
    gh.args(["api", &format!("repos/{{owner}}/{{repo}}{path}")]);
    gh
}

/// What the API has there, if there is something.
fn ask_for(path: &str) -> Result<Option<Vec<u8>>> {
    match GH.bytes(&mut api(path)) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if MISSING.iter().any(|code| error.to_string().contains(code)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which commit publishing shall tag. Where there is a tag, GitHub may refuse to hear of another target.
fn aim<'g>(gh: &'g mut Command, target: Option<&Commit>) -> &'g mut Command {
    gh.args(target.map(|commit| format!("--target={commit}")))
}

fn release(verb: &str, version: &Version) -> Command {
    let mut gh = command();
    gh.args(["release", verb, version.as_str()]);
    gh
}

/// gh without what it does for people at terminals, and without the key, which is none of its business.
fn command() -> Command {
    let mut gh = GH.command();
    gh.env_remove(crate::trust::KEY).env_remove(dock0::signing::PASSWORD);
    gh.env("GH_PROMPT_DISABLED", "1").env("GH_NO_UPDATE_NOTIFIER", "1").env("NO_COLOR", "1");
    gh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::Sum;

    #[test]
    fn what_did_not_come_whole_is_lacking() {
        let asset = |name: &str, size: u64, state: &str| serde_json::json!({"id": 1, "name": name, "size": size, "state": state});
        let assets = [asset("whole", 5, UPLOADED), asset("short", 4, UPLOADED), asset("broken", 5, "starter")];
        let release = serde_json::json!({"tag_name": "1", "draft": true, "assets": assets});
        let release: Release = serde_json::from_value(release).unwrap();
        let wanted = ["whole", "short", "broken", "missing"];
        let wanted = wanted.map(|name| (name.to_owned(), Sum { bytes: 5, sha256: String::new() }));
        assert_eq!(release.lacks(&wanted.into()), ["broken", "missing", "short"]);
    }
}
