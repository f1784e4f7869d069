//! `menagerie receive` and `menagerie config rollback`: the configuration of a VM that runs. What it is laid over stays until the
//! next boot.

use super::install::report_release;
use super::report::print_json;
use super::words::{Form, Options};
use super::{complain, running, say};
use crate::config;
use crate::failure::Failure;
use crate::install::read_settings;
use crate::net::addresses::addresses;
use crate::receive::boot::show_boots;
use crate::receive::identity;
use crate::receive::office::VmOffice;
use crate::receive::parent::Receiver;
use crate::receive::reception::{Ended, Purpose, receive};
use crate::rescue;
use crate::store::{Disk, survey};
use menagerie::ReleaseId;
use serde::Serialize;
use std::net::IpAddr;
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
    let running = running(disk)?;
    for (name, value) in [
        ("release", running.map(|id| words_of(disk, id, options)).transpose()?.unwrap_or_default()),
        ("id", running.map(|id| id.to_string()).unwrap_or_default()),
        ("config", config::present(disk)?.sha256().unwrap_or_default()),
        ("addresses", own_addresses()),
        ("failure", rescue::last_failure(disk).unwrap_or_default()),
        ("fingerprint", fingerprint),
        ("proof", identity::proof(disk)),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ] {
        receiver.set(name, &value)?;
    }
    show_boots(disk, &mut receiver)?;
    let say = |line: &str| complain(line);
    let (store, purpose) = ((settings.config.store == Store::Disk).then_some(disk), Purpose::Configuration);
    let mut office =
        VmOffice { boot: disk, store, purpose, settings: &settings, running, network: None, offer: None, say: &say };
    let ended = receive(&mut receiver, &mut office, None)?;
    receiver.end()?;
    match ended {
        Ended::Stored => tell(disk, options),
        Ended::Installed => report_release(disk, options),
        Ended::Reboot | Ended::TimeOver => Ok(()),
    }
}

/// A release by its artifacts; nothing where it stands on the disk no more.
fn words_of(disk: &Disk, id: ReleaseId, options: &Options) -> Result<String, Failure> {
    let (listing, _) = survey::listing(disk, &options.layout)?;
    let release = listing.releases().iter().find(|release| release.id() == id);
    Ok(release.map(|release| release.to_string()).unwrap_or_default())
}

/// What this VM can be reached at, divided by blanks.
fn own_addresses() -> String {
    let addresses = addresses().unwrap_or_else(|failure| {
        // Worst case: nobody is told, and whoever asks knows one, since he has asked.
        complain(failure);
        Vec::new()
    });
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}

fn tell(disk: &Disk, options: &Options) -> Result<(), Failure> {
    let config = config::present(disk)?.sha256();
    match (options.form, config) {
        (Form::Json, config) => print_json(&Configured { config }),
        (Form::Plain, Some(sha256)) => say(format_args!("the next boot has the configuration {sha256}")),
        (Form::Plain, None) => say("the next boot has the configuration before, which came as no bundle"),
    }
}
