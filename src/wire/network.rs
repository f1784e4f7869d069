//! The network that is wanted, as a few words: `interface=eth0 vlan=5 mtu=1400 ipv4=dhcp ipv6=auto dns=192.0.2.53`.
//!
//! The words are what PID 1 hands to the child that brings the network up, and what a person types to try it. `ipv4=` and
//! `ipv6=` are `dhcp` or `auto`, `off`, or an address with its prefix and, behind a comma, a gateway.

use crate::inet::{Cidr, InterfaceName, interface_name, is_a_hosts};
use core::fmt;
use core::net::IpAddr;
use heapless::{String, Vec};

/// How many name servers can be given: as many as the resolver asks.
pub const MAX_DNS: usize = 3;
/// The highest VLAN; 0 and 4095 mean something else.
pub const MAX_VLAN: u16 = 4094;
/// The least MTU that can be asked for, in bytes: every IPv4 host takes that much.
pub const MIN_MTU: u16 = 576;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Which interface; otherwise the first that has a carrier.
    pub interface: Option<InterfaceName>,
    /// A VLAN on it, 1 to 4094.
    pub vlan: Option<u16>,
    /// The MTU in bytes; otherwise what DHCP offers, or what the interface has.
    pub mtu: Option<u16>,
    /// IPv4.
    pub ipv4: Method,
    /// IPv6.
    pub ipv6: Method,
    /// Name servers instead of those that the network offers.
    pub dns: Vec<IpAddr, MAX_DNS>,
    /// What the network is for.
    pub names: Names,
}

/// Where the addresses of one family come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// DHCP for IPv4, the routers' advertisements for IPv6.
    #[default]
    Automatic,
    /// They are given.
    Static {
        /// Our address and its network.
        address: Cidr,
        /// Where the world is; of the same family.
        gateway: Option<IpAddr>,
    },
    /// There are none.
    Off,
}

/// Whether names must be resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Without a name server the network is of no use.
    #[default]
    Needed,
    /// Addresses are enough.
    Unneeded,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// A word that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadWord {
    word: String<64>,
    must: &'static str,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: must be {}", self.word.escape_debug(), self.must)
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// What [`Method::Automatic`] is called.
    pub fn automatic(self) -> &'static str {
        match self {
            Family::V4 => "dhcp",
            Family::V6 => "auto",
        }
    }
}

impl Method {
    /// A given address, if a machine can have it, with a gateway of the same family.
    pub fn fixed(family: Family, address: Cidr, gateway: Option<IpAddr>) -> Option<Method> {
        let ours = |address: IpAddr| is_a_hosts(address) && Family::of(address) == family;
        let good = ours(address.address) && address.prefix > 0 && gateway.is_none_or(ours);
        good.then_some(Method::Static { address, gateway })
    }

    fn parse(family: Family, text: &str) -> Option<Method> {
        match text {
            "off" => Some(Method::Off),
            text if text == family.automatic() => Some(Method::Automatic),
            text => {
                let (address, gateway) = match text.split_once(',') {
                    Some((address, gateway)) => (address, Some(gateway.parse().ok()?)),
                    None => (text, None),
                };
                Method::fixed(family, address.parse().ok()?, gateway)
            }
        }
    }

    fn write(&self, family: Family, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Automatic => f.write_str(family.automatic()),
            Method::Off => f.write_str("off"),
            Method::Static { address, gateway: None } => write!(f, "{address}"),
            Method::Static { address, gateway: Some(gateway) } => write!(f, "{address},{gateway}"),
        }
    }
}

impl Network {
    /// Reads the words; each of them once, `dns=` up to [`MAX_DNS`] times.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Network, BadWord> {
        let mut network = Network::default();
        for word in words {
            let bad = |must| BadWord { word: cut(word), must };
            let (name, value) = word.split_once('=').ok_or_else(|| bad(WORD))?;
            match name {
                "interface" => {
                    network.interface = Some(interface_name(value).map_err(|_| bad("the name of an interface"))?);
                }
                "vlan" => network.vlan = Some(vlan(value).ok_or_else(|| bad("a VLAN from 1 to 4094"))?),
                "mtu" => network.mtu = Some(mtu(value).ok_or_else(|| bad("an MTU from 576 to 65535"))?),
                "ipv4" => network.ipv4 = Method::parse(Family::V4, value).ok_or_else(|| bad(IPV4))?,
                "ipv6" => network.ipv6 = Method::parse(Family::V6, value).ok_or_else(|| bad(IPV6))?,
                "dns" => {
                    let server = value.parse().ok().filter(|&server| is_a_dns_server(server));
                    let server = server.ok_or_else(|| bad("the address of a name server"))?;
                    network.dns.push(server).map_err(|_| bad("one of at most three name servers"))?;
                }
                "names" => network.names = names(value).ok_or_else(|| bad("names=needed or names=unneeded"))?,
                _ => return Err(bad(WORD)),
            }
        }
        Ok(network)
    }
}

