//! All connections at once, and the word of the parent: one loop that sleeps until something comes or is due.

use super::connection::{Clerk, Connection, Fate, Terms};
use super::desk::{Answer, Client};
use crate::failure::{Doing, Failure};
use crate::net::child::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The most connections that are open at once.
pub const MAX_CONNECTIONS: usize = 64;
/// How often it looks around if nothing comes.
const LOOK: Duration = Duration::from_secs(10);
/// How many are let in before the others get their turn.
const AT_ONCE: usize = 16;

/// Everybody who is there.
pub struct Listener {
    socket: TcpListener,
    terms: Terms,
    /// The oldest first.
    open: Vec<Connection>,
}

/// What came while it slept.
pub struct Came {
    /// The parent has said something.
    pub word: bool,
    door: bool,
    clients: Vec<bool>,
}

impl Listener {
    /// Listens on a socket that waits for connections already.
    pub fn new(socket: TcpListener, terms: Terms) -> std::io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener { socket, terms, open: Vec::new() })
    }

    /// Sleeps until something comes or is due.
    pub fn sleep(&self, parent: BorrowedFd<'_>) -> Result<Came, Failure> {
        let now = Instant::now();
        let due = self.open.iter().map(|connection| connection.deadline).fold(now + LOOK, Instant::min);
        let mut fds = vec![PollFd::from_borrowed_fd(parent, PollFlags::IN), PollFd::new(&self.socket, PollFlags::IN)];
        fds.extend(self.open.iter().map(|connection| {
            let room = if connection.wants_to_write() { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(connection.socket(), PollFlags::IN | room)
        }));
        match poll(&mut fds, Some(&timespec(due.saturating_duration_since(now)))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).doing(|| "waiting for connections".into()),
        }
        let mut came = fds.iter().map(|fd| !fd.revents().is_empty());
        let (word, door) = (came.next().unwrap_or_default(), came.next().unwrap_or_default());
        Ok(Came { word, door, clients: came.collect() })
    }

    /// Works on what came; what a person might want to know is told.
    pub fn work(&mut self, came: &Came, clerk: &mut dyn Clerk, tell: &mut dyn FnMut(&str)) {
        let now = Instant::now();
        let mut fates = came.clients.iter();
        self.open.retain_mut(|connection| {
            let mut fate = match fates.next() {
                Some(true) => connection.work(clerk, now),
                Some(false) | None => Fate::Open,
            };
            if fate == Fate::Open && connection.deadline <= now && !connection.is_waiting() {
                fate = connection.time_out(clerk, now);
            }
            goes_on(&fate, tell)
        });
        if came.door {
            self.let_in(clerk, tell, now);
        }
    }

    /// Gives the client that waits its answer: whether there still was one.
    pub fn answer(&mut self, answer: &Answer) -> bool {
        let waiting = self.open.iter_mut().find(|connection| connection.is_waiting());
        waiting.map(|connection| connection.answer(answer, Instant::now())).is_some()
    }

    /// Whether everybody has what is to be sent.
    pub fn is_idle(&self) -> bool {
        self.open.iter().all(|connection| !connection.wants_to_write())
    }

    fn let_in(&mut self, clerk: &mut dyn Clerk, tell: &mut dyn FnMut(&str), now: Instant) {
        for _ in 0..AT_ONCE {
            let (socket, peer) = match self.socket.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It went again, or there is no descriptor left for it: nothing that the others should suffer from.
                Err(_) => return,
                Ok(accepted) => accepted,
            };
            if self.open.len() >= MAX_CONNECTIONS && !self.make_room() {
                continue; // all are operators; the newest waits for nobody
            }
            match Connection::new(socket, peer.ip().to_canonical(), &self.terms, now) {
                // What it has sent already is not waited for.
                Ok(mut connection) => {
                    if goes_on(&connection.work(clerk, now), tell) {
                        self.open.push(connection);
                    }
                }
                Err(why) => tell(&format!("{}: {why}", peer.ip())),
            }
        }
    }

    /// Sends the oldest stranger away.
    fn make_room(&mut self) -> bool {
        let oldest = self.open.iter().position(|connection| connection.client() == Client::Stranger);
        oldest.map(|oldest| self.open.remove(oldest)).is_some()
    }
}

/// Whether a connection stays; what is to be said of it is told.
fn goes_on(fate: &Fate, tell: &mut dyn FnMut(&str)) -> bool {
    if let Fate::Refused(why) | Fate::Broken(why) = fate {
        tell(why);
    }
    matches!(fate, Fate::Open | Fate::Refused(_))
}
