//! A VM's machine at Linode: the steps of a plan, done one at a time.

use super::account::Outlook;
use super::api::Filter;
use super::deploy::{Deployment, Site};
use super::events::Watch;
use super::model::{Disk, Done, Linode, Profile};
use super::plan::{PROFILE, Replace, SCRATCH, Step, devices};
use super::trust::{Token, Trust, random};
use super::upload;
use crate::manifest::hex;
use crate::origin::{GivenFile, Reader};
use crate::socket::tls::Fingerprint;
use crate::stop;
use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::PoisonError;
use std::time::Instant;

/// What the name of a VM's own image begins with; no two VMs have the same digest behind it.
const OWN: &str = "dock0-own-";

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
    /// This VM's own, which has its secrets; and the fingerprint of its key.
    Own(String, Fingerprint),
}

impl FromImage {
    fn id(&self) -> &str {
        let (FromImage::Shared(id) | FromImage::Own(id, _)) = self;
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
        let hears = self.outlook.has_metadata
            && match &self.linode {
                None => true,
                Some(linode) => {
                    linode.is_ours() && trust.token()?.is_some() && self.deployment.replace != Replace::Both
                }
            };
        match (hears, &self.linode) {
            // One that nobody has proved yet may be what a Linode has heard whose making was not answered.
            (true, None) => trust.expect(&trust.token()?.map_or_else(Token::make, Ok)?)?,
            (false, None) => trust.forget()?,
            (_, Some(_)) => {}
        }
        self.image = Some(if hears { FromImage::Shared(self.upload_shared()?) } else { self.upload_own()? });
        Ok(())
    }

    /// Removes the VM's own image, if it has one: whoever else makes a disk of it would be this VM.
    pub fn remove_own_image(&mut self) -> Result<()> {
        match &self.image {
            Some(FromImage::Own(id, _)) => upload::remove(self.site.api, id)?,
            Some(FromImage::Shared(_)) | None => return Ok(()),
        }
        self.image = None;
        Ok(())
    }

    /// The same with what earlier runs have left.
    pub fn remove_left_images(&self) -> Result<()> {
        let label = own_label(&self.deployment.host.name);
        let left = self.site.images.iter().filter(|image| image.label == label);
        left.into_iter().try_for_each(|image| upload::remove(self.site.api, &image.id))
    }

    fn upload_shared(&mut self) -> Result<String> {
        let Deployment { image, section, .. } = self.deployment;
        // The others wait here for the first.
        let Site { api, images, shared, .. } = self.site;
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        stop::check()?;
        ensure!(Instant::now() < self.until, "another VM's upload of it took too long (--timeout)");
        if let Some(id) = shared.get(&image.label()) {
            return Ok(id.clone());
        }
        let id = upload::find_or_upload(api, images, image, &section.region, self.until, self.show)?;
        shared.insert(image.label(), id.clone());
        Ok(id)
    }

    fn upload_own(&mut self) -> Result<FromImage> {
        let Deployment { image, section, host, settings, .. } = self.deployment;
        let api = self.site.api;
        let place = tempfile::tempdir().context("making a temporary directory")?;
        let (mut files, fingerprint) = self.trust().carried()?;
        files.extend(settings.iter().map(|bytes| GivenFile {
            path: wire::settings::PATH.into(),
            bytes: bytes.clone(),
            reader: Reader::Anybody,
        }));
        let own = image.with(&files, &place.path().join("boot.img.gz"))?;
        let label = own_label(&host.name);
        let id = upload::upload(api, &own, &label, &section.region, self.until, self.show)?;
        Ok(FromImage::Own(id, fingerprint))
    }

    /// Does one step of the plan.
    pub fn take(&mut self, step: &Step) -> Result<()> {
        let api = self.site.api;
        if *step == Step::Create {
            return self.create();
        }
        let at = self.linode()?.path();
        match step {
            Step::Create => Ok(()),
            Step::Tag(tags) => api.put(&at, &json!({ "tags": tags })).map(|linode| self.linode = Some(linode)),
            Step::Guard => {
                let firewall = self.outlook.firewall.context("no firewall is wanted")?;
                let device = json!({"id": self.linode()?.id, "type": "linode"});
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
            "tags": section.tags(), "booted": false, "interface_generation": "legacy_config"});
        let more = document.as_object_mut().context("writing a document for Linode")?;
        if let Some(firewall) = self.outlook.firewall {
            more.insert("firewall_id".into(), firewall.into());
        }
        let token = self.trust().token()?.filter(|_| matches!(self.image, Some(FromImage::Shared(_))));
        if let Some(token) = &token {
            more.insert(
                "metadata".into(),
                json!({"user_data": token.user_data(self.site.papers, self.deployment.settings.as_deref())?}),
            );
        }
        let since = self.site.events.newest()?;
        self.is_asked_for = true;
        let linode: Linode = self.site.api.post("/linode/instances", &document)?;
        self.watch = Some(self.site.events.watch(linode.id, since));
        let hears = linode.has_user_data;
        self.linode = Some(linode);
        self.wait("linode_create")?;
        ensure!(token.is_none() || hears != Some(false), "Linode did not take what the VM must hear by metadata");
        Ok(())
    }

    fn make_boot(&mut self, at: &str) -> Result<()> {
        let Deployment { image, section, .. } = self.deployment;
        let from = self.image.as_ref().context("there is no image")?;
        if let FromImage::Own(_, fingerprint) = from {
            self.trust().pin(fingerprint)?;
        }
        // Linode wants a password for whatever system it thinks there is; nobody ever hears of this one.
        let document = json!({"label": image.label(), "size": section.disks.boot, "image": from.id(), "root_pass": BASE64.encode(&random()?)});
        let disk: Disk = self.site.api.post(&format!("{at}/disks"), &document)?;
        self.boot = Some(disk.id);
        self.wait("disk_create")?;
        self.remove_own_image()
    }

    fn make_scratch(&mut self, at: &str) -> Result<()> {
        let size = match self.deployment.section.disks.scratch {
            Some(size) => size,
            None => {
                let disks: Vec<Disk> = self.site.api.list(&format!("{at}/disks"), Filter::All)?;
                let used: u64 = disks.iter().map(|disk| disk.size).sum();
                let all = self.linode()?.specs.disk;
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

    fn linode(&self) -> Result<&Linode> {
        self.linode.as_ref().context("there is no Linode")
    }

    fn wait(&mut self, action: &str) -> Result<()> {
        let (until, show) = (self.until, self.show);
        self.watch.as_mut().context("nobody looks at events")?.wait(action, until, show)
    }
}

/// The name of a VM's own image.
pub fn own_label(name: &str) -> String {
    format!("{OWN}{}", hex(&Sha256::digest(name).as_slice()[..8]))
}
