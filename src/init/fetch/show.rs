//! How a fetch is shown: what, how much of how much, how fast, how long it takes yet. Virtual time, no terminal.

use std::time::Duration;

/// Where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A terminal: one line, written over and over.
    Terminal,
    /// A log: a line now and then.
    Log,
}

/// How often a line in a terminal changes.
const REDRAW: Duration = Duration::from_millis(250);
/// How often a log gets a line.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Over how long the rate is taken.
const SPAN: Duration = Duration::from_secs(5);

/// One fetch.
pub struct Shown {
    name: String,
    size: u64,
    on: On,
    said: Option<Duration>,
    /// When there were how many bytes, a second or more apart, the oldest first.
    seen: Vec<(Duration, u64)>,
}

impl Shown {
    /// A fetch of so many bytes.
    pub fn new(name: &str, size: u64, on: On) -> Shown {
        Shown { name: name.into(), size, on, said: None, seen: Vec::new() }
    }

    /// What to write, as it is, now that so many bytes are there; `None` if it is too early for that.
    pub fn at(&mut self, bytes: u64, now: Duration) -> Option<String> {
        self.see(bytes, now);
        let every = if self.on == On::Terminal { REDRAW } else { LOG_EVERY };
        let due = self.said.is_none_or(|said| now.saturating_sub(said) >= every);
        due.then(|| {
            self.said = Some(now);
            self.written(&self.line(bytes))
        })
    }

    /// What to write at the end.
    pub fn done(&self, took: Duration) -> String {
        let rate = per_second(self.size, took).map(|rate| format!(", {}/s", size(rate))).unwrap_or_default();
        let line = format!("{}: {} in {}{rate}", self.name, size(self.size), time(took));
        self.written(&line) + if self.on == On::Terminal { "\n" } else { "" }
    }

    /// What to write before anything else is written: it ends a line that stands half.
    pub fn aside(&self) -> &'static str {
        if self.on == On::Terminal && self.said.is_some() { "\r\x1b[K" } else { "" }
    }

    fn written(&self, line: &str) -> String {
        match self.on {
            On::Terminal => format!("\r{line}\x1b[K"),
            On::Log => format!("{line}\n"),
        }
    }

    fn see(&mut self, bytes: u64, now: Duration) {
        // Fewer than before: it begins anew.
        if self.seen.last().is_some_and(|(_, seen)| bytes < *seen) {
            self.seen.clear();
        }
        if self.seen.last().is_none_or(|(then, _)| now.saturating_sub(*then) >= Duration::from_secs(1)) {
            self.seen.push((now, bytes));
        }
        let old = self.seen.iter().rposition(|(then, _)| now.saturating_sub(*then) >= SPAN).unwrap_or_default();
        self.seen.drain(..old);
    }

    fn line(&self, bytes: u64) -> String {
        let percent = bytes.saturating_mul(100).checked_div(self.size).unwrap_or(100);
        let mut line = format!("{}: {} of {} ({percent} %)", self.name, size(bytes), size(self.size));
        let rate = self.seen.first().zip(self.seen.last());
        let rate =
            rate.and_then(|((from, had), (to, has))| per_second(has.saturating_sub(*had), to.saturating_sub(*from)));
        match rate {
            None => {}
            Some(0) => line.push_str(", nothing comes"),
            Some(rate) => {
                let left = Duration::from_secs(self.size.saturating_sub(bytes).div_ceil(rate));
                line.push_str(&format!(", {}/s, {} left", size(rate), time(left)));
            }
        }
        line
    }
}

fn per_second(bytes: u64, took: Duration) -> Option<u64> {
    let rate = (u128::from(bytes) * 1000).checked_div(took.as_millis())?;
    u64::try_from(rate).ok()
}

/// A number of bytes: `512 B`, `1.5 MB`, `300 MB`.
fn size(bytes: u64) -> String {
    let mut unit = 1;
    for (name, next) in [("B", 1_000), ("kB", 1_000_000), ("MB", 1_000_000_000), ("GB", u64::MAX)] {
        if bytes < next {
            let (whole, tenth) = (bytes / unit, bytes % unit * 10 / unit);
            return if unit == 1 || whole >= 100 {
                format!("{whole} {name}")
            } else {
                format!("{whole}.{tenth} {name}")
            };
        }
        unit = next;
    }
    format!("{bytes} B")
}

/// `8 s`, `2 min 5 s`, `3 h 1 min`
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn a_terminal_sees_one_line_that_changes() {
        let mut shown = Shown::new("vm_root 2", 300 * MB, On::Terminal);
        let mut at = |bytes, milliseconds| shown.at(bytes, Duration::from_millis(milliseconds));
        assert_eq!(at(0, 0).as_deref(), Some("\rvm_root 2: 0 B of 300 MB (0 %)\x1b[K"));
        assert_eq!(at(MB, 200), None);
        assert_eq!(
            at(10 * MB, 1000).as_deref(),
            Some("\rvm_root 2: 10.0 MB of 300 MB (3 %), 10.0 MB/s, 29 s left\x1b[K")
        );
        assert_eq!(
            at(12 * MB, 2000).as_deref(),
            Some("\rvm_root 2: 12.0 MB of 300 MB (4 %), 6.0 MB/s, 48 s left\x1b[K")
        );
        assert_eq!(shown.aside(), "\r\x1b[K");
        assert_eq!(shown.done(Duration::from_secs(30)), "\rvm_root 2: 300 MB in 30 s, 10.0 MB/s\x1b[K\n");
    }

    #[test]
    fn a_log_gets_a_line_now_and_then() {
        let mut shown = Shown::new("kernel 6.12", 60 * MB, On::Log);
        let lines =
            (0..=30).filter_map(|second| shown.at(second * MB, Duration::from_secs(second))).collect::<Vec<_>>();
        assert_eq!(
            lines,
            [
                "kernel 6.12: 0 B of 60.0 MB (0 %)\n",
                "kernel 6.12: 10.0 MB of 60.0 MB (16 %), 1.0 MB/s, 50 s left\n",
                "kernel 6.12: 20.0 MB of 60.0 MB (33 %), 1.0 MB/s, 40 s left\n",
                "kernel 6.12: 30.0 MB of 60.0 MB (50 %), 1.0 MB/s, 30 s left\n",
            ]
        );
        assert_eq!((shown.aside(), shown.done(Duration::ZERO).as_str()), ("", "kernel 6.12: 60.0 MB in 0 s\n"));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut shown = Shown::new("x", 100 * MB, On::Log);
        for (second, bytes) in [(0, 0), (1, 50), (2, 50), (3, 50), (4, 50), (5, 50), (6, 50), (7, 50)] {
            shown.at(bytes * MB, Duration::from_secs(second));
        }
        let stalled = shown.at(50 * MB, Duration::from_secs(10)).unwrap();
        assert_eq!(stalled, "x: 50.0 MB of 100 MB (50 %), nothing comes\n");
        let anew = shown.at(0, Duration::from_secs(20)).unwrap();
        assert_eq!(anew, "x: 0 B of 100 MB (0 %)\n");
    }

    #[test]
    fn sizes_and_times_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_550, "1.5 kB"),
            (999_999, "999 kB"),
            (1_500_000, "1.5 MB"),
            (2_300_000_000, "2.3 GB"),
            (u64::MAX - 1, "18446744073 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (10_860, "3 h 1 min")] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }
}
