//! The one exit for whatever goes wrong: say it, write it down, and do what the command line wants done then.
//!
//! It works from the first instruction on, with whatever is mounted by then, and from a panic hook: what it needs to know
//! is told to it beforehand, in statics.

use crate::again::{self, Anew};
use crate::boots::{self, Outcome};
use crate::debt::Debt;
use crate::failure::{Cause, Doing, Failure};
use crate::log::alarm;
use crate::receive::help::{self, Help};
use crate::shell;
use crate::state_file::{self, Hurry};
use crate::store::{Disk, Files};
use crate::sys;
use crate::watchdog;
use menagerie::layout;
use rustix::fs;
use rustix::system::RebootCommand;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::cmdline::{RESCUE_SECONDS, RescuePolicy};

/// The file in `dock0/state` that holds the last boot's failure, as one line of text.
const LAST_FAILURE: &str = "last-failure";
/// The longest sentence that is read again, in bytes.
const MAX_FAILURE: u64 = 4096;
/// How long a disk may take over the record, or over its last writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the countdown is said, in seconds.
const REMIND: u32 = 10;

/// What a boot owes that fails.
enum Account {
    /// This, on this disk.
    Open(Disk, Debt),
    /// No more.
    Closed(Outlook),
}

/// What can be done about a boot that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// The next one may do better by itself.
    Better,
    /// Somebody has to be called, or another release is booted this time.
    Another,
    /// Somebody has to be called.
    None,
}

impl Outlook {
    /// Where nothing could be written down that makes the next boot do better.
    fn of(debt: &Debt) -> Outlook {
        if debt.leaves_another { Outlook::Another } else { Outlook::None }
    }
}

static ACCOUNT: Mutex<Account> = Mutex::new(Account::Closed(Outlook::None));

/// Whether the watch over the boot waits, and the hardware's watchdog with it: something is under way that takes its time, and has
/// deadlines of its own.
static HELD: AtomicBool = AtomicBool::new(false);
static POLICY: OnceLock<RescuePolicy> = OnceLock::new();
static BOOT_PARTITION: OnceLock<File> = OnceLock::new();

/// Whether a rescue is under way: there is only one, whoever comes second.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// What to end with. Only the first call counts.
pub fn obey(policy: RescuePolicy) {
    POLICY.get_or_init(|| policy);
}

/// The mounted boot partition, if it can be written to, for the record of the failure. Only the first call counts.
pub fn keep_records_on(boot_partition: File) {
    BOOT_PARTITION.get_or_init(|| boot_partition);
}

/// Has this written down if the boot fails.
pub fn owe(disk: &Disk, debt: Debt) -> Result<(), Failure> {
    *account() = Account::Open(disk.again()?, debt);
    Ok(())
}

/// It is written down, and the next boot may do better; or it could not be.
pub fn owe_no_more(debt: &Debt, is_written: bool) {
    *account() = Account::Closed(if is_written { Outlook::Better } else { Outlook::of(debt) });
}

/// Whoever panics while he holds it leaves it whole: it is one value.
fn account() -> MutexGuard<'static, Account> {
    ACCOUNT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something while the watch over the boot is held; it begins anew then.
pub fn without_watch<T>(work: impl FnOnce() -> T) -> T {
    HELD.store(true, Ordering::Relaxed);
    let done = work();
    HELD.store(false, Ordering::Relaxed);
    done
}

/// Rescues the boot if it is not over after so many seconds: a disk that does not answer holds up whoever asks it.
/// The exec at the end of the boot ends this thread too.
pub fn come_after(seconds: u32) -> Result<(), Failure> {
    let watch = move || {
        let (mut left, second) = (seconds, Duration::from_secs(1));
        while left > 0 {
            sleep(second);
            left -= 1;
            if HELD.load(Ordering::Relaxed) {
                left = seconds;
                watchdog::ask_for_more_time();
            }
        }
        rescue(&Failure::new(format!("the boot is not over after {seconds} s (dock0.deadline= and twice dock0.wait=)")))
    };
    std::thread::Builder::new().spawn(watch).map(drop).doing(|| "starting the watch over the boot".into())
}

