//! One connection to a VM: TCP, TLS, one request, one answer; all of it before a deadline.

use super::answer::{Answer, Head, read_head};
use super::host::Host;
use super::trouble::Trouble;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Stream};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one address of a name may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(5);
/// How many bytes are read at once.
const PIECE: usize = 16 << 10;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// What for.
    pub path: &'static str,
    /// What is sent along.
    pub body: Option<&'r [u8]>,
}

/// A connection whose other end has been found to be the VM that is meant.
pub struct Connection {
    tls: ClientConnection,
    socket: Socket,
    came: Vec<u8>,
}

impl Connection {
    /// Connects, and finds out who it is. Nothing has been told to it after that but, if it asked, who we are.
    pub fn open(host: &Host, config: &Arc<ClientConfig>, deadline: Instant) -> Result<Connection, io::Error> {
        let name = ServerName::try_from(host.name.clone()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let mut socket = Socket { tcp: connect(host, deadline)?, deadline };
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Connection { tls, socket, came: Vec::new() })
    }

    /// Asks, and reads the answer. A body is sent only once the VM has asked for it, so that a refusal saves sending it and
    /// is never lost to the reset of a connection with unread bytes.
    pub fn ask(mut self, host: &Host, request: &Request, own: Option<&str>) -> Result<Answer, Trouble> {
        let head = head(host, request);
        let told = self.tell(head.as_bytes()).and_then(|()| self.read_head());
        let mut head = told.map_err(|error| Trouble::of(&error, own))?;
        // From here on the VM may have got all of it, whatever we hear.
        let lost = |error: io::Error| match request.body {
            Some(_) => Trouble::of(&error, own).or_lost(),
            None => Trouble::of(&error, own),
        };
        if let (100, Some(body)) = (head.status, request.body) {
            // Where telling fails, the VM may have said why before it hung up.
            let told = self.tell(body);
            head = self.read_head().map_err(|error| lost(told.err().unwrap_or(error)))?;
        }
        let body = self.read_body(head).map_err(lost)?;
        Ok(Answer { status: head.status, body })
    }

    fn tell(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = Stream::new(&mut self.tls, &mut self.socket);
        let told = stream.write_all(bytes).and_then(|()| stream.flush());
        match told {
            Ok(()) => Ok(()),
            // An alert that is there already says more than the broken pipe does.
            Err(broken) => Err(self.receive().err().filter(is_tls).unwrap_or(broken)),
        }
    }

    /// The next head; one that only says 100 a second time is no answer to anything, and is passed over.
    fn read_head(&mut self) -> io::Result<Head> {
        loop {
            match read_head(&self.came).map_err(io::Error::other)? {
                Some(head) => {
                    self.came.drain(..head.bytes);
                    return Ok(head);
                }
                None => self.receive()?,
            }
        }
    }

    fn read_body(&mut self, head: Head) -> io::Result<Vec<u8>> {
        let length = usize::try_from(head.length).map_err(io::Error::other)?;
        while self.came.len() < length {
            self.receive()?;
        }
        Ok(self.came.drain(..length).collect())
    }

    /// Reads what comes next; that none will come is an error. It never writes: that may be over already.
    fn receive(&mut self) -> io::Result<()> {
        let mut bytes = [0; PIECE];
        loop {
            match self.tls.reader().read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.came.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // That nothing more comes is what the reader says next.
            self.tls.read_tls(&mut self.socket)?;
            self.tls.process_new_packets().map_err(|why| io::Error::new(ErrorKind::InvalidData, why))?;
        }
    }
}

fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

fn head(host: &Host, request: &Request) -> String {
    let Request { method, path, body } = request;
    let name = if host.name.contains(':') { format!("[{}]", host.name) } else { host.name.clone() };
    let length =
        body.map_or(String::new(), |body| format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len()));
    format!("{method} {path} HTTP/1.1\r\nHost: {name}:{}\r\nAccept: application/json\r\n{length}\r\n", host.port)
}

/// To the first address of the name that accepts.
fn connect(host: &Host, deadline: Instant) -> io::Result<TcpStream> {
    // How long the system's resolver takes is up to its own settings (resolv.conf: 10 s for a server that is silent).
    let addresses = (host.address.as_str(), host.port).to_socket_addrs()?;
    let mut last = io::Error::new(ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(deadline)?.min(CONNECTING)) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// TCP whose every wait ends at the deadline.
struct Socket {
    tcp: TcpStream,
    deadline: Instant,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(left(self.deadline)?))?;
        self.tcp.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(left(self.deadline)?))?;
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
