//! One connection: TLS, one request, one answer. It never waits; whoever calls waits for the socket.

use super::desk::{self, Answer, Clerk, Client, Parcel, Wish};
use rustls::{ServerConfig, ServerConnection};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::http_request::{self, Head};

/// How long a client that has its answer may take to go. One that still sends must not lose the answer to a reset.
const LINGER: Duration = Duration::from_secs(2);
/// How much is read at once.
const PIECE: usize = 16 << 10;
/// What is said first to who waits for it.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What all connections have in common.
pub struct Terms {
    /// Who this VM is, and whom it believes.
    pub config: Arc<ServerConfig>,
    /// How long a connection lives, its handshake included.
    pub life: Duration,
}

/// A client, from its first byte to its last.
pub struct Connection {
    socket: TcpStream,
    /// Where it comes from.
    pub peer: IpAddr,
    tls: ServerConnection,
    stage: Stage,
    /// Its answer is somebody else's, who waits until it is sent.
    is_awaited: bool,
    life: Duration,
    /// When it is given up.
    pub deadline: Instant,
}

enum Stage {
    /// The head of the request, as far as it has come.
    Head(Vec<u8>),
    /// So many bytes of it are to come.
    Body { parcel: Parcel, length: u64, left: u64 },
    /// Somebody else has to say what to answer.
    Waiting,
    /// The answer is on its way.
    Answering,
    /// It has all, and should go.
    Leaving,
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Open,
    /// It goes on until its client has heard why it has failed; a person might want to know it too.
    Refused(String),
    /// It is over.
    Over,
    /// It is over, and a person might want to know why.
    Broken(String),
}

impl Connection {
    /// Greets a client that has said something; until then, it lives.
    pub fn new(socket: TcpStream, peer: IpAddr, terms: &Terms, deadline: Instant) -> std::io::Result<Connection> {
        socket.set_nonblocking(true)?;
        let mut tls = ServerConnection::new(terms.config.clone()).map_err(std::io::Error::other)?;
        // An answer is taken whole, or it would end before its length: the log is longer than what TLS takes otherwise.
        tls.set_buffer_limit(None);
        let stage = Stage::Head(Vec::new());
        Ok(Connection { socket, peer, tls, stage, is_awaited: false, life: terms.life, deadline })
    }

    /// To wait on: for bytes, and for room if [`Connection::wants_to_write`].
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether there is something that the socket had no room for.
    pub fn wants_to_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Whether it has shown a good certificate.
    pub fn client(&self) -> Client {
        match self.tls.peer_certificates() {
            Some([_, ..]) if !self.tls.is_handshaking() => Client::Operator,
            _ => Client::Stranger,
        }
    }