/// Makes every panic a failure like any other.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let failure = Failure::of_panic(panic);
        if UNDER_WAY.load(Ordering::Relaxed) {
            // The rescue itself is at fault, or no longer alone. There is nothing left to try.
            alarm!("{failure}: rebooting");
            end(RebootCommand::Restart)
        }
        rescue(&failure)
    }));
}

/// Says the failure, writes it down, and never comes back: PID 1 must not end, or the kernel panics.
pub fn rescue(failure: &Failure) -> ! {
    if UNDER_WAY.swap(true, Ordering::Relaxed) {
        stand_still() // the boot and the watch over it have both failed; the first one goes on
    }
    alarm!("the boot has failed: {failure}");
    begin_anew_if_shut_down();
    write_down(failure);
    let outlook = close_account();
    write_boot_down();
    match policy() {
        RescuePolicy::Network { seconds } => {
            // The watch over the boot can do neither: the disk that holds the boot up would hold that up, too.
            if outlook != Outlook::Better && std::thread::current().name() == Some("main") {
                call_for_help(Duration::from_secs(seconds.into()));
                if outlook == Outlook::Another {
                    boot_another();
                }
            }
            count_down_and_reboot(RESCUE_SECONDS)
        }
        RescuePolicy::Reboot { seconds } => count_down_and_reboot(seconds),
        RescuePolicy::Shell if shell::is_there() => {
            watchdog::disarm();
            alarm!("a shell on the console (dock0.rescue=shell); the VM reboots when it ends");
            shell::run();
            count_down_and_reboot(0)
        }
        RescuePolicy::Shell => {
            alarm!("no shell: this initrd was built without one (dock0 initrd --shell), or it is gone already");
            count_down_and_reboot(RESCUE_SECONDS)
        }
        RescuePolicy::Poweroff => {
            alarm!("powering off (dock0.rescue=poweroff)");
            end(RebootCommand::PowerOff)
        }
        RescuePolicy::Halt => {
            watchdog::disarm();
            alarm!("halting, the console stays readable (dock0.rescue=halt)");
            end(RebootCommand::Halt)
        }
    }
}

/// Says a failure that the boot goes on after and what is done instead, and writes it down like one that it does not.
pub fn go_on(failure: &Failure, instead: &str) {
    alarm!("{failure}");
    write_down(failure);
    alarm!("{instead}");
}

/// An ext4 that has met an error can be neither written to nor opened anything of any more (Linux 6.12, ext4_handle_error); mounted
/// anew, and read-only, it boots what it holds. Once: then nothing is kept on it.
fn begin_anew_if_shut_down() {
    let Some(boot_partition) = BOOT_PARTITION.get() else { return };
    let synced = within(PATIENCE, move || Ok(fs::fsync(boot_partition)?));
    // One that does not answer at all is no better the next time.
    if synced.err().and_then(|error| error.raw_os_error()).is_none() {
        return;
    }
    alarm!("the boot partition has shut itself down after an error: beginning anew with it read-only");
    let Err(failure) = again::begin(Anew::ReadOnly);
    alarm!("{failure}");
}

/// On the boot partition, if there is one by now.
fn write_down(failure: &Failure) {
    let sentence = failure.to_string();
    boots::has_met(&sentence);
    let Some(boot_partition) = BOOT_PARTITION.get() else { return };
    match within(PATIENCE, move || write_record(boot_partition, &sentence)) {
        Ok(()) => alarm!("written to {}/{LAST_FAILURE} on the boot partition", layout::STATE),
        Err(error) => alarm!("could not write it to {} on the boot partition: {}", layout::STATE, error.words()),
    }
}

