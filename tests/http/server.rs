//! The threads: one takes connections, and each connection has its own, which answers one request.

use crate::message::{Answer, Request, read_head};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a client may keep silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of a body nobody wants is read, so that the answer is not lost with it.
const DRAINED: u64 = 64 << 20;

/// What knows the answers.
pub trait Service: Send + Sync + 'static {
    /// The answer to a request, whose body is still to be read: no more than `request.length` bytes of it come. None hangs up.
    fn answer(&self, request: Request, body: &mut dyn Read) -> Option<Answer>;
}

/// A server that listens. It ends when it is dropped; connections that are open then come to their own end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds a port, for a server whose service must know the address before it starts.
    ///
    /// # Errors
    /// If there is no port to listen on.
    pub fn bind() -> io::Result<TcpListener> {
        TcpListener::bind("127.0.0.1:0")
    }

    /// Serves who comes to this port.
    ///
    /// # Errors
    /// If there is no thread to do it.
    pub fn start<S: Service>(listener: TcpListener, service: Arc<S>) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        let thread = std::thread::Builder::new().spawn(move || serve(&listener, &service, &seen))?;
        Ok(Server { address, ended, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // The thread waits for a connection; this one tells it to look up. Worst case: it waits on, and ends with the test.
        if TcpStream::connect(self.address).is_ok() {
            self.thread.take().map(JoinHandle::join).map(drop).unwrap_or_default();
        }
    }
}

fn serve<S: Service>(listener: &TcpListener, service: &Arc<S>, ended: &AtomicBool) {
    for stream in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        // A client that is gone before it was heard has nothing to be told.
        let Ok(stream) = stream else { continue };
        let service = service.clone();
        std::thread::spawn(move || {
            // Worst case: the client hears nothing, notices, and the test that ran it says so.
            converse(stream, service.as_ref()).unwrap_or_default();
        });
    }
}

fn converse(mut stream: TcpStream, service: &impl Service) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = match read_head(&mut reader)? {
        Ok(request) => request,
        Err(refused) => {
            refused.send(&mut stream, "")?;
            return drain(&stream, reader);
        }
    };
    if request.field("Expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let method = request.method.clone();
    let mut body = reader.take(request.length);
    if let Some(answer) = service.answer(request, &mut body) {
        answer.send(&mut stream, &method)?;
        if body.limit() > 0 {
            return drain(&stream, body);
        }
    }
    Ok(())
}

/// Reads what still comes of a body: closed with bytes unread, a connection is reset, and the answer with it.
fn drain(stream: &TcpStream, rest: impl Read) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut rest.take(DRAINED), &mut io::sink()).map(drop)
}
