//! What every request meets first: what is to go wrong, who may ask, and which room answers.

use crate::documents::{Site, refusal};
use crate::faults::{Faults, is_upload};
use crate::repository::Repository;
use crate::{api, public};
use plain_http::{Answer, Request, Service};
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The longest body, in bytes: it is kept in memory.
const MAX_BODY: u64 = 1 << 30;

/// What the threads share.
#[derive(Debug)]
pub struct Shared {
    /// Who may use the API.
    pub token: String,
    /// Where everything is.
    pub site: Site,
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
        Shared { token, site, state: Mutex::default() }
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

    fn look_up(&self, request: &Request) -> Answer {
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

impl Service for Shared {
    fn answer(&self, mut request: Request, body: &mut dyn Read) -> Option<Answer> {
        if request.length > MAX_BODY {
            return Some(Answer::text(413, "the body is too long"));
        }
        let cut = {
            let mut state = self.lock();
            state.asked.push(format!("{} {}", request.method, request.target));
            state.faults.cut(&request)
        };
        request.read_body(body, cut.unwrap_or(u64::MAX));
        // Of what broke off, only that an upload did is remembered; and nobody is answered.
        let answer = (request.is_whole() || is_upload(&request)).then(|| self.look_up(&request));
        answer.filter(|_| request.is_whole() && cut.is_none())
    }
}
