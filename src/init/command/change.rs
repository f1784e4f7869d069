//! Changes: the plan as it is carried out, and what came of it.

use super::words::{Form, Options};
use super::{Ended, complain, report, running, say};
use crate::failure::{Doing, Failure};
use crate::install::read_settings;
use crate::store::Disk;
use crate::store::apply::Event;
use crate::store::change::{self, Change, Consent, Terms, Unmade};
use crate::store::supply::Local;
use crate::store::survey::{self, Remarks};
use menagerie::space::Megabytes;
use menagerie::{Artifact, Inventory, Name, Plan, Policy, Release, ReleaseId, Step, Which};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Seek, Write};

/// How many bytes are written between two words about it.
const REMIND: u64 = 16 << 20;

/// Makes a change, or prints its plan.
pub fn make(disk: &Disk, change: &Change, options: &Options) -> Result<Ended, Failure> {
    if !options.dry_run {
        disk.claim()?;
    }
    let files = Sources::open(&options.files)?;
    let read = |artifact: &Artifact| files.read(artifact);
    let supply = Local(&read);
    let terms =
        Terms { layout: &options.layout, policy: policy(disk, options), running: running(disk)?, supply: &supply };
    let (mut shown, mut chosen, mut progress) = (String::new(), None, Progress::new());
    let mut show = |plan: &Plan, inventory: &Inventory, remarks: &Remarks| {
        remarks.all().for_each(complain);
        shown = plan.to_string();
        chosen = chosen_release(change, inventory);
        if options.dry_run { Consent::Withheld } else { Consent::Given }
    };
    let made = change::make(disk, &terms, change, &mut show, &mut |event| progress.hear(&event));
    progress.end();
    let reported = match made {
        Err(Unmade::Nothing(failure)) => return Err(how_to_go_on(change, chosen, failure)),
        Err(Unmade::Uncleared(failure)) => return Ok(Ended::NotCleared(failure)),
        Ok(()) if options.dry_run => return say(shown.trim_end()).map(|()| Ended::Well),
        Ok(()) => tell(disk, change, chosen, options),
    };
    Ok(reported.map_or_else(Ended::NotCleared, |()| Ended::Well))
}

/// What was asked for, and how many tries a release has here.
pub fn policy(disk: &Disk, options: &Options) -> Policy {
    match read_settings(disk) {
        Ok(settings) => Policy { tries: settings.tries, ..options.policy },
        Err(failure) => {
            complain(format_args!("{failure}: a release has {} tries", options.policy.tries));
            options.policy
        }
    }
}

/// The release that is to be rolled back to or marked. Its number may be another one afterwards.
fn chosen_release(change: &Change, inventory: &Inventory) -> Option<ReleaseId> {
    match change {
        Change::FallBack(_, id) => Some(*id),
        Change::Rollback(which)
        | Change::Pin(which)
        | Change::Unpin(which)
        | Change::Approve(which)
        | Change::Renew(which) => match which {
            // It may be gone.
            Which::Id(id) => Some(*id),
            Which::Number(_) | Which::Older => inventory.listing.find(*which).ok().map(Release::id),
        },
        Change::Add(_) | Change::Reap => None,
    }
}

/// A number may mean another release the next time; an id never does.
fn how_to_go_on(change: &Change, chosen: Option<ReleaseId>, failure: Failure) -> Failure {
    match (change, chosen) {
        (Change::Rollback(_), Some(id)) => Failure::new(format!("{failure}\nTo go on: menagerie rollback {id}")),
        _ => failure,
    }
}

/// What came of it.
fn tell(disk: &Disk, change: &Change, chosen: Option<ReleaseId>, options: &Options) -> Result<(), Failure> {
    // What was left out was said before.
    let (inventory, _) = survey::inventory(disk, &options.layout, running(disk)?);
    match (options.form, change, chosen) {
        (Form::Json, ..) => report::list(&inventory, Form::Json),
        (Form::Plain, Change::Pin(_), Some(id)) => say(format_args!("{} is pinned", report::named(&inventory, id))),
        (Form::Plain, Change::Unpin(_), Some(id)) => {
            say(format_args!("{} is not pinned", report::named(&inventory, id)))
        }
        (Form::Plain, Change::Approve(_), Some(id)) => say(format_args!("{} is good", report::named(&inventory, id))),
        (Form::Plain, Change::Renew(_), Some(id)) => say(format_args!(
            "{} works, but was started by kexec, which proves nothing of firmware and boot loader: it has all its tries again, and \
             is called good in a real boot (menagerie reboot --cold)",
            report::named(&inventory, id)
        )),
        (Form::Plain, ..) => report::newest(&inventory),
    }
}

/// The files of new artifacts, opened before anything is changed: one of them may be an artifact that is to be removed.
struct Sources(BTreeMap<Name, File>);

impl Sources {
    fn open(files: &BTreeMap<Name, String>) -> Result<Sources, Failure> {
        let open = |(name, path): (&Name, &String)| {
            let doing = || format!("opening {path} for {name}");
            let meta = std::fs::metadata(path).doing(doing)?;
            match meta.is_file() {
                true => Ok((name.clone(), File::open(path).doing(doing)?)),
                false => Err(Failure::new(format!("{}: it is not a file", doing()))),
            }
        };
        files.iter().map(open).collect::<Result<_, Failure>>().map(Sources)
    }

    /// From its beginning, and how many bytes it has.
    fn read(&self, artifact: &Artifact) -> io::Result<(u64, Box<dyn Read>)> {
        let mut file = self.0.get(&artifact.name).ok_or(ErrorKind::NotFound)?.try_clone()?;
        file.rewind()?;
        Ok((file.metadata()?.len(), Box::new(file)))
    }
}

/// Tells on standard error how far it is: a line a step, and on a terminal how much of an artifact is written.
struct Progress {
    terminal: bool,
    /// The bytes of the artifact that is being written, and those that were told of.
    size: u64,
    told: u64,
    /// What was said once and need not be said again.
    said: Vec<&'static str>,
}

impl Progress {
    fn new() -> Self {
        Progress { terminal: io::stderr().is_terminal(), size: 0, told: 0, said: Vec::new() }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Begins(step) => {
                self.end();
                complain(step);
                (self.size, self.told) = if let Step::Write(_, Some(size), _) = step { (*size, 0) } else { (0, 0) };
            }
            Event::Written(bytes) if self.terminal && *bytes >= self.told + REMIND => {
                self.told = *bytes;
                let line = format!("\r  {} of {}", Megabytes(*bytes), Megabytes(self.size));
                // Nobody is harmed by a progress that is not seen.
                io::stderr().write_all(line.as_bytes()).unwrap_or_default();
            }
            Event::Written(_) => {}
            Event::Done(..) | Event::Checkpointed(_) => {
                if let Some(line) = event.shortcoming() {
                    self.say_once(line);
                }
            }
        }
    }

    fn say_once(&mut self, line: &'static str) {
        if !self.said.contains(&line) {
            self.end();
            complain(line);
            self.said.push(line);
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
