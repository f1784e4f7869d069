//! Linode's API v4 (<https://techdocs.akamai.com/linode-api/reference/api>): questions, what is asked again by itself, and
//! errors with the API's own reasons.

use super::token::Token;
use crate::http;
use crate::stop;
use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use ureq::http::{Request, Response};
use ureq::{Agent, AsSendBody, Body};

/// Where the API is.
pub const BASE: &str = "https://api.linode.com/v4";
/// The environment variable that has another place, for a stand-in.
pub const BASE_VARIABLE: &str = "LINODE_API_URL";
/// The longest answer, in bytes: 500 things of two kilobytes are one.
const MAX_ANSWER: u64 = 4 << 20;
/// How many things a page has: the most there can be.
const PAGE: u32 = 500;
/// How many of them are the newest: more than happens while nobody looks.
const NEWEST: u32 = 100;
/// What it says of a Linode to which something is done already, perhaps by itself: it has not begun anything else.
const BUSY: &str = "Linode busy";
/// More pages than anybody's account has.
const PAGES: u32 = 100;

/// What is wanted of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To see it.
    Get,
    /// To make one, or to have something done with it.
    Post,
    /// To change it.
    Put,
    /// To remove it.
    Delete,
}

/// How often and how patiently something is asked again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often something is asked at most.
    pub tries: u32,
    /// How long it waits before the second time; twice as long before each one after it.
    pub first: Duration,
    /// The longest that it waits, also where the API asks for more.
    pub most: Duration,
}

/// What people have: a minute and a half in all.
pub const PATIENCE: Patience = Patience { tries: 6, first: Duration::from_secs(1), most: Duration::from_secs(60) };

/// Access to an account.
#[derive(Debug)]
pub struct Api {
    base: String,
    token: Token,
    agent: Agent,
    patience: Patience,
}

/// Why the API did not do it.
#[derive(Debug)]
pub struct Refusal {
    asked: String,
    /// What it answered, if it did.
    pub status: Option<u16>,
    why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linode, {}: {}", self.asked, self.why)
    }
}

impl std::error::Error for Refusal {}

/// What a list is narrowed down to (`X-Filter`).
#[derive(Clone, Copy, Debug)]
pub enum Filter<'f> {
    /// To nothing.
    All,
    /// To those that have this value in this field.
    Has(&'f str, &'f str),
}

impl Api {
    /// The API at this address, or at the one in the environment, or Linode's own.
    pub fn new(base: Option<String>, token: Token, patience: Patience) -> Result<Api> {
        let variable = std::env::var(BASE_VARIABLE).ok().filter(|value| !value.is_empty());
        let base = base.or(variable).unwrap_or_else(|| BASE.into());
        let base = base.trim_end_matches('/').to_owned();
        ensure!(http::keeps_secrets(&base), "{base}: the token goes over https alone, or to this machine");
        let agent = http::agent(base.starts_with("https:"));
        Ok(Api { base, token, agent, patience })
    }

