//! All connections at once, and the word of the parent: one loop that sleeps until something comes or is due.

use super::connection::{Connection, Fate, Terms};
use super::desk::{Answer, Clerk, Client};
use crate::failure::{Doing, Failure};
use crate::net::child::timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// The most connections that are open at once, and as many more that have not said anything yet.
pub const MAX_CONNECTIONS: usize = 64;
/// How often it looks around if nothing comes.
const LOOK: Duration = Duration::from_secs(10);
/// How many are let in before the others get their turn.
const AT_ONCE: usize = 16;

/// Everybody who is there.
pub struct Listener {
    socket: TcpListener,
    terms: Terms,
    /// Those that have not said anything yet, the oldest first: nothing is kept for them but the socket, so that a crowd of them
    /// costs nobody time.
    silent: Vec<Silent>,
    /// The others, the oldest first.
    open: Vec<Connection>,
}

/// Who has come and says nothing.
struct Silent {
    socket: TcpStream,
    peer: IpAddr,
    deadline: Instant,
}

/// What came while it slept.
pub struct Came {
    /// The parent has said something.
    pub word: bool,
    door: bool,
    silent: Vec<bool>,
    clients: Vec<bool>,
}

impl Listener {
    /// Listens on a socket that waits for connections already.
    pub fn new(socket: TcpListener, terms: Terms) -> std::io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener { socket, terms, silent: Vec::new(), open: Vec::new() })
    }

    /// Sleeps until something comes or is due, from the parent too where it may still say something.
    pub fn sleep(&self, parent: Option<BorrowedFd<'_>>) -> Result<Came, Failure> {
        let now = Instant::now();
        let deadlines = self.open.iter().map(|connection| connection.deadline);
        let due = deadlines.chain(self.silent.iter().map(|silent| silent.deadline)).fold(now + LOOK, Instant::min);
        let word = parent.map_or(PollFlags::empty(), |_| PollFlags::IN);
        let mut fds = vec![
            PollFd::from_borrowed_fd(parent.unwrap_or(self.socket.as_fd()), word),
            PollFd::new(&self.socket, PollFlags::IN),
        ];
        fds.extend(self.silent.iter().map(|silent| PollFd::new(&silent.socket, PollFlags::IN)));
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
        let silent = came.by_ref().take(self.silent.len()).collect();
        Ok(Came { word, door, silent, clients: came.collect() })
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
        self.hear_silent(&came.silent, clerk, tell, now);
        if came.door {
            self.let_in(now);
        }
    }

    /// Those that have said something, or have gone, are silent no more; those whose time is over go.
    fn hear_silent(&mut self, came: &[bool], clerk: &mut dyn Clerk, tell: &mut dyn FnMut(&str), now: Instant) {
        let mut came = came.iter();
        let mut still = Vec::new();
        for silent in std::mem::take(&mut self.silent) {
            if came.next() == Some(&true) {
                self.greet(silent, clerk, tell, now);
            } else if silent.deadline > now {
                still.push(silent);
            }
        }
        self.silent = still;
    }

    fn greet(&mut self, silent: Silent, clerk: &mut dyn Clerk, tell: &mut dyn FnMut(&str), now: Instant) {
        if self.open.len() >= MAX_CONNECTIONS && !self.make_room() {
            return; // all are operators; the newest waits for nobody
        }
        let Silent { socket, peer, deadline } = silent;
        match Connection::new(socket, peer, &self.terms, deadline) {
            Ok(mut connection) => {
                if goes_on(&connection.work(clerk, now), tell) {
                    self.open.push(connection);
                }
            }
            Err(why) => tell(&format!("{peer}: {why}")),
        }
    }

    /// Gives the client that waits its answer: whether there still was one.
    pub fn answer(&mut self, answer: &Answer) -> bool {
        let waiting = self.open.iter_mut().find(|connection| connection.is_waiting());
        waiting.map(|connection| connection.answer_for(answer, Instant::now())).is_some()
    }

    /// Whether nobody is there any more who was answered and has not gone: until then the answer may still be on its way.
    pub fn has_seen_all_off(&self) -> bool {
        !self.open.iter().any(Connection::is_answered)
    }

    /// Whether the last [`Listener::answer`] is on its way, or its client is gone. What others take their time for is their own.
    pub fn has_answered(&self) -> bool {
        !self.open.iter().any(Connection::is_awaited)
    }

    fn let_in(&mut self, now: Instant) {
        for _ in 0..AT_ONCE {
            let (socket, peer) = match self.socket.accept() {
                // There is none, it went again, or there is no descriptor left for it: nothing that the others should suffer
                // from.
                Err(_) => return,
                Ok(accepted) => accepted,
            };
            if self.silent.len() >= MAX_CONNECTIONS {
                self.silent.remove(0);
            }
            let deadline = now + self.terms.life;
            self.silent.push(Silent { socket, peer: peer.ip().to_canonical(), deadline });
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
