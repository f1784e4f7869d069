//! Builds of a commit from nothing, each in a directory of its own, and whether two of them are the same.

use crate::assets::{self, Assets};
use crate::repository::{Commit, Repository};
use anyhow::{Context, Result, bail};
use dock0::progress::step;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the two builds are, of different lengths: a path that finds its way into a file changes it.
const PLACES: [&str; 2] = ["one", "and-another-place"];
/// What of the environment a build is given. No token, key or password, and nothing that changes what is built.
const ENVIRONMENT: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
/// How many of the last lines of a failed build are shown.
const LAST_LINES: usize = 20;

/// What a commit's build made.
#[derive(Debug)]
pub struct Built {
    /// Where it is.
    pub folder: PathBuf,
    /// What it is.
    pub assets: Assets,
}

/// Builds a commit twice below `work`, or takes up what was built of it there, and compares.
pub fn build_twice(repository: &Repository, commit: &Commit, work: &Path) -> Result<Built> {
    let work = work.join(commit.short());
    let [one, other] = PLACES;
    let (one, other) = (build(repository, commit, &work, one)?, build(repository, commit, &work, other)?);
    let differences = assets::differences(("in one", &one.assets), ("in the other", &other.assets));
    if differences.is_empty() {
        eprintln!("the two builds of {} are the same, {} files", commit.short(), one.assets.len());
        return Ok(one);
    }
    bail!(
        "the two builds of {} differ:\n  {}\nsomething of the place or of the clock is in them; both are in {}, and are built anew \
         once it is removed",
        commit.short(),
        differences.join("\n  "),
        work.display()
    )
}

/// Builds a commit from nothing in `work`.
pub fn build_once(repository: &Repository, commit: &Commit, work: &Path) -> Result<Built> {
    remove(work)?;
    build(repository, commit, work, "again")
}

fn build(repository: &Repository, commit: &Commit, work: &Path, place: &str) -> Result<Built> {
    let path = |suffix: &str| work.join(format!("{place}{suffix}"));
    let (clone, unfinished, folder, log) = (path(""), path(".unfinished"), path(".assets"), path(".log"));
    if folder.exists() {
        eprintln!("{}: built before", folder.display());
    } else {
        fs::create_dir_all(work).with_context(|| format!("making {}", work.display()))?;
        remove(&clone)?;
        remove(&unfinished)?;
        repository.clone_at(commit, &clone)?;
        step(
            &format!("building {} from nothing in {} (log: {})", commit.short(), clone.display(), log.display()),
            || make(&clone, &unfinished, &log),
        )?;
        assets::read_built(&unfinished)?;
        fs::rename(&unfinished, &folder).with_context(|| format!("renaming {}", unfinished.display()))?;
        // Gigabytes of objects, which nobody needs any more.
        remove(&clone)?;
    }
    let assets = assets::read_built(&folder)?;
    Ok(Built { folder, assets })
}

/// Runs `./justw assets FOLDER` in a copy of the repository.
fn make(clone: &Path, to: &Path, log: &Path) -> Result<()> {
    let file = fs::File::create(log).with_context(|| format!("making {}", log.display()))?;
    let errors = file.try_clone().with_context(|| format!("writing {}", log.display()))?;
    let mut justw = Command::new(clone.join("justw"));
    justw.arg("assets").arg(to).current_dir(clone).stdin(Stdio::null()).stdout(file).stderr(errors);
    justw.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let status = justw.status().with_context(|| format!("starting {}", clone.join("justw").display()))?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read(log).with_context(|| format!("reading {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
    bail!("./justw assets failed ({status}):\n{}\nThe whole log is {}", last.join("\n"), log.display())
}

/// Removes a directory, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("removing {}", path.display())),
    }
}
