//! `menagerie receive` and `menagerie config rollback`: the configuration of a VM that runs. What it is laid over stays until the
//! next boot.

use super::install::report_release;
use super::report::print_json;
use super::words::{Form, Listening, Options};
use super::{complain, running, say};
use crate::config;
use crate::failure::Failure;
use crate::install::read_settings;
use crate::net::addresses::addresses;
use crate::receive::boot::{PAUSE, show_boots, show_standing};
use crate::receive::identity::{self, Identity};
use crate::receive::office::VmOffice;
use crate::receive::parent::Receiver;
use crate::receive::reception::{Ended, Purpose, receive};
use crate::rescue;
use crate::store::{Disk, survey};
use menagerie::ReleaseId;
use serde::Serialize;
use std::convert::Infallible;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::settings::{Settings, Store};

/// How often it looks at what others change. They wait for it outside: whether a release is good, above all.
const LOOK: Duration = Duration::from_secs(1);
/// How often it looks for its addresses, which is more to ask for, and which come soon after it where a VM starts.
const LOOK_AT_NETWORK: Duration = Duration::from_secs(10);

/// What is in force from the next boot on.
#[derive(Serialize)]
struct Configured {
    /// The SHA-256 of its bundle; null where it did not come as one.
    config: Option<String>,
}

/// Lets the configuration and the one before change places.
pub fn roll_back_config(disk: &Disk, options: &Options) -> Result<(), Failure> {
    disk.claim()?;
    config::rollback(disk)?;
    tell(disk, options)
}

/// Listens until something was pushed, or until somebody ends it.
pub fn receive_pushes(disk: &Disk, listening: Listening, options: &Options) -> Result<(), Failure> {
    let (settings, identity) = (read_settings(disk)?, identity::find_or_make(disk)?);
    if identity.operators.is_none() {
        return Err(Failure::new(format!("nobody may push anything without {}", identity::OPERATORS)));
    }
    let vm = RunningVm { disk, options, settings, identity, running: running(disk)? };
    match listening {
        Listening::Once => vm.listen_once(),
        Listening::Always => vm.stay(),
    }
}

/// A VM that runs, to whoever asks.
struct RunningVm<'v> {
    disk: &'v Disk,
    options: &'v Options,
    settings: Settings,
    identity: Identity,
    /// The release that runs.
    running: Option<ReleaseId>,
}

impl RunningVm<'_> {
    fn listen_once(&self) -> Result<(), Failure> {
        let mut receiver = self.start()?;
        let ended = self.take_push(&mut receiver)?;
        receiver.end()?;
        self.report(&ended)
    }

    /// A VM that stays reachable outlives whatever goes wrong with one child.
    fn stay(&self) -> ! {
        let mut pause = PAUSE.0;
        loop {
            let since = Instant::now();
            let Err(failure) = self.take_pushes();
            if since.elapsed() > PAUSE.1 {
                // It had listened for long: this is no failure to start.
                pause = PAUSE.0;
            }
            complain(format_args!("{failure}; listening again in {} s", pause.as_secs()));
            sleep(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// One after the other, for as long as the child lives.
    fn take_pushes(&self) -> Result<Infallible, Failure> {
        let mut receiver = self.start()?;
        loop {
            let ended = self.take_push(&mut receiver)?;
            self.report(&ended)?;
            // Whatever an earlier push has failed with is over.
            receiver.set("failure", &rescue::last_failure(self.disk).unwrap_or_default())?;
        }
    }

    /// Starts the child that listens, and says who this is.
    fn start(&self) -> Result<Receiver<'static>, Failure> {
        let mut receiver = Receiver::start(&self.identity.terms(self.settings.config.port), &note)?;
        let fingerprint = receiver.fingerprint.clone();
        let addresses = own_addresses().unwrap_or_else(|failure| {
            // Worst case: nobody is told, and whoever asks knows one, since he has asked.
            complain(failure);
            String::new()
        });
        for (name, value) in [
            ("release", self.running.map(|id| self.words_of(id)).transpose()?.unwrap_or_default()),
            ("id", self.running.map(|id| id.to_string()).unwrap_or_default()),
            ("addresses", addresses),
            ("failure", rescue::last_failure(self.disk).unwrap_or_default()),
            ("fingerprint", fingerprint),
            ("proof", identity::proof(self.disk)),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ] {
            receiver.set(name, &value)?;
        }
        show_boots(self.disk, &mut receiver)?;
        self.show_changes(&mut receiver)?;
        complain(format_args!("waiting on port {}; this VM's key is {}", receiver.port, receiver.fingerprint));
        Ok(receiver)
    }

    /// Shows what others change while this listens.
    fn show_changes(&self, receiver: &mut Receiver) -> Result<(), Failure> {
        show_standing(self.disk, self.running, receiver)?;
        receiver.set("config", &config::present(self.disk)?.sha256().unwrap_or_default())
    }

    /// Listens until something was pushed.
    fn take_push(&self, receiver: &mut Receiver) -> Result<Ended, Failure> {
        let say = |line: &str| complain(line);
        let (boot, settings) = (self.disk, &self.settings);
        let (store, purpose) = ((settings.config.store == Store::Disk).then_some(boot), Purpose::Configuration);
        let mut office =
            VmOffice { boot, store, purpose, settings, running: self.running, network: None, offer: None, say: &say };
        let mut next = Instant::now() + LOOK_AT_NETWORK;
        loop {
            match receive(receiver, &mut office, Some(Instant::now() + LOOK))? {
                Ended::TimeOver => self.show_changes(receiver)?,
                ended @ (Ended::Stored | Ended::Installed | Ended::Reboot) => return Ok(ended),
            }
            if next <= Instant::now() {
                next = Instant::now() + LOOK_AT_NETWORK;
                // Worst case: whoever asks is told those that it had before.
                own_addresses().map_or(Ok(()), |addresses| receiver.set("addresses", &addresses))?;
            }
        }
    }

    /// Prints what came of a push.
    fn report(&self, ended: &Ended) -> Result<(), Failure> {
        match ended {
            Ended::Stored => tell(self.disk, self.options),
            Ended::Installed => report_release(self.disk, self.options),
            Ended::Reboot | Ended::TimeOver => Ok(()),
        }
    }

    /// A release by its artifacts; nothing where it stands on the disk no more.
    fn words_of(&self, id: ReleaseId) -> Result<String, Failure> {
        let (listing, _) = survey::listing(self.disk, &self.options.layout)?;
        let release = listing.releases().iter().find(|release| release.id() == id);
        Ok(release.map(|release| release.to_string()).unwrap_or_default())
    }
}

fn note(text: &str) {
    complain(text);
}

/// What this VM can be reached at, divided by blanks.
fn own_addresses() -> Result<String, Failure> {
    Ok(addresses()?.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "))
}

fn tell(disk: &Disk, options: &Options) -> Result<(), Failure> {
    let config = config::present(disk)?.sha256();
    match (options.form, config) {
        (Form::Json, config) => print_json(&Configured { config }),
        (Form::Plain, Some(sha256)) => say(format_args!("the next boot has the configuration {sha256}")),
        (Form::Plain, None) => say("the next boot has the configuration before, which came as no bundle"),
    }
}
