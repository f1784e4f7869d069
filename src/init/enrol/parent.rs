//! The parent's side: starts the child that asks, hears it out without believing it, and ends it whatever happens.

use super::child::decoded;
use super::line::{About, Line};
use super::{NAME, Told};
use crate::child_process::ChildProcess;
use crate::failure::{Doing, Failure};
use crate::lines::{Lines, Nonsense};
use crate::net::child::timespec;
use crate::receive::certificate::pem;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use wire::enrolment::{LONGEST, MAX_OPERATORS};
use wire::manifest::parse_digest;
use wire::settings;

/// How long a child may take to end of itself after its last line.
const GRACE: Duration = Duration::from_millis(500);
/// The most lines of a child: one for each reason to ask again, of which there are a few, and all that a document has.
const MAX_LINES: u32 = 200;

/// How it is asked.
pub struct Terms<'t> {
    /// The program that is the child; this very one, if `None`.
    pub program: Option<&'t Path>,
    /// The addresses of the service, as `http://192.0.2.1`; the next one is asked where one cannot be reached.
    pub addresses: &'t [&'t str],
    /// The first pause, in whole milliseconds.
    pub pause: Duration,
    /// How long all of it may take.
    pub patience: Duration,
}

/// Asks until there is an answer: what proves the key of this fingerprint, and who may push.
pub fn ask(fingerprint: &str, terms: &Terms, say: &mut dyn FnMut(&str)) -> Result<Told, Failure> {
    let program = terms.program.map_or_else(|| PathBuf::from("/proc/self/exe"), Path::to_path_buf);
    let mut command = Command::new(program);
    let numbers = [u128::from(std::process::id()), terms.pause.as_millis()].map(|number| number.to_string());
    let [parent, pause] = &numbers;
    command.arg0(NAME).args([parent, fingerprint, pause]).args(terms.addresses);
    command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = ChildProcess::start(&mut command, "asks who may push".into())?;
    let mut session =
        Session { say, lines: 0, heard: Heard::default(), waits_for: "it has not answered".into(), failed: None };
    let heard = session.listen(&mut child.output()?, terms.patience);
    child.end(if heard.is_ok() { GRACE } else { Duration::ZERO })?;
    heard?;
    session.heard.check().ok_or_else(nonsense)
}

struct Session<'s> {
    say: &'s mut dyn FnMut(&str),
    lines: u32,
    heard: Heard,
    /// Why the service was asked again last.
    waits_for: String,
    /// Why the child has given up.
    failed: Option<String>,
}

impl Session<'_> {
    /// Until all is said, it has failed, or the time is over.
    fn listen(&mut self, stdout: &mut ChildStdout, patience: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        let (mut lines, mut bytes) = (Lines::default(), [0; 4096]);
        while !self.heard.is_all {
            let left = deadline.saturating_duration_since(Instant::now());
            match poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&timespec(left))) {
                Ok(0) => return Err(self.nobody_tells(patience)),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).doing(|| format!("waiting for {NAME}")),
            }
            let count = stdout.read(&mut bytes).doing(|| format!("listening to {NAME}"))?;
            if count == 0 {
                return Err(Failure::new(format!("{NAME} has ended without a word")));
            }
            let taken = lines.take(bytes.get(..count).unwrap_or_default(), &mut |line| {
                Line::parse(line).ok_or(Nonsense).and_then(|line| self.hear(line))
            });
            if let Some(sentence) = self.failed.take() {
                return Err(Failure::new(sentence));
            }
            taken.map_err(|Nonsense| nonsense())?;
        }
        Ok(())
    }

    fn hear(&mut self, line: Line) -> Result<(), Nonsense> {
        self.lines = self.lines.saturating_add(1);
        let Line(about, text) = line;
        match about {
            _ if self.lines > MAX_LINES => return Err(Nonsense),
            About::Gap => (self.say)(&format!("{NAME} is not locked up entirely: {text}")),
            About::Failed => self.failed = Some(text.into()),
            About::Waiting => {
                (self.say)(&format!("nobody says yet who may push: {text}"));
                self.waits_for = text.into();
            }
            About::Proof | About::Operator | About::Settings | About::More | About::Told => self.heard.take(line)?,
        }
        Ok(())
    }

    fn nobody_tells(&self, patience: Duration) -> Failure {
        Failure::new(format!("nobody said who may push within {} s: {}", patience.as_secs(), self.waits_for))
    }
}

/// What the child has said of it so far, all of it in base64 but the proof.
#[derive(Default)]
struct Heard {
    proof: String,
    operators: Vec<String>,
    settings: Option<String>,
    /// Whether it is the settings that go on.
    in_settings: bool,
    is_all: bool,
}

impl Heard {
    fn take(&mut self, Line(about, text): Line) -> Result<(), Nonsense> {
        match about {
            _ if self.is_all => return Err(Nonsense),
            About::Proof if self.proof.is_empty() => self.proof = text.into(),
            About::Operator if self.operators.len() < MAX_OPERATORS => {
                self.in_settings = false;
                self.operators.push(text.into());
            }
            About::Settings if self.settings.is_none() => {
                self.in_settings = true;
                self.settings = Some(text.into());
            }
            About::More => {
                let begun = if self.in_settings { self.settings.as_mut() } else { self.operators.last_mut() };
                let begun = begun.filter(|begun| begun.len() + text.len() <= LONGEST).ok_or(Nonsense)?;
                begun.push_str(text);
            }
            About::Told => self.is_all = true,
            About::Proof | About::Operator | About::Settings | About::Gap | About::Waiting | About::Failed => {
                return Err(Nonsense);
            }
        }
        Ok(())
    }

    /// What it comes to, if it can be what was asked for.
    fn check(self) -> Option<Told> {
        parse_digest(&self.proof)?;
        let mut operators = String::new();
        for text in &self.operators {
            let der = Some(decoded(text)).filter(|der| !der.is_empty())?;
            operators.push_str(&pem("CERTIFICATE", &der));
        }
        let settings = self.settings.map(|text| decoded(&text));
        let is_good = settings.as_ref().is_none_or(|json| settings::parse(json).is_ok());
        (is_good && !operators.is_empty()).then_some(Told { proof: self.proof, operators, settings })
    }
}

fn nonsense() -> Failure {
    Failure::new(format!("{NAME} said something that it never says; it was ended"))
}
