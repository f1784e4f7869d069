//! A deployment: a plan carried out a step at a time, up to a VM whose release is good.

use super::account::Outlook;
use super::api::Api;
use super::events::{Events, is_there};
use super::image::BootImage;
use super::machine::Machine;
use super::meeting::{Given, Meeting, Standing};
use super::model::{Image, Linode};
use super::plan::Replace;
use super::section::Section;
use super::trust::Trust;
use crate::papers::Papers;
use crate::socket::cargo::Cargo;
use crate::socket::host::Host;
use crate::stop;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The port of SSH.
const SSH: u16 = 22;

/// What all VMs of a deployment have in common.
pub struct Site<'s> {
    /// The account.
    pub api: &'s Api,
    /// What happens in it.
    pub events: &'s Events<'s>,
    /// Who deploys.
    pub papers: &'s Papers,
    /// What was at Linode before.
    pub images: Vec<Image>,
    /// The boot images that are there by now, by their names; whoever comes first uploads.
    pub shared: Mutex<HashMap<String, String>>,
}

impl<'s> Site<'s> {
    /// Before anything is deployed: these images are at Linode.
    pub fn new(api: &'s Api, events: &'s Events<'s>, papers: &'s Papers, images: Vec<Image>) -> Site<'s> {
        Site { api, events, papers, images, shared: Mutex::default() }
    }
}

/// What one VM shall be.
pub struct Deployment {
    /// Its name, and where its config socket is if that is not its Linode's own address.
    pub host: Host,
    /// As its configuration says.
    pub section: Section,
    /// What its boot disk is made of.
    pub image: BootImage,
    /// Its settings, if it gets any that are not on the image.
    pub settings: Option<Vec<u8>>,
    /// Its configuration.
    pub bundle: Cargo,
    /// Of that.
    pub sha256: String,
    /// What goes although it could stay.
    pub replace: Replace,
    /// Whether it is waited until its release is good.
    pub end: End,
}

/// When a deployment is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The configuration is pushed.
    Pushed,
    /// The VM has called its release good.
    Good,
}

/// What became of it.
#[derive(Debug)]
pub struct Deployed {
    /// Its Linode.
    pub linode: Linode,
    /// What was done, and how long each took.
    pub steps: Vec<(String, Duration)>,
    /// Whether it is good, if that was waited for.
    pub standing: Option<Standing>,
}

impl Deployed {
    /// Where it can be reached.
    pub fn addresses(&self) -> Vec<String> {
        self.linode.addresses().iter().map(IpAddr::to_string).collect()
    }
}

impl Deployment {
    /// Does what the plan says. Whatever fails, what there is by then is said.
    pub fn carry_out(&self, site: &Site, outlook: &Outlook, until: Instant, show: &dyn Fn(&str)) -> Result<Deployed> {
        let name = &self.host.name;
        let mut machine = Machine::new(site, self, outlook, until, show).with_context(|| name.clone())?;
        let deployed = deploy(&mut machine, &mut Steps { show, done: Vec::new() });
        deployed.map_err(|error| match &machine.linode {
            Some(linode) => anyhow!(
                "{name}: {error:#}. Linode {} is there: the same command goes on, dock0 destroy {name} removes it",
                linode.id
            ),
            None if machine.is_asked_for => {
                anyhow!("{name}: {error:#}. There may be a Linode of it: the same command looks, and goes on")
            }
            None => anyhow!("{name}: {error:#}. There is no Linode of it yet"),
        })
    }
}

/// From what there is to a VM that has its configuration and is good.
fn deploy(machine: &mut Machine, steps: &mut Steps) -> Result<Deployed> {
    let Machine { site, deployment, outlook, until, show, .. } = *machine;
    let Deployment { host, bundle, sha256, end, .. } = deployment;
    machine.remove_left_images()?;
    if outlook.plan.makes_boot() {
        steps.take("provide the boot image", || machine.provide_image())?;
    }
    let made = outlook.plan.steps.iter().try_for_each(|step| steps.take(&step.to_string(), || machine.take(step)));
    match (made, machine.remove_own_image()) {
        (Err(error), Err(left)) => bail!("{error:#}; {left:#}"),
        (made, removed) => made.and(removed)?,
    }

    let linode = machine.linode.clone().context("there is no Linode")?;
    let is_there = || match is_there(site.api, linode.id)?.status.as_str() {
        "offline" => bail!("Linode {} is off: it did not start, or ended by itself (its console: Lish)", linode.id),
        _ => Ok(()),
    };
    let (papers, trust) = (site.papers, Trust::of(site.papers, &host.name));
    let (host, ssh) = place(host, &linode)?;
    let meeting = Meeting { host, ssh, papers, trust, until, show, is_there: &is_there };
    let vm = steps.take("wait for the VM", || meeting.meet())?;
    let given = steps.take("push its configuration", || meeting.push(&vm, bundle, sha256))?;
    let standing = match (given, end) {
        (Given::Later, _) => Some(Standing::Later),
        (Given::Unknown, _) => Some(Standing::Unknown),
        (Given::Had | Given::Now, End::Pushed) => None,
        (Given::Had | Given::Now, End::Good) => {
            Some(steps.take("wait until it is good", || meeting.wait_for_good(&vm))?)
        }
    };
    Ok(Deployed { linode, steps: std::mem::take(&mut steps.done), standing })
}

/// What is done one after the other, and how long each takes.
struct Steps<'s> {
    show: &'s dyn Fn(&str),
    done: Vec<(String, Duration)>,
}

impl Steps<'_> {
    fn take<T>(&mut self, label: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        stop::check()?;
        (self.show)(label);
        let since = Instant::now();
        let result = work().with_context(|| label.to_string())?;
        self.done.push((label.to_string(), since.elapsed()));
        Ok(result)
    }
}

/// Where its config socket is, and its SSH server if that is known: at its Linode's first address, unless somebody says otherwise.
fn place(host: &Host, linode: &Linode) -> Result<(Host, Option<SocketAddr>)> {
    if host.address != host.name {
        return Ok((host.clone(), None));
    }
    let first: IpAddr = *linode.addresses().first().with_context(|| format!("Linode {} has no address", linode.id))?;
    let host = Host { address: first.to_string(), ..host.clone() };
    Ok((host, Some(SocketAddr::new(first, SSH))))
}