/// Lets an operator mend what nobody else can, if one can be reached. It comes back where that has led to nothing.
fn call_for_help(patience: Duration) {
    let Some(boot_partition) = BOOT_PARTITION.get() else { return };
    let help = sys::path_of(boot_partition).map_err(|error| Failure::new(error.words())).and_then(|path| {
        let disk = Disk::open(&path)?;
        if can_call_for_help(&disk) { without_watch(|| help::call(&disk, patience)).map(Some) } else { Ok(None) }
    });
    let came = match help {
        Ok(None | Some(Help::Nobody)) => return,
        Ok(Some(Help::Configured)) => Anew::Configured,
        Ok(Some(Help::Installed)) => Anew::Installed,
        Ok(Some(Help::Reboot)) => {
            alarm!("an operator wants it: rebooting");
            end(RebootCommand::Restart)
        }
        Ok(Some(Help::None)) => {
            alarm!("nobody came: rebooting");
            end(RebootCommand::Restart)
        }
        Err(failure) => return alarm!("calling for help: {failure}"),
    };
    alarm!("the boot begins anew with what has come");
    let Err(failure) = again::begin(came);
    alarm!("{failure}");
}

/// Whether somebody can be called who mends what fails, and shall be.
pub fn can_call_for_help(disk: &Disk) -> bool {
    BOOT_PARTITION.get().is_some() && matches!(policy(), RescuePolicy::Network { .. }) && help::can_be_called(disk)
}

fn policy() -> RescuePolicy {
    POLICY.get().copied().unwrap_or_default()
}

/// Where nobody can be called: the boot begins anew with another release.
fn boot_another() {
    let Some(failed) = boots::release().filter(|id| !again::without().contains(id)) else { return };
    alarm!("nobody can be called: the boot begins anew with another release");
    let Err(failure) = again::begin(Anew::Without(failed));
    alarm!("{failure}");
}

/// A release that fails again and again is not tried for ever: what was on trial has one try less.
fn close_account() -> Outlook {
    let account = mem::replace(&mut *account(), Account::Closed(Outlook::None));
    let (disk, debt) = match account {
        Account::Closed(outlook) => return outlook,
        Account::Open(disk, debt) => (disk, debt),
    };
    let failed = within(PATIENCE, move || debt.fail(&disk).map_err(|failure| io::Error::other(failure.to_string())));
    match failed {
        Ok(true) => return Outlook::Better,
        Ok(false) => {}
        Err(error) => alarm!("{}: this boot is not counted", error.words()),
    }
    Outlook::of(&debt)
}

fn write_record(boot_partition: impl AsFd, sentence: &str) -> io::Result<()> {
    state_file::replace(boot_partition, LAST_FAILURE, &format!("{sentence}\n"), Hurry::Now)
}

/// That this boot has failed, which is of less use than what it has failed of.
fn write_boot_down() {
    let Some(boot_partition) = BOOT_PARTITION.get() else { return };
    if let Err(error) = within(PATIENCE, move || boots::write_down(boot_partition, Outcome::Failed)) {
        alarm!("this boot is not in the list of boots: {}", error.words());
    }
}

/// Does something that waits for a disk, but waits no longer than `patience` for it: a disk may never answer, and the
/// countdown must come all the same. This is what init has a second thread for.
fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
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

/// Leaves the boot because somebody wants it, and never comes back.
pub fn leave(why: &str) -> ! {
    if UNDER_WAY.swap(true, Ordering::Relaxed) {
        stand_still() // a rescue was first
    }
    alarm!("{why}: rebooting");
    end(RebootCommand::Restart)
}

/// What the last boot failed with, as far as it was written down.
pub fn last_failure(disk: &Disk) -> Option<String> {
    let mut sentence = String::new();
    // Worst case: an operator who asks is not told.
    let file = disk.open(&format!("{}/{LAST_FAILURE}", layout::STATE)).ok()?;
    file.take(MAX_FAILURE).read_to_string(&mut sentence).ok()?;
    Some(sentence.trim_end().into())
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
    let Err(error) = sys::reboot(command);
    alarm!("the kernel refused ({}): standing still", error.words());
    stand_still()
}

fn stand_still() -> ! {
    loop {
        sleep(Duration::from_secs(3600));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_never_answers_is_given_up() {
        let error = within(Duration::from_millis(20), || {
            sleep(Duration::from_secs(60));
            Ok(())
        });
        assert_eq!(error.unwrap_err().words(), "the disk does not answer");
        within(Duration::from_secs(60), || Ok(())).unwrap();
    }
}
