//! Talking to a running QEMU over its machine protocol: one JSON value a line, each command answered.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// QEMU answers at once or never.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `commands` in order, each after the answer to the one before. An answer that is an error is an error here.
pub(crate) fn run(socket: &Path, commands: &[String]) -> Result<()> {
    let stream = connect(socket).with_context(|| format!("connecting to QEMU's QMP socket {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut greeting = String::new();
    answers.read_line(&mut greeting).context("reading QEMU's QMP greeting")?;
    // No command is accepted before this one.
    command(&stream, &mut answers, r#"{"execute":"qmp_capabilities"}"#)?;
    for line in commands {
        command(&stream, &mut answers, line)?;
    }
    Ok(())
}

/// The socket appears a moment after QEMU's start.
fn connect(socket: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn command(mut stream: &UnixStream, answers: &mut BufReader<UnixStream>, line: &str) -> Result<()> {
    writeln!(stream, "{line}").with_context(|| format!("sending QEMU {line}"))?;
    loop {
        let mut answer = String::new();
        answers.read_line(&mut answer).with_context(|| format!("waiting for QEMU's answer to {line}"))?;
        if answer.is_empty() {
            bail!("QEMU closed its QMP socket instead of answering {line}");
        }
        if answer.starts_with(r#"{"error""#) {
            bail!("QEMU refused {line}: {}", answer.trim_end());
        }
        // Anything else is an event, which may come at any time.
        if answer.starts_with(r#"{"return""#) {
            return Ok(());
        }
    }
}
