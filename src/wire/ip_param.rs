//! `ip=` on the kernel command line, as the kernel has it (Documentation/admin-guide/nfs/nfsroot.rst) and, for IPv6 in
//! brackets, `auto6` and `DEVICE:dhcp`, as dracut has it (dracut.cmdline(7)):
//!
//!     ip=dhcp, on, any, both      IPv4 by DHCP
//!     ip=off, none                no IPv4; IPv6 stays as it is
//!     ip=auto6                    IPv6 by its routers, no IPv4
//!     ip=DEVICE:dhcp              one of these on one interface
//!     ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF:DNS0:DNS1:NTP0
//!
//! What it says of one family, the interface and the name servers holds instead of what the settings say.

#![expect(clippy::result_large_err, reason = "it is read once in a boot, and names the whole value")]

use crate::dhcp::class_prefix;
use crate::inet::{Cidr, interface_name, mask_to_prefix};
use crate::network::{Family, Method, Network, cut, is_a_dns_server};
use crate::words::parameters;
use core::fmt;
use core::net::IpAddr;
use heapless::{String, Vec};

/// How many fields there are.
const FIELDS: usize = 10;
/// How many bits of an IPv6 address name its network where nobody says it.
const IPV6_PREFIX: u8 = 64;

/// A value that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadIp {
    value: String<128>,
    why: &'static str,
}

impl fmt::Display for BadIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel command line: ip={}: {}", self.value.escape_debug(), self.why)
    }
}

/// Lays the last `ip=` of a kernel command line over what is wanted so far.
pub fn apply(line: &[u8], network: &mut Network) -> Result<(), BadIp> {
    match parameters(line).filter(|(name, _)| *name == b"ip").last() {
        None => Ok(()),
        Some((_, value)) => {
            let text = core::str::from_utf8(value.unwrap_or_default()).unwrap_or("\u{fffd}");
            parse(text, network).map_err(|why| BadIp { value: cut(text), why })
        }
    }
}

fn parse(text: &str, network: &mut Network) -> Result<(), &'static str> {
    let fields = split(text)?;
    let field = |at: usize| fields.get(at).copied().filter(|field| !field.is_empty());
    match (fields.as_slice(), field(6)) {
        ([how], _) => return autoconf(how, network),
        ([device, how], _) => {
            network.interface = Some(interface_name(device).map_err(|_| NO_INTERFACE)?);
            return autoconf(how, network);
        }
        _ => {}
    }
    if let Some(device) = field(5) {
        network.interface = Some(interface_name(device).map_err(|_| NO_INTERFACE)?);
    }
    match (field(0), field(6)) {
        (Some(client), None | Some("off" | "none" | "static" | "on" | "any")) => {
            fixed(client, field(2), field(3), network)?;
        }
        (_, how) => autoconf(how.unwrap_or("any"), network)?,
    }
    let dns = [field(7), field(8)].into_iter().flatten();
    let dns = dns.map(|server| address(server).filter(|&server| is_a_dns_server(server)).ok_or(NO_DNS));
    let dns: Vec<IpAddr, { crate::network::MAX_DNS }> = dns.collect::<Result<_, _>>()?;
    if !dns.is_empty() {
        network.dns = dns;
    }
    Ok(())
}

fn autoconf(how: &str, network: &mut Network) -> Result<(), &'static str> {
    match how {
        "dhcp" | "on" | "any" | "both" => network.ipv4 = Method::Automatic,
        "off" | "none" => network.ipv4 = Method::Off,
        "auto6" => (network.ipv4, network.ipv6) = (Method::Off, Method::Automatic),
        "bootp" | "rarp" | "dhcp6" => {
            return Err("of BOOTP, RARP and DHCPv6 nothing is known here; there are dhcp and auto6");
        }
        _ => {
            return Err(
                "must be dhcp, on, any, both, off, none, auto6, DEVICE and one of these, or CLIENT:SERVER:GATEWAY:NETMASK:…",
            );
        }
    }
    Ok(())
}

fn fixed(client: &str, gateway: Option<&str>, mask: Option<&str>, network: &mut Network) -> Result<(), &'static str> {
    let client = address(client).ok_or("the client is no address; one of IPv6 stands in [brackets]")?;
    let gateway = gateway.map(|gateway| address(gateway).ok_or("the gateway is no address")).transpose()?;
    let prefix = match (mask, client) {
        (None, IpAddr::V4(v4)) => Some(class_prefix(v4)),
        (None, IpAddr::V6(_)) => Some(IPV6_PREFIX),
        (Some(mask), _) => mask.parse().ok().or_else(|| mask_to_prefix(mask.parse().ok()?)),
    };
    let own = prefix.and_then(|prefix| Cidr::new(client, prefix)).ok_or("the netmask is none")?;
    let family = Family::of(client);
    let method = Method::fixed(family, own, gateway);
    let method = method.ok_or("client and gateway must be addresses that machines can have, both of one family")?;
    match family {
        Family::V4 => network.ipv4 = method,
        Family::V6 => network.ipv6 = method,
    }
    Ok(())
}

