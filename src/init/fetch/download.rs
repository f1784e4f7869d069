//! Getting the bytes: mirror after mirror, hashed on the way, written where they belong, made durable every few MiB.

use super::http::{Answer, Ask, Client};
use super::job::{Job, MAX_VALIDATOR, What, milliseconds};
use super::mirrors::{Again, Fault, Mirrors, Next};
use super::rate::Floor;
use super::report::Line;
use crate::failure::{Doing, Failure};
use heapless::String;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

/// How much is read and written at once.
const CHUNK: usize = 64 << 10;
/// How often the parent hears where we are.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Fetches a job into a file. What is returned is the number of bytes; the error names each mirror and its reason.
pub fn run(job: &Job, file: File, client: &Client, tell: &mut dyn FnMut(Line)) -> Result<u64, Failure> {
    let mut part = Part::open(job, file)?;
    let mut mirrors = Mirrors::new(job.urls.len(), &job.patience);
    let begin = Instant::now();
    loop {
        match mirrors.next(begin.elapsed()) {
            Next::Ask(number) => {
                tell(Line::Mirror(u32::try_from(number).unwrap_or(u32::MAX)));
                let before = part.bytes;
                match from_mirror(job, number, &mut part, client, tell) {
                    Ok(()) => return part.finish(),
                    Err(Stop::Ours(failure)) => return Err(failure),
                    Err(Stop::Theirs(fault)) => {
                        let host = job.urls.get(number).map_or("", |url| url.host());
                        tell(Line::Note(format!("{host} {}", fault.words)));
                        mirrors.failed(fault, part.bytes.saturating_sub(before));
                    }
                }
            }
            Next::Wait(pause) => {
                tell(Line::Note(format!("all mirrors have failed; trying again in {} s", pause.as_secs_f32().ceil())));
                std::thread::sleep(pause);
            }
            Next::GiveUp => {
                let hosts = job.urls.iter().map(|url| url.host()).collect::<Vec<_>>();
                return Err(Failure::new(format!("fetching {}: {}", job.name, mirrors.sentence(&hosts))));
            }
        }
    }
}

/// Why a mirror was left.
enum Stop {
    /// The mirror is at fault: the next one.
    Theirs(Fault),
    /// We are: no other mirror would help.
    Ours(Failure),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Theirs(fault)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Ours(failure)
    }
}

/// Gets what is missing from one mirror. Wrong bytes are its fault if all of them are its own; otherwise it gets to send them
/// all, once.
fn from_mirror(
    job: &Job,
    number: usize,
    part: &mut Part,
    client: &Client,
    tell: &mut dyn FnMut(Line),
) -> Result<(), Stop> {
    if matches!(job.what, What::Document { .. }) {
        part.restart(tell)?;
    }
    receive(job, number, part, client, tell)?;
    match (part.is_right(), part.begun_anew) {
        (true, _) => Ok(()),
        (false, true) => Err(part.blame(tell)?),
        (false, false) => {
            tell(Line::Note("the pieces do not fit together; starting over".into()));
            part.restart(tell)?;
            receive(job, number, part, client, tell)?;
            match part.is_right() {
                true => Ok(()),
                false => Err(part.blame(tell)?),
            }
        }
    }
}

/// Asks a mirror for what is missing, and writes it.
fn receive(job: &Job, number: usize, part: &mut Part, client: &Client, tell: &mut dyn FnMut(Line)) -> Result<(), Stop> {
    let Some(url) = job.urls.get(number) else { return Err(Fault::new("is not there").into()) };
    part.begun_anew = part.bytes == 0;
    if part.is_whole() {
        return Ok(());
    }
    let validator = part.from.as_ref().filter(|(from, _)| *from == number).map(|(_, validator)| validator.clone());
    let ask = Ask { url, what: &job.what, start: part.bytes, validator: validator.as_deref() };
    let mut answer = client.ask(&ask)?;
    if answer.follows.start != part.bytes {
        tell(Line::Note(format!("{} sends the file from its start", url.host())));
        part.restart(tell)?;
        part.begun_anew = true;
    }
    part.from = answer.follows.validator.clone().map(|validator| (number, validator));
    copy(job, part, &mut answer, tell)
}

