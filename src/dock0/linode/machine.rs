//! A VM's machine at Linode: the steps of a plan, done one at a time.

use super::account::Outlook;
use super::api::Filter;
use super::deploy::{Deployment, Site};
use super::events::Watch;
use super::model::{Disk, Done, Linode, Profile};
use super::plan::{PROFILE, Replace, SCRATCH, Step, devices};
use super::trust::{Token, Trust};
use super::upload;
use anyhow::{Context, Result, anyhow, ensure};
use data_encoding::BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use std::sync::PoisonError;
use std::time::Instant;

/// The longest name of an image, in characters.
const LABEL: usize = 50;

/// A machine under way.
pub struct Machine<'m> {
    /// What it has in common with others.
    pub site: &'m Site<'m>,
    /// What it shall be.
    pub deployment: &'m Deployment,
    /// What there was of it.
    pub outlook: &'m Outlook,
    /// Until when all of it must be done.
    pub until: Instant,
    /// What is going on.
    pub show: &'m dyn Fn(&str),
    /// Whether Linode was asked to make one.
    pub is_asked_for: bool,
    /// What there is of it.
    pub linode: Option<Linode>,
    watch: Option<Watch<'m>>,
    image: Option<FromImage>,
    boot: Option<u64>,
    scratch: Option<u64>,
    profile: Option<u64>,
}

/// What the boot disk is made of.
enum FromImage {
    /// The one that all have.
    Shared(String),
    /// This VM's own, which has its secrets.
    Own(String),
}

impl FromImage {
    fn id(&self) -> &str {
        let (FromImage::Shared(id) | FromImage::Own(id)) = self;
        id
    }
}

