//! All there is, in one piece behind one lock, and what every request meets first: time, faults, and who may ask.

use crate::faults::{self, Fault, Faults};
use crate::moment::{self, Moment};
use crate::place::Place;
use crate::power::Vms;
use crate::refusal::Refusal;
use crate::state::State;
use crate::{Settings, api, image};
use plain_http::{Answer, Request, Service};
use serde_json::json;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// The longest body of a request to the API.
const MAX_BODY: u64 = 1 << 20;

/// All there is.
pub struct World {
    /// What is remembered.
    pub state: State,
    /// The machines that are on.
    pub vms: Vms,
    /// What is to go wrong.
    pub faults: Faults,
    /// What was asked.
    pub asked: Vec<String>,
    /// Where files are.
    pub place: Place,
    /// How it was started.
    pub settings: Settings,
    /// Where the API is.
    pub address: SocketAddr,
    /// The time it is, for as long as one request takes.
    pub now: Moment,
    /// How far ahead of this machine's clock that is.
    pub ahead: Duration,
    /// The way back here, for the metadata services.
    pub shared: Weak<Shared>,
}

/// What the threads share.
pub struct Shared {
    token: String,
    world: Mutex<World>,
}

impl Shared {
    /// For who knows the token.
    pub fn new(token: &str, world: World) -> Shared {
        Shared { token: token.into(), world: Mutex::new(world) }
    }

    /// All there is, for one thread at a time.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        // Whoever panicked with it in hand has failed a test, and what it left is only good to be stopped.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer_api(&self, request: &Request, parts: &[&str]) -> Option<Answer> {
        let mut world = self.lock();
        let fault = world.faults.take(request);
        if let Some(Fault::Refused(status)) = fault {
            return Some(faults::answer(status));
        }
        let is_known = request.field("Authorization") == Some(&format!("Bearer {}", self.token));
        let answer = match parts {
            _ if !is_known => Err(Refusal::new(401, "Invalid Token")),
            parts => world.turn().and_then(|()| api::answer(&mut world, request, parts)),
        };
        let kept = world.state.save(&world.place).map_err(|error| Refusal::new(500, &format!("{error:#}")));
        told(fault, kept.and(answer))
    }

    /// The object store: who knows the secret may put an image there. It is unpacked while nobody waits for the lock.
    fn take_upload(&self, request: &Request, secret: &str, body: &mut dyn Read) -> Option<Answer> {
        let (id, place, settings, fault) = {
            let mut world = self.lock();
            world.now = world.clock();
            let fault = world.faults.take(request);
            if let Some(Fault::Refused(status)) = fault {
                return Some(faults::answer(status));
            }
            if request.method != "PUT" {
                return Some(Answer::empty(405));
            }
            // The address is signed together with this field.
            if request.field("Content-Type") != Some("application/octet-stream") {
                return Some(Answer::text(403, "SignatureDoesNotMatch"));
            }
            match world.awaited(secret) {
                Ok(id) => (id, world.place.clone(), world.settings.clone(), fault),
                Err(refused) => return Some(refused.into()),
            }
        };
        if request.length > settings.most_stored {
            return Some(Answer::text(413, "EntityTooLarge"));
        }
        let mut counted = Counted { body, count: 0 };
        let mut came = image::unpack(&mut counted, &place.image(id), settings.most_unpacked);
        // What an error has left unread is read, so that the answer is not lost; what does not come says that nobody waits for one.
        let rest = std::io::copy(&mut counted, &mut std::io::sink()).map_err(|error| error.to_string());
        came = came.and_then(|bytes| rest.map(|_| bytes));
        if counted.count < request.length {
            return None;
        }
        let mut world = self.lock();
        world.now = world.clock();
        world.take_upload(id, came);
        let kept = world.state.save(&world.place).map_err(|error| Refusal::new(500, &format!("{error:#}")));
        told(fault, kept.map(|()| Answer::empty(200)))
    }

    /// What a test may ask that Linode would not tell.
    fn tell(&self, linode: &str) -> Result<Answer, Refusal> {
        let id = linode.parse().map_err(|_| Refusal::not_found())?;
        let mut world = self.lock();
        world.turn()?;
        let status = world.linode(id)?.status.at(world.now).name();
        let mut document = world.vms.document(id);
        document["status"] = json!(status);
        document["console"] = json!(world.place.console(id));
        Ok(Answer::json(200, &document))
    }
}

impl World {
    /// What time it is by now.
    pub fn clock(&self) -> Moment {
        moment::after(moment::now(), self.ahead)
    }

    /// Goes on to what time it is by now.
    pub fn turn(&mut self) -> Result<(), Refusal> {
        self.now = self.clock();
        let World { state, place, now, .. } = self;
        state.reap(place, *now).map_err(|error| Refusal::new(500, &format!("{error:#}")))?;
        self.look_after().map_err(|error| Refusal::new(500, &format!("{error:#}")))
    }
}

impl Service for Shared {
    fn answer(&self, mut request: Request, body: &mut dyn Read) -> Option<Answer> {
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        self.lock().asked.push(format!("{} {}", request.method, request.path()));
        match parts.as_slice() {
            ["upload", secret] => self.take_upload(&request, secret, body),
            ["fake", "linodes", id] => Some(self.tell(id).unwrap_or_else(Answer::from)),
            ["v4", parts @ ..] => {
                if request.length > MAX_BODY {
                    return Some(Refusal::new(413, "Request too large").into());
                }
                request.read_body(body, MAX_BODY);
                // Of a request that broke off, nothing is done.
                if request.is_whole() { self.answer_api(&request, parts) } else { None }
            }
            _ => Some(Refusal::not_found().into()),
        }
    }
}

/// What is heard of what was done.
fn told(fault: Option<Fault>, answer: Result<Answer, Refusal>) -> Option<Answer> {
    match fault {
        Some(Fault::Lost(status)) => Some(faults::answer(status)),
        Some(Fault::Silent) => None,
        Some(Fault::Refused(_)) | None => Some(answer.unwrap_or_else(Answer::from)),
    }
}

/// A body, and how much of it came.
struct Counted<'a> {
    body: &'a mut dyn Read,
    count: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.body.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
