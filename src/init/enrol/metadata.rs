//! Asking the metadata service of a Linode: a token, and with it the user data
//! (<https://techdocs.akamai.com/cloud-computing/docs/metadata-service-api>).
//!
//! `network` is not asked for: the network is that of DHCP and the routers' advertisements, so that nothing here depends on
//! what the service says of addresses, or does not say yet.

use crate::fetch::http;
use crate::fetch::job::Patience;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use ureq::http::{Response, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Body, Error};

/// How long the service may take; it is on the host of this machine.
const PATIENCE: (u32, u32) = (2_000, 5_000);
/// How long a token is good for, in seconds. It is used at once.
const EXPIRY: &str = "60";
/// The longest token, in bytes: Linode's have 64.
const MAX_TOKEN: u64 = 1024;
/// The most user data, in bytes: what Linode takes, in base64.
const MAX_DATA: u64 = 65_535;

/// Asks.
pub struct Service {
    agent: Agent,
    patience: Patience,
}

/// Why there are no user data.
#[derive(Debug, PartialEq, Eq)]
enum Silence {
    /// No answer came from this address.
    Unreachable(String),
    /// An answer came, and has none.
    Empty(String),
}

impl Default for Service {
    fn default() -> Service {
        let (connect, answer) = PATIENCE;
        let patience = Patience { connect, answer, read: answer, ..Patience::default() };
        let connector = ().chain(TcpConnector::default());
        Service { agent: Agent::with_parts(http::config(&patience), connector, Numbers), patience }
    }
}

impl Service {
    /// The user data, as they are given out: in base64, at most [`MAX_DATA`] and one byte. The addresses are the service's,
    /// as `http://192.0.2.1`; the next one is asked where one cannot be reached. An error says why there are none, and may be
    /// another one the next time: a service that fills in by stages cannot be told from one that never will.
    pub fn user_data(&self, addresses: &[&str]) -> Result<Vec<u8>, String> {
        let mut silent = Vec::new();
        for address in addresses {
            let name = address.trim_start_matches("http://");
            match self.ask(address) {
                Ok(data) => return Ok(data),
                Err(Silence::Empty(why)) => return Err(format!("{name} {why}")),
                Err(Silence::Unreachable(why)) => silent.push(format!("{name} {why}")),
            }
        }
        Err(silent.join("; "))
    }

    fn ask(&self, address: &str) -> Result<Vec<u8>, Silence> {
        let request = self.agent.put(format!("{address}/v1/token"));
        let answer = request.header("Metadata-Token-Expiry-Seconds", EXPIRY).send_empty();
        let token = self.body("token", answer.map_err(|error| self.unreachable(&error))?, MAX_TOKEN)?;
        let token = std::str::from_utf8(&token).unwrap_or_default().trim();
        let answer = self.agent.get(format!("{address}/v1/user-data")).header("Metadata-Token", token).call();
        self.body("user data", answer.map_err(|error| Silence::Empty(self.words(&error)))?, MAX_DATA)
    }

    /// What an answer brings; anything but some bytes is none.
    fn body(&self, what: &str, answer: Response<Body>, most: u64) -> Result<Vec<u8>, Silence> {
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        let read = answer.into_body().into_reader().take(most.saturating_add(1)).read_to_end(&mut bytes);
        match (status, read) {
            (200, Err(error)) => Err(Silence::Empty(self.words(&Error::from(error)))),
            (200, Ok(_)) if matches!(bytes.trim_ascii(), b"" | b"null") => {
                Err(Silence::Empty(format!("has no {what} yet")))
            }
            (200, Ok(_)) => Ok(bytes),
            (status, _) => Err(Silence::Empty(format!("has no {what} yet (status {status})"))),
        }
    }

    fn unreachable(&self, error: &Error) -> Silence {
        Silence::Unreachable(self.words(error))
    }

    fn words(&self, error: &Error) -> String {
        http::words(error, &self.patience)
    }
}

/// Addresses are numbers here: no name server is asked whom this VM may believe.
#[derive(Debug)]
struct Numbers;

impl Resolver for Numbers {
    fn resolve(&self, uri: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = host.parse().map_err(|_| Error::HostNotFound)?;
        let mut addresses = self.empty();
        addresses.push(SocketAddr::new(address, uri.port_u16().unwrap_or(80)));
        Ok(addresses)
    }
}