impl<'m> Machine<'m> {
    /// As it was found.
    pub fn new(
        site: &'m Site<'m>,
        deployment: &'m Deployment,
        outlook: &'m Outlook,
        until: Instant,
        show: &'m dyn Fn(&str),
    ) -> Result<Machine<'m>> {
        let linode = outlook.linode.clone();
        let (boot, scratch, profile) = (outlook.plan.boot, outlook.plan.scratch, outlook.plan.profile);
        let since = site.events.newest()?;
        let watch = linode.as_ref().map(|linode| site.events.watch(linode.id, since));
        let (is_asked_for, image) = (false, None);
        Ok(Machine {
            site,
            deployment,
            outlook,
            until,
            show,
            is_asked_for,
            linode,
            watch,
            image,
            boot,
            scratch,
            profile,
        })
    }

    /// Has the boot image at Linode, and settles how the VM comes to know its operators: a new Linode hears it from the metadata
    /// service, and so does one that has not been met since; where there is none, and for a Linode whose metadata anybody may have read
    /// by now, the image says it.
    pub fn provide_image(&mut self) -> Result<()> {
        let trust = self.trust();
        let hears = match self.linode {
            None => self.outlook.has_metadata,
            Some(_) => trust.token()?.is_some() && self.deployment.replace != Replace::Both,
        };
        if hears && self.linode.is_none() {
            trust.expect(&Token::make()?)?;
        }
        self.image = Some(match hears {
            true => FromImage::Shared(self.upload_shared()?),
            false => FromImage::Own(self.upload_own()?),
        });
        Ok(())
    }

    /// Removes the VM's own image, if it has one: whoever else makes a disk of it would be this VM.
    pub fn remove_own_image(&self) -> Result<()> {
        match &self.image {
            Some(FromImage::Own(id)) => {
                let removed = self.site.api.delete(&format!("/images/{id}"));
                removed.with_context(|| format!("removing the VM's own image {id}"))
            }
            Some(FromImage::Shared(_)) | None => Ok(()),
        }
    }

    fn upload_shared(&mut self) -> Result<String> {
        let Deployment { image, section, .. } = self.deployment;
        // The others wait here for the first.
        let Site { api, images, shared, .. } = self.site;
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = shared.get(&image.label()) {
            return Ok(id.clone());
        }
        let id = upload::find_or_upload(api, images, image, &section.region, self.until, self.show)?;
        shared.insert(image.label(), id.clone());
        Ok(id)
    }

    fn upload_own(&mut self) -> Result<String> {
        let Deployment { image, section, host, .. } = self.deployment;
        let api = self.site.api;
        let place = tempfile::tempdir().context("making a temporary directory")?;
        let own = image.with(&self.trust().carried()?, &place.path().join("boot.img.gz"))?;
        let label: String = format!("dock0 for {}", host.name).chars().take(LABEL).collect();
        for left in self.site.images.iter().filter(|image| image.label == label) {
            api.delete(&format!("/images/{}", left.id))?;
        }
        upload::upload(api, &own, &label, &section.region, self.until, self.show)
    }

    /// Does one step of the plan.
    pub fn take(&mut self, step: &Step) -> Result<()> {
        let api = self.site.api;
        if *step == Step::Create {
            return self.create();
        }
        let at = format!("/linode/instances/{}", self.id()?);
        match step {
            Step::Create => Ok(()),
            Step::Tag(tags) => api.put(&at, &json!({ "tags": tags })).map(|linode| self.linode = Some(linode)),
            Step::Guard => {
                let firewall = self.outlook.firewall.context("no firewall is wanted")?;
                let device = json!({"id": self.id()?, "type": "linode"});
                api.post(&format!("/networking/firewalls/{firewall}/devices"), &device).map(|_: Done| ())
            }
            Step::ShutDown => {
                api.post(&format!("{at}/shutdown"), &json!({})).map(|_: Done| ())?;
                self.wait("linode_shutdown")
            }
            Step::RemoveProfile(id, _) => api.delete(&format!("{at}/configs/{id}")),
            Step::RemoveDisk(id, ..) => {
                api.delete(&format!("{at}/disks/{id}"))?;
                self.wait("disk_delete")
            }
            Step::MakeBoot => self.make_boot(&at),
            Step::MakeScratch => self.make_scratch(&at),
            Step::MakeProfile(old) => self.make_profile(&at, *old),
            Step::Boot => {
                let profile = self.profile.context("there is no profile")?;
                api.post(&format!("{at}/boot"), &json!({ "config_id": profile })).map(|_: Done| ())?;
                self.wait("linode_boot")
            }
        }
    }

    fn create(&mut self) -> Result<()> {
        let Deployment { host, section, .. } = self.deployment;
        let mut document = json!({"label": host.name, "region": section.region, "type": section.kind,
            "tags": section.tags(), "booted": false});
        let more = document.as_object_mut().context("writing a document for Linode")?;
        if let Some(firewall) = self.outlook.firewall {
            more.insert("firewall_id".into(), firewall.into());
        }
        if let (Some(FromImage::Shared(_)), Some(token)) = (&self.image, self.trust().token()?) {
            more.insert("metadata".into(), json!({"user_data": token.user_data(self.site.papers)?}));
        }
        let since = self.site.events.newest()?;
        self.is_asked_for = true;
        let linode: Linode = self.site.api.post("/linode/instances", &document)?;
        self.watch = Some(self.site.events.watch(linode.id, since));
        self.linode = Some(linode);
        self.wait("linode_create")
    }

    fn make_boot(&mut self, at: &str) -> Result<()> {
        let Deployment { image, section, .. } = self.deployment;
        let from = self.image.as_ref().context("there is no image")?;
        if let FromImage::Own(_) = from {
            self.trust().forget()?;
        }
        // Linode wants a password for whatever system it thinks there is; nobody ever hears of this one.
        let document =
            json!({"label": image.label(), "size": section.disks.boot, "image": from.id(), "root_pass": password()?});
        let disk: Disk = self.site.api.post(&format!("{at}/disks"), &document)?;
        self.boot = Some(disk.id);
        self.wait("disk_create")
    }

    fn make_scratch(&mut self, at: &str) -> Result<()> {
        let size = match self.deployment.section.disks.scratch {
            Some(size) => size,
            None => {
                let disks: Vec<Disk> = self.site.api.list(&format!("{at}/disks"), Filter::All)?;
                let used: u64 = disks.iter().map(|disk| disk.size).sum();
                let all = self.linode.as_ref().map_or(0, |linode| linode.specs.disk);
                ensure!(all > used, "nothing is left of its {all} MB");
                all - used
            }
        };
        let document = json!({"label": SCRATCH, "size": size, "filesystem": "raw"});
        let disk: Disk = self.site.api.post(&format!("{at}/disks"), &document)?;
        self.scratch = Some(disk.id);
        self.wait("disk_create")
    }

    fn make_profile(&mut self, at: &str, old: Option<u64>) -> Result<()> {
        let section = &self.deployment.section;
        let both = self.boot.zip(self.scratch).context("its disks are missing")?;
        let document = json!({"label": PROFILE, "kernel": section.kernel.name(), "devices": devices(both.0, both.1),
            "helpers": section.helpers(), "root_device": "/dev/sda"});
        let profile: Profile = match old {
            Some(id) => self.site.api.put(&format!("{at}/configs/{id}"), &document)?,
            None => self.site.api.post(&format!("{at}/configs"), &document)?,
        };
        self.profile = Some(profile.id);
        Ok(())
    }

    fn trust(&self) -> Trust<'m> {
        Trust::of(self.site.papers, &self.deployment.host.name)
    }

    fn id(&self) -> Result<u64> {
        self.linode.as_ref().map(|linode| linode.id).context("there is no Linode")
    }

    fn wait(&mut self, action: &str) -> Result<()> {
        let (until, show) = (self.until, self.show);
        self.watch.as_mut().context("nobody looks at events")?.wait(action, until, show)
    }
}

fn password() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the kernel gives no random numbers"))?;
    Ok(BASE64.encode(&bytes))
}
