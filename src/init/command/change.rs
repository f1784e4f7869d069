//! Changes: the plan as it is carried out, and what came of it.

use super::words::{Form, Options};
use super::{complain, report, running, say, take_stock};
use crate::failure::Failure;
use crate::store::apply::Event;
use crate::store::change::{self, Change, Consent, Terms};
use crate::store::{Disk, Seal};
use menagerie::space::Megabytes;
use menagerie::{Artifact, Plan, Step};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};

/// How many bytes are written between two words about it.
const REMIND: u64 = 16 << 20;

/// Makes a change, or prints its plan.
pub fn make(disk: &Disk, change: &Change, options: &Options) -> Result<(), Failure> {
    if !options.dry_run {
        disk.lock()?;
    }
    let sources = |artifact: &Artifact| open(artifact, options);
    let terms =
        Terms { layout: &options.layout, policy: options.policy, running: running(&options.root)?, sources: &sources };
    let (mut shown, mut progress) = (String::new(), Progress::new());
    let mut show = |plan: &Plan, oddities: &[String]| {
        oddities.iter().for_each(complain);
        shown = plan.to_string();
        if options.dry_run { Consent::Withheld } else { Consent::Given }
    };
    change::make(disk, &terms, change, &mut show, &mut |event| progress.hear(&event))?;
    progress.end();
    match (options.dry_run, options.form) {
        (true, _) => say(shown.trim_end()),
        (false, Form::Json) => report::list(&*take_stock(disk, options)?, Form::Json),
        (false, Form::Plain) => report::newest(&*take_stock(disk, options)?),
    }
}

/// The file of a new artifact, and how many bytes it has.
fn open(artifact: &Artifact, options: &Options) -> io::Result<(u64, Box<dyn Read>)> {
    let path = options.files.get(&artifact.name).ok_or(ErrorKind::NotFound)?;
    let name = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
    let meta = std::fs::metadata(path).map_err(name)?;
    if !meta.is_file() {
        return Err(io::Error::other(format!("{path} is not a file")));
    }
    Ok((meta.len(), Box::new(File::open(path).map_err(name)?)))
}

/// Tells on standard error how far it is: a line a step, and on a terminal how much of an artifact is written.
struct Progress {
    terminal: bool,
    /// The bytes of the artifact that is being written, and those that were told of.
    size: u64,
    told: u64,
    /// Whether it was said that artifacts are not sealed.
    unsealed: bool,
}

impl Progress {
    fn new() -> Self {
        Progress { terminal: io::stderr().is_terminal(), size: 0, told: 0, unsealed: false }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Begins(step) => {
                self.end();
                complain(step);
                (self.size, self.told) = if let Step::Write(_, size, _) = step { (*size, 0) } else { (0, 0) };
            }
            Event::Written(bytes) if self.terminal && *bytes >= self.told + REMIND => {
                self.told = *bytes;
                let line = format!("\r  {} of {}", Megabytes(*bytes), Megabytes(self.size));
                // Nobody is harmed by a progress that is not seen.
                io::stderr().write_all(line.as_bytes()).unwrap_or_default();
            }
            Event::Written(_) => {}
            Event::Done(_, Seal::NotPossible) if !self.unsealed => {
                self.end();
                self.unsealed = true;
                complain("not sealed: this kernel or file system has no fs-verity");
            }
            Event::Done(..) => {}
        }
    }

    /// Ends a line of progress.
    fn end(&mut self) {
        if std::mem::take(&mut self.told) > 0 {
            // As above.
            io::stderr().write_all(b"\n").unwrap_or_default();
        }
    }
}
