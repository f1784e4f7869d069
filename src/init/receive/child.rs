//! The listening child: `dock0-receive PARENT SECONDS CERTIFICATE KEY [OPERATORS]` reads its papers, locks itself up, and serves
//! until its parent has nothing more to say.

use super::connection::Terms;
use super::desk::{Answer, Clerk, MAX_BUNDLE, MAX_MANIFEST, Parcel, Wish};
use super::kernel_log;
use super::listener::{Came, Listener, MAX_CONNECTIONS};
use super::state::State;
use super::tls::{self, Papers};
use super::words::{Said, Told};
use crate::failure::{Cause, Doing, Failure};
use crate::lines::{Lines, Nonsense, number};
use crate::sandbox::{self, Calls, Confinement, Tcp};
use crate::sys;
use rustix::process::Pid;
use rustix::thread::CapabilitySet;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The descriptor of the file that is shared with the parent; the socket and the kernel's log follow.
pub const FIRST: i32 = 3;
/// Its user and group: see [`sandbox::FETCH_USER`].
const USER: u32 = 65532;
/// How many bytes of its address space it may use: 64 connections take 5 MiB.
const MEMORY: u64 = 32 << 20;
/// The longest certificate, key or CA file that is read, in bytes.
const MAX_PAPER: u64 = 256 << 10;
/// How often something is said of strangers: whoever knocks without end should not fill the console.
const QUIET: Duration = Duration::from_secs(1);

/// Is the child.
pub fn run(words: &[&str]) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| tell(&Said::Failed(Failure::of_panic(panic).to_string()))));
    match serve(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&Said::Failed(failure.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn serve(words: &[&str]) -> Result<(), Failure> {
    let Orders { parent, life, certificate, key, operators } = orders(words)?;
    let (certificate, key) = (read_paper(certificate)?, read_paper(key)?);
    let operators = operators.map(read_paper).transpose()?;
    let papers = Papers { certificate: &certificate, key: &key, operators: operators.as_deref() };
    let (config, fingerprint) = tls::server(&papers)?;
    let [file, socket, log] = [FIRST, FIRST + 1, FIRST + 2]
        .map(|number| sys::inherited_file(number).doing(|| format!("taking descriptor {number} over")));
    let (file, socket, log) = (file?, TcpListener::from(OwnedFd::from(socket?)), log?);
    lock_up(parent)?;
    let mut listener = Listener::new(socket, Terms { config, life }).doing(|| "listening".into())?;
    let mut clerk = Desk::new(file, log);
    tell(&Said::Ready(fingerprint));
    let (stdin, mut lines) = (std::io::stdin(), Lines::default());
    loop {
        let came = listener.sleep(Some(stdin.as_fd()))?;
        if came.word && !hear(&mut lines, &mut clerk, &mut listener)? {
            return see_off(&mut listener, &mut clerk);
        }
        clerk.work(&mut listener, &came);
    }
}

/// Waits until those who were answered have gone: the network is taken down behind us, and an answer may still be on its way.
/// Whoever else is there is left.
fn see_off(listener: &mut Listener, clerk: &mut Desk) -> Result<(), Failure> {
    while !listener.has_seen_all_off() {
        let came = listener.sleep(None)?;
        clerk.work(listener, &came);
    }
    Ok(())
}

/// What the words mean.
struct Orders<'w> {
    parent: Pid,
    life: Duration,
    certificate: &'w str,
    key: &'w str,
    operators: Option<&'w str>,
}

fn orders<'w>(words: &[&'w str]) -> Result<Orders<'w>, Failure> {
    let wrong = || Failure::new("the listening child is started by dock0 alone; nothing was done");
    let (parent, life, certificate, key, operators) = match words {
        [parent, life, certificate, key] => (parent, life, certificate, key, None),
        [parent, life, certificate, key, operators] => (parent, life, certificate, key, Some(*operators)),
        _ => return Err(wrong()),
    };
    let parent = parent.parse().ok().and_then(Pid::from_raw).ok_or_else(wrong)?;
    let life = number(life).map(Duration::from_secs).ok_or_else(wrong)?;
    Ok(Orders { parent, life, certificate, key, operators })
}

fn read_paper(path: &str) -> Result<Vec<u8>, Failure> {
    let doing = || format!("reading {path}");
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_PAPER + 1).read_to_end(&mut bytes)).doing(doing)?;
    match u64::try_from(bytes.len()) {
        Ok(0..=MAX_PAPER) => Ok(bytes),
        _ => Err(Failure::new(format!("{}: it has more than {} KiB", doing(), MAX_PAPER >> 10))),
    }
}

fn lock_up(parent: Pid) -> Result<(), Failure> {
    let gaps = sandbox::enter(&Confinement {
        user: Some(USER),
        capabilities: CapabilitySet::empty(),
        close_from: FIRST.unsigned_abs() + 3,
        allowed: &[],
        tcp: Tcp::None,
        calls: Calls::Few,
        memory: MEMORY,
        descriptors: u64::try_from(2 * MAX_CONNECTIONS).unwrap_or(u64::MAX).saturating_add(16),
        file_size: MAX_BUNDLE.saturating_add(MAX_MANIFEST),
        parent: Some(parent),
    })?;
    gaps.into_iter().for_each(|gap| tell(&Said::Gap(gap)));
    Ok(())
}

