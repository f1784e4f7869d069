//! `just release VERSION`: what can be refused is refused first, then it is built twice, put together, uploaded where nobody
//! sees it, fetched back, compared, and shown.

use crate::dist::Dist;
use crate::github::Look;
use crate::plan::Plan;
use crate::repository::Repository;
use crate::standing::Standing;
use crate::twice::{Built, build_twice};
use crate::{say, upload};
use anyhow::{Context, Result, bail};
use argh::FromArgs;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

/// Builds the commit twice, compares, signs, and publishes it as a release at GitHub. What was begun is gone on with.
#[derive(FromArgs)]
#[argh(subcommand, name = "release")]
pub struct ReleaseArguments {
    /// the secret key of minisign that signs; without, $DOCK0_MINISIGN_KEY has its text
    #[argh(option)]
    pub key: Option<PathBuf>,
    /// leave it where only those who may publish see it
    #[argh(switch)]
    pub draft: bool,
    /// mark it as not for everybody yet
    #[argh(switch)]
    pub prerelease: bool,
    /// replace the files of a release that is there
    #[argh(switch)]
    pub clobber: bool,
    /// only build twice and compare, which asks nobody and needs no key
    #[argh(switch)]
    pub build_only: bool,
    /// do all but the upload
    #[argh(switch)]
    pub dry_run: bool,
    /// the manifest's serial (the highest before plus 1)
    #[argh(option)]
    pub serial: Option<u64>,
    /// the manifest's channel (stable)
    #[argh(option, default = "String::from(\"stable\")")]
    pub channel: String,
    /// in how many days the manifest expires (90)
    #[argh(option, default = "dock0::manifest::LASTS")]
    pub expires: u32,
    /// the version, which becomes a tag
    #[argh(positional)]
    pub version: String,
}

pub fn release(arguments: ReleaseArguments) -> Result<()> {
    let repository = Repository::here()?;
    let _alone = lock(&repository)?;
    if arguments.build_only {
        let commit = repository.clean_head()?;
        let built = build_twice(&repository, &commit, &repository.place("build/release"))?;
        return say(&format!("{}: two builds have the same {} files", commit.short(), built.assets.len()));
    }
    let plan = Plan::of(repository, &arguments)?;
    let standing = Standing::of(&plan, arguments.clobber)?;
    let built = build_twice(&plan.repository, &plan.commit, &plan.repository.place("build/release"))?;
    let dist = provide(&plan, &standing, &built)?;
    let (version, files, serial) = (&plan.version, dist.assets.len(), dist.manifest.serial);
    if arguments.dry_run {
        return say(&format!("{}: {files} files, serial {serial}; not uploaded", dist.folder.display()));
    }
    let look = Look { draft: arguments.draft, prerelease: arguments.prerelease, not_latest: false };
    upload::publish(&plan, &standing, &dist, look)
        .with_context(|| format!("publishing {version}, which the same command goes on with"))?;
    match arguments.draft {
        true => say(&format!("{version} is a draft of {files} files: the same without --draft publishes it")),
        false => say(&format!("{version} is published: {files} files, serial {serial}, {}", plan.github.page(version))),
    }
}

/// What is uploaded: what was begun with, what is in `dist/` if it is what would be made now, or else that.
fn provide(plan: &Plan, standing: &Standing, built: &Built) -> Result<Dist> {
    match standing {
        Standing::Begun(own) => plan
            .take_up(own, built)
            .with_context(|| format!("the draft of {} cannot be gone on with, --clobber replaces it", plan.version)),
        Standing::Vacant(serial) => match plan.dist() {
            Ok(dist) if dist.manifest.serial >= *serial && plan.check_same(&dist, built).is_ok() => Ok(dist),
            Ok(_) | Err(_) => plan.make(built, *serial),
        },
        Standing::Replaced(serial) => plan.make(built, *serial),
    }
}

/// Two at once would build into each other's directories.
fn lock(repository: &Repository) -> Result<File> {
    let directory = repository.place("build/release");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join("lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another release is being made here: wait for it"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}
