//! The git repository that is released: whether it is clean, what its commits and tags are, and copies of a commit.

use crate::assets::INSTALLED;
use anyhow::{Context, Result, anyhow, bail, ensure};
use dock0::tool::Tool;
use menagerie::layout::check_link;
use menagerie::{Artifact, Layout, Version};
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

const GIT: Tool = Tool { program: "git", package: "git" };
/// How long the list of changes may be, in bytes: the text of a release has at most 125,000 characters.
const MAX_LOG: usize = 100_000;
/// How many changed files a refusal names.
const NAMED: usize = 5;

/// A repository on this machine.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
}

/// A commit, by its whole name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Commit(String);

impl Repository {
    /// The one that the working directory is in.
    pub fn here() -> Result<Repository> {
        let root = GIT.run(GIT.command().args(["rev-parse", "--show-toplevel"]))?;
        Ok(Repository { root: root.trim_end().into() })
    }

    /// A place in it.
    pub fn place(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A version that can be a tag.
    pub fn version(&self, text: &str) -> Result<Version> {
        let version: Version = text.parse().map_err(|why| anyhow!("the version {text:?} {why}"))?;
        let mut git = self.git();
        git.args(["check-ref-format", &format!("refs/tags/{version}")]);
        let can_be = git.status().context("starting git")?.success();
        // An option of git and gh would begin with a dash.
        ensure!(can_be && !text.starts_with('-'), "the version {text:?} cannot be a tag of git");
        for (name, _) in INSTALLED {
            let name = name.parse().map_err(|why| anyhow!("the name {name:?} {why}"))?;
            let artifact = Artifact { name, version: version.clone() };
            check_link(&Layout::default(), &artifact)
                .map_err(|_| anyhow!("the version {text:?} is too long for a link to it"))?;
        }
        Ok(version)
    }

    /// The commit that the working tree has, if it has nothing else: what is not committed would not be built.
    pub fn clean_head(&self) -> Result<Commit> {
        let changed = GIT.run(self.git().args(["status", "--porcelain"]))?;
        let mut lines: Vec<&str> = changed.lines().map(|line| line.get(3..).unwrap_or(line)).collect();
        if !lines.is_empty() {
            let more = if lines.len() > NAMED { ", …" } else { "" };
            lines.truncate(NAMED);
            bail!("the working tree has changes that no commit has ({}{more}): commit or stash them", lines.join(", "));
        }
        self.commit("HEAD")?.context("the repository has no commit")
    }

    /// The commit of a tag, if there is such a tag.
    pub fn tagged(&self, version: &Version) -> Result<Option<Commit>> {
        self.commit(&format!("refs/tags/{version}"))
    }

    fn commit(&self, of: &str) -> Result<Option<Commit>> {
        let mut git = self.git();
        git.args(["rev-parse", "--verify", "--quiet", &format!("{of}^{{commit}}")]);
        let output = git.output().context("starting git")?;
        // Without a word: that is how it says that there is none.
        ensure!(output.status.success() || output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        Ok((!name.is_empty()).then_some(Commit(name)))
    }

    /// A copy of a commit in a directory that is not there yet, with all its history and nothing that is not committed.
    pub fn clone_at(&self, commit: &Commit, to: &Path) -> Result<()> {
        let mut clone = GIT.command();
        clone.args(["clone", "--quiet", "--no-hardlinks", "--no-checkout"]).arg(&self.root).arg(to);
        GIT.run(&mut clone)?;
        GIT.run(GIT.command().arg("-C").arg(to).args(["checkout", "--quiet", "--detach", &commit.0]))?;
        Ok(())
    }

    /// What was changed up to a commit, since the last tag before it that is not `version` itself; a line for each commit.
    pub fn changes(&self, version: &Version, commit: &Commit) -> Result<Changes> {
        let mut describe = self.git();
        describe.args(["describe", "--tags", "--abbrev=0", &format!("--exclude={version}"), &commit.0]);
        let output = describe.output().context("starting git")?;
        // There may be no tag before; asking for the log fails where anything else is wrong.
        let tag = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let since = (output.status.success() && !tag.is_empty()).then_some(tag);
        let range = since.as_ref().map_or(commit.0.clone(), |tag| format!("refs/tags/{tag}..{commit}"));
        let log = GIT.run(self.git().args(["log", "--no-merges", "--format=* %s (%h)", &range, "--"]))?;
        Ok(Changes { since, log: harmless(&shorten(log)) })
    }

    fn git(&self) -> Command {
        let mut git = GIT.command();
        git.env_remove(crate::trust::KEY).env_remove(dock0::signing::PASSWORD);
        git.arg("-C").arg(&self.root);
        git
    }
}

/// The first lines, as many as GitHub takes.
fn shorten(mut log: String) -> String {
    if log.len() > MAX_LOG {
        let end = log.bytes().take(MAX_LOG).rposition(|byte| byte == b'\n').map_or(0, |end| end + 1);
        let more = log.bytes().skip(end).filter(|byte| *byte == b'\n').count();
        log.truncate(end);
        log.push_str(&format!("* and {more} more\n"));
    }
    log
}

/// Titles as they are: no comment or tag of HTML begins in one, and nobody is called by one.
fn harmless(log: &str) -> String {
    log.replace('&', "&amp;").replace('<', "&lt;").replace('@', "@\u{2060}")
}

/// What is new in a release.
#[derive(Debug)]
pub struct Changes {
    /// The tag before.
    pub since: Option<String>,
    /// A line for each commit.
    pub log: String,
}

impl Commit {
    /// As much of its name as people write.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_changes_ends_with_how_many_are_left() {
        let line = format!("* {}\n", "\u{e9}".repeat(48)); // 99 bytes
        assert_eq!(shorten(line.repeat(1010)), line.repeat(1010));
        assert_eq!(shorten(line.repeat(1100)), format!("{}* and 90 more\n", line.repeat(1010)));
        assert_eq!(harmless("* <!-- @all & co"), "* &lt;!-- @\u{2060}all &amp; co");
        assert_eq!(shorten("x".repeat(MAX_LOG + 1)), "* and 0 more\n");
    }
}
