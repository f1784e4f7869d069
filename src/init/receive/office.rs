//! A VM's own office: it stores what is pushed, and installs what is offered.

use super::reception::{Office, Purpose};
use crate::config::{self, Stored, THIS_PROGRAM, Undone};
use crate::failure::Failure;
use crate::install::{How, Offer, believe, install};
use crate::net::parent::Network;
use crate::store::Disk;
use menagerie::ReleaseId;
use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use wire::settings::Settings;

/// Why a configuration is not taken.
const IN_MEMORY: &str = "this VM keeps its configuration off its disk (config.store is memory): it takes one when it waits for one, at every boot";

/// Who it works for.
pub struct VmOffice<'v> {
    /// The boot partition.
    pub boot: &'v Disk,
    /// Where configurations are kept; nowhere where they are only taken by a boot that waits for one.
    pub store: Option<&'v Disk>,
    /// What it is there for.
    pub purpose: Purpose,
    /// What is settled there.
    pub settings: &'v Settings,
    /// The release that runs.
    pub running: Option<ReleaseId>,
    /// The network, where it is brought up for this alone.
    pub network: Option<Network>,
    /// What was believed last.
    pub offer: Option<Offer>,
    /// What is done, a line each.
    pub say: &'v dyn Fn(&str),
}

impl Office for VmOffice<'_> {
    fn store(&mut self, bundle: File) -> Result<Stored, Undone> {
        let Some(store) = self.store else { return Err(Undone::Refused(Failure::new(IN_MEMORY))) };
        (self.say)("storing a configuration");
        // Locked for as long as this takes: others change the disk between two pushes.
        let store = store.again()?;
        store.claim()?;
        let stored = config::take(&store, bundle, Path::new(THIS_PROGRAM))?;
        (self.say)(&format!("stored a configuration of {} files: {}", stored.files, stored.sha256));
        Ok(stored)
    }

    fn believe(&mut self, manifest: File, signature: File) -> Result<String, Undone> {
        let offer = Offer::of(manifest, signature)?;
        let artifacts = believe(self.boot, &offer, self.settings)
            .map(|admitted| admitted.manifest.artifacts.iter().map(|entry| entry.artifact.to_string()).collect())
            .map_err(Undone::Refused);
        let artifacts: Vec<String> = artifacts?;
        self.offer = Some(offer);
        Ok(artifacts.join(", "))
    }

    fn install(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let Some(offer) = self.offer.take() else { return Err(Failure::new("installing: nothing was pushed")) };
        let disk = self.boot.again()?;
        disk.claim()?;
        let tell = RefCell::new(tell);
        let say = |line: &str| {
            (self.say)(line);
            (tell.borrow_mut())(line);
        };
        let how = How { running: self.running, ..How::in_a_boot(self.settings, &say) };
        install(&disk, &offer, &how).map(|id| (self.say)(&format!("installed release {id}")))
    }

    fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Who brought the network up is PID 1, before there is anything else.
    fn reboots(&self) -> bool {
        self.network.is_some()
    }

    fn network(&mut self) -> Option<&mut Network> {
        self.network.as_mut()
    }
}