    /// Sees a thing.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(self.ask(Method::Get, path, Filter::All, None)?, path)
    }

    /// Makes a thing, or has something done.
    pub fn post<T: DeserializeOwned>(&self, path: &str, document: &impl Serialize) -> Result<T> {
        read(self.ask(Method::Post, path, Filter::All, Some(&to_value(document)?))?, path)
    }

    /// Changes a thing.
    pub fn put<T: DeserializeOwned>(&self, path: &str, document: &impl Serialize) -> Result<T> {
        read(self.ask(Method::Put, path, Filter::All, Some(&to_value(document)?))?, path)
    }

    /// Removes a thing.
    pub fn delete(&self, path: &str) -> Result<()> {
        Ok(self.ask(Method::Delete, path, Filter::All, None).map(drop)?)
    }

    /// All things of a list.
    pub fn list<T: DeserializeOwned>(&self, path: &str, filter: Filter<'_>) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        struct Page<T> {
            data: Vec<T>,
            pages: u32,
        }
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let path = format!("{path}?page={page}&page_size={PAGE}");
            let Page { mut data, pages } = read(self.ask(Method::Get, &path, filter, None)?, &path)?;
            all.append(&mut data);
            if page >= pages {
                break;
            }
        }
        Ok(all)
    }

    /// The newest things of a list that begins with them.
    pub fn newest<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        struct Page<T> {
            data: Vec<T>,
        }
        let path = format!("{path}?page=1&page_size={NEWEST}");
        read(self.ask(Method::Get, &path, Filter::All, None)?, &path).map(|page: Page<T>| page.data)
    }

    /// Asks until there is an answer that does not change by asking again.
    fn ask(&self, method: Method, path: &str, filter: Filter<'_>, document: Option<&Value>) -> Result<Value, Refusal> {
        let mut wait = self.patience.first;
        for tried in 1.. {
            let outcome = self.ask_once(method, path, filter, document);
            let refused = match outcome {
                Ok(answer) => return Ok(answer),
                // What a lost answer had already removed is removed.
                Err(Failed { refusal: Refusal { status: Some(404), .. }, .. })
                    if method == Method::Delete && tried > 1 =>
                {
                    return Ok(Value::Null);
                }
                Err(refused) => refused,
            };
            if tried >= self.patience.tries || !refused.may_be_asked_again(method) {
                return Err(refused.refusal);
            }
            if stop::pause(refused.retry_after.unwrap_or(wait).min(self.patience.most)).is_err() {
                return Err(refused.refusal);
            }
            wait = wait.saturating_mul(2);
        }
        unreachable!("it is asked a last time")
    }

    /// Whatever it answers is an answer, and it sends the token nowhere else.
    fn run(&self, request: Request<impl AsSendBody>) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request).http_status_as_error(false).max_redirects(0).build();
        self.agent.run(request)
    }

    fn ask_once(
        &self,
        method: Method,
        path: &str,
        filter: Filter<'_>,
        document: Option<&Value>,
    ) -> Result<Value, Failed> {
        let asked = format!("{} {}", method.name(), path.split('?').next().unwrap_or(path));
        let failed = |status, why: String, retry_after| Failed {
            refusal: Refusal { asked: asked.clone(), status, why },
            retry_after,
        };
        let mut request = Request::builder().method(method.name()).uri(format!("{}{path}", self.base));
        request = request.header("Authorization", self.token.authorization()).header("Accept", "application/json");
        if let Filter::Has(field, value) = filter {
            request = request.header("X-Filter", serde_json::json!({ field: value }).to_string());
        }
        let answer = match document {
            Some(document) => {
                let request = request.header("Content-Type", "application/json");
                request.body(document.to_string()).map(|request| self.run(request))
            }
            None => request.body(()).map(|request| self.run(request)),
        };
        let answer = answer.map_err(|error| failed(None, error.to_string(), None))?;
        let mut answer = answer.map_err(|error| failed(None, error.to_string(), None))?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let text = text.map_err(|error| failed(None, format!("reading its answer: {error}"), None))?;
        if !status.is_success() {
            return Err(failed(Some(status.as_u16()), reasons(status.as_u16(), &text), retry_after));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| failed(None, format!("reading its answer: {error}"), None))
    }
}

/// One question that failed.
#[derive(Debug)]
struct Failed {
    refusal: Refusal,
    /// How long the API wants to be left alone.
    retry_after: Option<Duration>,
}

impl Failed {
    /// Making something twice is worse than not at all: only what was surely not begun is asked again then.
    fn may_be_asked_again(&self, method: Method) -> bool {
        match (self.refusal.status, method) {
            (Some(429), _) => true,
            (Some(400), _) => self.refusal.why.starts_with(BUSY),
            (_, Method::Post) => false,
            (Some(status), _) => status >= 500,
            (None, _) => true,
        }
    }
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// The API's own words: of which field, and why.
fn reasons(status: u16, text: &str) -> String {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        field: Option<String>,
        reason: String,
    }
    let Ok(Answer { errors }) = serde_json::from_str(text) else { return format!("it answers {status}") };
    let one = |Error { field, reason }: Error| field.map_or(reason.clone(), |field| format!("{field}: {reason}"));
    let reasons: Vec<String> = errors.into_iter().map(one).collect();
    format!("{} ({status})", reasons.join("; "))
}

fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    answer.headers().get("Retry-After")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn read<T: DeserializeOwned>(answer: Value, path: &str) -> Result<T> {
    serde_json::from_value(answer).with_context(|| format!("reading what Linode answers to {path}"))
}

fn to_value(document: &impl Serialize) -> Result<Value> {
    serde_json::to_value(document).context("writing a document for Linode")
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
