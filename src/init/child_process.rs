//! A child process that does not outlive whoever holds it.

use crate::failure::{Doing, Failure};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long a child that was killed may take to be gone; a disk that does not answer holds it.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// The child, and what it is for.
pub struct ChildProcess {
    child: Child,
    what: String,
}

impl ChildProcess {
    /// Starts it; `what` stands behind "the child that".
    pub fn start(command: &mut Command, what: String) -> Result<ChildProcess, Failure> {
        let child = command.spawn().doing(|| format!("starting the child that {what}"))?;
        Ok(ChildProcess { child, what })
    }

    /// What it reads, once.
    pub fn input(&mut self) -> Result<ChildStdin, Failure> {
        self.child.stdin.take().ok_or_else(|| self.lacks("input"))
    }

    /// What it writes, once.
    pub fn output(&mut self) -> Result<ChildStdout, Failure> {
        self.child.stdout.take().ok_or_else(|| self.lacks("output"))
    }

    fn lacks(&self, what: &str) -> Failure {
        Failure::new(format!("starting the child that {}: it has no {what}", self.what))
    }

    /// Waits that long for it to end, then kills it. It is reaped in any case.
    pub fn end(&mut self, grace: Duration) -> Result<ExitStatus, Failure> {
        if let Some(status) = self.wait(grace)? {
            return Ok(status);
        }
        self.child.kill().doing(|| format!("ending the child that {}", self.what))?;
        self.wait(LAST_BREATH)?.ok_or_else(|| {
            let (what, seconds) = (&self.what, LAST_BREATH.as_secs());
            Failure::new(format!("ending the child that {what}: it is killed and not gone after {seconds} s"))
        })
    }

    fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>, Failure> {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait().doing(|| format!("waiting for the child that {}", self.what))? {
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
                status => return Ok(status),
            }
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // Worst case: it stays, as a process that does nothing any more. After a proper end this does nothing.
        self.end(Duration::ZERO).map(drop).unwrap_or_default();
    }
}
