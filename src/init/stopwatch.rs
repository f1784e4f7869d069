//! How long each step took, for the one line at the end.

use crate::log::say;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Runs from the start of PID 1 to the hand-over.
pub struct Stopwatch {
    start: Instant,
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        let now = Instant::now();
        Stopwatch { start: now, last: now, laps: Vec::with_capacity(10) }
    }

    /// Ends a step.
    pub fn lap(&mut self, step: &'static str) {
        let now = Instant::now();
        self.laps.push((step, now - self.last));
        self.last = now;
    }

    /// Says what takes over, after how long, and where the time went; milliseconds.
    pub fn report(&self, init: &str) {
        let mut steps = String::new();
        for (step, took) in &self.laps {
            let comma = if steps.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            write!(steps, "{comma}{step} {:.1}", milliseconds(*took)).unwrap_or_default();
        }
        say!("handing over to {init} after {:.1} ms: {steps}", milliseconds(self.start.elapsed()));
    }
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
