//! `menagerie install`: a signed manifest, from a file or an address, becomes release 0 of a running VM.

use super::words::{Form, Options};
use super::{Ended, complain, report, running, take_stock};
use crate::failure::Failure;
use crate::fetch::job::Patience;
use crate::fetch::show::On;
use crate::install::{How, Offer, ca, install, read_settings};
use crate::store::Disk;
use std::io::IsTerminal;

/// Installs what the manifest at this path or address offers.
pub fn install_release(disk: &Disk, manifest: &str, options: &Options) -> Result<Ended, Failure> {
    disk.claim()?;
    let (settings, say) = (read_settings(disk)?, |line: &str| complain(line));
    let on = if std::io::stderr().is_terminal() { On::Terminal } else { On::Log };
    let (policy, patience) = (options.policy, Patience::default());
    let how = How { settings: &settings, policy, running: running(disk)?, patience, until: None, on, say: &say };
    let is_address = ["http://", "https://"].iter().any(|scheme| manifest.starts_with(scheme));
    let offer = match is_address {
        true => Offer::fetch(manifest, ca(disk)?.as_deref(), &how)?,
        false => Offer::read(manifest)?,
    };
    install(disk, &offer, &how)?;
    Ok(report_release(disk, options).map_or_else(Ended::NotCleared, |()| Ended::Well))
}

/// Prints what an install has made of the releases.
pub fn report_release(disk: &Disk, options: &Options) -> Result<(), Failure> {
    let inventory = take_stock(disk, options)?;
    match options.form {
        Form::Json => report::list(&inventory, Form::Json),
        Form::Plain => report::newest(&inventory),
    }
}