/// At colons, but not at those in brackets.
fn split(text: &str) -> Result<Vec<&str, FIELDS>, &'static str> {
    let mut inside = false;
    let mut fields = Vec::new();
    let parts = text.split(|c| {
        inside = (inside || c == '[') && c != ']';
        c == ':' && !inside
    });
    for part in parts {
        fields.push(part).map_err(|_| "there are more than ten fields")?;
    }
    Ok(fields)
}

/// An IPv4 address, or one of IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(rest) => Some(IpAddr::V6(rest.strip_suffix(']')?.parse().ok()?)),
        None => Some(IpAddr::V4(text.parse().ok()?)),
    }
}

const NO_INTERFACE: &str = "the device is no interface's name";
const NO_DNS: &str = "a name server is no address";

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn read(line: &str) -> Result<std::string::String, std::string::String> {
        let mut network = Network::from_words(["interface=eth9", "dns=203.0.113.9"]).unwrap();
        apply(line.as_bytes(), &mut network).map_err(|bad| bad.to_string())?;
        Ok(network.to_string())
    }

    #[test]
    fn what_it_says_holds_and_the_rest_stays() {
        for (line, want) in [
            ("", "interface=eth9 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
            ("quiet ip=dhcp", "interface=eth9 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
            ("ip=dhcp ip=off", "interface=eth9 ipv4=off ipv6=auto dns=203.0.113.9"),
            ("ip=none", "interface=eth9 ipv4=off ipv6=auto dns=203.0.113.9"),
            ("ip=auto6", "interface=eth9 ipv4=off ipv6=auto dns=203.0.113.9"),
            ("ip=eth1:dhcp", "interface=eth1 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
            ("ip=:::::eth2:dhcp", "interface=eth2 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
            ("ip=:::::eth2", "interface=eth2 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
            (
                "ip=192.0.2.5::192.0.2.1:255.255.255.128:web1:eth0:off:192.0.2.53:192.0.2.54",
                "interface=eth0 ipv4=192.0.2.5/25,192.0.2.1 ipv6=auto dns=192.0.2.53 dns=192.0.2.54",
            ),
            ("ip=192.0.2.5:::25", "interface=eth9 ipv4=192.0.2.5/25 ipv6=auto dns=203.0.113.9"),
            ("ip=192.0.2.5:::", "interface=eth9 ipv4=192.0.2.5/24 ipv6=auto dns=203.0.113.9"),
            ("ip=192.0.2.5::::::dhcp", "interface=eth9 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
            (
                "ip=[2001:db8::5]::[fe80::1]:48::eth0:none:[2001:db8::53]",
                "interface=eth0 ipv4=dhcp ipv6=2001:db8::5/48,fe80::1 dns=2001:db8::53",
            ),
            ("ip=[2001:db8::5]:::", "interface=eth9 ipv4=dhcp ipv6=2001:db8::5/64 dns=203.0.113.9"),
            ("quiet -- ip=off", "interface=eth9 ipv4=dhcp ipv6=auto dns=203.0.113.9"),
        ] {
            assert_eq!(read(line).as_deref(), Ok(want), "{line}");
        }
    }

    #[test]
    fn a_bad_one_is_an_error_that_names_it() {
        let forms = "must be dhcp, on, any, both, off, none, auto6, DEVICE and one of these, or CLIENT:SERVER:GATEWAY:NETMASK:…";
        let one_family = "client and gateway must be addresses that machines can have, both of one family";
        for (value, why) in [
            ("", forms),
            ("dhpc", forms),
            ("bootp", "of BOOTP, RARP and DHCPv6 nothing is known here; there are dhcp and auto6"),
            ("a/b:dhcp", "the device is no interface's name"),
            ("eth0:x", forms),
            ("192.0.2:::", "the client is no address; one of IPv6 stands in [brackets]"),
            ("2001:db8::5", "the client is no address; one of IPv6 stands in [brackets]"),
            ("[2001:db8::5", forms),
            ("192.0.2.5::x:", "the gateway is no address"),
            ("192.0.2.5::[fe80::1]:", one_family),
            ("224.0.0.1:::", one_family),
            ("192.0.2.5:::255.0.255.0", "the netmask is none"),
            ("192.0.2.5:::33", "the netmask is none"),
            ("192.0.2.5::::::off:x", "a name server is no address"),
            (":::::::::::", "there are more than ten fields"),
            ("\u{1b}", forms),
        ] {
            let want = std::format!("kernel command line: ip={}: {why}", value.escape_debug());
            assert_eq!(read(&std::format!("ip={value}")), Err(want));
        }
    }
}
