//! `just verify VERSION`: what was published is fetched, proved by the key, and compared with what its commit builds here.

use crate::dist::{self, Dist};
use crate::github::GitHub;
use crate::repository::Repository;
use crate::{assets, say, trust, twice};
use anyhow::{Context, Result, bail, ensure};
use argh::FromArgs;
use dock0::progress::step;
use std::fs;
use std::path::PathBuf;

/// Fetches a release, checks its signatures and sums, builds its commit and compares.
#[derive(FromArgs)]
#[argh(subcommand, name = "verify")]
pub struct VerifyArguments {
    /// the public key that must have signed it, a file like manifest.pub
    #[argh(option)]
    trust: PathBuf,
    /// only check signatures and sums
    #[argh(switch)]
    no_rebuild: bool,
    /// the version
    #[argh(positional)]
    version: String,
}

pub fn verify(arguments: VerifyArguments) -> Result<()> {
    let repository = Repository::here()?;
    let version = repository.version(&arguments.version)?;
    let key = trust::read(&arguments.trust)?;
    let commit = repository.tagged(&version)?;
    if commit.is_none() && !arguments.no_rebuild {
        bail!("there is no tag {version} here: git fetch --tags, or --no-rebuild checks signatures and sums alone");
    }
    let github = GitHub::find()?;
    let work = repository.place("build/verify").join(version.as_str());
    let published = work.join("published");
    twice::remove(&work)?;
    fs::create_dir_all(&published).with_context(|| format!("making {}", published.display()))?;
    step(&format!("fetching {version}"), || github.download(&version, &published))?;
    let dist = Dist::read(&published, &key)?;
    let url = github.file_url(&version, assets::INSTALLED[0].1);
    let said = &dist.manifest.url;
    ensure!(*said == url, "{} is of another release: its kernel is at {said}, not at {url}", dist::MANIFEST);
    say(&format!(
        "{version}: {} files are what the key {} signed, serial {}",
        dist.assets.len(),
        key.id,
        dist.manifest.serial
    ))?;
    let Some(commit) = commit.filter(|_| !arguments.no_rebuild) else { return Ok(()) };
    let built = twice::build_once(&repository, &commit, &work.join("build"))?;
    let published = dist.assets.iter().filter(|(name, _)| !dist::IS_NOT_BUILT.contains(&name.as_str()));
    let published = published.map(|(name, sum)| (name.clone(), sum.clone())).collect();
    let differences = assets::differences(("published", &published), ("built here", &built.assets));
    ensure!(
        differences.is_empty(),
        "{version} is not what {} builds here:\n  {}\nwhere other compilers build, sbom.cdx.json says which; both are in {}",
        commit.short(),
        differences.join("\n  "),
        work.display()
    );
    say(&format!("{version}: {} builds the same {} files here", commit.short(), built.assets.len()))
}
