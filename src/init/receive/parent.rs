//! The parent's side: starts the child that listens, tells it what there is to know, and hears what operators want. What the
//! child says is not believed; what it hands over is copied before anybody looks at it.

use super::NAME;
use super::child::FIRST;
use super::desk::MAX_BUNDLE;
use super::state::State;
use super::words::{Said, Told};
use crate::child_process::ChildProcess;
use crate::failure::{Doing, Failure};
use crate::lines::{Lines, Nonsense};
use crate::net::child::timespec;
use crate::sys;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a connection lives, its handshake included.
pub const LIFE: Duration = Duration::from_secs(60);
/// How long the child may take to read its papers.
const START: Duration = Duration::from_secs(20);
/// How long an answer may take to be sent; then whoever waits for it is left.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the child may take to end: those who were answered may take two seconds to go.
const GRACE: Duration = Duration::from_secs(3);
/// The most notes of one child at once. It says one a second at most, unless it has been taken over.
const MAX_NOTES: u64 = 10_000;
/// The most words that are kept until they are listened to. One operator is served at a time, so that it is one or two.
const MAX_KEPT: usize = 8;
/// How much is heard at once, so that the caller comes to its other work.
const PIECE: usize = 4096;

/// What it listens with.
pub struct Terms<'t> {
    /// The program that is the child; this very one, if `None`.
    pub program: Option<&'t Path>,
    /// The TCP port; 0 for any.
    pub port: u16,
    /// How long a connection lives, in whole seconds; [`LIFE`].
    pub life: Duration,
    /// This VM's certificate.
    pub certificate: &'t Path,
    /// Its key.
    pub key: &'t Path,
    /// The operators' CA, if there is one.
    pub operators: Option<&'t Path>,
}

/// What an operator wants; he waits for [`Receiver::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A bundle of so many bytes is to be stored.
    Config(u64),
    /// A manifest of so many bytes, and its signature behind it of so many, is to be installed.
    Release(u64, u64),
    /// A reboot.
    Reboot,
}

/// A child that listens.
pub struct Receiver<'r> {
    child: ChildProcess,
    input: ChildStdin,
    output: ChildStdout,
    lines: Lines,
    heard: VecDeque<Said>,
    notes: u64,
    told: State,
    since: Instant,
    file: File,
    /// Where it listens.
    pub port: u16,
    /// Of this VM's key.
    pub fingerprint: String,
    /// When an operator has asked for something last, as far as it was heard.
    pub called: Option<Instant>,
    note: &'r dyn Fn(&str),
}

impl<'r> Receiver<'r> {
    /// Starts it, and waits until it listens.
    pub fn start(terms: &Terms, note: &'r dyn Fn(&str)) -> Result<Receiver<'r>, Failure> {
        let doing = || format!("starting {NAME}");
        let socket = listen(terms.port)?;
        let port = socket.local_addr().doing(doing)?.port();
        let file: File = rustix::fs::memfd_create("dock0-push", MemfdFlags::CLOEXEC).doing(doing)?.into();
        let log = rustix::fs::open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let log = log.or_else(|_| rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()));
        let program = terms.program.map_or_else(|| PathBuf::from("/proc/self/exe"), Path::to_path_buf);
        let mut command = Command::new(program);
        command.arg0(NAME).args([u64::from(std::process::id()), terms.life.as_secs()].map(|number| number.to_string()));
        command.args([terms.certificate, terms.key]).args(terms.operators);
        command.env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let files: [OwnedFd; 3] = [file.try_clone().doing(doing)?.into(), socket.into(), log.doing(doing)?];
        sys::hand_over(&mut command, files.into(), FIRST);
        let mut child = ChildProcess::start(&mut command, "listens".into())?;
        let (input, output) = (child.input()?, child.output()?);
        // A child that does not read must not hold its parent up.
        rustix::fs::fcntl_setfl(&input, OFlags::NONBLOCK).doing(doing)?;
        let mut receiver = Receiver {
            child,
            input,
            output,
            lines: Lines::default(),
            heard: VecDeque::new(),
            notes: 0,
            told: State::default(),
            since: Instant::now(),
            file,
            port,
            fingerprint: String::new(),
            called: None,
            note,
        };
        receiver.fingerprint = receiver.wait_for(START, |said| {
            if let Said::Ready(fingerprint) = said { Some(fingerprint.clone()) } else { None }
        })?;
        Ok(receiver)
    }

