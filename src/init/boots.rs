//! The last boots, written down: which release, how long each step took, and how it ended. `menagerie boots` and `GET /` show them.
//!
//! A line of JSON each in `dock0/state/boots`, the newest last.

use crate::admit::system_time;
use crate::failure::Cause;
use crate::kexec;
use crate::log::note;
use crate::state_file::{self, Hurry};
use crate::stopwatch;
use crate::store::Disk;
use heapless::String as Text;
use menagerie::{Release, ReleaseId};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file.
const FILE: &str = "boots";
/// How many are kept.
pub const MOST: usize = 10;
/// The longest sentence and the longest list of steps that are kept, in bytes.
const LONGEST: usize = 320;
/// The longest line, in bytes: its texts, and what stands around them.
const LONGEST_LINE: usize = 2 * LONGEST + 256;
/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 32 * 1024;

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// When it ended, in seconds since 1970, as far as the machine knew.
    pub time: u64,
    /// The id of the release, where one was chosen.
    pub release: Option<Text<16>>,
    /// Whether another kernel had started this one.
    pub kexec: bool,
    /// How it ended.
    #[serde(rename = "result")]
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// What its steps took, in milliseconds.
    pub steps: Text<LONGEST>,
    /// What failed.
    pub sentence: Option<Text<LONGEST>>,
}

/// How a boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The root took over.
    #[serde(rename = "handed over")]
    HandedOver,
    /// The kernel of another release was started.
    #[serde(rename = "another kernel")]
    AnotherKernel,
    /// In rescue.
    #[serde(rename = "failed")]
    Failed,
}

/// What is known of this boot by now: its release, and what has gone wrong on its way.
static KNOWN: Mutex<Known> = Mutex::new((None, None));
type Known = (Option<ReleaseId>, Option<String>);

/// From now on it is this release that boots or fails.
pub fn boots(release: &Release) {
    known().0 = Some(release.id());
}

/// The release that boots, if one was chosen.
pub fn release() -> Option<ReleaseId> {
    known().0
}

/// Something has gone wrong, and the boot goes on, or fails of it.
pub fn has_met(sentence: &str) {
    known().1 = Some(sentence.into());
}

/// Writes down how this boot ends. Where the root takes over nobody waits until that is on the disk.
pub fn write_down(boot_partition: impl AsFd, outcome: Outcome) -> io::Result<()> {
    let hurry = match outcome {
        Outcome::HandedOver => Hurry::Sometime,
        Outcome::AnotherKernel | Outcome::Failed => Hurry::Now,
    };
    add(boot_partition, &this_boot(outcome), hurry)
}

/// The last boots, the newest last. What is no record is left out.
pub fn read(boot_partition: impl AsFd) -> io::Result<Vec<Boot>> {
    let text = state_file::read(boot_partition, FILE, LONGEST_FILE)?;
    let mut all: Vec<Boot> = text.lines().filter_map(parse).collect();
    all.drain(..all.len().saturating_sub(MOST));
    Ok(all)
}

/// The same for whoever goes on whatever comes of it, which is said.
pub fn write_down_or_say(disk: &Disk, outcome: Outcome) {
    if let Err(error) = disk.directory().and_then(|root| write_down(root, outcome)) {
        note!("writing this boot down: {}", error.words());
    }
}

/// Whole at any moment, whoever has panicked.
fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn this_boot(outcome: Outcome) -> Boot {
    let (milliseconds, steps) = stopwatch::read();
    let (release, sentence) = known().clone();
    Boot {
        time: system_time().unix(),
        release: release.map(|id| cut(&id.to_string())),
        kexec: kexec::has_started_us(),
        outcome,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a boot takes less than an aeon")]
        milliseconds: milliseconds.round() as u64,
        steps: cut(&steps),
        sentence: sentence.as_deref().map(cut),
    }
}

fn add(boot_partition: impl AsFd, boot: &Boot, hurry: Hurry) -> io::Result<()> {
    // Worst case: what cannot be read is lost, and the next ten boots are known.
    let mut all = read(&boot_partition).unwrap_or_default();
    all.push(boot.clone());
    let lines = all.iter().rev().take(MOST).rev().filter_map(line);
    let text: String = lines.map(|line| line + "\n").collect();
    state_file::replace(boot_partition, FILE, &text, hurry)
}

/// As a line of JSON; none of one that is too long for one, which none is.
pub fn line(boot: &Boot) -> Option<String> {
    let mut line = vec![0; LONGEST_LINE];
    let length = serde_json_core::to_slice(boot, &mut line).ok()?;
    line.truncate(length);
    String::from_utf8(line).ok()
}

fn parse(line: &str) -> Option<Boot> {
    let mut unescaped = [0; LONGEST];
    serde_json_core::from_slice_escaped(line.as_bytes(), &mut unescaped).ok().map(|(boot, _)| boot)
}

/// As much of a text as is kept, printable and without what JSON would have to escape.
fn cut<const N: usize>(text: &str) -> Text<N> {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let quotes = |c: char| if matches!(c, '"' | '\\') { '\'' } else { c };
    let mut cut = Text::new();
    for c in text.chars().map(plain).map(quotes) {
        if cut.push(c).is_err() {
            break;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn boot(time: u64) -> Boot {
        Boot {
            time,
            release: Some(cut("0123456789abcdef")),
            kexec: false,
            outcome: Outcome::Failed,
            milliseconds: 12,
            steps: cut("orders 1.0, disk 2.0"),
            sentence: Some(cut("reading \"a\\b\":\n é")),
        }
    }

    #[test]
    fn the_last_ten_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let disk = File::open(place.path()).unwrap();
        assert_eq!(read(&disk).unwrap(), []);
        for time in 0..25 {
            add(&disk, &boot(time), if time % 2 == 0 { Hurry::Now } else { Hurry::Sometime }).unwrap();
        }
        assert_eq!(read(&disk).unwrap(), (15..25).map(boot).collect::<Vec<_>>());
        let line = "{\"time\":24,\"release\":\"0123456789abcdef\",\"kexec\":false,\"result\":\"failed\",\"milliseconds\":12,\
                    \"steps\":\"orders 1.0, disk 2.0\",\"sentence\":\"reading 'a'b':? ?\"}\n";
        let file = place.path().join("dock0/state/boots");
        assert!(std::fs::read_to_string(&file).unwrap().ends_with(line));
        // Somebody else's bytes are no record, and go.
        std::fs::write(&file, format!("x\n{{\"time\":1}}\n\u{1b}[2J\n{line}{{\"time\":")).unwrap();
        assert_eq!(read(&disk).unwrap(), [boot(24)]);
        write_down(&disk, Outcome::HandedOver).unwrap();
        let all = read(&disk).unwrap();
        assert_eq!((all.len(), all[1].outcome, all[1].sentence.as_ref()), (2, Outcome::HandedOver, None));
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
    }

    #[test]
    fn the_longest_record_has_its_line() {
        let long = "x".repeat(1000);
        let longest =
            Boot { time: u64::MAX, milliseconds: u64::MAX, steps: cut(&long), sentence: Some(cut(&long)), ..boot(0) };
        assert_eq!(parse(&line(&longest).unwrap()), Some(longest));
    }
}
