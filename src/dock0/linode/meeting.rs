//! The first words with a VM that has just been started: who it is, its configuration, and whether what it runs is good.

use super::trust::{Known, Token, Trust};
use crate::papers::Papers;
use crate::socket::answer::{State, printable};
use crate::socket::cargo::Cargo;
use crate::socket::host::Host;
use crate::socket::push::{self, Pushed};
use crate::socket::tls::{self, Expected, Fingerprint};
use crate::socket::trouble::{Kind, Trouble};
use crate::socket::vm::Vm;
use crate::stop;
use anyhow::{Result, bail};
use init::receive::reception::STAYS;
use std::cell::Cell;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(3);
/// How many questions lie between two looks whether its machine is still there.
const LOOKS: u32 = 10;

/// How long a VM must be silent at its config socket before that is taken for its way.
const SILENT: Duration = Duration::from_secs(20);
/// How long somebody else may answer where the VM is expected: its address has had another owner.
const WRONG: Duration = Duration::from_secs(15);
/// How long its SSH server may take.
const SSH: Duration = Duration::from_secs(2);

/// What is known of a VM that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has called its release good.
    Good,
    /// It runs, and what was pushed is in force from its next boot on.
    Later,
    /// It runs, but another kernel has started its own (kexec): it can only be good once it has started by itself.
    Warm,
    /// Its SSH server answers, and nobody at its config socket does.
    Unknown,
}

/// What became of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It had it.
    Had,
    /// It boots with it.
    Now,
    /// It runs, and has it from its next boot on.
    Later,
    /// Its SSH server answers, and nobody at its config socket does.
    Unknown,
}

/// A VM that is met.
pub struct Meeting<'m> {
    /// Where it is.
    pub host: Host,
    /// Where its SSH server is, if that is known.
    pub ssh: Option<SocketAddr>,
    /// Who we are.
    pub papers: &'m Papers,
    /// What is kept of it.
    pub trust: Trust<'m>,
    /// Until when all of it must be done.
    pub until: Instant,
    /// What is going on.
    pub show: &'m dyn Fn(&str),
    /// Makes sure that its machine is still there.
    pub is_there: &'m dyn Fn() -> Result<()>,
}

