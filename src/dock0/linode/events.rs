//! What Linode does and has done: all who wait look together, so that many VMs ask no more than one.

use super::api::{Api, Refusal};
use super::model::{Event, Linode};
use crate::stop;
use anyhow::{Result, bail};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked. Linode takes 200 questions for lists a minute.
const EVERY: Duration = Duration::from_millis(500);
/// After how many looks it is made sure that there is still something to wait for.
const LOOKS: u32 = 20;

/// The events of an account.
#[derive(Debug)]
pub struct Events<'a> {
    api: &'a Api,
    every: Duration,
    seen: Mutex<Option<(Instant, Vec<Event>)>>,
}

impl<'a> Events<'a> {
    /// None has been seen yet.
    pub fn new(api: &'a Api) -> Events<'a> {
        Events { api, every: EVERY, seen: Mutex::default() }
    }

    /// The newest, as they were half a second ago at most.
    fn look(&self) -> Result<Vec<Event>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, events)) = &*seen
            && when.elapsed() < self.every
        {
            return Ok(events.clone());
        }
        let events: Vec<Event> = self.api.newest("/account/events")?;
        *seen = Some((Instant::now(), events.clone()));
        Ok(events)
    }

    /// The number of the newest.
    pub fn newest(&self) -> Result<u64> {
        Ok(self.look()?.iter().map(|event| event.id).max().unwrap_or(0))
    }

    /// What happens to a Linode after that one.
    pub fn watch(&self, linode: u64, since: u64) -> Watch<'_> {
        Watch { events: self, linode, since }
    }
}

/// What happens to one Linode.
#[derive(Debug)]
pub struct Watch<'e> {
    events: &'e Events<'e>,
    linode: u64,
    since: u64,
}

impl Watch<'_> {
    /// Until this has been done to it. What it waits for has been asked for, and nothing of the kind before that was not waited for.
    pub fn wait(&mut self, action: &str, until: Instant, show: &dyn Fn(&str)) -> Result<()> {
        let mut last = String::from("it has not begun");
        for look in 1.. {
            let event =
                self.events.look()?.into_iter().filter(|event| self.is_it(event, action)).min_by_key(|one| one.id);
            if let Some(event) = event {
                match event.status.as_str() {
                    "finished" | "notification" => {
                        self.since = event.id;
                        return Ok(());
                    }
                    "failed" => {
                        self.since = event.id;
                        bail!("it failed: {}", event.message.as_deref().unwrap_or("Linode does not say why"));
                    }
                    status => last = percent(status, event.percent_complete),
                }
                show(&last);
            }
            if look % LOOKS == 0 {
                is_there(self.events.api, self.linode)?;
            }
            if Instant::now() + self.events.every >= until {
                bail!("it did not end in time (--timeout); at last: {last}");
            }
            stop::pause(self.events.every)?;
        }
        unreachable!("it looks until it is over")
    }

    fn is_it(&self, event: &Event, action: &str) -> bool {
        let is_linode = |id: &Value| id.as_u64() == Some(self.linode);
        let is_of_it = event.entity.as_ref().is_some_and(|entity| entity.kind == "linode" && is_linode(&entity.id));
        is_of_it && event.action == action && event.id > self.since
    }
}

fn percent(status: &str, percent: Option<u64>) -> String {
    percent.map_or(status.into(), |percent| format!("{status}, {percent} %"))
}

/// Makes sure that a Linode is still there.
pub fn is_there(api: &Api, linode: u64) -> Result<Linode> {
    api.get(&format!("/linode/instances/{linode}")).map_err(|error| {
        let is_gone = error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.status == Some(404));
        if is_gone { error.context(format!("Linode {linode} is gone: somebody has removed it")) } else { error }
    })
}
