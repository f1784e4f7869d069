//! `menagerie reboot`: a running VM boots its newest release, without the firmware and the boot loader where that can be.
//!
//! The system's own init ends what runs. systemd can end it with kexec; any other init is asked for a reboot if it has to be a
//! real one, and else everything is ended here: nobody else would start a loaded kernel.

use super::words::Way;
use super::{Options, complain, running, take_stock};
use crate::failure::{Doing, Failure};
use crate::install::read_settings;
use crate::kexec;
use crate::store::Disk;
use crate::sys;
use crate::watchdog;
use menagerie::{Inventory, Release};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::system::RebootCommand;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Stands where systemd is the init (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// What other inits have.
const REBOOT: &str = "/sbin/reboot";
/// How long programs have to end by themselves, and how often it is looked whether they have: being asked twice harms nobody.
const GRACE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Reboots, and says how.
pub fn reboot(disk: &Disk, way: Way, options: &Options) -> Result<(), Failure> {
    let is_systemd = Path::new(SYSTEMD).exists();
    let loaded = match way {
        Way::Cold => false,
        Way::Quick => match load(disk, options) {
            Ok(()) => true,
            Err(failure) => {
                complain(format_args!("{failure}: rebooting through firmware and boot loader instead"));
                false
            }
        },
    };
    match (loaded, is_systemd) {
        (true, true) => call("systemctl", &["kexec"]).inspect_err(|_| watchdog::disarm()),
        (true, false) => end_everything(disk),
        (false, true) => call("systemctl", &["reboot"]),
        (false, false) => call(REBOOT, &[]),
    }
}

/// Loads the kernel of the release that is next.
fn load(disk: &Disk, options: &Options) -> Result<(), Failure> {
    let inventory = take_stock(disk, options)?;
    let next = next(&inventory)?;
    kexec::load(disk, next, "")?;
    let patience = read_settings(disk)?.watchdog;
    if !inventory.marks.is_good(next.id()) && patience > 0 {
        // A kernel that hangs is reset.
        watchdog::arm(Duration::from_secs(patience.into()));
    }
    let again = if running(disk)? == Some(next.id()) { " again" } else { "" };
    complain(format_args!("starting release {}{again} by kexec: {next}", next.id()));
    Ok(())
}

fn next(inventory: &Inventory) -> Result<&Release, Failure> {
    let next = inventory.listing.newest().ok_or_else(|| Failure::new("latest leads to no release"))?;
    match inventory.missing(next) {
        Some(artifact) => {
            Err(Failure::new(format!("release {} is incomplete: its {artifact} is not there", next.number)))
        }
        None => Ok(next),
    }
}

fn call(program: &str, words: &[&str]) -> Result<(), Failure> {
    let doing = || format!("calling {program} {}", words.join(" "));
    let status = Command::new(program).args(words).status().doing(doing)?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{}: it failed ({status})", doing()))) }
}

/// Ends all programs and starts what was loaded.
fn end_everything(disk: &Disk) -> Result<(), Failure> {
    complain("ending all programs");
    // The terminal that this was called from goes with them.
    sys::ignore_hangups();
    let all_but_init_and_us = Pid::from_raw(-1);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let until = Instant::now() + GRACE;
        while kill(all_but_init_and_us, signal).is_ok() && Instant::now() < until {
            sleep(LOOK);
        }
    }
    watchdog::ask_for_more_time();
    let Err(failure) = kexec::start(disk);
    complain(format_args!("{failure}: rebooting through firmware and boot loader instead"));
    // Nothing is left that could go on.
    let Err(failure) = sys::reboot(RebootCommand::Restart).doing(|| "rebooting".into());
    Err(failure)
}
