//! The DHCPv4 client as a state machine (RFC 2131 §4.4) under a clock that is handed in: it says what to send, what to
//! configure and when to wake it. It never gives up.

use crate::dhcp::{self, Ask, Ignored, Lease, Message, Reply};
use crate::inet::Mac;
use core::net::Ipv4Addr;

/// A moment: milliseconds of a clock that never goes back, from any start.
pub type Millis = u64;

/// The first wait for an answer; each further one is twice as long.
pub const FIRST_WAIT: Millis = 1_000;
/// No wait for an answer is longer, and none is shorter by more than a quarter.
pub const LONGEST_WAIT: Millis = 30_000;
/// How often an offer is asked for before the client looks for another.
const SELECT_TRIES: u32 = 4;
/// The least time between two wishes to keep an address (RFC 2131 §4.4.5).
const LEAST_KEEP_WAIT: Millis = 60_000;
/// How long a lease lasts that lasts for ever: 100 years.
const FOR_EVER: Millis = 3_155_760_000_000;

/// A client for one interface.
#[derive(Clone, Debug)]
pub struct Client {
    mac: Mac,
    transaction: u32,
    /// When it began to ask for what it asks for now.
    since: Millis,
    /// When it last asked.
    sent: Millis,
    state: State,
    wake: Millis,
}

#[derive(Clone, Debug)]
enum State {
    /// About to ask, or waiting for offers, after so many questions.
    Selecting { asked: u32 },
    /// Waiting for the offer to be granted, after so many questions.
    Requesting { offer: Lease, asked: u32 },
    /// It has a lease since then, and has asked so many times to keep it.
    Bound { lease: Lease, since: Millis, asked: u32 },
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to send.
    pub send: Option<Datagram>,
    /// What to change on the interface.
    pub change: Option<Change>,
    /// When to call again if nothing comes before.
    pub wake: Millis,
    /// Why a message was not heeded although it is a server's answer to us.
    pub ignored: Option<Ignored>,
}

/// A message and the address it is for; the port is [`dhcp::SERVER_PORT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// A server, or everybody on the link.
    pub to: Ipv4Addr,
    /// The message.
    pub message: Message,
}

/// What the interface must have from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// What [`Client::lease`] says, instead of whatever it had; often the same again, for longer.
    Configure,
    /// Nothing.
    Deconfigure,
}

impl Client {
    /// Asks for the first time when it is first called.
    pub fn new(mac: Mac, now: Millis, random: u32) -> Client {
        Client { mac, transaction: random, since: now, sent: now, state: State::Selecting { asked: 0 }, wake: now }
    }

    /// To be called when the clock says `wake`, or with a message that has come. `random` is another number each time.
    pub fn step(&mut self, now: Millis, message: Option<&[u8]>, random: u32) -> Step {
        let mut step = Step { send: None, change: None, wake: now, ignored: None };
        if let Some(message) = message {
            self.hear(now, message, random, &mut step);
        }
        if now >= self.wake && step.send.is_none() {
            self.act(now, random, &mut step);
        }
        step.wake = self.wake;
        step
    }

