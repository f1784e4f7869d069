//! The parent's side: starts the child, listens to it without believing it, and ends it whatever happens.

use super::child::DESTINATION;
use super::job::{Job, MAX_VALIDATOR, What};
use super::report::Line;
use super::verified::{self, Verified};
use super::{NAME, fetched};
use crate::child_process::ChildProcess;
use crate::failure::{Doing, Failure};
use crate::lines::{Lines, Nonsense};
use crate::sys;
use heapless::String as Bounded;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub use fetched::{Checked, Fetched};

/// How long a child may take to end of itself after its last line.
const GRACE: Duration = Duration::from_millis(500);
/// How many notes are handed on: two for each MiB of a large artifact over a line that drops all the time. A child that has
/// more to say has been taken over.
const MAX_NOTES: u32 = 2000;

/// How a job is done.
pub struct Terms<'t> {
    /// The program that is the child; this very one, if `None`.
    pub program: Option<&'t Path>,
    /// Certificates, in PEM, that are trusted beside the built-in roots.
    pub ca: Option<&'t Path>,
    /// After how long the child is ended, whatever it is doing.
    pub deadline: Duration,
}

/// What happens meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The child could not be locked up in this respect.
    Gap(String),
    /// This mirror is asked, counted from 0.
    Mirror(usize),
    /// The child says that so many bytes are there.
    At(u64),
    /// Something a person wants to know.
    Note(String),
}

/// Fetches a job into `destination`, a regular file that is open for reading and writing and whose blocks may have been
/// reserved. What the file holds of it already is taken up where [`verified::read`] says so; it says so again after a
/// failure or a power cut, if the file is kept.
///
/// Nothing that comes out of this is to be believed before [`Fetched`] has been checked.
pub fn fetch(job: &Job, destination: File, terms: &Terms, tell: &mut dyn FnMut(Progress)) -> Result<Fetched, Failure> {
    let job = taken_up(job, &destination)?;
    let deadline = Instant::now() + terms.deadline;
    let mut session =
        Session { job: &job, file: &destination, mirror: 0, notes: 0, verdict: None, failure: None, tell };
    let mut child = start(&job, &destination, terms)?;
    let ended = session.listen(&mut child, deadline);
    // Whatever it said, it is gone before anybody looks at the file.
    let status = child.end(if ended.is_ok() { GRACE } else { Duration::ZERO });
    ended.and_then(|()| session.verdict(status?))?;
    Ok(Fetched::new(job.what, job.name, destination))
}

/// The job, with what the file holds of it.
fn taken_up(job: &Job, destination: &File) -> Result<Job, Failure> {
    let flags = rustix::fs::fcntl_getfl(destination).doing(|| format!("looking at the file for {}", job.name))?;
    if flags & OFlags::ACCMODE != OFlags::RDWR {
        return Err(Failure::new(format!("the file for {} must be open for reading and writing", job.name)));
    }
    let have = verified::read(destination)?.map(|verified| verified.have(job)).unwrap_or_default();
    if have.bytes == 0 {
        verified::remove(destination)?;
    }
    Ok(Job { have, ..job.clone() })
}

fn start(job: &Job, destination: &File, terms: &Terms) -> Result<ChildProcess, Failure> {
    let doing = || format!("starting the child that fetches {}", job.name);
    let order = job.to_bytes().map_err(|why| Failure::new(format!("{}: {why}", doing())))?;
    let program = terms.program.map_or_else(|| PathBuf::from("/proc/self/exe"), Path::to_path_buf);
    let mut command = Command::new(&program);
    command.arg0(NAME).arg(std::process::id().to_string()).args(terms.ca);
    command.env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    sys::hand_over(&mut command, vec![destination.try_clone().doing(doing)?.into()], DESTINATION);
    let mut child = ChildProcess::start(&mut command, format!("fetches {}", job.name))?;
    // An order is shorter than what a pipe holds: this waits for nobody.
    match child.input()?.write_all(&order) {
        // It has ended already; its last words or the way it ended say why.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.doing(doing)?,
    }
    Ok(child)
}

