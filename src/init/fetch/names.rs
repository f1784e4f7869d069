//! Names to addresses: the hosts file, then name servers, each wait with a deadline and no file opened.
//!
//! The C library could do it too; it would add 55 KB to the initrd, parse what name servers say in C, and wait as long as it
//! likes. Search domains are left out: mirrors have full names.

use super::job::{Patience, milliseconds};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use wire::dns::{self, Answer, Kind};

/// The most name servers, as in the C library.
const MAX_SERVERS: usize = 3;
/// How often each is asked.
const ROUNDS: u32 = 2;
/// How long one may take, at most.
const LONGEST: Duration = Duration::from_secs(3);
/// The longest answer over TCP that is read, in bytes.
const MAX_ANSWER: u16 = 4096;

/// What is known about names before anybody is asked.
#[derive(Debug, Default)]
pub struct Known {
    servers: Vec<SocketAddr>,
    hosts: Vec<(String, IpAddr)>,
}

impl Known {
    /// Reads the contents of `/etc/resolv.conf` and `/etc/hosts`. `number_of` knows the number of a network interface.
    pub fn parse(resolv_conf: &str, hosts: &str, number_of: &dyn Fn(&str) -> Option<u32>) -> Known {
        let servers = resolv_conf.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "nameserver").then(|| server(words.next()?, number_of))?
        });
        let hosts = hosts.lines().flat_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
            let of = move |address| words.map(move |name| (name.to_ascii_lowercase(), address)).collect::<Vec<_>>();
            address.map(of).unwrap_or_default()
        });
        Known { servers: servers.take(MAX_SERVERS).collect(), hosts: hosts.collect() }
    }

    /// The addresses of a host, the best first; the error says why there are none.
    pub fn look_up(&self, host: &str, patience: &Patience) -> Result<Vec<IpAddr>, String> {
        let host = host.to_ascii_lowercase();
        let listed = self.hosts.iter().filter(|(name, _)| *name == host).map(|(_, address)| *address);
        let listed = host.parse::<IpAddr>().ok().into_iter().chain(listed).collect::<Vec<_>>();
        if !listed.is_empty() {
            return Ok(listed);
        }
        // RFC 6761, 6.3: never asked for.
        if host == "localhost" || host.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        if self.servers.is_empty() {
            return Err("has no address: no name server is known".into());
        }
        self.ask_all(&host, milliseconds(patience.connect).min(LONGEST))
    }

    fn ask_all(&self, host: &str, patience: Duration) -> Result<Vec<IpAddr>, String> {
        let mut why = String::new();
        for server in (0..ROUNDS).flat_map(|_| &self.servers) {
            match ask(*server, host, Instant::now() + patience) {
                Ok(Found::Nothing) => return Err("has no address: there is no such name".into()),
                Ok(Found::Addresses(addresses)) => return Ok(addresses),
                Err(reason) => why = format!("has no address: the name server {} {reason}", server.ip()),
            }
        }
        Err(why)
    }
}

fn server(word: &str, number_of: &dyn Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    const DNS: u16 = 53;
    if let Some((address, interface)) = word.split_once('%') {
        let scope = interface.parse().ok().or_else(|| number_of(interface))?;
        return Some(SocketAddrV6::new(address.parse().ok()?, DNS, 0, scope).into());
    }
    Some(SocketAddr::new(word.parse().ok()?, DNS))
}

enum Found {
    Nothing,
    Addresses(Vec<IpAddr>),
}

/// A question that is not answered yet.
struct Open {
    id: u16,
    kind: Kind,
    question: heapless::Vec<u8, { dns::MAX_QUESTION }>,
}

/// Asks one server for both kinds of addresses. What comes from elsewhere, or answers something else, is not heard.
fn ask(server: SocketAddr, host: &str, deadline: Instant) -> Result<Found, String> {
    let (socket, mut open) = send_questions(server, host)?;
    let mut found = Vec::new();
    while !open.is_empty() {
        let Some((at, answer)) = hear(&socket, &open, host, deadline)? else {
            // Some servers never answer one kind of question.
            return if found.is_empty() { Err("does not answer".into()) } else { Ok(Found::Addresses(found)) };
        };
        let answered = open.swap_remove(at);
        match in_full(server, &answered, answer, host, deadline)? {
            Answer::Addresses(addresses) => found.extend(addresses),
            Answer::Failed(NO_SUCH_NAME) => return Ok(Found::Nothing),
            Answer::Failed(code) => return Err(format!("refuses to answer (code {code})")),
            Answer::Garbled | Answer::Truncated => return Err("answers nonsense".into()),
        }
    }
    // IPv4 first: where both exist, it is IPv6 that more often leads nowhere.
    found.sort_by_key(IpAddr::is_ipv6);
    Ok(if found.is_empty() { Found::Nothing } else { Found::Addresses(found) })
}