    /// Whether its client waits for an answer that is not there yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    /// Whether its client has been answered, as far as we know, and has not gone.
    pub fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answering | Stage::Leaving)
    }

    /// Whether somebody else waits until its answer is sent, and it is not.
    pub fn is_awaited(&self) -> bool {
        self.is_awaited && self.wants_to_write()
    }

    /// Sends the answer that its client waits for, for somebody who waits until it is sent.
    pub fn answer_for(&mut self, answer: &Answer, now: Instant) {
        self.is_awaited = true;
        self.answer(answer, now);
    }

    /// Does all that can be done without waiting.
    pub fn work(&mut self, clerk: &mut dyn Clerk, now: Instant) -> Fate {
        let read = match self.stage {
            Stage::Leaving => self.discard(),
            Stage::Head(_) | Stage::Body { .. } | Stage::Waiting | Stage::Answering => self.read(clerk, now),
        };
        let fate = match (read, self.flush(now)) {
            (Fate::Open, Err(error)) => self.broken(&error.to_string()),
            (fate, _) => fate,
        };
        if let (Stage::Body { parcel, .. }, Fate::Over | Fate::Broken(_)) = (&self.stage, &fate) {
            clerk.give_up(*parcel);
        }
        fate
    }

    /// Answers a client whose time is over, as far as it can still be reached.
    pub fn time_out(&mut self, clerk: &mut dyn Clerk, now: Instant) -> Fate {
        if let Stage::Body { parcel, .. } = self.stage {
            clerk.give_up(parcel);
        }
        match self.stage {
            Stage::Head(_) | Stage::Body { .. } if !self.tls.is_handshaking() => {
                self.answer(&Answer::refusal(408, &format!("this took longer than {} s", self.life.as_secs())), now);
                Fate::Open
            }
            Stage::Head(_) | Stage::Body { .. } | Stage::Waiting | Stage::Answering | Stage::Leaving => Fate::Over,
        }
    }

    /// Sends the answer, and then waits for the client to go.
    pub fn answer(&mut self, answer: &Answer, now: Instant) {
        // Whatever TLS cannot take now fails when it is sent.
        self.tls.writer().write_all(&answer.bytes()).unwrap_or_default();
        self.tls.send_close_notify();
        (self.stage, self.deadline) = (Stage::Answering, now + self.life);
        self.flush(now).unwrap_or_default(); // an error comes again when the socket is looked at next
    }

    fn read(&mut self, clerk: &mut dyn Clerk, now: Instant) -> Fate {
        let mut bytes = [0; PIECE];
        loop {
            let came = match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return self.gone(),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Open,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.broken(&error.to_string()),
            };
            if let Err(why) = self.tls.process_new_packets() {
                return self.refuse(&why, now);
            }
            loop {
                match self.tls.reader().read(&mut bytes) {
                    Ok(0) => return self.gone(),
                    Ok(count) => self.hear(bytes.get(..count).unwrap_or_default(), clerk, now),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return self.broken(&error.to_string()),
                }
            }
            // The answer goes out before more is read, so that a client that only sends does not keep us here.
            if came < PIECE || matches!(self.stage, Stage::Answering) {
                return Fate::Open;
            }
        }
    }

    fn hear(&mut self, bytes: &[u8], clerk: &mut dyn Clerk, now: Instant) {
        match &mut self.stage {
            Stage::Head(head) => {
                head.extend_from_slice(bytes);
                let head = std::mem::take(head);
                self.hear_head(head, clerk, now);
            }
            Stage::Body { .. } => self.hear_body(bytes, clerk, now),
            // One request a connection.
            Stage::Waiting | Stage::Answering | Stage::Leaving => {}
        }
    }

    fn hear_head(&mut self, head: Vec<u8>, clerk: &mut dyn Clerk, now: Instant) {
        let (judged, length) = match http_request::read(&head) {
            Ok(Head::Unfinished) => {
                self.stage = Stage::Head(head);
                return;
            }
            Ok(Head::Whole(request, length)) => {
                if self.client() == Client::Operator {
                    clerk.notice_operator();
                }
                let expects = request.expects_continue && head.len() == length;
                (desk::judge(&request, self.client()).map(|wish| (wish, expects)), length)
            }
            Err(bad) => (Err(desk::refuse(bad)), head.len()),
        };
        let answer = match judged {
            Err(refusal) => Some(refusal),
            Ok((Wish::Take(parcel, bytes), expects)) => match clerk.begin(parcel) {
                Err(refusal) => Some(refusal),
                Ok(()) => {
                    if expects {
                        // What TLS cannot take now fails when it is sent.
                        self.tls.writer().write_all(CONTINUE).unwrap_or_default();
                    }
                    self.stage = Stage::Body { parcel, length: bytes, left: bytes };
                    return self.hear_body(head.get(length..).unwrap_or_default(), clerk, now);
                }
            },
            Ok((wish, _)) => clerk.fulfil(wish),
        };
        self.stage = Stage::Waiting;
        answer.iter().for_each(|answer| self.answer(answer, now));
    }

    fn hear_body(&mut self, bytes: &[u8], clerk: &mut dyn Clerk, now: Instant) {
        let Stage::Body { parcel, length, left } = self.stage else { return };
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let refusal = match left.checked_sub(count) {
            Some(_) => clerk.take(parcel, bytes).err(),
            None => Some(Answer::refusal(400, "more came than Content-Length says")),
        };
        if let Some(refusal) = refusal {
            clerk.give_up(parcel);
            return self.answer(&refusal, now);
        }
        let left = left.saturating_sub(count);
        self.stage = Stage::Body { parcel, length, left };
        if left == 0 {
            self.stage = Stage::Waiting;
            let answer = clerk.fulfil(Wish::Take(parcel, length));
            answer.iter().for_each(|answer| self.answer(answer, now));
        }
    }

    /// Sends what there is; an answer that is out ends what there is to say.
    fn flush(&mut self, now: Instant) -> std::io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => written.map(drop)?,
            }
        }
        if matches!(self.stage, Stage::Answering) {
            (self.stage, self.deadline) = (Stage::Leaving, now + LINGER);
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// TLS has failed, and has an alert to send. The client may have sent more in good faith already.
    fn refuse(&mut self, why: &rustls::Error, now: Instant) -> Fate {
        let broken = self.broken(&why.to_string());
        self.stage = Stage::Answering;
        match (self.flush(now), broken) {
            (Ok(()), Fate::Broken(why)) => Fate::Refused(why),
            (_, broken) => broken,
        }
    }

    /// Takes what a client still sends that has its answer, and lets it fall.
    fn discard(&mut self) -> Fate {
        let mut bytes = [0; PIECE];
        match self.socket.read(&mut bytes) {
            Ok(0) => Fate::Over,
            Ok(_) => Fate::Open,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Fate::Open,
            Err(_) => Fate::Over,
        }
    }

    /// The client sends no more.
    fn gone(&self) -> Fate {
        match self.stage {
            Stage::Body { length, left, .. } => {
                self.broken(&format!("it broke off after {} of {length} bytes", length.saturating_sub(left)))
            }
            Stage::Head(_) | Stage::Waiting | Stage::Answering | Stage::Leaving => Fate::Over,
        }
    }

    fn broken(&self, why: &str) -> Fate {
        Fate::Broken(format!("{}: {why}", self.peer))
    }
}