/// What is heard from a child.
struct Session<'s> {
    job: &'s Job,
    file: &'s File,
    mirror: usize,
    notes: u32,
    verdict: Option<Line>,
    failure: Option<Failure>,
    tell: &'s mut dyn FnMut(Progress),
}

impl Session<'_> {
    /// Hears the child out, until its verdict, its end or the deadline.
    fn listen(&mut self, child: &mut ChildProcess, deadline: Instant) -> Result<(), Failure> {
        let mut stdout = child.output()?;
        let mut lines = Lines::default();
        let mut bytes = vec![0; 4096];
        while self.verdict.is_none() {
            self.wait_for_words(&stdout, deadline)?;
            let count =
                stdout.read(&mut bytes).doing(|| format!("listening to the child that fetches {}", self.job.name))?;
            if count == 0 {
                break;
            }
            let heard = lines.take(bytes.get(..count).unwrap_or_default(), &mut |line| {
                Line::parse(line).map(|line| self.hear(line)).ok_or(Nonsense)
            });
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            heard.map_err(|Nonsense| self.nonsense())?;
        }
        Ok(())
    }

    fn wait_for_words(&self, stdout: &ChildStdout, deadline: Instant) -> Result<(), Failure> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(left).map_err(|_| Failure::new("the deadline is too far away"))?;
            match poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&wait)) {
                Ok(0) => return Err(Failure::new(format!("fetching {}: it has taken too long", self.job.name))),
                Err(Errno::INTR) => {}
                polled => return polled.map(drop).doing(|| "waiting for the child that fetches".into()),
            }
        }
    }

    fn hear(&mut self, line: Line) {
        if self.verdict.is_some() || self.failure.is_some() {
            return;
        }
        match line {
            Line::Gap(text) => self.note(Progress::Gap(text)),
            Line::Note(text) => self.note(Progress::Note(text)),
            Line::Mirror(number) => match usize::try_from(number) {
                Ok(number) if number < self.job.urls.len() => {
                    self.mirror = number;
                    self.note(Progress::Mirror(number));
                }
                _ => self.failure = Some(self.nonsense()),
            },
            Line::At(bytes) if bytes <= self.job.what.most() => (self.tell)(Progress::At(bytes)),
            Line::Durable(bytes, validator) if bytes <= self.job.what.most() => {
                self.failure = self.keep(bytes, validator).err();
            }
            Line::At(_) | Line::Durable(..) => self.failure = Some(self.nonsense()),
            verdict @ (Line::Done(_) | Line::Failed(_)) => self.verdict = Some(verdict),
        }
    }

    fn note(&mut self, progress: Progress) {
        self.notes += 1;
        match self.notes > MAX_NOTES {
            true => self.failure = Some(self.nonsense()),
            false => (self.tell)(progress),
        }
    }

    fn keep(&self, bytes: u64, validator: Bounded<MAX_VALIDATOR>) -> Result<(), Failure> {
        let What::Artifact { sha256, .. } = self.job.what else { return Ok(()) };
        if bytes == 0 {
            return verified::remove(self.file);
        }
        let source = self.job.urls.get(self.mirror).map(verified::source).unwrap_or_default();
        verified::write(self.file, &Verified { bytes, sha256, source, validator })
    }

    fn nonsense(&self) -> Failure {
        Failure::new(format!("fetching {}: the child said something that it never says; it was ended", self.job.name))
    }

    fn verdict(self, status: ExitStatus) -> Result<(), Failure> {
        match self.verdict {
            Some(Line::Done(_)) => Ok(()),
            Some(Line::Failed(sentence)) => Err(Failure::new(sentence)),
            _ => Err(Failure::new(format!("fetching {}: the child {} without a word", self.job.name, how(status)))),
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}