    /// The lease it has.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound { lease, .. } => Some(lease),
            State::Selecting { .. } | State::Requesting { .. } => None,
        }
    }

    /// How often it has asked for a lease since it has none.
    pub fn asked(&self) -> u32 {
        match self.state {
            State::Selecting { asked } | State::Requesting { asked, .. } => asked,
            State::Bound { .. } => 0,
        }
    }

    /// What to send before the interface goes down.
    pub fn release(&self, random: u32) -> Option<Datagram> {
        let lease = self.lease()?;
        let ask = Ask::Release { address: lease.own(), server: lease.server };
        Some(Datagram { to: lease.server, message: dhcp::build(ask, random, self.mac, 0) })
    }

    fn hear(&mut self, now: Millis, message: &[u8], random: u32, step: &mut Step) {
        let reply = match dhcp::parse(message, self.transaction, self.mac) {
            Ok(reply) => reply,
            Err(ignored) => {
                step.ignored = Some(ignored).filter(|ignored| *ignored != Ignored::NotForUs);
                return;
            }
        };
        match (&self.state, reply) {
            (State::Selecting { asked: 1.. }, Reply::Offer(offer)) => {
                self.state = State::Requesting { offer, asked: 0 };
                self.wake = now;
            }
            (State::Requesting { offer, .. }, Reply::Ack(lease)) if lease.server == offer.server => {
                self.bind(lease, step);
            }
            (State::Requesting { offer, .. }, Reply::Nak { server }) if server == offer.server => {
                self.start_over(now, FIRST_WAIT, random);
            }
            // Only while it asks: an answer to what it has not asked is an old one, or a stranger's.
            (State::Bound { lease: old, asked: 1.., .. }, Reply::Ack(lease)) if lease.own() == old.own() => {
                self.bind(lease, step);
            }
            (State::Bound { asked: 1.., .. }, Reply::Nak { .. }) => {
                step.change = Some(Change::Deconfigure);
                self.start_over(now, FIRST_WAIT, random);
            }
            _ => {}
        }
    }

    fn act(&mut self, now: Millis, random: u32, step: &mut Step) {
        match self.state.clone() {
            State::Selecting { asked } => {
                if asked == 0 {
                    (self.since, self.transaction) = (now, random);
                }
                self.send(now, Ask::Discover, Ipv4Addr::BROADCAST, step);
                self.state = State::Selecting { asked: asked.saturating_add(1) };
                self.wake = now.saturating_add(back_off(asked, random));
            }
            State::Requesting { asked: SELECT_TRIES.., .. } => {
                self.start_over(now, 0, random);
                self.act(now, random, step);
            }
            State::Requesting { offer, asked } => {
                let ask = Ask::Select { address: offer.own(), server: offer.server };
                self.send(now, ask, Ipv4Addr::BROADCAST, step);
                self.state = State::Requesting { offer, asked: asked.saturating_add(1) };
                self.wake = now.saturating_add(back_off(asked, random));
            }
            State::Bound { lease, since, asked } => self.keep(now, random, (lease, since, asked), step),
        }
    }

    /// Renews, rebinds, or has lost the lease.
    fn keep(&mut self, now: Millis, random: u32, (lease, since, asked): (Lease, Millis, u32), step: &mut Step) {
        let (rebind, end) = (later(since, lease.rebind_after), later(since, lease.seconds));
        if now >= end {
            step.change = Some(Change::Deconfigure);
            self.start_over(now, 0, random);
            return self.act(now, random, step);
        }
        let (to, next) = if now >= rebind { (Ipv4Addr::BROADCAST, end) } else { (lease.server, rebind) };
        if asked == 0 {
            (self.since, self.transaction) = (now, random);
        }
        self.send(now, Ask::Keep { address: lease.own() }, to, step);
        // Half of what is left, but not too often, and never past what comes next.
        let half = next.saturating_sub(now).checked_div(2).unwrap_or(0);
        self.wake = now.saturating_add(half.max(LEAST_KEEP_WAIT)).min(next);
        self.state = State::Bound { lease, since, asked: asked.saturating_add(1) };
    }

    fn bind(&mut self, lease: Lease, step: &mut Step) {
        step.change = Some(Change::Configure);
        // It counts from the question (RFC 2131 §4.4.1), which the server cannot have granted before.
        self.wake = later(self.sent, lease.renew_after);
        self.state = State::Bound { lease, since: self.sent, asked: 0 };
    }

    fn start_over(&mut self, now: Millis, pause: Millis, random: u32) {
        self.transaction = random;
        self.state = State::Selecting { asked: 0 };
        self.wake = now.saturating_add(pause);
    }

    fn send(&mut self, now: Millis, ask: Ask, to: Ipv4Addr, step: &mut Step) {
        let seconds = now.saturating_sub(self.since).checked_div(1000).unwrap_or(0);
        let seconds = u16::try_from(seconds).unwrap_or(u16::MAX);
        self.sent = now;
        step.send = Some(Datagram { to, message: dhcp::build(ask, self.transaction, self.mac, seconds) });
    }
}

/// How long to wait after so many questions: 1, 2, 4 … 30 s, less up to a quarter, so that a hundred machines that start
/// together do not ask together.
fn back_off(asked: u32, random: u32) -> Millis {
    let longest = FIRST_WAIT.checked_shl(asked.min(5)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    let quarter = longest.checked_div(4).unwrap_or(0);
    longest.saturating_sub(u64::from(random).checked_rem(quarter.saturating_add(1)).unwrap_or(0))
}

/// So many seconds of a lease after a moment.
fn later(since: Millis, seconds: u32) -> Millis {
    let span = if seconds == u32::MAX { FOR_EVER } else { u64::from(seconds).saturating_mul(1000) };
    since.saturating_add(span)
}

#[cfg(test)]
#[path = "dhcp_client_tests.rs"]
mod tests;
