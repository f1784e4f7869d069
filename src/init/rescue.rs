//! The one exit for whatever goes wrong: say it, write it down, and do what the command line wants done then.
//!
//! It works from the first instruction on, with whatever is mounted by then, and from a panic hook: what it needs to know
//! is told to it beforehand, in two statics.

use crate::failure::{Cause, Failure};
use crate::log::alarm;
use crate::shell;
use menagerie::layout;
use rustix::system::RebootCommand;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::cmdline::{RESCUE_SECONDS, RescuePolicy};

/// The file in `dock0/state` that holds the last boot's failure, as one line of text.
const LAST_FAILURE: &str = "last-failure";
/// How long a disk may take over the record, or over its last writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the countdown is said, in seconds.
const REMIND: u32 = 10;

static POLICY: OnceLock<RescuePolicy> = OnceLock::new();
static BOOT_PARTITION: OnceLock<String> = OnceLock::new();

/// What to end with. Only the first call counts.
pub fn obey(policy: RescuePolicy) {
    POLICY.get_or_init(|| policy);
}

/// Where the boot partition is mounted, for the record of the failure. Only the first call counts.
pub fn keep_records_on(boot_partition: &str) {
    BOOT_PARTITION.get_or_init(|| boot_partition.into());
}

/// Makes every panic a failure like any other.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        rescue(&Failure::new(format!("a defect in dock0 itself: {message}{place}")))
    }));
}

/// Says the failure, writes it down, and never comes back: PID 1 must not end, or the kernel panics.
pub fn rescue(failure: &Failure) -> ! {
    alarm!("the boot has failed: {failure}");
    if let Some(boot_partition) = BOOT_PARTITION.get() {
        let sentence = failure.to_string();
        match within(PATIENCE, move || record(Path::new(boot_partition), &sentence)) {
            Ok(()) => alarm!("written to {}/{LAST_FAILURE} on the boot partition", layout::STATE),
            Err(error) => alarm!("could not write it to {} on the boot partition: {}", layout::STATE, error.words()),
        }
    }
    match POLICY.get().copied().unwrap_or_default() {
        RescuePolicy::Reboot { seconds } => count_down_and_reboot(seconds),
        RescuePolicy::Shell if shell::is_there() => {
            alarm!("a shell on the console (dock0.rescue=shell); the VM reboots when it ends");
            shell::run();
            count_down_and_reboot(0)
        }
        RescuePolicy::Shell => {
            alarm!("no shell: this initrd was built without one (dock0 initrd --shell)");
            count_down_and_reboot(RESCUE_SECONDS)
        }
        RescuePolicy::Poweroff => {
            alarm!("powering off (dock0.rescue=poweroff)");
            end(RebootCommand::PowerOff)
        }
        RescuePolicy::Halt => {
            alarm!("halting, the console stays readable (dock0.rescue=halt)");
            end(RebootCommand::Halt)
        }
    }
}

/// The sentence, in a file of its own beside the old one, then renamed over it: the disk holds one or the other.
fn record(boot_partition: &Path, sentence: &str) -> io::Result<()> {
    let state = boot_partition.join(layout::STATE);
    fs::create_dir_all(&state)?;
    let (unfinished, finished) = (state.join("last-failure.new"), state.join(LAST_FAILURE));
    fs::write(&unfinished, format!("{sentence}\n"))?;
    fs::File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, &finished)?;
    fs::File::open(&state)?.sync_all()
}

/// Does something that waits for a disk, but waits no longer than `patience` for it: a disk may never answer, and the
/// countdown must come all the same. This is what init has a second thread for.
fn within(patience: Duration, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let worker = std::thread::Builder::new().spawn(work)?;
    let deadline = Instant::now() + patience;
    while !worker.is_finished() {
        if Instant::now() >= deadline {
            return Err(io::Error::other("the disk does not answer"));
        }
        sleep(Duration::from_millis(1));
    }
    worker.join().unwrap_or_else(|_| Err(io::Error::other("a defect in dock0 itself")))
}

fn count_down_and_reboot(seconds: u32) -> ! {
    let mut left = seconds;
    while left > 0 {
        alarm!("rebooting in {left} s (dock0.rescue= on the kernel command line changes this)");
        let step = if left.is_multiple_of(REMIND) { REMIND } else { left % REMIND };
        sleep(Duration::from_secs(step.into()));
        left -= step;
    }
    alarm!("rebooting");
    end(RebootCommand::Restart)
}

fn end(command: RebootCommand) -> ! {
    let synced = within(PATIENCE, || {
        rustix::fs::sync();
        Ok(())
    });
    if let Err(error) = synced {
        alarm!("not everything could be written: {}", error.words());
    }
    if let Err(error) = rustix::system::reboot(command) {
        alarm!("the kernel refused ({}): standing still", error.words());
    }
    loop {
        sleep(Duration::from_secs(3600));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_replaces_the_last_one_whole() {
        let disk = tempfile::tempdir().unwrap();
        let read = || fs::read_to_string(disk.path().join("dock0/state/last-failure")).unwrap();
        record(disk.path(), "first, and quite a bit longer").unwrap();
        assert_eq!(read(), "first, and quite a bit longer\n");
        record(disk.path(), "second").unwrap();
        assert_eq!(read(), "second\n");
        assert_eq!(fs::read_dir(disk.path().join("dock0/state")).unwrap().count(), 1);
    }

    #[test]
    fn a_disk_that_never_answers_is_given_up() {
        let error = within(Duration::from_millis(20), || {
            sleep(Duration::from_secs(60));
            Ok(())
        });
        assert_eq!(error.unwrap_err().words(), "the disk does not answer");
        within(Duration::from_secs(60), || Ok(())).unwrap();
    }

    #[test]
    fn a_record_that_cannot_be_made_is_an_error_and_not_a_panic() {
        let disk = tempfile::tempdir().unwrap();
        fs::write(disk.path().join("dock0"), "a file in the way").unwrap();
        let error = record(disk.path(), "x").unwrap_err();
        assert_eq!(error.words(), "not a directory");
    }
}
