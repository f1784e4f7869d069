//! `menagerie`: the releases of a boot partition, or of any directory, for a person and for programs.
//!
//! Exit codes: 0 done; 1 not done, and standard error says why; 2 the words make no sense; 3 `verify` found faults; 4 done, but
//! something after it failed, and standard error says what.

mod change;
mod good;
mod install;
mod reboot;
mod receive;
pub mod report;
mod verify;
mod words;

use crate::failure::{Doing, Failure};
use crate::places;
use crate::store::{Disk, Lock, survey};
use menagerie::{Inventory, ReleaseId};
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
pub use words::Form;
use words::{Asked, Options, Verb};

/// What the program is called as, and the first word behind `init` that means the same.
pub const NAME: &str = "menagerie";

/// How a run ended that did not fail.
enum Ended {
    /// Done, or nothing is wrong.
    Well,
    /// `verify` found faults.
    WithFaults,
    /// The change is made, but not all after it went well.
    NotCleared(Failure),
}

/// Does what the words behind the program's name ask for.
pub fn run(words: &[&str]) -> ExitCode {
    // Directories get the mode 0755 that they are made with, whoever calls.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let ended = match words::read(words) {
        Ok(Asked::Help(text)) => say(text.trim_end()).map(|()| Ended::Well),
        Ok(Asked::For(verb, options)) => obey(verb, &options),
        Err(why) => {
            complain(&why);
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithFaults) => ExitCode::from(3),
        Ok(Ended::NotCleared(failure)) => {
            complain(format_args!("done, but: {failure}"));
            ExitCode::from(4)
        }
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn obey(verb: Verb, options: &Options) -> Result<Ended, Failure> {
    let disk = Disk::open(&options.root)?;
    let looks = matches!(verb, Verb::List | Verb::Status | Verb::Boots | Verb::Verify);
    if looks && !disk.lock(Lock::ToLook)? {
        complain("another menagerie is changing it just now, so this may be neither the old nor the new");
    }
    match verb {
        Verb::List => report::list(&*take_stock(&disk, options)?, options.form)?,
        Verb::Status => report::status(&disk, &*take_stock(&disk, options)?, options)?,
        Verb::Boots => report::boots(&disk, options.form)?,
        Verb::Verify => return verify::verify(&disk, options),
        Verb::Change(change) => return change::make(&disk, &change, options),
        Verb::Install(manifest) => return install::install_release(&disk, &manifest, options),
        Verb::ConfigRollback => receive::roll_back_config(&disk, options)?,
        Verb::Receive(listening) => receive::receive_pushes(&disk, listening, options)?,
        Verb::Good(which, proof) => return good::call_good(&disk, which, proof, options),
        Verb::Reboot(way) => reboot::reboot(&disk, way, options)?,
    }
    Ok(Ended::Well)
}

/// Everything that stands there; what was left out is said.
fn take_stock(disk: &Disk, options: &Options) -> Result<Box<Inventory>, Failure> {
    let (inventory, remarks) = survey::inventory(disk, &options.layout, running(disk)?);
    remarks.all().for_each(complain);
    Ok(inventory)
}

/// The release whose root this machine runs from, if it is one of this disk's: PID 1 has left a note beside the directory it
/// mounted the boot partition on.
pub fn running(disk: &Disk) -> Result<Option<ReleaseId>, Failure> {
    let (here, device) = (disk.path()?, disk.device()?);
    let default = Path::new(wire::cmdline::BASEPATH).join(places::RUNNING);
    for note in [Path::new(&here).with_file_name(places::RUNNING), default] {
        match std::fs::read_to_string(&note) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
            text => {
                let text = text.doing(|| format!("reading {}", note.display()))?;
                let parts = text.trim_end().split_once(' ');
                let noted = parts.and_then(|(id, device)| Some((id.parse().ok()?, device.parse::<u64>().ok()?)));
                if let Some((id, _)) = noted.filter(|(_, noted)| *noted == device) {
                    return Ok(Some(id));
                }
            }
        }
    }
    Ok(None)
}

/// A line for whoever called.
fn say(line: impl Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").doing(|| "writing to standard output".into())
}

/// A line beside what was asked for.
fn complain(line: impl Display) {
    // Where standard error is closed, the exit code has to do.
    writeln!(std::io::stderr(), "{NAME}: {line}").unwrap_or_default();
}
