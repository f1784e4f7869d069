//! What PID 1 has said so far, from the kernel's log (Documentation/ABI/testing/dev-kmsg): one record a read.

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};

/// The longest record.
const MAX_RECORD: usize = 8192;
/// The most text that is handed out; what is older than the last of it is left out.
const MOST: usize = 256 << 10;
/// What PID 1 puts before each line.
const OURS: &str = "dock0: ";

/// All of it, a line each, with the seconds since the start. `log` is `/dev/kmsg`, open to read without waiting.
pub fn read(log: &mut File) -> Result<String> {
    // Data, not the end, is where the log begins; only /dev/kmsg knows that.
    seek(&*log, SeekFrom::Start(0))?;
    let (mut text, mut record) = (String::new(), [0; MAX_RECORD]);
    loop {
        match log.read(&mut record) {
            Ok(0) => return Ok(text),
            Ok(count) => {
                if let Some(line) = line(&String::from_utf8_lossy(record.get(..count).unwrap_or_default())) {
                    text.push_str(&line);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(text),
            // Records were overwritten meanwhile: it goes on with the oldest there is.
            Err(error) if is(&error, Errno::PIPE) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if text.len() > MOST {
            let cut = text.len() - MOST;
            let from = text.get(cut..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| cut + end + 1);
            text.drain(..from);
        }
    }
}

fn is(error: &Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

/// `5,339,1234567,-;dock0: text`, with lines of ` KEY=value` behind it, becomes `[ 1.234567] text`.
fn line(record: &str) -> Option<String> {
    let (head, rest) = record.split_once(';')?;
    let text = rest.lines().next()?.strip_prefix(OURS)?;
    let microseconds: u64 = head.split(',').nth(2)?.parse().ok()?;
    Some(format!("[{:5}.{:06}] {text}\n", microseconds / 1_000_000, microseconds % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_alone_are_shown() {
        for (record, want) in [
            ("5,339,1234567,-;dock0: a; b\n SUBSYSTEM=x\n", Some("[    1.234567] a; b\n")),
            ("6,339,1234567,-;eth0: up\n", None),
            ("6,339,x,-;dock0: a\n", None),
            ("", None),
        ] {
            assert_eq!(line(record).as_deref(), want, "{record}");
        }
    }
}
