//! A server that does what its script says, over TCP or TLS, a connection at a time.

use crate::PATIENCE;
use anyhow::{Context, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// `Range`
    pub range: Option<String>,
    /// `If-Range`
    pub if_range: Option<String>,
}

impl Asked {
    /// The first byte that was asked for.
    pub fn start(&self) -> usize {
        let range = self.range.as_deref().unwrap_or_default();
        range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap_or_default()
    }
}

/// What to do with the connection of this number, from 0, and what it asked for. Afterwards it is closed.
pub type Script = Box<dyn FnMut(usize, &Asked, &mut Wire) + Send>;

/// A connection.
pub struct Wire {
    stream: Stream,
    heard: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// Sends something, if anybody still wants to hear it.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let said = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tls(stream) => stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()),
        };
        self.heard &= said.is_ok();
    }

    /// Sends something over and over, for as long as anybody wants to hear it.
    pub fn say_for_ever(&mut self, bytes: impl AsRef<[u8]>) {
        while self.heard {
            self.say(bytes.as_ref());
        }
    }

    /// Sends something a byte at a time, one every so often.
    pub fn trickle(&mut self, bytes: impl AsRef<[u8]>, every: Duration) {
        for byte in bytes.as_ref() {
            std::thread::sleep(every);
            self.say([*byte]);
            if !self.heard {
                return;
            }
        }
    }

    fn socket(&mut self) -> &mut TcpStream {
        match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }

    /// Waits until the other side has had enough.
    pub fn stay_silent(&mut self) {
        let mut nothing = [0; 64];
        // Worst case: the other side waits longer than a test does, and the test says so.
        while self.socket().read(&mut nothing).is_ok_and(|count| count > 0) {}
    }

    /// Ends the connection with a reset instead of an end.
    pub fn reset(&mut self) {
        // What was sent is to arrive before the reset does away with it.
        std::thread::sleep(Duration::from_millis(50));
        rustix::net::sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO))
            .unwrap_or_else(|error| panic!("making the close a reset: {error}"));
    }

    fn hear(&mut self) -> std::io::Result<Asked> {
        let mut head = Vec::new();
        let mut bytes = [0; 1024];
        while !head.ends_with(b"\r\n\r\n") {
            let count = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut bytes),
                Stream::Tls(stream) => stream.read(&mut bytes),
            }?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            head.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
        Ok(asked(&String::from_utf8_lossy(&head)))
    }
}

fn asked(head: &str) -> Asked {
    let field = |name: &str| {
        let found = head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        found.map(String::from)
    };
    let path = head.split(' ').nth(1).unwrap_or_default().into();
    Asked { path, range: field("range"), if_range: field("if-range") }
}

/// A running server.
pub struct Hostile {
    address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    /// Starts one on a free port of this address; over TLS, if it has a certificate.
    pub fn start(ip: &str, tls: Option<Arc<ServerConfig>>, mut script: Script) -> Result<Hostile> {
        let listener = TcpListener::bind((ip, 0)).with_context(|| format!("listening on {ip}"))?;
        let (address, scheme) = (listener.local_addr()?, if tls.is_some() { "https" } else { "http" });
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (told, over) = (asked.clone(), ended.clone());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut wire) = stream.and_then(|stream| wire(stream, tls.as_ref())) else { continue };
                let Ok(request) = wire.hear() else { continue };
                told.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                script(number, &request, &mut wire);
                number += 1;
            }
        });
        Ok(Hostile { address, scheme, asked, ended, thread: Some(thread) })
    }

    /// The server's name in its addresses and in what is said about it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}/{path}", self.scheme, self.address)
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Worst case: nobody listens any more, which is what this is for.
        TcpStream::connect(self.address).map(drop).unwrap_or_default();
        self.thread.take().map(JoinHandle::join).map(drop).unwrap_or_default();
    }
}

fn wire(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> std::io::Result<Wire> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let Some(config) = tls else { return Ok(Wire { stream: Stream::Plain(stream), heard: true }) };
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    Ok(Wire { stream: Stream::Tls(Box::new(StreamOwned::new(connection, stream))), heard: true })
}