/// As words, the defaults too.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = &self.interface {
            write!(f, "interface={interface} ")?;
        }
        if let Some(vlan) = self.vlan {
            write!(f, "vlan={vlan} ")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, "mtu={mtu} ")?;
        }
        f.write_str("ipv4=")?;
        self.ipv4.write(Family::V4, f)?;
        f.write_str(" ipv6=")?;
        self.ipv6.write(Family::V6, f)?;
        self.dns.iter().try_for_each(|server| write!(f, " dns={server}"))?;
        match self.names {
            Names::Needed => Ok(()),
            Names::Unneeded => f.write_str(" names=unneeded"),
        }
    }
}

const WORD: &str = "one of interface=, vlan=, mtu=, ipv4=, ipv6=, dns= and names=";
const IPV4: &str = "dhcp, off, or an IPv4 address as 192.0.2.5/24 or 192.0.2.5/24,192.0.2.1";
const IPV6: &str = "auto, off, or an IPv6 address as 2001:db8::5/64 or 2001:db8::5/64,fe80::1";

/// A VLAN from 1 to [`MAX_VLAN`].
pub fn vlan(text: &str) -> Option<u16> {
    text.parse().ok().filter(|vlan| (1..=MAX_VLAN).contains(vlan))
}

/// An MTU from [`MIN_MTU`] on.
pub fn mtu(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&mtu| mtu >= MIN_MTU)
}

/// A name server may well be this machine itself.
pub fn is_a_dns_server(address: IpAddr) -> bool {
    is_a_hosts(address) || address.is_loopback()
}

fn names(text: &str) -> Option<Names> {
    match text {
        "needed" => Some(Names::Needed),
        "unneeded" => Some(Names::Unneeded),
        _ => None,
    }
}

/// As much of it as fits.
pub(crate) fn cut<const N: usize>(text: &str) -> String<N> {
    let mut short = String::new();
    for c in text.chars() {
        if short.push(c).is_err() {
            break;
        }
    }
    short
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn words_print_as_they_are_written() {
        for text in [
            "ipv4=dhcp ipv6=auto",
            "interface=eth0 vlan=5 mtu=1400 ipv4=off ipv6=off dns=192.0.2.53 dns=2001:db8::53",
            "ipv4=192.0.2.5/24,192.0.2.1 ipv6=2001:db8::5/64,fe80::1",
            "ipv4=192.0.2.5/32 ipv6=2001:db8::5/128 names=unneeded",
        ] {
            assert_eq!(Network::from_words(text.split(' ')).unwrap().to_string(), text);
        }
        assert_eq!(Network::from_words([]).unwrap(), Network::default());
    }

    #[test]
    fn a_bad_word_is_named_with_what_it_must_be() {
        for (words, want) in [
            ("x", "x: must be one of interface=, vlan=, mtu=, ipv4=, ipv6=, dns= and names="),
            ("if=eth0", "if=eth0: must be one of interface=, vlan=, mtu=, ipv4=, ipv6=, dns= and names="),
            ("interface=a/b", "interface=a/b: must be the name of an interface"),
            ("interface=", "interface=: must be the name of an interface"),
            ("vlan=0", "vlan=0: must be a VLAN from 1 to 4094"),
            ("vlan=4095", "vlan=4095: must be a VLAN from 1 to 4094"),
            ("mtu=575", "mtu=575: must be an MTU from 576 to 65535"),
            ("mtu=65536", "mtu=65536: must be an MTU from 576 to 65535"),
            ("dns=x", "dns=x: must be the address of a name server"),
            ("dns=255.255.255.255", "dns=255.255.255.255: must be the address of a name server"),
            (
                "dns=1.1.1.1 dns=1.1.1.2 dns=1.1.1.3 dns=1.1.1.4",
                "dns=1.1.1.4: must be one of at most three name servers",
            ),
            ("names=x", "names=x: must be names=needed or names=unneeded"),
            ("vlan=\u{1b}[2J", "vlan=\\u{1b}[2J: must be a VLAN from 1 to 4094"),
        ] {
            assert_eq!(Network::from_words(words.split(' ')).unwrap_err().to_string(), want);
        }
        for bad in
            ["auto", "192.0.2.5", "192.0.2.5/0", "224.0.0.1/24", "192.0.2.5/24,", "192.0.2.5/24,fe80::1", "fe80::5/64"]
        {
            let word = std::format!("ipv4={bad}");
            assert_eq!(Network::from_words([word.as_str()]).unwrap_err().must, IPV4, "{bad}");
        }
        for bad in ["dhcp", "2001:db8::5", "ff02::1/64", "2001:db8::5/64,192.0.2.1", "192.0.2.5/24"] {
            let word = std::format!("ipv6={bad}");
            assert_eq!(Network::from_words([word.as_str()]).unwrap_err().must, IPV6, "{bad}");
        }
    }
}
