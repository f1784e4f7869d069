//! Asking a mirror: one request, followed through at most three redirects, and the bytes of the answer.
//!
//! ureq with everything off that it does of itself: no proxy from the environment, no redirects, no cookies, no packed
//! contents, no connection used twice; and with a deadline for each of its waits.

use super::head::{self, Follows};
use super::job::{Patience, Url, What, milliseconds};
use super::meter::Meter;
use super::mirrors::Fault;
use super::names::{self, Known};
use super::tls::Tls;
use crate::failure::Cause;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Body, BodyReader, Error, Timeout};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;
/// The longest head of an answer, in bytes; ureq takes at most 128 fields.
const MAX_HEAD: usize = 16 << 10;
/// How much is received at once.
const BUFFER: usize = 64 << 10;
/// How much may be received before some of the file must have come with it, in bytes: a head, and what one read gives.
const BUDGET: u64 = 128 << 10;

/// Asks mirrors.
pub struct Client {
    agent: Agent,
    strict: Arc<AtomicBool>,
    meter: Meter,
    patience: Patience,
}

/// A request.
pub struct Ask<'a> {
    /// Where.
    pub url: &'a Url,
    /// What.
    pub what: &'a What,
    /// From which byte on.
    pub start: u64,
    /// Only if the file is still what the mirror called this; or else all of it.
    pub validator: Option<&'a str>,
}

/// An answer whose head is fine.
pub struct Answer {
    /// What its bytes are.
    pub follows: Follows,
    body: BodyReader<'static>,
    meter: Meter,
    patience: Patience,
}

impl Client {
    /// Whom it trusts, what it knows of names, and how long it waits.
    pub fn new(trust: Arc<rustls::ClientConfig>, known: Known, patience: Patience) -> Client {
        let (strict, meter) = (Arc::new(AtomicBool::new(false)), Meter::default());
        let connector = ().chain(TcpConnector::default()).chain(Tls(trust)).chain(meter.clone());
        let agent = Agent::with_parts(config(&patience), connector, Names { known, patience, strict: strict.clone() });
        Client { agent, strict, meter, patience }
    }

    /// Sends a request, and judges the head of the answer.
    pub fn ask(&self, ask: &Ask) -> Result<Answer, Fault> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.strict.store(bare_host(&url) != bare_host(ask.url), Ordering::Relaxed);
            let response = self.send(&url, ask)?;
            let (head, body) = response.into_parts();
            if matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                url = head::redirect(&url, &head.headers)?;
                continue;
            }
            let follows = head::judge(head.status.as_u16(), &head.headers, ask.what, ask.start)?;
            let (meter, patience) = (self.meter.clone(), self.patience);
            return Ok(Answer { follows, body: body.into_reader(), meter, patience });
        }
        Err(Fault::new(format!("redirects more than {MAX_REDIRECTS} times")))
    }

    fn send(&self, url: &Url, ask: &Ask) -> Result<ureq::http::Response<Body>, Fault> {
        let mut request = self.agent.get(url.as_str()).header(ACCEPT_ENCODING, "identity");
        if ask.start > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.start));
            if let Some(validator) = ask.validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        // The head has deadlines of its own; it comes with whatever of the body fits behind it.
        self.meter.allow(BUDGET, None);
        request.call().map_err(|error| Fault::new(words(&error, &self.patience)))
    }
}

impl Answer {
    /// The next bytes of the body; 0 at its end, which has been announced or is where the mirror closed the connection.
    pub fn read(&mut self, chunk: &mut [u8]) -> Result<usize, Fault> {
        self.meter.allow(BUDGET, Some(milliseconds(self.patience.read)));
        self.body.read(chunk).map_err(|error| Fault::new(words(&Error::from(error), &self.patience)))
    }
}

/// ureq with everything off that it does of itself, for whoever waits so long.
pub fn config(patience: &Patience) -> Config {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .user_agent("dock0")
        .input_buffer_size(BUFFER)
        .output_buffer_size(MAX_HEAD)
        .max_response_header_size(MAX_HEAD)
        .timeout_connect(Some(milliseconds(patience.connect)))
        .timeout_send_request(Some(milliseconds(patience.answer)))
        .timeout_recv_response(Some(milliseconds(patience.answer)))
        .timeout_per_read(Some(milliseconds(patience.read)))
        .timeout_per_write(Some(milliseconds(patience.read)))
        .build()
}

fn bare_host(url: &Url) -> &str {
    let host = url.host();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What went wrong, behind a server's name.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not told apart here speaks for itself")]
pub fn words(error: &Error, patience: &Patience) -> String {
    let seconds = |count: u32| format!("{} s", f64::from(count) / 1000.0);
    match error {
        Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => format!("was silent for {}", seconds(patience.read)),
        Error::Timeout(Timeout::Connect) => format!("did not take the connection within {}", seconds(patience.connect)),
        Error::Timeout(_) => format!("did not answer within {}", seconds(patience.answer)),
        Error::HostNotFound => "has no address".into(),
        Error::ConnectionFailed => "cannot be reached".into(),
        Error::LargeResponseHeader(..) => format!("sends a head of more than {} KiB", MAX_HEAD >> 10),
        Error::Protocol(why) => format!("does not keep to HTTP: {why}"),
        Error::BodyStalled => "does not keep to HTTP: its chunks make no sense".into(),
        Error::Io(error) => io_words(error),
        Error::Other(why) => why.to_string(),
        error => error.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not told apart here speaks for itself")]
fn io_words(error: &io::Error) -> String {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return match error {
            rustls::Error::InvalidCertificate(why) => format!("has no certificate that we trust: {why}"),
            error => format!("does not keep to TLS: {error}"),
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "closed the connection".into()
        }
        io::ErrorKind::ConnectionRefused => "refused the connection".into(),
        _ => error.words(),
    }
}

/// Names to addresses, for ureq.
struct Names {
    known: Known,
    patience: Patience,
    /// Whether a name may not lead to this machine.
    strict: Arc<AtomicBool>,
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let found = self.known.look_up(host, &self.patience).map_err(|why| Error::Other(why.into()))?;
        let near = found.iter().find(|address| self.strict.load(Ordering::Relaxed) && is_near(**address));
        if let Some(near) = near {
            return Err(Error::Other(format!("redirects to {host}, which is {near} on this machine").into()));
        }
        let mut addresses = self.empty();
        for address in names::routable(found, port).into_iter().take(MAX_ADDRESSES) {
            addresses.push(SocketAddr::new(address, port));
        }
        Ok(addresses)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

/// How many addresses of a name are tried; ureq has room for 16.
const MAX_ADDRESSES: usize = 8;

/// Whether an address is this machine's or its link's (a cloud's metadata for one): where no redirect may lead to.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_unspecified() || v4.is_link_local() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_does_not_lead_to_this_machine() {
        for (address, near) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("::1", true),
            ("::", true),
            ("fe80::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap()), near, "{address}");
        }
    }

    #[test]
    fn hosts_are_compared_without_their_ports() {
        for (url, host) in [
            ("https://a:1/b", "a"),
            ("https://a/b:1", "a"),
            ("https://[::1]:1/b", "[::1]"),
            ("https://[::1]/b", "[::1]"),
        ] {
            assert_eq!(bare_host(&url.parse().unwrap()), host);
        }
    }
}
