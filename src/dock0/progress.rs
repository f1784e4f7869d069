//! How far something is: a bar or a line in place on a terminal, a line now and then elsewhere.

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is over sooner needs no line.
const FIRST_LINE_AFTER: Duration = Duration::from_secs(1);

/// Bytes on their way to `total`, on standard error.
pub struct Progress {
    name: String,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    bytes: u64,
    said: Instant,
}

impl Progress {
    /// Starts counting. Without a total only the count is shown.
    pub fn start(name: &str, total: Option<u64>) -> Result<Self> {
        let bar = if std::io::stderr().is_terminal() { Some(draw_bar(name, total)?) } else { None };
        Ok(Progress { name: name.into(), total, bar, bytes: 0, said: Instant::now() })
    }

    /// Counts more bytes.
    pub fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
        match &self.bar {
            Some(bar) => bar.inc(bytes),
            None if self.said.elapsed() >= LINE_EVERY => {
                self.said = Instant::now();
                // Where standard error is closed, nobody waits for the line.
                writeln!(std::io::stderr(), "{}", describe(&self.name, self.bytes, self.total)).unwrap_or_default();
            }
            None => {}
        }
    }

    /// Clears the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Does one step of several: a line when it begins, and one now and then while it lasts.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // Where standard error is closed, nobody waits for the line.
    let say = |line: &str| writeln!(std::io::stderr(), "{line}").unwrap_or_default();
    say(what);
    let (done, wait) = channel::<()>();
    scope(|threads| {
        threads.spawn(move || {
            let since = Instant::now();
            while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(LINE_EVERY) {
                say(&format!("  {} s", since.elapsed().as_secs()));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// What is going on with several things at once, on standard error.
pub struct Lines(Option<MultiProgress>);

impl Lines {
    /// Nothing yet.
    pub fn start() -> Self {
        Lines(std::io::stderr().is_terminal().then(MultiProgress::new))
    }

    /// One more thing.
    pub fn add(&self, name: &str) -> Result<Line> {
        let bar = self.0.as_ref().map(|all| all.add(ProgressBar::new_spinner()));
        if let Some(bar) = &bar {
            bar.set_style(ProgressStyle::with_template("{prefix}: {wide_msg}").context("drawing a line")?);
            bar.set_prefix(name.to_string());
        }
        Ok(Line { name: name.into(), bar, since: Instant::now(), said: Mutex::new(None) })
    }

    /// Prints with the lines out of the way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(all) => all.suspend(print),
            None => print(),
        }
    }
}

/// What is going on with one thing.
pub struct Line {
    name: String,
    bar: Option<ProgressBar>,
    since: Instant,
    /// What was printed last, and when, where there is no terminal.
    said: Mutex<Option<(String, Instant)>>,
}

impl Line {
    /// Shows it. Without a terminal news is printed, but not more than a line in ten seconds.
    pub fn show(&self, text: &str) {
        if let Some(bar) = &self.bar {
            return bar.set_message(text.to_string());
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = match said.as_ref() {
            None => self.since.elapsed() >= FIRST_LINE_AFTER,
            Some((last, when)) => last != text && when.elapsed() >= LINE_EVERY,
        };
        if is_news {
            // Where standard error is closed, nobody waits for the line.
            writeln!(std::io::stderr(), "{}: {text}", self.name).unwrap_or_default();
            *said = Some((text.into(), Instant::now()));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn draw_bar(name: &str, total: Option<u64>) -> Result<ProgressBar> {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {decimal_bytes}, {decimal_bytes_per_sec}"),
    };
    bar.set_style(ProgressStyle::with_template(template).context("drawing a bar")?);
    bar.set_message(name.to_string());
    Ok(bar)
}

fn describe(name: &str, bytes: u64, total: Option<u64>) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match total {
        Some(total) => format!("{name}: {:.1} of {:.1} MB", megabytes(bytes), megabytes(total)),
        None => format!("{name}: {:.1} MB", megabytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far() {
        for (bytes, total, want) in
            [(1_500_000, Some(3_000_000), "kernel 1: 1.5 of 3.0 MB"), (100_000, None, "kernel 1: 0.1 MB")]
        {
            assert_eq!(describe("kernel 1", bytes, total), want);
        }
    }
}
