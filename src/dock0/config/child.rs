//! Programs of the operator's, run with a deadline: what they say is kept, not printed.

use std::io::{self, ErrorKind, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The most that is kept of each of the two outputs, in bytes: as much as the longest file of a bundle.
pub const MAX_OUTPUT: usize = wire::bundle::MAX_FILE;
/// How often a program that has closed its outputs is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// How a program ended.
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Its standard output, at most a byte more than [`MAX_OUTPUT`].
    pub stdout: Vec<u8>,
    /// Its standard error, likewise.
    pub stderr: Vec<u8>,
}

/// Runs a command to its end; `ErrorKind::TimedOut` if that does not come in time, and then it is killed.
pub fn run(command: &mut Command, input: Vec<u8>, patience: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + patience;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program need not read what it is given; whether it wanted more is told by its exit code.
        thread::spawn(move || stdin.write_all(&input).unwrap_or_default());
    }
    let stdout = read_apart(child.stdout.take());
    let stderr = read_apart(child.stderr.take());
    let mut finish = || {
        let (stdout, stderr) = (wait_for(&stdout, deadline)?, wait_for(&stderr, deadline)?);
        loop {
            match child.try_wait()? {
                Some(status) => return Ok(Ended { status, stdout, stderr }),
                None if Instant::now() >= deadline => return Err(ErrorKind::TimedOut.into()),
                None => thread::sleep(PAUSE),
            }
        }
    };
    let ended = finish();
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    ended
}

/// Both outputs are read at once, each by its own thread: a program that waits for one to be read may be writing the other.
/// A thread that nobody waits for any more ends with whatever keeps its pipe open.
fn read_apart(pipe: Option<impl Read + Send + 'static>) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map_or(Ok(0), |pipe| pipe.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut bytes));
        // Whoever waited has given up: nothing is lost.
        sender.send(read.map(|_| bytes)).unwrap_or_default();
    });
    receiver
}

fn wait_for(output: &Receiver<io::Result<Vec<u8>>>, deadline: Instant) -> io::Result<Vec<u8>> {
    match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(bytes) => bytes,
        Err(RecvTimeoutError::Timeout) => Err(ErrorKind::TimedOut.into()),
        Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_kept_and_nobody_is_waited_for_in_vain() {
        let long = vec![b'x'; 1 << 20];
        for (script, input, want) in [
            ("cat; echo no >&2; exit 3", &b"in"[..], Some(("in", "no\n", Some(3)))),
            ("exit 0", &long, Some(("", "", Some(0)))),
            ("head -c 200000 /dev/zero >&2; echo out", b"", Some(("out\n", "\0", Some(0)))),
            ("kill -9 $$", b"", Some(("", "", None))),
            ("exec sleep 60", b"", None),
            ("sleep 2 & exit 0", b"", None), // what it started still holds its output
            ("exec >&- 2>&-; exec sleep 60", b"", None),
        ] {
            let began = Instant::now();
            let ended = run(Command::new("sh").args(["-c", script]), input.to_vec(), Duration::from_millis(700));
            match (ended, want) {
                (Ok(ended), Some((stdout, stderr, code))) => {
                    assert_eq!(String::from_utf8(ended.stdout).unwrap(), stdout, "{script}");
                    assert!(String::from_utf8(ended.stderr).unwrap().starts_with(stderr), "{script}");
                    assert_eq!(ended.status.code(), code, "{script}");
                }
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{script}"),
                (ended, want) => panic!("{script}: {:?} instead of {want:?}", ended.map(|ended| ended.status)),
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{script}");
        }
    }
}
