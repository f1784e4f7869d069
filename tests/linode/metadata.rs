//! The metadata service as one machine finds it at 169.254.169.254
//! (<https://techdocs.akamai.com/cloud-computing/docs/metadata-service-api>).

use crate::faults::Stage;
use crate::linode::Linode;
use crate::moment::{Moment, after};
use crate::world::Shared;
use plain_http::{Answer, Request, Service};
use serde_json::{Value, json};
use std::io::Read;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

/// How many seconds a token may last.
const EXPIRY: std::ops::RangeInclusive<u64> = 1..=86400;

/// The service for one machine.
pub struct Metadata {
    shared: Weak<Shared>,
    linode: u64,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    /// The tokens, and when they end.
    tokens: Vec<(String, Moment)>,
    /// How often something was asked with one of them.
    asked: u32,
}

impl Metadata {
    /// For the machine of a Linode.
    pub fn new(shared: Weak<Shared>, linode: u64) -> Metadata {
        Metadata { shared, linode, given: Mutex::default() }
    }

    fn look_up(&self, request: &Request) -> Answer {
        let Some(shared) = self.shared.upgrade() else { return refused(503, "Service Unavailable") };
        let world = shared.lock();
        let now = world.clock();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        match (request.method.as_str(), request.path()) {
            ("PUT", "/v1/token") => given.give(request, now),
            ("GET", "/v1/instance" | "/v1/network" | "/v1/ssh-keys" | "/v1/user-data") if given.knows(request, now) => {
                let stage = world.faults.stage(given.asked);
                given.asked += 1;
                let Ok(linode) = world.linode(self.linode) else { return refused(404, "Not found") };
                answer(linode, stage, request)
            }
            ("GET", "/v1/instance" | "/v1/network" | "/v1/ssh-keys" | "/v1/user-data") => refused(401, "Unauthorized"),
            (_, "/v1/token" | "/v1/instance" | "/v1/network" | "/v1/ssh-keys" | "/v1/user-data") => {
                refused(405, "Method Not Allowed")
            }
            _ => refused(404, "Not found"),
        }
    }
}

impl Given {
    fn give(&mut self, request: &Request, now: Moment) -> Answer {
        let seconds = request.field("Metadata-Token-Expiry-Seconds").and_then(|text| text.parse().ok());
        let Some(seconds) = seconds.filter(|seconds| EXPIRY.contains(seconds)) else {
            return refused(400, "Metadata-Token-Expiry-Seconds must be between 1 and 86400");
        };
        let token: String = std::iter::repeat_with(fastrand::alphanumeric).take(64).collect();
        self.tokens.push((token.clone(), after(now, Duration::from_secs(seconds))));
        if wants_json(request) { Answer::json(200, &json!([token])) } else { Answer::text(200, &token) }
    }

    fn knows(&self, request: &Request, now: Moment) -> bool {
        let Some(shown) = request.field("Metadata-Token") else { return false };
        self.tokens.iter().any(|(token, end)| token == shown && now < *end)
    }
}

impl Service for Metadata {
    fn answer(&self, mut request: Request, body: &mut dyn Read) -> Option<Answer> {
        request.read_body(body, u64::from(u16::MAX));
        Some(self.look_up(&request))
    }
}

fn refused(status: u16, reason: &str) -> Answer {
    Answer::json(status, &json!({"errors": [{"reason": reason}]}))
}

fn wants_json(request: &Request) -> bool {
    request.field("Accept").is_some_and(|kinds| kinds.contains("application/json"))
}

fn answer(linode: &Linode, stage: Stage, request: &Request) -> Answer {
    let document = match request.path() {
        "/v1/user-data" => {
            // Base64, as it was given.
            let data = linode.user_data.as_ref().filter(|_| stage != Stage::Empty);
            return data.map_or(Answer::empty(204), |data| Answer::text(200, data));
        }
        "/v1/instance" => instance(linode),
        "/v1/ssh-keys" => ssh_keys(linode, stage),
        _ => network(linode, stage),
    };
    if wants_json(request) {
        return Answer::json(200, &document);
    }
    let mut lines = String::new();
    write_lines("", &document, &mut lines);
    Answer::text(200, &lines)
}

fn instance(linode: &Linode) -> Value {
    json!({"id": linode.entity().id, "label": linode.label, "region": linode.region, "type": linode.kind,
        "tags": linode.tags, "specs": linode.size().specs(), "backups": {"enabled": false, "status": null},
        "host_uuid": linode.host, "account_euuid": "00000000-0000-0000-0000-000000000000"})
}

fn ssh_keys(linode: &Linode, stage: Stage) -> Value {
    match stage {
        Stage::Empty => json!({"users": {}}),
        Stage::NoIpv6 | Stage::Complete => json!({"users": {"root": linode.keys}}),
    }
}

fn network(linode: &Linode, stage: Stage) -> Value {
    let public = match stage {
        Stage::Empty => vec![],
        Stage::NoIpv6 | Stage::Complete => vec![format!("{}/32", linode.ipv4)],
    };
    let ipv6 = match stage {
        Stage::Empty | Stage::NoIpv6 => Value::Null,
        Stage::Complete => {
            json!({"slaac": linode.ipv6, "link_local": format!("{}/128", linode.link_local()), "ranges": [],
            "shared_ranges": []})
        }
    };
    json!({"interfaces": [], "ipv4": {"public": public, "private": [], "shared": []}, "ipv6": ipv6})
}

/// `ipv4.public: 203.0.113.7/32`, a line for each value.
fn write_lines(path: &str, value: &Value, lines: &mut String) {
    let below = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| write_lines(&below(name), value, lines)),
        Value::Array(values) => values.iter().for_each(|value| write_lines(path, value, lines)),
        Value::Null => {}
        Value::String(text) => *lines += &format!("{path}: {text}\n"),
        Value::Bool(_) | Value::Number(_) => *lines += &format!("{path}: {value}\n"),
    }
}
