//! `menagerie receive` and `menagerie config rollback`: the configuration of a VM that runs. What it is laid over stays until the
//! next boot.

use super::report::print_json;
use super::words::{Form, Options};
use super::{complain, running, say};
use crate::config;
use crate::failure::Failure;
use crate::install::read_settings;
use crate::receive::boot::show_boots;
use crate::receive::identity;
use crate::receive::office::VmOffice;
use crate::receive::parent::Receiver;
use crate::receive::reception::{Ended, Purpose, receive};
use crate::store::Disk;
use serde::Serialize;
use wire::settings::Store;

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

/// Listens until something was pushed.
pub fn receive_once(disk: &Disk, options: &Options) -> Result<(), Failure> {
    let (settings, identity) = (read_settings(disk)?, identity::find_or_make(disk)?);
    let terms = identity.terms(settings.config.port);
    if terms.operators.is_none() {
        return Err(Failure::new(format!("nobody may push anything without {}", identity::OPERATORS)));
    }
    let note = |text: &str| complain(text);
    let mut receiver = Receiver::start(&terms, &note)?;
    complain(format_args!("waiting on port {}; this VM's key is {}", receiver.port, receiver.fingerprint));
    let fingerprint = receiver.fingerprint.clone();
    receiver.set("fingerprint", &fingerprint)?;
    receiver.set("config", &config::present(disk)?.sha256().unwrap_or_default())?;
    let running = running(disk)?;
    receiver.set("id", &running.map(|id| id.to_string()).unwrap_or_default())?;
    show_boots(disk, &mut receiver)?;
    let say = |line: &str| complain(line);
    let (store, purpose) = ((settings.config.store == Store::Disk).then_some(disk), Purpose::Configuration);
    let mut office =
        VmOffice { boot: disk, store, purpose, settings: &settings, running, network: None, offer: None, say: &say };
    let ended = receive(&mut receiver, &mut office, None)?;
    receiver.end()?;
    match ended {
        Ended::Stored => tell(disk, options),
        Ended::Installed => super::say("the release is installed: the next boot is from it"),
        Ended::Reboot | Ended::TimeOver => Ok(()),
    }
}

fn tell(disk: &Disk, options: &Options) -> Result<(), Failure> {
    let config = config::present(disk)?.sha256();
    match (options.form, config) {
        (Form::Json, config) => print_json(&Configured { config }),
        (Form::Plain, Some(sha256)) => say(format_args!("the next boot has the configuration {sha256}")),
        (Form::Plain, None) => say("the next boot has the configuration before, which came as no bundle"),
    }
}
