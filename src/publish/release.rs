//! `just release VERSION`: what can be refused is refused first, then it is built twice, put together, uploaded where nobody
//! sees it, fetched back, compared, and shown.

use crate::assets::INSTALLED;
use crate::dist::{self, Dist, Terms};
use crate::github::{GitHub, Look, Release};
use crate::repository::{Changes, Commit, Repository};
use crate::serial::Newest;
use crate::twice::Built;
use crate::{say, trust, twice, upload};
use anyhow::{Context, Result, bail, ensure};
use argh::FromArgs;
use dock0::manifest::{self, Head};
use dock0::recipe::word;
use dock0::signing::Signer;
use init::trust::Key;
use menagerie::{Name, Version};
use std::path::PathBuf;
use std::time::Duration;

/// The seconds of a day.
const DAY: u64 = 86_400;
/// The longest that a manifest can be installed, in days, as `dock0 manifest` has it.
const LASTS_MOST: u32 = 3650;
/// What the manifest says that it is a release of, and for what.
const PRODUCT: &str = "dock0";
const ARCH: &str = "x86_64";

/// Builds the commit twice, compares, signs, and publishes it as a release at GitHub. What was begun is gone on with.
#[derive(FromArgs)]
#[argh(subcommand, name = "release")]
pub struct ReleaseArguments {
    /// the secret key of minisign that signs; without, $DOCK0_MINISIGN_KEY has its text
    #[argh(option)]
    key: Option<PathBuf>,
    /// leave it where only those who may publish see it
    #[argh(switch)]
    draft: bool,
    /// mark it as not for everybody yet
    #[argh(switch)]
    prerelease: bool,
    /// replace the files of a release that is there
    #[argh(switch)]
    clobber: bool,
    /// do all but the upload
    #[argh(switch)]
    dry_run: bool,
    /// the manifest's serial (the highest before plus 1)
    #[argh(option)]
    serial: Option<u64>,
    /// the manifest's channel (stable)
    #[argh(option, default = "String::from(\"stable\")")]
    channel: String,
    /// in how many days the manifest expires (90)
    #[argh(option, default = "90")]
    expires: u32,
    /// the version, which becomes a tag
    #[argh(positional)]
    version: String,
}

/// What is published, and where.
struct Plan {
    repository: Repository,
    commit: Commit,
    version: Version,
    channel: Name,
    lasts: Duration,
    github: GitHub,
    signer: Signer,
    key: Key,
}

/// What GitHub has of the version.
enum Standing {
    /// Nothing, or a draft without files.
    Vacant,
    /// A draft, begun with this.
    Begun(Dist),
    /// Files that are to be replaced.
    Replaced,
}

pub fn release(arguments: ReleaseArguments) -> Result<()> {
    let plan = Plan::of(&arguments)?;
    let (own, others) = plan.releases()?;
    let standing = plan.standing(own.as_ref(), arguments.clobber)?;
    // What is replaced counts too: a machine may have it.
    let replaced = own.as_ref().filter(|_| matches!(standing, Standing::Replaced));
    let newest = plan.newest(others.iter().chain(replaced))?;
    let serial = newest.next(arguments.serial)?;
    let built = twice::build_twice(&plan.repository, &plan.commit, &plan.repository.place("build/release"))?;
    let asked = arguments.serial;
    let dist = match &standing {
        Standing::Begun(dist) => {
            plan.check_same(dist, &built, &newest, asked).with_context(|| {
                format!("the draft of {} cannot be gone on with, --clobber replaces it", plan.version)
            })?;
            plan.dist()?
        }
        Standing::Vacant => match plan.dist() {
            Ok(dist) if plan.check_same(&dist, &built, &newest, asked).is_ok() => dist,
            Ok(_) | Err(_) => plan.make(&built, serial)?,
        },
        Standing::Replaced => plan.make(&built, serial)?,
    };
    if arguments.dry_run {
        return say(&format!(
            "{}: {} files, serial {}; not uploaded",
            dist.folder.display(),
            dist.assets.len(),
            dist.manifest.serial
        ));
    }
    let look = Look { draft: arguments.draft, prerelease: arguments.prerelease };
    plan.publish(own, &standing, &dist, look)
        .with_context(|| format!("{} is a draft at best, the same command goes on with it", plan.version))?;
    let (version, files) = (&plan.version, dist.assets.len());
    match arguments.draft {
        true => say(&format!("{version} is a draft of {files} files: the same without --draft publishes it")),
        false => say(&format!(
            "{version} is published: {files} files, serial {}, {}",
            dist.manifest.serial,
            plan.github.page(version)
        )),
    }
}

