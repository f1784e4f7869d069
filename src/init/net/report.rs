//! A line to the parent, on standard output.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Write;
use wire::network_report::Report;

/// How long a parent may take to make room for a line.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Writes a line, whole or not at all: it is shorter than what a pipe takes in one piece (`PIPE_BUF`).
pub fn write(report: &Report) {
    let stdout = std::io::stdout();
    let room = poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], Some(&PATIENCE));
    if room == Ok(1) {
        let mut stdout = stdout.lock();
        let line = format!("{report}\n");
        #[expect(clippy::let_underscore_must_use, reason = "a parent that is gone is noticed where the loop waits")]
        let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
    }
    // A parent that does not read misses a line. The next one has everything that is true then.
}
