//! Addresses with a prefix length, and routes: what the network's formats have in common.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use heapless::String;

/// The name of a network interface: 1 to 15 bytes (`IFNAMSIZ` less its zero byte).
pub type InterfaceName = String<15>;

/// The six bytes of an Ethernet address.
pub type Mac = [u8; 6];

/// An address and how many of its bits name the network: `192.0.2.5/24`, `2001:db8::5/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// All bits of it, those of the host too.
    pub address: IpAddr,
    /// At most 32 or 128.
    pub prefix: u8,
}

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// What for; prefix 0 is the default route.
    pub to: Cidr,
    /// Through whom; none where they are on the link itself.
    pub via: Option<IpAddr>,
}

/// Not an address with a prefix length, or not an interface's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad;

impl Cidr {
    /// `None` where the prefix is longer than the address.
    pub fn new(address: impl Into<IpAddr>, prefix: u8) -> Option<Cidr> {
        let address = address.into();
        (prefix <= width(address)).then_some(Cidr { address, prefix })
    }

    /// The address alone: `/32` or `/128`.
    pub fn host(address: impl Into<IpAddr>) -> Cidr {
        let address = address.into();
        Cidr { address, prefix: width(address) }
    }

    /// Whether an address is of this network.
    pub fn contains(&self, other: IpAddr) -> bool {
        let differ = match (self.address, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()),
            (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        let host_bits = u32::from(width(self.address).saturating_sub(self.prefix));
        differ.checked_shr(host_bits).unwrap_or(0) == 0
    }
}

impl Route {
    /// Everything, through this gateway.
    pub fn default_via(gateway: IpAddr) -> Route {
        let anything = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Route { to: Cidr { address: anything, prefix: 0 }, via: Some(gateway) }
    }

    /// Whether it is for everything.
    pub fn is_default(&self) -> bool {
        self.to.prefix == 0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = Bad;

    fn from_str(text: &str) -> Result<Cidr, Bad> {
        let (address, prefix) = text.split_once('/').ok_or(Bad)?;
        let address: IpAddr = address.parse().map_err(|_| Bad)?;
        Cidr::new(address, prefix.parse().map_err(|_| Bad)?).ok_or(Bad)
    }
}

/// How many bits a mask like 255.255.255.0 keeps; `None` of one with holes in it.
pub fn mask_to_prefix(mask: Ipv4Addr) -> Option<u8> {
    let ones = mask.to_bits().leading_ones();
    (mask.to_bits().count_ones() == ones).then_some(u8::try_from(ones).ok()?)
}

/// Whether a machine can have it as its own: not any, not a group's, not loopback, not everybody's.
pub fn is_a_hosts(address: IpAddr) -> bool {
    let everybody = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets().first() == Some(&0));
    !everybody && !address.is_unspecified() && !address.is_multicast() && !address.is_loopback()
}

/// Whether it means something on its own link alone: fe80::/10, 169.254.0.0/16.
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// A name that the kernel takes for an interface (`dev_valid_name` in `net/core/dev.c`), of printable ASCII.
pub fn interface_name(text: &str) -> Result<InterfaceName, Bad> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/:\"\\".contains(&byte));
    let named = !matches!(text, "" | "." | "..");
    if plain && named { InterfaceName::try_from(text).map_err(|_| Bad) } else { Err(Bad) }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn addresses_with_prefixes_print_as_they_are_written() {
        for text in ["192.0.2.5/24", "0.0.0.0/0", "2001:db8::5/64", "::/0", "10.0.0.1/32", "fe80::1/128"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for text in ["", "192.0.2.5", "192.0.2.5/33", "2001:db8::5/129", "192.0.2/24", "192.0.2.5/-1", "x/24", "::1/"] {
            assert_eq!(text.parse::<Cidr>(), Err(Bad), "{text:?}");
        }
    }

    #[test]
    fn networks_contain_their_own() {
        for (network, address, want) in [
            ("192.0.2.5/24", "192.0.2.1", true),
            ("192.0.2.5/24", "192.0.3.1", false),
            ("192.0.2.5/32", "192.0.2.1", false),
            ("192.0.2.5/32", "192.0.2.5", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("2001:db8::5/64", "2001:db8::1", true),
            ("2001:db8::5/64", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("::/0", "192.0.2.1", false),
            ("0.0.0.0/0", "::1", false),
        ] {
            let network: Cidr = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), want, "{network} {address}");
        }
    }

    #[test]
    fn masks_have_no_holes() {
        for (mask, want) in [
            ("255.255.255.0", Some(24)),
            ("255.255.255.255", Some(32)),
            ("0.0.0.0", Some(0)),
            ("255.0.255.0", None),
            ("0.255.255.255", None),
        ] {
            assert_eq!(mask_to_prefix(mask.parse().unwrap()), want, "{mask}");
        }
    }

    #[test]
    fn some_addresses_are_nobodys() {
        for (address, want) in [
            ("192.0.2.5", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("fe80::1", true),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_a_hosts(address.parse().unwrap()), want, "{address}");
        }
    }

    #[test]
    fn names_that_the_kernel_takes() {
        for (name, want) in [
            ("eth0", true),
            ("enp0s3.5", true),
            ("fifteen-letters", true),
            ("sixteen-letters-", false),
            ("", false),
            ("..", false),
            ("a/b", false),
            ("a b", false),
            ("a:b", false),
            ("a\u{1b}", false),
        ] {
            assert_eq!(interface_name(name).is_ok(), want, "{name:?}");
        }
    }
}
