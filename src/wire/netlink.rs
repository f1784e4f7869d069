//! What the kernel is asked over rtnetlink (rtnetlink(7), linux/rtnetlink.h): links, addresses and routes, as bytes.
//!
//! Numbers are in the machine's own order; addresses as on the wire. What comes back is read in [`crate::netlink_news`].

use crate::inet::{Cidr, Route, is_link_local};
use core::net::IpAddr;
use heapless::Vec;

/// A question or an order, to be sent as it is. The kernel answers each with its number.
pub type Request = Vec<u8, 256>;

/// What can be listed; the answers are news, then `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Network interfaces.
    Links,
    /// Addresses of both families.
    Addresses,
    /// Routes of both families.
    Routes,
}

/// Put there, or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Made, or replaced by the same.
    Add,
    /// Removed.
    Delete,
}

/// Whether an IPv6 address is used before the kernel knows that nobody else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It asks first, which takes a second.
    Detect,
    /// It is used at once.
    Ignore,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Takes part in the network.
    Up,
    /// Does not.
    Down,
}

/// Asks for a list.
pub fn list(what: List, number: u32) -> Request {
    let kind = match what {
        List::Links => RTM_GETLINK,
        List::Addresses => RTM_GETADDR,
        List::Routes => RTM_GETROUTE,
    };
    // A header of the longest kind, all zeros, is good for each: any family, any interface.
    Writer::new(kind, NLM_F_DUMP, number).put(&[0; 16]).finish()
}

/// Sets a link up or down.
pub fn set_state(link: u32, state: State, number: u32) -> Request {
    let flags = match state {
        State::Up => IFF_UP,
        State::Down => 0,
    };
    Writer::new(RTM_NEWLINK, NLM_F_ACK, number).link(link, flags, IFF_UP).finish()
}

/// Sets a link's MTU, in bytes.
pub fn set_mtu(link: u32, mtu: u32, number: u32) -> Request {
    Writer::new(RTM_NEWLINK, NLM_F_ACK, number).link(link, 0, 0).attribute(IFLA_MTU, &mtu.to_ne_bytes()).finish()
}

/// Makes a link for one VLAN (1 to 4094) of another link.
pub fn create_vlan(on: u32, name: &str, id: u16, number: u32) -> Request {
    Writer::new(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, number)
        .link(0, 0, 0)
        .attribute(IFLA_LINK, &on.to_ne_bytes())
        .text(IFLA_IFNAME, name)
        .nested(IFLA_LINKINFO, |info| {
            let data = |data: Writer| data.attribute(IFLA_VLAN_ID, &id.to_ne_bytes());
            info.text(IFLA_INFO_KIND, "vlan").nested(IFLA_INFO_DATA, data)
        })
        .finish()
}

/// Removes a link that was made.
pub fn delete_link(link: u32, number: u32) -> Request {
    Writer::new(RTM_DELLINK, NLM_F_ACK, number).link(link, 0, 0).finish()
}

/// Gives a link an address, or takes it away. The kernel makes the route to its network.
pub fn address(verb: Verb, link: u32, address: Cidr, duplicates: Duplicates, number: u32) -> Request {
    let (kind, flags) = match verb {
        Verb::Add => (RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE),
        Verb::Delete => (RTM_DELADDR, NLM_F_ACK),
    };
    let own_flags = match duplicates {
        Duplicates::Detect => 0,
        Duplicates::Ignore => IFA_F_NODAD,
    };
    Writer::new(kind, flags, number)
        .put(&[family(address.address), address.prefix, own_flags, 0])
        .put(&link.to_ne_bytes())
        .address(IFA_LOCAL, address.address)
        .address(IFA_ADDRESS, address.address)
        .finish()
}