    /// To wait on, for whoever waits for other things too; then [`Receiver::listen`].
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// What anybody who asks is told from now on: see [`super::state::TABLE`]. The child hears of what changes.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if self.told.set(name, value) { self.tell(&Told::Set(name.into(), value.into())) } else { Ok(()) }
    }

    /// Takes in what the child has said; what an operator wants, if it is that. Fails when the child has ended or talks
    /// nonsense: then nobody listens any more.
    pub fn listen(&mut self) -> Result<Option<Request>, Failure> {
        if self.heard.is_empty() && self.has_come(Duration::ZERO)? {
            self.hear()?;
        }
        while let Some(said) = self.heard.pop_front() {
            match said {
                Said::Config(bytes) if bytes <= MAX_BUNDLE => return Ok(Some(Request::Config(bytes))),
                Said::Release(manifest, signature) => return Ok(Some(Request::Release(manifest, signature))),
                Said::Reboot => return Ok(Some(Request::Reboot)),
                Said::Config(_)
                | Said::Gap(_)
                | Said::Note(_)
                | Said::Ready(_)
                | Said::Called
                | Said::Answered
                | Said::Failed(_) => self.follow(said)?,
            }
        }
        Ok(None)
    }

    /// Takes in all that the child has said, so that it need not wait for us; what operators want is kept for
    /// [`Receiver::listen`].
    pub fn drain(&mut self) -> Result<(), Failure> {
        self.keep()?;
        while self.has_come(Duration::ZERO)? {
            self.hear()?;
            self.keep()?;
        }
        Ok(())
    }

    /// Bytes of what was pushed, as they were when this was called.
    pub fn pushed(&mut self, from: u64, bytes: u64) -> Result<File, Failure> {
        let doing = || "taking over what was pushed".to_string();
        let mut copy: File = rustix::fs::memfd_create("dock0-pushed", MemfdFlags::CLOEXEC).doing(doing)?.into();
        // Its own place in the file: the child's moves.
        let mut file = File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).doing(doing)?;
        file.seek(SeekFrom::Start(from)).doing(doing)?;
        let copied = std::io::copy(&mut file.take(bytes), &mut copy).doing(doing)?;
        if copied != bytes {
            return Err(Failure::new(format!("{}: it has {copied} bytes instead of {bytes}", doing())));
        }
        copy.rewind().doing(doing)?;
        Ok(copy)
    }

    /// Answers whoever waits, and waits until that is sent or nobody is there any more.
    pub fn answer(&mut self, status: u16, json: &str) -> Result<(), Failure> {
        self.tell(&Told::Answer(status, json.into()))?;
        self.wait_for(ANSWER, |said| matches!(said, Said::Answered).then_some(()))
    }

    /// Says something to whoever reads what the child has to say.
    pub fn note(&self, text: &str) {
        (self.note)(text);
    }

    /// Nobody listens any more.
    pub fn end(mut self) -> Result<(), Failure> {
        drop(self.input);
        self.child.end(GRACE).map(drop)
    }

    fn tell(&mut self, told: &Told) -> Result<(), Failure> {
        self.input.write_all(format!("{told}\n").as_bytes()).doing(|| format!("talking to {NAME}"))
    }

    /// Waits for one word; what else is said meanwhile is kept.
    fn wait_for<T>(&mut self, patience: Duration, wanted: impl Fn(&Said) -> Option<T>) -> Result<T, Failure> {
        let deadline = Instant::now() + patience;
        // What was said before it was waited for is looked at, too.
        self.keep()?;
        loop {
            if let Some(place) = self.heard.iter().position(|said| wanted(said).is_some()) {
                return self.heard.remove(place).and_then(|said| wanted(&said)).ok_or_else(|| self.nonsense());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.has_come(left)? {
                return Err(Failure::new(format!("waiting for {NAME}: it does not answer")));
            }
            self.hear()?;
            self.keep()?;
        }
    }

    /// Keeps what somebody waits for, and follows the rest. A child that was taken over says more than anybody can keep.
    fn keep(&mut self) -> Result<(), Failure> {
        for said in std::mem::take(&mut self.heard) {
            match said {
                Said::Gap(_) | Said::Note(_) | Said::Called | Said::Failed(_) => self.follow(said)?,
                // It is ready once.
                Said::Ready(_) if !self.fingerprint.is_empty() => return Err(self.nonsense()),
                Said::Ready(_) | Said::Config(_) | Said::Release(..) | Said::Reboot | Said::Answered => {
                    self.heard.push_back(said);
                }
            }
        }
        if self.heard.len() > MAX_KEPT { Err(self.nonsense()) } else { Ok(()) }
    }

    fn follow(&mut self, said: Said) -> Result<(), Failure> {
        match said {
            Said::Gap(text) => self.count_note(&format!("the child that listens is not locked up entirely: {text}")),
            Said::Note(text) => self.count_note(&text),
            Said::Called => self.called = Some(Instant::now()),
            // It comes late, for somebody who is gone.
            Said::Answered => {}
            Said::Failed(sentence) => return Err(Failure::new(sentence)),
            Said::Ready(_) | Said::Config(_) | Said::Release(..) | Said::Reboot => return Err(self.nonsense()),
        }
        let allowed = MAX_NOTES.saturating_add(self.since.elapsed().as_secs());
        if self.notes > allowed { Err(self.nonsense()) } else { Ok(()) }
    }

    fn count_note(&mut self, text: &str) {
        self.notes = self.notes.saturating_add(1);
        (self.note)(text);
    }

    /// Reads once; there must be something.
    fn hear(&mut self) -> Result<(), Failure> {
        let mut bytes = [0; PIECE];
        let count = self.output.read(&mut bytes).doing(|| format!("listening to {NAME}"))?;
        if count == 0 {
            return Err(Failure::new(format!("{NAME} has ended without a word")));
        }
        let heard = &mut self.heard;
        let taken = self.lines.take(bytes.get(..count).unwrap_or_default(), &mut |line| {
            heard.push_back(Said::parse(line).ok_or(Nonsense)?);
            Ok(())
        });
        taken.map_err(|Nonsense| self.nonsense())
    }

    fn has_come(&self, wait: Duration) -> Result<bool, Failure> {
        match poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&timespec(wait))) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error).doing(|| format!("waiting for {NAME}")),
        }
    }

    fn nonsense(&self) -> Failure {
        Failure::new(format!("{NAME} said something that it never says; it was ended"))
    }
}

/// A socket for both families, or for the one that there is.
fn listen(port: u16) -> Result<TcpListener, Failure> {
    let both = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    let socket = match both {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        }
        bound => bound,
    };
    socket.doing(|| format!("listening on port {port}"))
}
