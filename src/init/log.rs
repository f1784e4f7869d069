//! What PID 1 says, a line a step, into the kernel's log: so it is on the console, in `dmesg`, and in order.

use std::fmt::Arguments;
use std::fs::OpenOptions;
use std::io::Write;

/// How much a line matters: the kernel's levels (linux/kern_levels.h). The kernel tells its own steps at 6, so that
/// `loglevel=6` shows ours alone; `quiet` shows neither.
#[derive(Clone, Copy)]
pub enum Level {
    /// A sentence that ends the boot.
    Critical = 2,
    /// Something was left out, and the boot goes on.
    Warning = 4,
    /// A step.
    Notice = 5,
}

/// Writes one line; before /dev is there, to the console that the kernel opened for us.
pub fn write(level: Level, line: Arguments<'_>) {
    let number = level as u8;
    let line = printable(&line.to_string());
    // One write is one record. The device is opened anew each time because the kernel limits a descriptor to ten lines
    // in five seconds, and it keeps no state here that the root could inherit.
    let kmsg = OpenOptions::new().write(true).open("/dev/kmsg");
    let written = kmsg.and_then(|mut kmsg| kmsg.write_all(format!("<{number}>dock0: {line}\n").as_bytes()));
    if written.is_err() {
        #[expect(clippy::let_underscore_must_use, reason = "nowhere is left to say it; the boot goes on unseen")]
        let _ = std::io::stderr().write_all(format!("dock0: {line}\n").as_bytes());
    }
}

/// The kernel takes records of up to 1,024 bytes; this leaves room for its own words.
const LONGEST: usize = 900;

/// Without control characters, which names on a disk may hold and a terminal would obey, and cut to what fits.
fn printable(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if text.len() >= LONGEST {
            return text + "…";
        }
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// Says a step, before it starts.
macro_rules! say {
    ($($words:tt)*) => { $crate::log::write($crate::log::Level::Notice, format_args!($($words)*)) };
}

/// Says what was left out although the boot goes on.
macro_rules! note {
    ($($words:tt)*) => { $crate::log::write($crate::log::Level::Warning, format_args!($($words)*)) };
}

/// Says what ends the boot.
macro_rules! alarm {
    ($($words:tt)*) => { $crate::log::write($crate::log::Level::Critical, format_args!($($words)*)) };
}

pub(crate) use {alarm, note, say};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_fits_a_record() {
        assert_eq!(printable("release 0: a\u{1b}[2J\nb é"), "release 0: a\\u{1b}[2J\\nb é");
        let long = printable(&"\n".repeat(5000));
        assert!((LONGEST..1000).contains(&long.len()), "{}", long.len());
    }
}
