//! Which VM, and where: `NAME` or `NAME=ADDRESS[:PORT]`.

use rustls::pki_types::ServerName;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The port that VMs listen on if their settings say nothing.
pub const PORT: u16 = 1002;

/// A VM as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Who it must be: a name in its certificate.
    pub name: String,
    /// Where it is: an address or a name of DNS.
    pub address: String,
    /// On which port.
    pub port: u16,
}

impl Host {
    /// Where it is, with its port.
    pub fn endpoint(&self) -> String {
        match self.address.contains(':') {
            true => format!("[{}]:{}", self.address, self.port),
            false => format!("{}:{}", self.address, self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name == self.address {
            true => f.write_str(&self.endpoint()),
            false => write!(f, "{} at {}", self.name, self.endpoint()),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) => (Some(name), place),
            None => (None, text),
        };
        let (address, port) = split_port(place)?;
        let name = name.unwrap_or(address);
        for word in [name, address] {
            ServerName::try_from(word).map_err(|_| format!("{word:?} is neither a name of DNS nor an address"))?;
        }
        Ok(Host { name: name.into(), address: address.into(), port })
    }
}

/// `ADDRESS`, `ADDRESS:PORT`, or `[ADDRESS]:PORT` for IPv6.
fn split_port(place: &str) -> Result<(&str, u16), String> {
    if place.parse::<IpAddr>().is_ok() {
        return Ok((place, PORT));
    }
    let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => match place.rsplit_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (place, None),
        },
    };
    let port = port.map(|port| port.parse().ok().filter(|&port| port > 0).ok_or(format!("{port:?} is no port")));
    Ok((address, port.transpose()?.unwrap_or(PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        for (text, name, address, port, shown) in [
            ("web1", "web1", "web1", 1002, "web1:1002"),
            ("web1:2000", "web1", "web1", 2000, "web1:2000"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.7", 1002, "192.0.2.7:1002"),
            ("web1=192.0.2.7", "web1", "192.0.2.7", 1002, "web1 at 192.0.2.7:1002"),
            ("web1=192.0.2.7:2000", "web1", "192.0.2.7", 2000, "web1 at 192.0.2.7:2000"),
            ("web1=2001:db8::7", "web1", "2001:db8::7", 1002, "web1 at [2001:db8::7]:1002"),
            ("web1=[2001:db8::7]", "web1", "2001:db8::7", 1002, "web1 at [2001:db8::7]:1002"),
            ("web1=[2001:db8::7]:2000", "web1", "2001:db8::7", 2000, "web1 at [2001:db8::7]:2000"),
            ("web1=gate.example.org:2000", "web1", "gate.example.org", 2000, "web1 at gate.example.org:2000"),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!(host, Host { name: name.into(), address: address.into(), port }, "{text}");
            assert_eq!(host.to_string(), shown);
        }
        for (text, why) in [
            ("", "\"\" is neither a name of DNS nor an address"),
            ("=192.0.2.7", "\"\" is neither a name of DNS nor an address"),
            ("web1=", "\"\" is neither a name of DNS nor an address"),
            ("web 1", "\"web 1\" is neither a name of DNS nor an address"),
            ("web/1", "\"web/1\" is neither a name of DNS nor an address"),
            ("web1=x:70000", "\"70000\" is no port"),
            ("web1=x:0", "\"0\" is no port"),
            ("web1=[2001:db8::7]2000x", "\"2000x\" is no port"),
        ] {
            assert_eq!(text.parse::<Host>(), Err(why.to_string()), "{text}");
        }
    }
}
