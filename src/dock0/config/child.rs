//! Programs of the operator's, run with a deadline: what they say is kept, not printed, and what they start ends with them.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The most that is kept of each of the two outputs, in bytes: as much as the longest file of a bundle.
pub const MAX_OUTPUT: usize = wire::bundle::MAX_FILE;

/// How a program ended.
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Its standard output, at most a byte more than [`MAX_OUTPUT`].
    pub stdout: Vec<u8>,
    /// Its standard error, likewise.
    pub stderr: Vec<u8>,
}

/// Runs a command to its end; `ErrorKind::TimedOut` if that does not come in time. However it ends, nothing of what it has
/// started runs on: what would still be writing could write into the next VM's bundle. What has made itself a session of its
/// own (setsid) is not followed.
pub fn run(command: &mut Command, input: Vec<u8>, patience: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + patience;
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.process_group(0).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program need not read what it is given; whether it wanted more is told by its exit code.
        thread::spawn(move || stdin.write_all(&input).unwrap_or_default());
    }
    let stdout = read_apart(child.stdout.take());
    let stderr = read_apart(child.stderr.take());
    let came = wait_for_end(&child, deadline);
    // Before it is waited for: until then nobody else can have its number, nor its group's.
    let killed = kill_group(&child);
    let status = child.wait()?;
    came?;
    killed?;
    Ok(Ended { status, stdout: wait_for(&stdout, deadline)?, stderr: wait_for(&stderr, deadline)? })
}

/// Until it is a zombie.
fn wait_for_end(child: &Child, deadline: Instant) -> io::Result<()> {
    let ending = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&ending, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => {}
            ended => return ended.map(drop).map_err(io::Error::from),
        }
    }
}

/// The program and whatever it has started; a zombie keeps its group, so that there is one.
fn kill_group(child: &Child) -> io::Result<()> {
    Ok(kill_process_group(Pid::from_child(child), Signal::KILL)?)
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
            ("sleep 60 & exit 0", b"", Some(("", "", Some(0)))),
            ("setsid sleep 2 & sleep 0.2; exit 0", b"", None), // what is not followed still holds its output
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

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        let place = tempfile::tempdir().unwrap();
        let late = |name: &str| format!("(sleep 1; echo late >{name}) >&- 2>&-");
        for (name, script, ends) in [
            ("well", format!("{} & exit 0", late("well")), true),
            ("badly", format!("{} & exit 3", late("badly")), true),
            ("by-a-signal", format!("{} & kill -9 $$", late("by-a-signal")), true),
            ("too-late", format!("{} & sleep 60", late("too-late")), false),
            ("below", format!("sh -c '{} & exit 0'", late("below")), true),
        ] {
            let mut command = Command::new("sh");
            command.args(["-c", &script]).current_dir(place.path());
            assert_eq!(run(&mut command, Vec::new(), Duration::from_millis(700)).is_ok(), ends, "{name}");
        }
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
