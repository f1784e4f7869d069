//! The threads: one takes connections, and each connection has its own, which answers one request.

use crate::documents::{Site, refusal};
use crate::faults::{Faults, is_upload};
use crate::http::{Answer, Request, read_body, read_head};
use crate::repository::Repository;
use crate::{api, public};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a client may keep silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of a body nobody wants is read, so that the answer is not lost with it.
const DRAINED: u64 = 64 << 20;

/// What the threads share.
#[derive(Debug)]
pub struct Shared {
    /// Who may use the API.
    pub token: String,
    /// Where everything is.
    pub site: Site,
    /// That nobody is served any more.
    pub ended: AtomicBool,
    state: Mutex<Everything>,
}

/// What changes.
#[derive(Debug, Default)]
pub struct Everything {
    /// The repository.
    pub repository: Repository,
    /// What is to go wrong.
    pub faults: Faults,
    /// What was asked.
    pub asked: Vec<String>,
}

impl Shared {
    /// Of a repository without anything in it.
    pub fn new(token: String, site: Site) -> Shared {
        Shared { token, site, ended: AtomicBool::new(false), state: Mutex::default() }
    }

    /// What changes, for one thread at a time.
    pub fn lock(&self) -> MutexGuard<'_, Everything> {
        // Whoever panicked with it in hand has left nothing half done: the rules look first and change then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_token(&self, request: &Request) -> bool {
        let given = request.field("Authorization").and_then(|value| value.split_once(' '));
        given.is_some_and(|(kind, token)| {
            ["token", "bearer"].contains(&kind.to_lowercase().as_str()) && token == self.token
        })
    }

    fn answer(&self, request: &Request) -> Answer {
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let mut state = self.lock();
        let Everything { repository, faults, .. } = &mut *state;
        if let Some(ordered) = faults.answer(request) {
            return ordered;
        }
        let answer = if public::is_public(&parts) {
            public::answer(&self.site, repository, faults, request, &parts)
        } else if self.has_token(request) {
            api::answer(&self.site, repository, request, &parts)
        } else {
            Err(refusal(401, "Bad credentials"))
        };
        answer.unwrap_or_else(|refused| refused)
    }
}

/// Takes connections until it has ended.
pub fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        // A client that is gone before it was heard has nothing to be told.
        let Ok(stream) = stream else { continue };
        let shared = shared.clone();
        std::thread::spawn(move || {
            // Worst case: the client hears nothing, notices, and the test that ran it says so.
            converse(stream, &shared).unwrap_or_default();
        });
    }
}

fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = match read_head(&mut reader)? {
        Ok(request) => request,
        Err(refused) => {
            refused.send(&mut stream, "")?;
            stream.shutdown(Shutdown::Write)?;
            return io::copy(&mut reader.take(DRAINED), &mut io::sink()).map(drop);
        }
    };
    let cut = {
        let mut state = shared.lock();
        state.asked.push(format!("{} {}", request.method, request.target));
        state.faults.cut(&request)
    };
    if request.field("Expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    read_body(&mut reader, &mut request, cut.unwrap_or(u64::MAX));
    // Of what broke off, only that an upload did is remembered; and nobody is answered.
    if request.is_whole() || is_upload(&request) {
        let answer = shared.answer(&request);
        if request.is_whole() && cut.is_none() {
            return answer.send(&mut stream, &request.method);
        }
    }
    Ok(())
}
