//! Ctrl-C, where something half done is better ended in an orderly way: every wait ends, and whoever waited says what there is.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What ends a program politely.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// A process has one of each signal, and so has this.
static STOPPED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// From now on the first signal ends the waits, and the second one the process. Threads that are there already, and programs that
/// are started later, have it as they had it before.
pub fn on_signals() -> Result<()> {
    let mut signals = SigSet::empty();
    SIGNALS.into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().context("taking signals over")?;
    thread::spawn(move || {
        if signals.wait().is_ok() {
            *STOPPED.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            STOPPED.1.notify_all();
        }
        // Worst case: the second signal does no more than the first.
        signals.thread_unblock().unwrap_or_default();
    });
    Ok(())
}

/// Whether somebody wants it to end.
pub fn check() -> Result<()> {
    pause(Duration::ZERO)
}

/// Waits, but not longer than until somebody wants it to end.
pub fn pause(time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    let mut stopped = STOPPED.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if *stopped {
            bail!("stopped");
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let waited = STOPPED.1.wait_timeout(stopped, left);
        stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
