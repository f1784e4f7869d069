//! A web server that does what each test wants.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long the server waits for a client: longer than any test takes, and not for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an answer's head ends with.
const END: &[u8] = b"\r\n\r\n";

/// Answers each path with the bytes it was given for it, and remembers what was asked.
pub struct Server {
    /// Its address, without a path.
    pub base: String,
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = Server { base, asked: Arc::default(), answers: Arc::default() };
        let (asked, answers) = (server.asked.clone(), server.answers.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                serve(client.unwrap(), &asked, &answers);
            }
        });
        server
    }

    /// The whole answer to a path, as it goes over the wire. To HEAD its head alone is given.
    pub fn answer(&self, path: &str, raw: &[u8]) {
        self.answers.lock().unwrap().insert(path.into(), raw.to_vec());
    }

    pub fn file(&self, path: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        self.answer(path, &[head.as_bytes(), body].concat());
    }

    /// What was asked since the last call: the paths, behind `HEAD ` if that was the question, and what was authorized.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(mut client: TcpStream, asked: &Mutex<Vec<String>>, answers: &Mutex<HashMap<String, Vec<u8>>>) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_string();
    let is_head = first.starts_with("HEAD ");
    let token = lines.take_while(|line| !line.is_empty()).find(|line| line.to_lowercase().starts_with("authorization"));
    let method = if is_head { "HEAD " } else { "" };
    asked.lock().unwrap().push(format!("{method}{path}{}", token.map(|line| format!(" {line}")).unwrap_or_default()));
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let mut answer = answers.lock().unwrap().get(&path).cloned().unwrap_or(missing);
    if is_head && let Some(end) = answer.windows(END.len()).position(|bytes| bytes == END) {
        answer.truncate(end + END.len());
    }
    // A client that has seen enough may be gone.
    client.write_all(&answer).unwrap_or_default();
}