/// Takes in what the parent says; `false` if it will say no more.
fn hear(lines: &mut Lines, clerk: &mut Desk, listener: &mut Listener) -> Result<bool, Failure> {
    let mut bytes = [0; 4096];
    let count = std::io::stdin().read(&mut bytes).doing(|| "listening to the parent".into())?;
    let heard = lines.take(bytes.get(..count).unwrap_or_default(), &mut |line| {
        match Told::parse(line).ok_or(Nonsense)? {
            Told::Set(name, value) => {
                clerk.state.set(&name, &value);
            }
            Told::Answer(status, json) => {
                clerk.busy = false;
                clerk.unsent = listener.answer(&Answer::json(status, json)) && !listener.has_answered();
                if !clerk.unsent {
                    tell(&Said::Answered);
                }
            }
        }
        Ok(())
    });
    heard.map_err(|Nonsense| Failure::new("listening to the parent: it said something that it never says"))?;
    Ok(count > 0)
}

fn tell(said: &Said) {
    // Worst case: nobody listens, since the parent has ended; then the kernel ends this process too.
    std::io::stdout().write_all(format!("{said}\n").as_bytes()).unwrap_or_default();
}

/// What the child knows, and where it puts what is pushed.
struct Desk {
    state: State,
    file: File,
    log: File,
    signature: Vec<u8>,
    /// A parcel comes in, or its answer is awaited: there is one file.
    busy: bool,
    /// An answer of the parent's is on its way.
    unsent: bool,
    /// When something was said of a stranger last.
    said: Option<Instant>,
    /// When an operator was noticed last.
    noticed: Option<Instant>,
}

impl Desk {
    fn new(file: File, log: File) -> Desk {
        let (state, signature) = (State::default(), Vec::new());
        Desk { state, file, log, signature, busy: false, unsent: false, said: None, noticed: None }
    }

    fn work(&mut self, listener: &mut Listener, came: &Came) {
        let mut notes = Vec::new();
        listener.work(came, self, &mut |note| notes.push(note.to_string()));
        for note in notes {
            let now = Instant::now();
            if self.said.is_none_or(|last| now.saturating_duration_since(last) >= QUIET) {
                self.said = Some(now);
                tell(&Said::Note(note));
            }
        }
        if self.unsent && listener.has_answered() {
            self.unsent = false;
            tell(&Said::Answered);
        }
    }

    fn ask(&mut self, said: &Said) -> Option<Answer> {
        self.busy = true;
        tell(said);
        None
    }

    fn delivered(&mut self, parcel: Parcel, length: u64) -> Option<Answer> {
        match parcel {
            Parcel::Bundle => self.ask(&Said::Config(length)),
            Parcel::Signature => {
                self.busy = false;
                Some(Answer::json(200, "{\"kept\":true}"))
            }
            Parcel::Manifest => {
                let signature = std::mem::take(&mut self.signature);
                match self.file.write_all(&signature) {
                    Ok(()) => {
                        let bytes = u64::try_from(signature.len()).unwrap_or_default();
                        self.ask(&Said::Release(length, bytes))
                    }
                    Err(error) => {
                        self.busy = false;
                        Some(failed(&error))
                    }
                }
            }
        }
    }
}

impl Clerk for Desk {
    fn notice_operator(&mut self) {
        let now = Instant::now();
        if self.noticed.is_none_or(|last| now.saturating_duration_since(last) >= QUIET) {
            self.noticed = Some(now);
            tell(&Said::Called);
        }
    }

    fn fulfil(&mut self, wish: Wish) -> Option<Answer> {
        match wish {
            Wish::State(client) => Some(Answer::json(200, self.state.json(uptime(), client).trim_end())),
            Wish::Page(client) => {
                let body = self.state.page(uptime(), client);
                Some(Answer { status: 200, content_type: "text/html; charset=utf-8", body })
            }
            Wish::Log => Some(match kernel_log::read(&mut self.log) {
                Ok(body) => Answer { status: 200, content_type: "text/plain; charset=utf-8", body },
                Err(error) => failed(&error),
            }),
            Wish::Take(parcel, length) => self.delivered(parcel, length),
            Wish::Reboot if self.busy => Some(Answer::refusal(409, BUSY)),
            Wish::Reboot => self.ask(&Said::Reboot),
        }
    }

    fn begin(&mut self, parcel: Parcel) -> Result<(), Answer> {
        if self.busy {
            return Err(Answer::refusal(409, BUSY));
        }
        if parcel == Parcel::Manifest && self.signature.is_empty() {
            let sentence = "send the manifest's signature first: PUT /release.minisig";
            return Err(Answer::refusal(409, sentence));
        }
        match parcel {
            Parcel::Signature => self.signature.clear(),
            Parcel::Bundle | Parcel::Manifest => {
                self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|error| failed(&error))?;
            }
        }
        self.busy = true;
        Ok(())
    }

    fn take(&mut self, parcel: Parcel, bytes: &[u8]) -> Result<(), Answer> {
        match parcel {
            Parcel::Signature => self.signature.extend_from_slice(bytes),
            Parcel::Bundle | Parcel::Manifest => self.file.write_all(bytes).map_err(|error| failed(&error))?,
        }
        Ok(())
    }

    fn give_up(&mut self, parcel: Parcel) {
        self.busy = false;
        if parcel == Parcel::Signature {
            self.signature.clear();
        }
    }
}

const BUSY: &str = "another push is under way: try again when it is done";

fn failed(why: &std::io::Error) -> Answer {
    Answer::refusal(500, &format!("this VM could not take it: {}", why.words()))
}

/// Since when the machine runs, in seconds.
fn uptime() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or_default()
}
