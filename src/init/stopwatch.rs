//! How long each step of the boot took: for the one line at the end, and for the record of a boot that never came there.

use crate::log::say;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One boot's steps.
struct Stopwatch {
    start: Instant,
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

/// It runs from the start of PID 1 on; whoever rescues a boot has nothing handed to him.
static STOPWATCH: Mutex<Option<Stopwatch>> = Mutex::new(None);

/// Starts now.
pub fn start() {
    let now = Instant::now();
    *stopwatch() = Some(Stopwatch { start: now, last: now, laps: Vec::with_capacity(10) });
}

/// Ends a step.
pub fn lap(step: &'static str) {
    let now = Instant::now();
    if let Some(stopwatch) = &mut *stopwatch() {
        stopwatch.laps.push((step, now - stopwatch.last));
        stopwatch.last = now;
    }
}

/// How long it has run, and the steps that have ended with what each took: `kernel file systems 1.2, orders 0.1`. Milliseconds.
pub fn read() -> (f64, String) {
    let stopwatch = stopwatch();
    let Some(Stopwatch { start, laps, .. }) = &*stopwatch else { return (0.0, String::new()) };
    let mut steps = String::new();
    for (step, took) in laps {
        let comma = if steps.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        write!(steps, "{comma}{step} {:.1}", milliseconds(*took)).unwrap_or_default();
    }
    (milliseconds(start.elapsed()), steps)
}

/// Says what takes over, after how long, and where the time went.
pub fn report(init: &str) {
    let (all, steps) = read();
    say!("handing over to {init} after {all:.1} ms: {steps}");
}

/// A value of its own at every moment, whoever has panicked.
fn stopwatch() -> MutexGuard<'static, Option<Stopwatch>> {
    STOPWATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