/// Adds a route through a link to the main table, or takes it away. A gateway is taken as a neighbour on the link where
/// `own` does not contain it, as in networks of /32.
pub fn route(verb: Verb, link: u32, route: &Route, own: Option<Cidr>, number: u32) -> Request {
    let (kind, flags) = match verb {
        Verb::Add => (RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE),
        Verb::Delete => (RTM_DELROUTE, NLM_F_ACK),
    };
    // A link-local gateway is a neighbour anyway.
    let is_neighbour = |via: IpAddr| own.is_none_or(|own| own.contains(via)) || is_link_local(via);
    let beyond = route.via.is_some_and(|via| !is_neighbour(via));
    let next_hop = if beyond { RTNH_F_ONLINK } else { 0 };
    let scope = match route.to.address {
        IpAddr::V4(_) if route.via.is_none() => RT_SCOPE_LINK,
        IpAddr::V4(_) | IpAddr::V6(_) => RT_SCOPE_UNIVERSE,
    };
    let writer = Writer::new(kind, flags, number)
        .put(&[family(route.to.address), route.to.prefix, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST])
        .put(&next_hop.to_ne_bytes())
        .attribute(RTA_OIF, &link.to_ne_bytes());
    let writer = if route.is_default() { writer } else { writer.address(RTA_DST, masked(route.to)) };
    match route.via {
        Some(via) => writer.address(RTA_GATEWAY, via).finish(),
        None => writer.finish(),
    }
}