fn send_questions(server: SocketAddr, host: &str) -> Result<(UdpSocket, Vec<Open>), String> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).map_err(|error| cannot(&error))?;
    socket.connect(server).map_err(|error| cannot(&error))?;
    let mut open = Vec::new();
    for kind in [Kind::V4, Kind::V6] {
        let id = random_number().map_err(|error| cannot(&error))?;
        let question = dns::question(id, host, kind).ok_or("cannot be asked for such a name")?;
        socket.send(&question).map_err(|error| cannot(&error))?;
        open.push(Open { id, kind, question });
    }
    Ok((socket, open))
}

/// The next answer, and to which question; `None` once the time is over.
fn hear(socket: &UdpSocket, open: &[Open], host: &str, deadline: Instant) -> Result<Option<(usize, Answer)>, String> {
    let mut message = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let heard = socket.set_read_timeout(Some(left)).and_then(|()| socket.recv(&mut message));
        let message = match heard {
            Ok(count) => message.get(..count).unwrap_or_default(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
            Err(error) => return Err(cannot(&error)),
        };
        let answered = open
            .iter()
            .enumerate()
            .find_map(|(at, open)| dns::answer(message, open.id, host, open.kind).map(|answer| (at, answer)));
        if answered.is_some() {
            return Ok(answered);
        }
    }
}

/// The answer, or, where it had no room, the one over TCP.
fn in_full(server: SocketAddr, asked: &Open, answer: Answer, host: &str, deadline: Instant) -> Result<Answer, String> {
    if answer != Answer::Truncated {
        return Ok(answer);
    }
    let message = ask_over_tcp(server, &asked.question, deadline).map_err(|error| cannot(&error))?;
    Ok(dns::answer(&message, asked.id, host, asked.kind).unwrap_or(Answer::Garbled))
}

/// `NXDOMAIN`
const NO_SUCH_NAME: u8 = 3;

/// The same question over TCP: its length before it, in two bytes, and so the answer (RFC 1035, 4.2.2).
fn ask_over_tcp(server: SocketAddr, question: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&server, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length, question].concat())?;
    let mut message = Vec::new();
    let mut wanted = 2;
    while message.len() < wanted {
        stream.set_read_timeout(Some(left()?))?;
        let mut bytes = [0; 1024];
        let room = bytes.len().min(wanted - message.len());
        match stream.read(bytes.get_mut(..room).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => message.extend_from_slice(bytes.get(..count).unwrap_or_default()),
        }
        if let (2, Some(length)) = (wanted, message.first_chunk()) {
            wanted += usize::from(u16::from_be_bytes(*length).min(MAX_ANSWER));
        }
    }
    Ok(message.split_off(2))
}

fn random_number() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}

fn cannot(error: &io::Error) -> String {
    use crate::failure::Cause;
    match error.kind() == io::ErrorKind::ConnectionRefused {
        true => "is not there".into(),
        false => format!("cannot be asked: {}", error.words()),
    }
}