impl Meeting<'_> {
    /// The VM, once it has shown who it is.
    pub fn meet(&self) -> Result<Vm> {
        match self.trust.known()? {
            Known::ByToken(token) => {
                let fingerprint = self.wait_for_proof(&token)?;
                self.trust.pin(&fingerprint)?;
                self.vm(Expected::Key(fingerprint))
            }
            Known::ByKey(fingerprint) => self.vm(Expected::Key(fingerprint)),
            Known::ByCa => {
                let ca = self.papers.operators.display().to_string();
                self.vm(Expected::OfCa(self.papers.roots()?, ca))
            }
        }
    }

    fn vm(&self, expected: Expected) -> Result<Vm> {
        let config = tls::client(expected, Some(self.papers.own()?))?;
        Ok(Vm { host: self.host.clone(), config, own: Some(self.papers.own.certificate.display().to_string()) })
    }

    /// Asks whoever answers, without saying who asks. What it says of its key is believed if it proves the token with that key; that
    /// it has the key itself, TLS makes sure of from then on.
    fn wait_for_proof(&self, token: &Token) -> Result<Fingerprint> {
        let stranger = Vm { host: self.host.clone(), config: tls::client(Expected::Anybody, None)?, own: None };
        let wrong_since = Cell::new(None);
        self.wait(|| {
            let state = stranger.state(self.soon())?;
            let why = match (&state.fingerprint, &state.proof) {
                (Some(fingerprint), Some(proof)) => {
                    let fingerprint = fingerprint.parse().map_err(Trouble::is_final)?;
                    if token.is_proved_by(proof, &fingerprint) {
                        return Ok(fingerprint);
                    }
                    "it does not prove what this VM was told by its metadata: somebody else answers there, or another operator has \
                     made it"
                }
                _ => "it knows its operators, and not by its metadata: make the image without operators.pem and identity",
            };
            match since(&wrong_since).elapsed() < WRONG {
                true => Err(Trouble::away(why)),
                false => Err(Trouble::is_final(why)),
            }
        })
    }

    /// Pushes the bundle, unless it has that.
    pub fn push(&self, vm: &Vm, bundle: &Cargo, sha256: &str) -> Result<Given> {
        let silent_since = Cell::new(None);
        let state = self.wait(|| match self.ask(vm, &silent_since)? {
            Some(state) if state.state != "waiting" => Err(Trouble::away(state.line())),
            state => Ok(state),
        })?;
        match state {
            None => return Ok(Given::Unknown),
            Some(state) if state.config.as_deref() == Some(sha256) => return Ok(Given::Had),
            Some(_) => {}
        }
        match push::push(vm, bundle, self.until, self.show)? {
            Pushed::Stored { doing: Some(doing), .. } if doing == STAYS => Ok(Given::Later),
            Pushed::Stored { .. } | Pushed::Installing(_) => Ok(Given::Now),
        }
    }

    /// Until it says that its release is good; by then its own system answers. One whose system says nothing of itself, but lets people
    /// log in, may be as good.
    pub fn wait_for_good(&self, vm: &Vm) -> Result<Standing> {
        let silent_since = Cell::new(None);
        self.wait(|| {
            let Some(state) = self.ask(vm, &silent_since)? else { return Ok(Standing::Unknown) };
            match state.standing.as_deref() {
                Some("good") => Ok(Standing::Good),
                Some("bad") => Err(Trouble::is_final("its release is bad (dock0 status --log shows what it said)")),
                Some(_) if is_warm(&state) => Ok(Standing::Warm),
                Some(standing) => Err(Trouble::away(format!("its release is {}", printable(standing)))),
                None => Err(Trouble::away("it does not say how good its release is")),
            }
        })
    }

    /// How it is; none if it has been silent for long, and lets people log in.
    fn ask(&self, vm: &Vm, silent_since: &Cell<Option<Instant>>) -> Result<Option<State>, Trouble> {
        match vm.state(self.soon()) {
            Err(trouble) if trouble.kind == Kind::Away => {
                let is_over = since(silent_since).elapsed() >= SILENT && self.ssh.is_some_and(answers);
                if is_over { Ok(None) } else { Err(trouble) }
            }
            state => {
                silent_since.set(None);
                state.map(Some)
            }
        }
    }

    /// A VM that answers at all does so at once; one that boots may leave a question unheard.
    fn soon(&self) -> Instant {
        self.until.min(Instant::now() + ANSWER)
    }

    /// Asks until there is an answer that counts.
    fn wait<T>(&self, ask: impl Fn() -> Result<T, Trouble>) -> Result<T> {
        for look in 1.. {
            let last = match ask() {
                Ok(answer) => return Ok(answer),
                Err(Trouble { kind: Kind::Final, why }) => bail!("{}: {why}", self.host),
                Err(trouble) => trouble.why,
            };
            (self.show)(&format!("waiting for it: {last}"));
            if look % LOOKS == 0 {
                (self.is_there)()?;
            }
            if Instant::now() + EVERY >= self.until {
                bail!("{}: it did not come so far in time (--timeout); at last: {last}", self.host);
            }
            stop::pause(EVERY)?;
        }
        unreachable!("it asks until it is over")
    }
}

/// Since when that is so which is so now.
fn since(since: &Cell<Option<Instant>>) -> Instant {
    let then = since.get().unwrap_or_else(Instant::now);
    since.set(Some(then));
    then
}

/// Whether another kernel has started the one of the root that runs.
fn is_warm(state: &State) -> bool {
    state.boots.last().is_some_and(|boot| boot["kexec"] == true && boot["result"] == "handed over")
}

/// Whether an SSH server greets (RFC 4253, section 4.2).
fn answers(ssh: SocketAddr) -> bool {
    let Ok(mut tcp) = TcpStream::connect_timeout(&ssh, SSH) else { return false };
    let mut greeting = [0; 4];
    tcp.set_read_timeout(Some(SSH)).and_then(|()| tcp.read_exact(&mut greeting)).is_ok() && greeting == *b"SSH-"
}
