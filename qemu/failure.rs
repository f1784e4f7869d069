//! What a missed wait says: what was waited for, what the console showed, and the line that repeats it.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

/// A wait on a machine that did not end as it should. It prints all that is needed to understand and repeat it.
pub struct Failure {
    /// What was waited for, in words.
    pub what: String,
    /// Why the wait ended.
    pub why: Why,
    /// How long the machine had run by then.
    pub ran: Duration,
    /// The console's text so far.
    pub console: String,
    /// What QEMU itself complained about.
    pub complaints: String,
    /// The QEMU command line.
    pub command: String,
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It did not come within this time.
    Deadline(Duration),
    /// QEMU ended first: the guest powered off or reset, or QEMU failed.
    Ended(Option<ExitStatus>),
    /// The kernel panicked because its PID 1 ended, which no boot may ever do.
    InitKilled,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting for {}: ", self.what)?;
        match self.why {
            Why::Deadline(within) => write!(f, "it did not come within {:.1} s", within.as_secs_f64())?,
            Why::Ended(Some(status)) => write!(f, "QEMU ended first ({status})")?,
            Why::Ended(None) => write!(f, "QEMU closed the console first")?,
            Why::InitKilled => write!(f, "the kernel says \"Attempted to kill init\"")?,
        }
        writeln!(f, ", {:.1} s after the start", self.ran.as_secs_f64())?;
        section(f, "console", &self.console)?;
        if !self.complaints.is_empty() {
            section(f, "QEMU's own words", &self.complaints)?;
        }
        section(f, "to repeat it (Ctrl-A X leaves)", &self.command)
    }
}

/// Tests print errors with `{:?}`; a console in one escaped line would help nobody.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

fn section(f: &mut fmt::Formatter<'_>, title: &str, text: &str) -> fmt::Result {
    writeln!(f, "--- {title} ---")?;
    writeln!(f, "{}", if text.is_empty() { "(nothing)" } else { text.trim_end() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_is_needed() {
        let failure = |why, complaints: &str| Failure {
            what: "\"login:\"".into(),
            why,
            ran: Duration::from_millis(2500),
            console: "booting\nstill booting\n".into(),
            complaints: complaints.into(),
            command: "qemu-system-x86_64 -m 256".into(),
        };
        let end = "--- console ---\nbooting\nstill booting\n--- to repeat it (Ctrl-A X leaves) ---\nqemu-system-x86_64 -m 256\n";
        assert_eq!(
            failure(Why::Deadline(Duration::from_secs(2)), "").to_string(),
            format!("waiting for \"login:\": it did not come within 2.0 s, 2.5 s after the start\n{end}")
        );
        let ended = format!("{:?}", failure(Why::Ended(Some(ExitStatus::default())), "no such disk"));
        assert!(ended.starts_with("waiting for \"login:\": QEMU ended first (exit status: 0), 2.5 s after"), "{ended}");
        assert!(ended.contains("--- QEMU's own words ---\nno such disk\n"), "{ended}");
        assert!(failure(Why::InitKilled, "").to_string().contains("Attempted to kill init"));
    }
}
