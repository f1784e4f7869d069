//! What is published, where, and by whose key: all that is asked before anything is built, and what `dist/` must be then.

use crate::assets::INSTALLED;
use crate::dist::{self, Dist, Terms};
use crate::github::{GitHub, Release};
use crate::release::ReleaseArguments;
use crate::repository::{Changes, Commit, Repository};
use crate::serial::Newest;
use crate::trust;
use crate::twice::Built;
use anyhow::{Context, Result, bail, ensure};
use dock0::manifest::{self, DAY, Head};
use dock0::recipe::word;
use dock0::signing::Signer;
use init::trust::Key;
use menagerie::{Name, Version};
use std::time::Duration;

/// How old a manifest may be that is published, in seconds: it expires by the day on which it was made.
const OLDEST: u64 = DAY;
/// What the manifest says that it is a release of, and for what.
const PRODUCT: &str = "dock0";
const ARCH: &str = "x86_64";
/// The channel whose releases are the latest.
const STABLE: &str = "stable";

/// What is published, and where.
pub struct Plan {
    /// Of which repository.
    pub repository: Repository,
    /// Of which commit.
    pub commit: Commit,
    /// As which version.
    pub version: Version,
    /// Where.
    pub github: GitHub,
    channel: Name,
    lasts: Duration,
    asked: Option<u64>,
    signer: Signer,
    key: Key,
}

impl Plan {
    /// Asks all that can be asked before an hour of building.
    pub fn of(repository: Repository, arguments: &ReleaseArguments) -> Result<Plan> {
        let lasts = manifest::lasts(arguments.expires)?;
        let channel = word("channel", Some(&arguments.channel), None, STABLE)?;
        let is_for_all = channel.as_str() == STABLE || arguments.prerelease || arguments.draft;
        ensure!(is_for_all, "--channel {channel} without --prerelease: everybody's latest release would be of it");
        let version = repository.version(&arguments.version)?;
        let commit = repository.clean_head()?;
        if let Some(other) = repository.tagged(&version)?.filter(|tagged| *tagged != commit) {
            bail!("the tag {version} is the commit {}, and this is {}", other.short(), commit.short());
        }
        let signer = trust::signer(arguments.key.as_deref())?;
        let key = trust::of(&signer)?;
        let github = GitHub::find()?;
        ensure!(github.has(&commit)?, "GitHub has no commit {}: push it first", commit.short());
        let plan = Plan { repository, commit, version, github, channel, lasts, asked: arguments.serial, signer, key };
        plan.target()?;
        Ok(plan)
    }

    /// What publishing shall tag: nothing, where GitHub has the tag, which it keeps whatever a release says.
    pub fn target(&self) -> Result<Option<&Commit>> {
        let Plan { version, commit, .. } = self;
        match self.github.tagged(version)? {
            Some(tagged) if tagged == *commit => Ok(None),
            Some(other) => {
                bail!("at GitHub the tag {version} is the commit {}, and this is {}", other.short(), commit.short())
            }
            None => Ok(Some(commit)),
        }
    }

    /// The release of this version, if there is one, and all others.
    pub fn releases(&self) -> Result<(Option<Release>, Vec<Release>)> {
        let all = self.github.releases()?.into_iter();
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|release| release.tag == self.version.as_str());
        ensure!(own.len() < 2, "GitHub has {} releases of {}: delete all but one", own.len(), self.version);
        Ok((own.into_iter().next(), others))
    }

    /// The serial of a new manifest: more than any there is, drafts' too.
    pub fn serial(&self, others: &[Release]) -> Result<u64> {
        self.newest(others.iter())?.next(self.asked)
    }

    /// The same where this release is replaced: a machine may have its manifest.
    pub fn serial_after(&self, own: &Release, others: &[Release]) -> Result<u64> {
        let newest = self.newest(others.iter().chain([own]))?;
        let newest = match self.dist() {
            // Replacing was begun before, and the manifest may be gone already.
            Ok(dist) if dist.manifest.channel == self.channel => newest.or(dist.manifest.serial, &dist.folder),
            Ok(_) | Err(_) => newest,
        };
        newest.next(self.asked)
    }

    /// Whether this serial is still more than any that is published.
    pub fn check_grows(&self, others: &[Release], serial: u64) -> Result<()> {
        let published = others.iter().filter(|release| !release.draft);
        self.newest(published)?.next(Some(serial)).map(drop)
    }

    fn newest<'r>(&self, releases: impl Iterator<Item = &'r Release>) -> Result<Newest> {
        Newest::of(&self.github, &self.key, &self.channel, releases)
    }

    /// What is in `dist/`.
    pub fn dist(&self) -> Result<Dist> {
        Dist::read_own(&self.repository.place("dist"), &self.key)
    }

    /// Whether what is in `dist/` is what would be made now.
    pub fn check_same(&self, dist: &Dist, built: &Built) -> Result<()> {
        let said = &dist.manifest;
        ensure!(dist.is_made_of(built), "it was made of another commit");
        let url = self.github.file_url(&self.version, INSTALLED[0].1);
        ensure!(said.url == url, "its manifest is of {}, and not of {url}", said.url);
        ensure!(said.channel == self.channel, "its channel is {}", said.channel);
        ensure!(said.lasts == self.lasts, "it expires in {} days", said.lasts.as_secs() / DAY);
        ensure!(self.asked.is_none_or(|serial| serial == said.serial), "its serial is {}", said.serial);
        let age = manifest::now()?.unix().saturating_sub(said.issued.unix());
        ensure!(age <= OLDEST, "it was made {}, more than a day ago", said.issued);
        Ok(())
    }

    /// What a draft was begun with: what is in `dist/`, or what is built with what was signed of it.
    pub fn take_up(&self, own: &Release, built: &Built) -> Result<Dist> {
        let signed = |name: &str| {
            let asset = own.asset(name).with_context(|| format!("it has no {name}"))?;
            self.github.read(asset, wire::manifest::MAX_BYTES)
        };
        let sums = signed(dist::SUMS)?;
        let dist = match self.dist() {
            Ok(dist) if dist.sums()? == sums => dist,
            Ok(_) | Err(_) => {
                Dist::gather(&self.repository.place("dist"), built, &self.notes()?, signed)?;
                self.dist()?
            }
        };
        self.check_same(&dist, built)?;
        let (_, others) = self.releases()?;
        self.check_grows(&others, dist.manifest.serial)?;
        Ok(dist)
    }

    /// Puts what was built together, and signs it.
    pub fn make(&self, built: &Built, serial: u64) -> Result<Dist> {
        let head = Head {
            product: word("product", None, None, PRODUCT)?,
            channel: self.channel.clone(),
            arch: word("arch", None, None, ARCH)?,
            issued: manifest::now()?,
            lasts: self.lasts,
        };
        let url_of = |file: &str| self.github.file_url(&self.version, file);
        let terms = Terms { version: self.version.clone(), head, serial, url_of: &url_of, notes: self.notes()? };
        Dist::make(&self.repository.place("dist"), built, &terms, &self.signer)?;
        self.dist()
    }

    fn notes(&self) -> Result<String> {
        let Plan { version, commit, .. } = self;
        let Changes { since, log } = self.repository.changes(version, commit)?;
        let head = since.map_or("The first release.".into(), |tag| format!("Changes since {tag}:"));
        let tail = format!("Built twice from the commit {commit}, with the same bytes.");
        Ok(format!("{head}\n\n{log}\n{tail} `just verify {version}` builds it again and compares.\n"))
    }
}