/// The address of a network, without the bits of a host: the kernel refuses a route that has some.
fn masked(network: Cidr) -> IpAddr {
    let keep = u32::from(network.prefix);
    match network.address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(keep)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(keep)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

/// Writes one message. Cannot overflow: the longest has fewer than 100 bytes, and a test writes each.
struct Writer(Request);

impl Writer {
    fn new(kind: u16, flags: u16, number: u32) -> Writer {
        Writer(Request::new())
            .put(&0u32.to_ne_bytes()) // the length, known at the end
            .put(&kind.to_ne_bytes())
            .put(&(flags | NLM_F_REQUEST).to_ne_bytes())
            .put(&number.to_ne_bytes())
            .put(&0u32.to_ne_bytes()) // the kernel
    }

    fn put(mut self, bytes: &[u8]) -> Writer {
        self.0.extend_from_slice(bytes).unwrap_or_default();
        self
    }

    /// `struct ifinfomsg`
    fn link(self, index: u32, flags: u32, change: u32) -> Writer {
        self.put(&[0; 4]).put(&index.to_ne_bytes()).put(&flags.to_ne_bytes()).put(&change.to_ne_bytes())
    }

    fn attribute(self, kind: u16, value: &[u8]) -> Writer {
        self.nested(kind, |writer| writer.put(value))
    }

    fn text(self, kind: u16, text: &str) -> Writer {
        self.nested(kind, |writer| writer.put(text.as_bytes()).put(&[0]))
    }

    fn address(self, kind: u16, address: IpAddr) -> Writer {
        match address {
            IpAddr::V4(v4) => self.attribute(kind, &v4.octets()),
            IpAddr::V6(v6) => self.attribute(kind, &v6.octets()),
        }
    }

    /// An attribute around what `inside` writes, filled up to a multiple of four bytes.
    fn nested(self, kind: u16, inside: impl FnOnce(Writer) -> Writer) -> Writer {
        let start = self.0.len();
        let mut writer = inside(self.put(&0u16.to_ne_bytes()).put(&kind.to_ne_bytes()));
        let length = u16::try_from(writer.0.len().saturating_sub(start)).unwrap_or(0);
        writer.patch(start, &length.to_ne_bytes());
        while !writer.0.len().is_multiple_of(4) && writer.0.push(0).is_ok() {}
        writer
    }

    fn finish(mut self) -> Request {
        let length = u32::try_from(self.0.len()).unwrap_or(0);
        self.patch(0, &length.to_ne_bytes());
        self.0
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.0.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }
}

// linux/netlink.h
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

// linux/rtnetlink.h
pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
pub(crate) const RTM_NEWNDUSEROPT: u16 = 68;
pub(crate) const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_UNIVERSE: u8 = 0;
pub(crate) const RT_SCOPE_LINK: u8 = 253;
pub(crate) const RTN_UNICAST: u8 = 1;
const RTNH_F_ONLINK: u32 = 4;
pub(crate) const RTA_DST: u16 = 1;
pub(crate) const RTA_OIF: u16 = 4;
pub(crate) const RTA_GATEWAY: u16 = 5;

// linux/if_link.h, linux/if.h
pub(crate) const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
pub(crate) const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
pub(crate) const IFLA_LINKINFO: u16 = 18;
pub(crate) const IFLA_CARRIER: u16 = 33;
pub(crate) const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
pub(crate) const IFF_UP: u32 = 1;

// linux/if_addr.h
pub(crate) const IFA_ADDRESS: u16 = 1;
pub(crate) const IFA_LOCAL: u16 = 2;
pub(crate) const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u8 = 2;

pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| std::format!("{byte:02x}")).collect()
    }

    /// That kernels take them is proved where init sends them. The bytes are those of a little-endian machine.
    #[test]
    fn requests_byte_by_byte() {
        let route_to = |to: &str, via: Option<&str>| Route { to: cidr(to), via: via.map(|via| via.parse().unwrap()) };
        let own = Some(cidr("192.0.2.5/24"));
        for (case, request, want) in [
            ("list", list(List::Routes, 7), "20000000 1a00 0103 07000000 00000000 00000000000000000000000000000000"),
            (
                "up",
                set_state(2, State::Up, 1),
                "20000000 1000 0500 01000000 00000000 00000000 02000000 01000000 01000000",
            ),
            (
                "down",
                set_state(2, State::Down, 1),
                "20000000 1000 0500 01000000 00000000 00000000 02000000 00000000 01000000",
            ),
            (
                "mtu",
                set_mtu(2, 1400, 1),
                "28000000 1000 0500 01000000 00000000 00000000 02000000 00000000 00000000 08000400 78050000",
            ),
            (
                "vlan",
                create_vlan(2, "vlan5", 5, 1),
                "50000000 1000 0506 01000000 00000000 00000000 00000000 00000000 00000000 08000500 02000000
                 0a000300 766c616e35000000 1c001200 09000100 766c616e00000000 0c000200 06000100 05000000",
            ),
            ("delete", delete_link(3, 1), "20000000 1100 0500 01000000 00000000 00000000 03000000 00000000 00000000"),
            (
                "IPv4 address",
                address(Verb::Add, 2, cidr("192.0.2.5/24"), Duplicates::Detect, 1),
                "28000000 1400 0505 01000000 00000000 02180000 02000000 08000200 c0000205 08000100 c0000205",
            ),
            (
                "IPv6 address away",
                address(Verb::Delete, 2, cidr("2001:db8::5/64"), Duplicates::Ignore, 1),
                "40000000 1500 0500 01000000 00000000 0a400200 02000000
                 14000200 20010db8000000000000000000000005 14000100 20010db8000000000000000000000005",
            ),
            (
                "default route",
                route(Verb::Add, 2, &route_to("0.0.0.0/0", Some("192.0.2.1")), own, 1),
                "2c000000 1800 0505 01000000 00000000 02000000 fe030001 00000000 08000400 02000000 08000500 c0000201",
            ),
            (
                "a gateway beyond the network",
                route(Verb::Add, 2, &route_to("0.0.0.0/0", Some("198.51.100.1")), own, 1),
                "2c000000 1800 0505 01000000 00000000 02000000 fe030001 04000000 08000400 02000000 08000500 c6336401",
            ),
            (
                "on the link, host bits cleared",
                route(Verb::Delete, 2, &route_to("10.1.2.3/24", None), own, 1),
                "2c000000 1900 0500 01000000 00000000 02180000 fe03fd01 00000000 08000400 02000000 08000100 0a010200",
            ),
            (
                "IPv6 default",
                route(Verb::Add, 2, &Route::default_via("fe80::1".parse().unwrap()), None, 1),
                "38000000 1800 0505 01000000 00000000 0a000000 fe030001 00000000 08000400 02000000
                 14000500 fe800000000000000000000000000001",
            ),
        ] {
            let want: String = want.split_whitespace().collect();
            assert_eq!(hex(&request), want, "{case}");
            assert!(request.len() < 100, "{case}");
        }
    }

    #[test]
    fn networks_lose_the_bits_of_the_host() {
        for (network, want) in [
            ("10.1.2.3/24", "10.1.2.0"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("10.1.2.3/0", "0.0.0.0"),
            ("2001:db8::5/64", "2001:db8::"),
            ("2001:db8::5/128", "2001:db8::5"),
            ("2001:db8::5/0", "::"),
        ] {
            assert_eq!(masked(cidr(network)), want.parse::<IpAddr>().unwrap(), "{network}");
        }
    }
}
