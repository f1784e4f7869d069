//! Clients that do not take their answers, beside one whose answer somebody waits for; in this process, where the kernel can be told
//! to hold little for them.

use super::hostile::connect_to;
use fetch_tests::operators::{Operators, Paper};
use init::receive::certificate::{make_certificate, make_key};
use init::receive::connection::Terms;
use init::receive::desk::{Answer, Clerk, Parcel, Wish};
use init::receive::listener::Listener;
use init::receive::tls::{Papers, server};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longer than what the kernel holds for anybody, and than what TLS holds by itself.
const LONG: usize = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Says a lot to whoever asks how it is, and waits for others with what is pushed.
#[derive(Default)]
struct Talker {
    answered: usize,
    delivered: usize,
}

impl Clerk for Talker {
    fn notice_operator(&mut self) {}

    fn fulfil(&mut self, wish: Wish) -> Option<Answer> {
        match wish {
            Wish::Take(..) => self.delivered += 1,
            Wish::State(_) | Wish::Page(_) | Wish::Log | Wish::Reboot => {
                self.answered += 1;
                return Some(Answer { status: 200, content_type: "text/plain", body: "x".repeat(LONG) });
            }
        }
        None
    }

    fn begin(&mut self, _: Parcel) -> Result<(), Answer> {
        Ok(())
    }

    fn take(&mut self, _: Parcel, _: &[u8]) -> Result<(), Answer> {
        Ok(())
    }

    fn give_up(&mut self, parcel: Parcel) {
        panic!("{parcel:?} was given up");
    }
}

/// Works until that is so.
fn work_until(listener: &mut Listener, talker: &mut Talker, so: impl Fn(&Listener, &Talker) -> bool) {
    let until = Instant::now() + PATIENCE;
    while !so(listener, talker) {
        assert!(Instant::now() < until, "{} answered, {} delivered", talker.answered, talker.delivered);
        // Whatever comes wakes it; that a client is gone does too.
        let came = listener.sleep(None).unwrap();
        listener.work(&came, talker, &mut |note| println!("{note}"));
    }
}

#[test]
fn who_takes_its_time_keeps_nobody_elses_answer_from_being_sent() {
    let (place, operators) = (tempfile::tempdir().unwrap(), Operators::new().unwrap());
    let key = make_key().unwrap();
    let certificate = make_certificate(key.as_bytes()).unwrap();
    let papers =
        Papers { certificate: certificate.as_bytes(), key: key.as_bytes(), operators: Some(operators.pem.as_bytes()) };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let terms = Terms { config: server(&papers).unwrap().0, life: PATIENCE };
    let (mut listener, mut talker) = (Listener::new(socket, terms).unwrap(), Talker::default());
    let client = operators.issue(Paper::Client, place.path()).unwrap();

    let (go_on, may_go_on) = mpsc::channel::<()>();
    let slow = std::thread::spawn({
        let client = client.clone();
        move || {
            let mut tls = connect_to(port, &client);
            tls.write_all(b"GET /log HTTP/1.1\r\nHost: vm\r\n\r\n").unwrap();
            may_go_on.recv_timeout(PATIENCE).unwrap();
            let mut answer = Vec::new();
            tls.read_to_end(&mut answer).unwrap();
            answer
        }
    });
    work_until(&mut listener, &mut talker, |_, talker| talker.answered == 1);
    let quick = std::thread::spawn(move || {
        let mut tls = connect_to(port, &client);
        tls.write_all(b"PUT /config HTTP/1.1\r\nHost: vm\r\nContent-Length: 4\r\n\r\ngood").unwrap();
        let mut answer = String::new();
        tls.read_to_string(&mut answer).unwrap();
        answer
    });
    work_until(&mut listener, &mut talker, |_, talker| talker.delivered == 1);
    assert!(listener.answer(&Answer::json(200, "{}")));
    work_until(&mut listener, &mut talker, |listener, _| listener.has_answered());
    assert!(quick.join().unwrap().ends_with("\r\n\r\n{}\n"));
    assert!(!slow.is_finished(), "it has not even begun to read");

    // It gets the rest when it wants it: all that was said it would get.
    go_on.send(()).unwrap();
    let worker = std::thread::spawn(move || {
        work_until(&mut listener, &mut talker, |listener, _| listener.has_seen_all_off());
    });
    let answer = slow.join().unwrap();
    worker.join().unwrap();
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(answer.len() - head, LONG);
}
