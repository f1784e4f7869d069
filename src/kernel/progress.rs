//! How far a long build is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::stamp::Effort;

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// A count of objects on its way to `total`, which is an estimate.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    objects: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Starts counting. Without a total (a part is rebuilt, nobody knows how much) only the count is shown.
    pub fn start(total: Option<u64>) -> Result<Self> {
        let bar = if std::io::stderr().is_terminal() { Some(draw_bar(total)?) } else { None };
        let now = Instant::now();
        Ok(Self { bar, total, objects: 0, started: now, said: now })
    }

    /// Counts a line of make's output, if it announces an object.
    pub fn count(&mut self, line: &str) {
        if !is_object(line) {
            return;
        }
        self.objects += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.said.elapsed() >= LINE_EVERY => {
                self.said = Instant::now();
                eprintln!("kernel: {}", describe(self.objects, self.total, self.started.elapsed()));
            }
            None => {}
        }
    }

    /// Clears the bar and returns what it counted.
    pub fn finish(self) -> Effort {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        Effort { objects: self.objects, seconds: self.started.elapsed().as_secs() }
    }
}

fn draw_bar(total: Option<u64>) -> Result<ProgressBar> {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:40} {pos}/{len} objects, {elapsed_precise} so far"),
        None => (ProgressBar::new_spinner(), "{spinner} {pos} objects, {elapsed_precise} so far"),
    };
    bar.set_style(ProgressStyle::with_template(template)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

fn describe(objects: u64, total: Option<u64>, elapsed: Duration) -> String {
    let of = total.map(|total| format!(" of about {}", total.max(objects))).unwrap_or_default();
    let seconds = elapsed.as_secs();
    format!("{objects}{of} objects, {}:{:02} so far", seconds / 60, seconds % 60)
}

/// kbuild announces each step as two blanks, a word in capitals, blanks and a file.
fn is_object(line: &str) -> bool {
    let mut words = line.strip_prefix("  ").unwrap_or_default().split_whitespace();
    words.next().is_some_and(|word| matches!(word, "CC" | "AS" | "AR" | "LD" | "HOSTCC" | "HOSTLD" | "VDSO"))
        && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_make_announces() {
        let rows = [
            ("object", "  CC      init/main.o", true),
            ("assembler", "  AS      arch/x86/entry/entry_64.o", true),
            ("archive", "  AR      built-in.a", true),
            ("check", "  CALL    ../linux/scripts/checksyscalls.sh", false),
            ("warning", "init/main.c:12: warning: CC", false),
            ("folder", "make[1]: Entering directory '/x'", false),
            ("empty", "", false),
        ];
        for (row, line, wanted) in rows {
            assert_eq!(is_object(line), wanted, "{row}");
        }
    }

    #[test]
    fn says_how_far() {
        let rows = [
            ("on the way", 10, Some(200), 65, "10 of about 200 objects, 1:05 so far"),
            ("estimate too low", 210, Some(200), 5, "210 of about 210 objects, 0:05 so far"),
            ("a part", 3, None, 0, "3 objects, 0:00 so far"),
        ];
        for (row, objects, total, seconds, wanted) in rows {
            assert_eq!(describe(objects, total, Duration::from_secs(seconds)), wanted, "{row}");
        }
    }
}
