//! A VM, as its operator sees it: what can be asked of it, and how long each takes at most.

use super::answer::{Answer, State};
use super::connection::{Connection, Request};
use super::host::Host;
use super::trouble::Trouble;
use rustls::ClientConfig;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a question may take; the VM answers at once.
const ASKING: Duration = Duration::from_secs(10);
/// How long sending may take: a connection lives for 60 s on the VM's side, and storing is not counted there.
const SENDING: Duration = Duration::from_secs(120);

/// A VM and how to speak to it.
pub struct Vm {
    /// Which and where.
    pub host: Host,
    /// Who it must be, and who we are.
    pub config: Arc<ClientConfig>,
    /// The file of the certificate that we show, for words.
    pub own: Option<String>,
}

impl Vm {
    /// How it is.
    pub fn state(&self, until: Instant) -> Result<State, Trouble> {
        let answer = self.get("/", until)?;
        answer.json().map_err(Trouble::is_final)
    }

    /// What it has said so far, as far as it can be shown.
    pub fn log(&self, until: Instant) -> Result<String, Trouble> {
        let answer = self.get("/log", until)?;
        let text = String::from_utf8_lossy(&answer.body);
        Ok(text.replace(|c: char| c.is_control() && !"\n\t".contains(c), "?"))
    }

    fn get(&self, path: &'static str, until: Instant) -> Result<Answer, Trouble> {
        let until = until.min(Instant::now() + ASKING);
        let answer = self.ask(&Request { method: "GET", path, body: None }, until)?;
        match answer.status {
            200 => Ok(answer),
            status => Err(Trouble::is_final(format!("it answers {status}: {}", answer.sentence()))),
        }
    }

    /// Sends something to be kept.
    pub fn put(&self, path: &'static str, body: &[u8]) -> Result<Answer, Trouble> {
        self.ask(&Request { method: "PUT", path, body: Some(body) }, Instant::now() + SENDING)
    }

    fn ask(&self, request: &Request, until: Instant) -> Result<Answer, Trouble> {
        let own = self.own.as_deref();
        let connection = Connection::open(&self.host, &self.config, until);
        connection.map_err(|error| Trouble::of(&error, own))?.ask(&self.host, request, own)
    }
}

impl fmt::Display for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)
    }
}