impl Plan {
    /// Asks all that can be asked before an hour of building.
    fn of(arguments: &ReleaseArguments) -> Result<Plan> {
        let expires = arguments.expires;
        ensure!((1..=LASTS_MOST).contains(&expires), "--expires {expires}: must be 1 to {LASTS_MOST} days");
        let channel = word("channel", Some(&arguments.channel), None, "stable")?;
        let repository = Repository::here()?;
        let version = repository.version(&arguments.version)?;
        let commit = repository.clean_head()?;
        if let Some(other) = repository.tagged(&version)?.filter(|tagged| *tagged != commit) {
            bail!("the tag {version} is the commit {}, and this is {}", other.short(), commit.short());
        }
        let signer = trust::signer(arguments.key.as_deref())?;
        let key = trust::of(&signer)?;
        let github = GitHub::find()?;
        ensure!(github.has(&commit)?, "GitHub has no commit {}: push it first", commit.short());
        // GitHub keeps the tag that it has, whatever a release says.
        if let Some(other) = github.tagged(&version)?.filter(|tagged| *tagged != commit) {
            bail!("at GitHub the tag {version} is the commit {}, and this is {}", other.short(), commit.short());
        }
        let lasts = Duration::from_secs(DAY * u64::from(expires));
        Ok(Plan { repository, commit, version, channel, lasts, github, signer, key })
    }

    /// The release of this version, if there is one, and all others.
    fn releases(&self) -> Result<(Option<Release>, Vec<Release>)> {
        let all = self.github.releases()?.into_iter();
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|release| release.tag == self.version.as_str());
        ensure!(own.len() < 2, "GitHub has {} releases of {}: delete all but one", own.len(), self.version);
        Ok((own.into_iter().next(), others))
    }

    fn standing(&self, own: Option<&Release>, clobber: bool) -> Result<Standing> {
        let version = &self.version;
        let Some(own) = own else { return Ok(Standing::Vacant) };
        if clobber {
            return Ok(Standing::Replaced);
        }
        ensure!(own.draft, "{version} is published already: take another version, or --clobber replaces its files");
        if own.assets.is_empty() {
            return Ok(Standing::Vacant);
        }
        if let Some(sums) = own.asset(dist::SUMS) {
            let theirs = self.github.read(sums, wire::manifest::MAX_BYTES)?;
            if let Some(dist) = self.dist().ok().filter(|dist| dist.sums().is_ok_and(|ours| ours == theirs)) {
                return Ok(Standing::Begun(dist));
            }
        }
        bail!("there is a draft of {version}, and dist/ is not what it was begun with: --clobber replaces its files")
    }

    fn newest<'r>(&self, releases: impl Iterator<Item = &'r Release>) -> Result<Newest> {
        Newest::of(&self.github, &self.key, &self.channel, releases)
    }

    fn dist(&self) -> Result<Dist> {
        Dist::read(&self.repository.place("dist"), &self.key)
    }

    /// Whether what is in `dist/` is what would be made now.
    fn check_same(&self, dist: &Dist, built: &Built, newest: &Newest, serial: Option<u64>) -> Result<()> {
        let Dist { manifest, .. } = dist;
        ensure!(dist.is_made_of(built), "it was made of another commit");
        let url = self.github.file_url(&self.version, INSTALLED[0].1);
        ensure!(manifest.url == url, "its manifest is of {}, and not of {url}", manifest.url);
        ensure!(manifest.channel == self.channel, "its channel is {}", manifest.channel);
        ensure!(manifest.lasts == self.lasts, "it expires in {} days", manifest.lasts.as_secs() / DAY);
        ensure!(serial.is_none_or(|serial| serial == dist.manifest.serial), "its serial is {}", dist.manifest.serial);
        newest.next(Some(manifest.serial)).map(drop)
    }

    fn make(&self, built: &Built, serial: u64) -> Result<Dist> {
        let head = Head {
            product: word("product", None, None, PRODUCT)?,
            channel: self.channel.clone(),
            arch: word("arch", None, None, ARCH)?,
            issued: manifest::now()?,
            lasts: self.lasts,
        };
        let notes = self.notes(&self.repository.changes(&self.version, &self.commit)?);
        let url_of = |file: &str| self.github.file_url(&self.version, file);
        let terms = Terms { version: self.version.clone(), head, serial, url_of: &url_of, notes };
        Dist::make(&self.repository.place("dist"), built, &terms, &self.signer)?;
        self.dist()
    }

    fn notes(&self, changes: &Changes) -> String {
        let Changes { since, log } = changes;
        let head = since.as_ref().map_or("The first release.".into(), |tag| format!("Changes since {tag}:"));
        format!(
            "{head}\n\n{log}\nBuilt twice from the commit {}, with the same bytes. `just verify {}` builds it again and compares.\n",
            self.commit, self.version
        )
    }

    /// Uploads what is missing where nobody sees it, looks at all of it once more, and shows it.
    fn publish(&self, own: Option<Release>, standing: &Standing, dist: &Dist, look: Look) -> Result<()> {
        let Plan { github, version, .. } = self;
        match own {
            None => github.create_draft(version, &self.commit, &dist.notes())?,
            Some(own) if matches!(standing, Standing::Replaced) => upload::empty(github, version, &own)?,
            Some(_) => {}
        }
        let (own, others) = self.releases()?;
        let own = own.with_context(|| format!("GitHub has no {version} any more"))?;
        upload::upload(github, version, &own, dist)?;
        upload::check(github, version, dist)?;
        // Somebody else may have published meanwhile.
        self.newest(others.iter())?.next(Some(dist.manifest.serial))?;
        github.show(version, &self.commit, &dist.notes(), look)
    }
}