/// Those addresses that a packet can be sent to, if there are any. IPv6 where there is none costs no time that way.
pub fn routable(addresses: Vec<IpAddr>, port: u16) -> Vec<IpAddr> {
    let leads = |address: &&IpAddr| {
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((**address, port))).is_ok()
    };
    let led = addresses.iter().filter(leads).copied().collect::<Vec<_>>();
    if led.is_empty() { addresses } else { led }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(resolv_conf: &str, hosts: &str) -> Known {
        Known::parse(resolv_conf, hosts, &|name| (name == "eth0").then_some(2))
    }

    #[test]
    fn name_servers_are_those_of_the_file() {
        let text = "# by DHCP\nnameserver 192.0.2.1\nsearch a b\nnameserver fe80::1%eth0\nnameserver fe80::1%eth9\n\
                    nameserver\nnameserver x\n nameserver 2001:db8::1\nnameserver 192.0.2.4";
        let servers = known(text, "").servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(servers, ["192.0.2.1:53", "[fe80::1%2]:53", "[2001:db8::1]:53"]);
    }

    #[test]
    fn what_is_written_down_is_not_asked_for() {
        let known = known("", "192.0.2.7 a A.Example # b\n::7 a\nnonsense c\n\n");
        for (host, addresses) in [
            ("a", &["192.0.2.7", "::7"][..]),
            ("a.example", &["192.0.2.7"]),
            ("192.0.2.9", &["192.0.2.9"]),
            ("::1", &["::1"]),
            ("localhost", &["127.0.0.1", "::1"]),
            ("x.localhost", &["127.0.0.1", "::1"]),
        ] {
            let found = known.look_up(host, &Patience::default()).unwrap();
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), addresses, "{host}");
        }
        for host in ["b", "c", "nonsense"] {
            let why = known.look_up(host, &Patience::default()).unwrap_err();
            assert_eq!(why, "has no address: no name server is known");
        }
    }

    /// A name server that does this to each datagram: what it returns is sent back.
    fn server_that(reply: fn(&[u8]) -> Option<Vec<u8>>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 512];
            while let Ok((count, from)) = socket.recv_from(&mut bytes) {
                if let Some(reply) = reply(&bytes[..count]) {
                    socket.send_to(&reply, from).unwrap();
                }
            }
        });
        address
    }

    /// The question as an answer with this code, and with one address if it is of this kind.
    fn answered(question: &[u8], code: u8, kind: u8, address: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        (answer[2], answer[3]) = (0x81, 0x80 | code);
        if question[question.len() - 3] == kind {
            answer[7] = 1;
            answer.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(address.len()).unwrap()]);
            answer.extend_from_slice(address);
        }
        answer
    }

    #[test]
    fn servers_are_asked_one_after_the_other_and_not_for_ever() {
        let good = || server_that(|question| Some(answered(question, 0, 1, &[192, 0, 2, 1])));
        let six = || server_that(|question| Some(answered(question, 0, 28, &[0x20; 16])));
        let none = || server_that(|question| Some(answered(question, 3, 0, &[])));
        let refuses = || server_that(|question| Some(answered(question, 5, 0, &[])));
        let garbles = || server_that(|question| Some(answered(question, 0, 1, &[1])));
        let silent = || server_that(|_| None);
        let half = || {
            server_that(|question| {
                (question[question.len() - 3] == 1).then(|| answered(question, 0, 1, &[192, 0, 2, 1]))
            })
        };
        let strange =
            || server_that(|question| Some(answered(&[&[question[0] ^ 1], &question[1..]].concat(), 0, 1, &[9; 4])));
        let found = |text: &str| Ok(vec![text.parse::<IpAddr>().unwrap()]);
        let lost = |text: &str| Err(format!("has no address: {text}"));
        for (row, servers, want) in [
            ("good", vec![good()], found("192.0.2.1")),
            ("IPv6 alone", vec![six()], found("2020:2020:2020:2020:2020:2020:2020:2020")),
            ("no such name", vec![none(), good()], lost("there is no such name")),
            ("the second one", vec![silent(), good()], found("192.0.2.1")),
            ("after a refusal", vec![refuses(), good()], found("192.0.2.1")),
            ("refused", vec![refuses()], lost("the name server 127.0.0.1 refuses to answer (code 5)")),
            ("garbled", vec![garbles()], lost("the name server 127.0.0.1 answers nonsense")),
            ("silent", vec![silent()], lost("the name server 127.0.0.1 does not answer")),
            ("half an answer", vec![half()], found("192.0.2.1")),
            ("somebody else's answer", vec![strange()], lost("the name server 127.0.0.1 does not answer")),
            ("nobody", vec!["127.0.0.1:1".parse().unwrap()], lost("the name server 127.0.0.1 is not there")),
        ] {
            let known = Known { servers, hosts: Vec::new() };
            assert_eq!(known.ask_all("a.example", Duration::from_millis(200)), want, "{row}");
        }
    }

    #[test]
    fn what_has_no_room_in_a_datagram_comes_over_tcp() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        let server = std::thread::spawn(move || {
            let mut bytes = [0; 512];
            for _ in 0..2 {
                let (count, from) = socket.recv_from(&mut bytes).unwrap();
                let mut answer = answered(&bytes[..count], 0, 0, &[]);
                answer[2] |= if bytes[count - 3] == 1 { 2 } else { 0 };
                socket.send_to(&answer, from).unwrap();
            }
            let (mut stream, _) = listener.accept().unwrap();
            let count = stream.read(&mut bytes).unwrap();
            let answer = answered(&bytes[2..count], 0, 1, &[192, 0, 2, 5]);
            for piece in [&u16::try_from(answer.len()).unwrap().to_be_bytes()[..], &answer[..9], &answer[9..]] {
                stream.write_all(piece).unwrap();
            }
        });
        let known = Known { servers: vec![address], hosts: Vec::new() };
        let found = known.ask_all("a.example", Duration::from_secs(5));
        assert_eq!(found, Ok(vec!["192.0.2.5".parse().unwrap()]));
        server.join().unwrap();
    }

    #[test]
    fn addresses_that_lead_nowhere_are_left_out() {
        let list = |text: &[&str]| text.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect::<Vec<_>>();
        assert_eq!(routable(list(&["127.0.0.1", "255.255.255.255"]), 80), list(&["127.0.0.1"]));
        assert_eq!(routable(list(&["255.255.255.255"]), 80), list(&["255.255.255.255"]));
    }
}
