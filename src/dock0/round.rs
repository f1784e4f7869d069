//! The same thing done with several VMs, some at once: a line for each, and what became of all.

use super::{complain, say};
use anyhow::{Context, Result, bail};
use dock0::progress::Lines;
use dock0::socket::host::Host;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many VMs are spoken to at once if nobody says so.
pub const JOBS: usize = 8;
/// The longest that a VM can be waited for, in seconds: a day.
const PATIENCE_MOST: u32 = 86_400;

/// With whom, and how.
pub struct Round {
    /// The VMs, none of them twice.
    pub hosts: Vec<Host>,
    patience: Duration,
    jobs: usize,
    output: Output,
}

/// For whom it is printed what became of each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people: a line for each, as soon as it is known.
    Words,
    /// For programs: all of it at the end.
    Json,
}

impl Output {
    /// What `--json` asks for.
    pub fn asked(json: bool) -> Output {
        if json { Output::Json } else { Output::Words }
    }
}

/// What was done with a VM, for people and for programs.
pub type Done = (String, Value);

impl Round {
    /// As it is asked for on the command line; the time-out is in seconds.
    pub fn new(hosts: Vec<Host>, timeout: u32, jobs: usize, output: Output) -> Result<Round> {
        if hosts.is_empty() {
            bail!("which VM? NAME or NAME=ADDRESS[:PORT]");
        }
        let mut seen = HashSet::new();
        if let Some(host) = hosts.iter().find(|host| !seen.insert(&host.name)) {
            bail!("{} is named twice", host.name);
        }
        if !(1..=PATIENCE_MOST).contains(&timeout) {
            bail!("--timeout {timeout}: must be 1 to {PATIENCE_MOST} seconds");
        }
        if jobs == 0 {
            bail!("--jobs 0: must be 1 or more");
        }
        Ok(Round { hosts, patience: Duration::from_secs(timeout.into()), jobs, output })
    }

    /// Does it with each, and says what became of each as soon as it is known. `work` is in the order of the hosts; `act` has
    /// until an instant, and shows what is going on.
    pub fn run<W: Sync>(
        &self,
        work: &[W],
        act: impl Fn(&W, Instant, &dyn Fn(&str)) -> Result<Done> + Sync,
    ) -> Result<()> {
        let lines = Lines::start();
        let queue = Mutex::new(self.hosts.iter().zip(work).enumerate());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let results = Mutex::new(Vec::new());
        let work_off = || {
            while let Some((place, (host, item))) = next() {
                let until = Instant::now() + self.patience;
                let line = lines.add(&host.name);
                let result = line.and_then(|line| act(item, until, &|text| line.show(text)));
                let told = lines.aside(|| self.tell(&result));
                let result = result.and_then(|(_, value)| told.map(|()| value));
                results.lock().unwrap_or_else(PoisonError::into_inner).push((place, host, result));
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(work.len()) {
                scope.spawn(work_off);
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(place, ..)| *place);
        self.sum_up(results.into_iter().map(|(_, host, result)| (host, result)).collect())
    }

    /// One VM's error alone is the error of all, and is said as such.
    fn tell(&self, result: &Result<Done>) -> Result<()> {
        match result {
            Ok((words, _)) if self.output == Output::Words => say(words),
            Err(error) if self.hosts.len() > 1 => {
                complain(&format!("{error:#}"));
                Ok(())
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn sum_up(&self, results: Vec<(&Host, Result<Value>)>) -> Result<()> {
        if self.output == Output::Json {
            let all: Vec<Value> = results.iter().map(|(host, result)| describe(host, result)).collect();
            say(&serde_json::to_string_pretty(&all).context("printing JSON")?)?;
        }
        let count = results.len();
        let mut failed: Vec<(&Host, anyhow::Error)> =
            results.into_iter().filter_map(|(host, result)| Some((host, result.err()?))).collect();
        match (failed.len(), count) {
            (0, _) => Ok(()),
            (_, 1) => failed.pop().map_or(Ok(()), |(_, error)| Err(error)),
            (_, _) => {
                let names: Vec<&str> = failed.iter().map(|(host, _)| host.name.as_str()).collect();
                bail!("{} of {count} VMs failed: {}", names.len(), names.join(", "))
            }
        }
    }
}

fn describe(host: &Host, result: &Result<Value>) -> Value {
    let mut all = json!({"host": host.name, "address": host.endpoint(), "ok": result.is_ok()});
    match (result, all.as_object_mut()) {
        (Ok(Value::Object(more)), Some(all)) => all.extend(more.clone()),
        (Err(error), Some(all)) => drop(all.insert("error".into(), format!("{error:#}").into())),
        (Ok(_), _) | (Err(_), None) => {}
    }
    all
}
