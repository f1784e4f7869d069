//! What an account has, looked up once for all VMs of a deployment.

use super::api::{Api, Filter};
use super::model::{Disk, Firewall, Guarded, Linode, Profile, Region};
use super::plan::{Found, Plan, Wanted};
use super::section::{FirewallName, Section};
use crate::stop;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often a Linode that is on its way is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What an account has.
#[derive(Debug)]
pub struct Account<'a> {
    api: &'a Api,
    linodes: Vec<Linode>,
    firewalls: Option<Vec<Firewall>>,
    regions: HashMap<String, Region>,
}

/// What is there of one VM, and what is done about it.
#[derive(Debug)]
pub struct Outlook {
    /// The Linode, if there is one.
    pub linode: Option<Linode>,
    /// The firewall that is wanted.
    pub firewall: Option<u64>,
    /// Whether the metadata service is to be had where it is.
    pub has_metadata: bool,
    /// What is done.
    pub plan: Plan,
}

impl<'a> Account<'a> {
    /// Looks which Linodes there are.
    pub fn look(api: &'a Api) -> Result<Account<'a>> {
        let linodes = api.list("/linode/instances", Filter::All).context("listing the Linodes")?;
        Ok(Account { api, linodes, firewalls: None, regions: HashMap::new() })
    }

    /// All of them.
    pub fn linodes(&self) -> &[Linode] {
        &self.linodes
    }

    /// The Linode of a name.
    pub fn linode(&self, name: &str) -> Option<&Linode> {
        self.linodes.iter().find(|linode| linode.label == name)
    }

    /// What is there of a VM, and what is to be done. One that is on its way up or down is waited for.
    pub fn outlook(&mut self, wanted: &Wanted, until: Instant, show: &dyn Fn(&str)) -> Result<Outlook> {
        let (firewall, has_metadata) = (self.firewall(wanted.section)?, self.has_metadata(&wanted.section.region)?);
        let Some(linode) = self.linode(wanted.name).cloned() else {
            return Ok(Outlook { linode: None, firewall, has_metadata, plan: Plan::of_new() });
        };
        let (linode, disks) = self.settled(linode, until, show)?;
        let at = linode.path();
        let profiles: Vec<Profile> = self.api.list(&format!("{at}/configs"), Filter::All)?;
        let is_guarded = firewall.map(|firewall| self.guards(firewall, linode.id)).transpose()?.unwrap_or(true);
        let found = Found { linode: &linode, disks: &disks, profiles: &profiles, is_guarded };
        let plan = Plan::of(&found, wanted)?;
        Ok(Outlook { linode: Some(linode), firewall, has_metadata, plan })
    }

    fn settled(&self, mut linode: Linode, until: Instant, show: &dyn Fn(&str)) -> Result<(Linode, Vec<Disk>)> {
        let at = linode.path();
        loop {
            let disks: Vec<Disk> = self.api.list(&format!("{at}/disks"), Filter::All)?;
            let busy = disks.iter().find(|disk| disk.status != "ready");
            let doing = match (linode.status.as_str(), busy) {
                ("running" | "offline", None) => return Ok((linode, disks)),
                ("running" | "offline", Some(disk)) => format!("its disk {} is {}", disk.label, disk.status),
                (status, _) => format!("it is {status}"),
            };
            show(&doing);
            if Instant::now() + EVERY >= until {
                bail!("Linode {}: {doing}, and that does not end: look at it in the Cloud Manager", linode.id);
            }
            stop::pause(EVERY)?;
            linode = self.api.get(&at)?;
        }
    }

    fn firewall(&mut self, section: &Section) -> Result<Option<u64>> {
        let Some(wanted) = &section.firewall else { return Ok(None) };
        if self.firewalls.is_none() {
            self.firewalls = Some(self.api.list("/networking/firewalls", Filter::All)?);
        }
        let is_it = |firewall: &&Firewall| match wanted {
            FirewallName::Number(id) => firewall.id == *id,
            FirewallName::Label(label) => firewall.label == *label,
        };
        match self.firewalls.iter().flatten().find(is_it) {
            Some(firewall) => Ok(Some(firewall.id)),
            None => bail!(
                "linode: firewall: there is none that is {}",
                match wanted {
                    FirewallName::Number(id) => id.to_string(),
                    FirewallName::Label(label) => label.clone(),
                }
            ),
        }
    }

    fn guards(&self, firewall: u64, linode: u64) -> Result<bool> {
        let guarded: Vec<Guarded> = self.api.list(&format!("/networking/firewalls/{firewall}/devices"), Filter::All)?;
        Ok(guarded.iter().any(|one| one.entity.kind == "linode" && one.entity.id.as_u64() == Some(linode)))
    }

    fn has_metadata(&mut self, region: &str) -> Result<bool> {
        if !self.regions.contains_key(region) {
            let path = format!("/regions/{region}");
            let found = self.api.get(&path).with_context(|| format!("linode: region: {region}"))?;
            self.regions.insert(region.into(), found);
        }
        let capabilities = self.regions.get(region).into_iter().flat_map(|region| &region.capabilities);
        Ok(capabilities.into_iter().any(|capability| capability == "Metadata"))
    }
}
