//! The hardware watchdog: a timer outside of the machine, which resets it unless somebody asks for more time.
//!
//! It is armed for a release on trial, before anything of it runs, and goes on while the root takes over: the root's init takes it
//! over (systemd: `RuntimeWatchdogSec=`), or `menagerie good` stops it, or it resets a VM that hangs. A good release is nobody's
//! trial: what does not know of a watchdog must not be reset by it.

use crate::failure::{Cause, Doing, Failure};
use crate::log::{note, say};
use crate::sys;
use nix::libc;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many devices are looked at.
const DEVICES: u32 = 4;
/// What the one calls itself that is only a timer of the kernel's own, and ends with the kernel (drivers/watchdog/softdog.c).
const SOFTWARE: &str = "Software Watchdog";
/// What stops one when it is closed (`WDIOF_MAGICCLOSE`).
const STOP: &[u8] = b"V";

/// It counts from when it was opened, and stays open until the exec.
static ARMED: Mutex<Option<File>> = Mutex::new(None);

/// Arms the hardware's watchdog, if there is one: it resets the machine after this time. What goes wrong is said.
pub fn arm(patience: Duration) {
    let armed = open_hardware(Path::new("/dev")).and_then(|found| found.map(|found| set(found, patience)).transpose());
    match armed {
        Ok(None) => {}
        Ok(Some(seconds)) => say!("the watchdog resets this machine in {seconds} s unless somebody takes it over"),
        Err(failure) => note!("{failure}"),
    }
}

fn set((device, file): (String, File), patience: Duration) -> Result<u32, Failure> {
    let seconds = u32::try_from(patience.as_secs()).unwrap_or(u32::MAX);
    let seconds = sys::set_watchdog(&file, seconds).doing(|| format!("arming {device}"))?;
    *armed() = Some(file);
    Ok(seconds)
}

/// Asks for the whole time again, from now on.
pub fn ask_for_more_time() {
    if let Some(Err(error)) = armed().as_ref().map(|mut watchdog| watchdog.write_all(b"\0")) {
        note!("asking the watchdog for more time: {}", error.words());
    }
}

/// Stops the one that this program has armed.
pub fn disarm() {
    if let Some(Err(error)) = armed().take().map(|mut watchdog| watchdog.write_all(STOP)) {
        note!("stopping the watchdog: {}", error.words());
    }
}

/// Stops the one that a boot has armed, from the running system; whoever has taken it over keeps it.
pub fn stop() -> Result<(), Failure> {
    let Some((device, mut file)) = open_hardware(Path::new("/dev"))? else { return Ok(()) };
    file.write_all(STOP).doing(|| format!("stopping {device}"))
}

fn armed() -> MutexGuard<'static, Option<File>> {
    ARMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the first one that is a piece of hardware, or the hypervisor's, and that nobody has; from then on it counts.
fn open_hardware(devices: &Path) -> Result<Option<(String, File)>, Failure> {
    for number in 0..DEVICES {
        let device = devices.join(format!("watchdog{number}"));
        let shown = device.display().to_string();
        let mut file = match OpenOptions::new().write(true).open(&device) {
            // There is none, or somebody has taken it over.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EBUSY)) => continue,
            opened => opened.doing(|| format!("opening {shown}"))?,
        };
        if sys::watchdog_identity(&file).doing(|| format!("asking what {shown} is"))? != SOFTWARE {
            return Ok(Some((shown, file)));
        }
        file.write_all(STOP).doing(|| format!("stopping {shown}"))?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_watchdog_is_said_and_what_is_not_there_is_not() {
        let devices = tempfile::tempdir().unwrap();
        assert!(open_hardware(devices.path()).unwrap().is_none());
        let file = devices.path().join("watchdog1");
        std::fs::write(&file, "").unwrap();
        let failure = open_hardware(devices.path()).err().map(|failure| failure.to_string());
        assert_eq!(failure, Some(format!("asking what {} is: inappropriate ioctl for device", file.display())));
    }
}
