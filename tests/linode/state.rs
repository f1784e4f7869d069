//! All that is remembered, and the file it is kept in.

use crate::disk::DiskStatus;
use crate::event::Event;
use crate::firewall::Firewall;
use crate::image::{Image, ImageStatus};
use crate::linode::{Linode, Status};
use crate::moment::{Moment, Moving};
use crate::place::Place;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

/// The account. Numbers are given once, to whatever comes next.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    last: u64,
    /// The images, by number.
    pub images: BTreeMap<u64, Image>,
    /// The Linodes, by number.
    pub linodes: BTreeMap<u64, Linode>,
    /// The firewalls, by number.
    pub firewalls: BTreeMap<u64, Firewall>,
    /// The events, by number.
    pub events: BTreeMap<u64, Event>,
}

impl State {
    /// What was kept, with every machine off; nothing, if nothing was.
    pub fn load(place: &Place) -> Result<State> {
        let path = place.state();
        let mut state: State = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        for linode in state.linodes.values_mut() {
            linode.status = Moving::still(Status::Offline);
        }
        Ok(state)
    }

    /// Keeps it: whole, or as it was.
    pub fn save(&self, place: &Place) -> Result<()> {
        let path = place.state();
        let part = path.with_extension("part");
        let write = || -> Result<()> {
            fs::write(&part, serde_json::to_vec_pretty(self)?)?;
            Ok(fs::rename(&part, &path)?)
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// A number nobody had.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        // Linode's own are large, and a number that is mistaken for another kind's should be nobody's.
        1000 + self.last
    }

    /// Forgets the images and disks whose time has come, and their files.
    pub fn reap(&mut self, place: &Place, now: Moment) -> Result<()> {
        for (id, _) in self.images.extract_if(.., |_, image| image.status.at(now) == ImageStatus::Gone) {
            place.remove(&place.image(id))?;
        }
        for linode in self.linodes.values_mut() {
            for (id, _) in linode.disks.extract_if(.., |_, disk| disk.status.at(now) == DiskStatus::Gone) {
                place.remove(&place.disk(id))?;
            }
        }
        Ok(())
    }
}