fn copy(job: &Job, part: &mut Part, answer: &mut Answer, tell: &mut dyn FnMut(Line)) -> Result<(), Stop> {
    let begin = Instant::now();
    let mut floor = Floor::new(job.patience.rate, milliseconds(job.patience.window), Duration::ZERO);
    let mut told = begin;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = answer.read(&mut chunk)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if count == 0 {
            break;
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if count > part.most() - part.bytes {
            return Err(Fault::new(format!("sends more than the {} bytes that may come", part.most())).into());
        }
        part.write(bytes)?;
        floor.count(count, begin.elapsed()).map_err(|came| {
            Fault::new(format!("is too slow: {came} bytes in {} s", f64::from(job.patience.window) / 1000.0))
        })?;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(Line::At(part.bytes));
        }
        if part.bytes - part.durable >= u64::from(job.patience.durable) {
            part.make_durable(tell)?;
        }
    }
    tell(Line::At(part.bytes));
    match job.what {
        What::Artifact { size, .. } if part.bytes < size => {
            Err(Fault::new(format!("ended after {} of {size} bytes", part.bytes)).into())
        }
        What::Artifact { .. } | What::Document { .. } => Ok(()),
    }
}

/// The file that is being fetched.
struct Part<'j> {
    job: &'j Job,
    file: File,
    digest: Sha256,
    bytes: u64,
    durable: u64,
    /// Whose bytes they are, and what it calls this version.
    from: Option<(usize, String<MAX_VALIDATOR>)>,
    /// Whether all bytes that are there came with the last answer.
    begun_anew: bool,
}

impl<'j> Part<'j> {
    /// Reads and hashes what is there. What cannot be read is fetched again.
    fn open(job: &'j Job, file: File) -> Result<Part<'j>, Failure> {
        let mut part = Part { job, file, digest: Sha256::new(), bytes: 0, durable: 0, from: None, begun_anew: false };
        let mut chunk = vec![0; CHUNK];
        let have = job.have.bytes.min(part.most());
        part.seek(0)?;
        while part.bytes < have {
            let count = part.file.read(&mut chunk).doing(|| format!("reading what is there of {}", job.name))?;
            let fits = usize::try_from(have - part.bytes).unwrap_or(usize::MAX).min(count);
            if fits == 0 {
                break;
            }
            part.digest.update(chunk.get(..fits).unwrap_or_default());
            part.bytes += u64::try_from(fits).unwrap_or_default();
        }
        part.seek(part.bytes)?;
        part.durable = part.bytes;
        let from = job.have.from.clone().and_then(|(from, validator)| Some((usize::try_from(from).ok()?, validator)));
        part.from = from.filter(|_| part.bytes > 0);
        Ok(part)
    }

    fn most(&self) -> u64 {
        self.job.what.most()
    }

    fn is_whole(&self) -> bool {
        matches!(self.job.what, What::Artifact { size, .. } if size == self.bytes)
    }

    fn is_right(&self) -> bool {
        match self.job.what {
            What::Artifact { sha256, .. } => <[u8; 32]>::from(self.digest.clone().finalize()) == sha256,
            What::Document { .. } => true,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).doing(|| format!("writing {}", self.job.name))?;
        self.digest.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    fn seek(&mut self, to: u64) -> Result<(), Failure> {
        let at = self.file.seek(SeekFrom::Start(to));
        at.map(drop).doing(|| format!("finding byte {to} of {}", self.job.name))
    }

    fn make_durable(&mut self, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
        self.file.sync_data().doing(|| format!("syncing {}", self.job.name))?;
        self.durable = self.bytes;
        let validator = self.from.as_ref().map(|(_, validator)| validator.clone()).unwrap_or_default();
        tell(Line::Durable(self.bytes, validator));
        Ok(())
    }

    fn restart(&mut self, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
        if self.durable > 0 {
            tell(Line::Durable(0, String::new()));
        }
        (self.digest, self.bytes, self.durable, self.from) = (Sha256::new(), 0, 0, None);
        self.seek(0)
    }

    /// Drops what a mirror sent, which was wrong.
    fn blame(&mut self, tell: &mut dyn FnMut(Line)) -> Result<Stop, Failure> {
        self.restart(tell)?;
        Ok(Stop::Theirs(Fault { words: "sent other bytes than were signed".into(), again: Again::Never }))
    }

    fn finish(self) -> Result<u64, Failure> {
        let doing = || format!("cutting {} to its size", self.job.name);
        self.file.set_len(self.bytes).doing(doing)?;
        Ok(self.bytes)
    }
}
