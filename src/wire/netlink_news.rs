//! What the kernel says over rtnetlink: links, addresses, routes and name servers that come and go, and its answers.

use crate::bytes::take;
use crate::inet::{Cidr, InterfaceName, Mac, Route, interface_name, is_a_hosts};
use crate::netlink::{
    AF_INET, AF_INET6, IFA_ADDRESS, IFA_FLAGS, IFA_LOCAL, IFF_UP, IFLA_ADDRESS, IFLA_CARRIER, IFLA_IFNAME,
    IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MTU, RT_SCOPE_LINK, RT_TABLE_MAIN, RTA_DST, RTA_GATEWAY, RTA_OIF, RTM_DELADDR,
    RTM_DELLINK, RTM_DELROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNDUSEROPT, RTM_NEWROUTE, RTN_UNICAST, State, Verb,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use heapless::{String, Vec};

/// The groups to listen to, as a socket's address has them: links, addresses, routes, and options of IPv6 routers
/// (`RTNLGRP_…` of linux/rtnetlink.h, less one, as bits).
pub const GROUPS: u32 = 1 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 19;
/// How many name servers of one router advertisement are kept.
pub const MAX_DNS: usize = 3;

/// One thing that the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There is an interface, or it has changed (`Add`); or it is gone.
    Link(Verb, Link),
    /// An interface has an address, or no longer.
    Address(Verb, Address),
    /// There is a route through an interface in the main table, or no longer.
    Route(Verb, u32, Route),
    /// A router of this interface names name servers.
    Dns(u32, Dns),
    /// The list that was asked for under this number is at its end.
    Done(u32),
    /// What was asked for under this number was done, or why not, as an errno; 0 is done.
    Answer(u32, i32),
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: InterfaceName,
    /// Its address on the wire, if it has six bytes.
    pub mac: Option<Mac>,
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// Set up, or not.
    pub state: State,
    /// Whether it has a carrier; only one that is up can have one.
    pub carrier: bool,
    /// Whether it is an Ethernet (`ARPHRD_ETHER`).
    pub ethernet: bool,
    /// What makes it: `vlan`, `bridge`, `veth` …; empty for hardware.
    pub kind: String<15>,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface's number.
    pub link: u32,
    /// The address.
    pub address: Cidr,
    /// Whether it can be used to reach the world.
    pub usable: bool,
}

/// Recursive name servers of a router advertisement (RFC 8106 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The first [`MAX_DNS`].
    pub servers: Vec<Ipv6Addr, MAX_DNS>,
    /// How long they may be asked, in seconds: 0 is no longer, `u32::MAX` for ever.
    pub seconds: u32,
}

/// Everything that one datagram says and that is understood; the rest is left out.
pub fn read(datagram: &[u8]) -> impl Iterator<Item = News> {
    parts(datagram, 16, |head| usize::try_from(u32::from_ne_bytes(take(head, 0)?)).ok()).filter_map(|message| {
        let kind = u16::from_ne_bytes(take(message, 4)?);
        let number = u32::from_ne_bytes(take(message, 8)?);
        let body = message.get(16..)?;
        match kind {
            NLMSG_ERROR => Some(News::Answer(number, i32::from_ne_bytes(take(body, 0)?).saturating_neg())),
            NLMSG_DONE => Some(News::Done(number)),
            RTM_NEWLINK => Some(News::Link(Verb::Add, link(body)?)),
            RTM_DELLINK => Some(News::Link(Verb::Delete, link(body)?)),
            RTM_NEWADDR => Some(News::Address(Verb::Add, address(body)?)),
            RTM_DELADDR => Some(News::Address(Verb::Delete, address(body)?)),
            RTM_NEWROUTE => route(body).map(|(link, route)| News::Route(Verb::Add, link, route)),
            RTM_DELROUTE => route(body).map(|(link, route)| News::Route(Verb::Delete, link, route)),
            RTM_NEWNDUSEROPT => router_option(body),
            _ => None,
        }
    })
}

/// `struct ifinfomsg`
fn link(body: &[u8]) -> Option<Link> {
    let hardware = u16::from_ne_bytes(take(body, 2)?);
    let flags = u32::from_ne_bytes(take(body, 8)?);
    let attributes = body.get(16..)?;
    let name = text(find(attributes, IFLA_IFNAME)?);
    let info = find(attributes, IFLA_LINKINFO).unwrap_or_default();
    let kind = find(info, IFLA_INFO_KIND).and_then(text).unwrap_or_default();
    let state = if flags & IFF_UP == 0 { State::Down } else { State::Up };
    Some(Link {
        index: u32::from_ne_bytes(take(body, 4)?),
        name: interface_name(name?).ok()?,
        mac: find(attributes, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()),
        mtu: find(attributes, IFLA_MTU).and_then(|mtu| take(mtu, 0)).map(u32::from_ne_bytes)?,
        state,
        carrier: state == State::Up && find(attributes, IFLA_CARRIER).is_some_and(|carrier| carrier == [1]),
        ethernet: hardware == ARPHRD_ETHER,
        kind: String::try_from(kind).unwrap_or_default(),
    })
}

/// `struct ifaddrmsg`
fn address(body: &[u8]) -> Option<Address> {
    let [family, prefix, short_flags, scope] = take(body, 0)?;
    let attributes = body.get(8..)?;
    // IFA_LOCAL is ours and IFA_ADDRESS the other end's on links between two; IPv6 has the latter alone.
    let own = find(attributes, IFA_LOCAL).or_else(|| find(attributes, IFA_ADDRESS))?;
    let flags = find(attributes, IFA_FLAGS).and_then(|flags| take(flags, 0)).map(u32::from_ne_bytes);
    let flags = flags.unwrap_or(u32::from(short_flags));
    // Wider than the link: QEMU's user network gives out fec0::/64, which the kernel takes for a site's.
    let usable = scope < RT_SCOPE_LINK && flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0;
    let link = u32::from_ne_bytes(take(body, 4)?);
    Some(Address { link, address: Cidr::new(ip(family, own)?, prefix)?, usable })
}

/// `struct rtmsg`
fn route(body: &[u8]) -> Option<(u32, Route)> {
    let [family, prefix, _, _, table, _, _, kind] = take(body, 0)?;
    let attributes = body.get(12..)?;
    if (table, kind) != (RT_TABLE_MAIN, RTN_UNICAST) {
        return None;
    }
    let to = match find(attributes, RTA_DST) {
        Some(to) => ip(family, to)?,
        None => ip(family, [0; 16].get(..if family == AF_INET { 4 } else { 16 })?)?,
    };
    let via = find(attributes, RTA_GATEWAY).and_then(|via| ip(family, via));
    let link = find(attributes, RTA_OIF).and_then(|link| take(link, 0)).map(u32::from_ne_bytes)?;
    Some((link, Route { to: Cidr::new(to, prefix)?, via }))
}

/// `struct nduseroptmsg`, and behind it options as RFC 4861 §4.6 has them: kind, length in units of eight bytes.
fn router_option(body: &[u8]) -> Option<News> {
    let (family, length) = (*body.first()?, u16::from_ne_bytes(take(body, 2)?));
    let link = u32::from_ne_bytes(take(body, 4)?);
    let options = body.get(16..)?.get(..usize::from(length))?;
    let [ND_OPT_RDNSS, units, _, _, rest @ ..] = options else { return None };
    let whole = usize::from(*units).checked_mul(8)? == options.len();
    if family != AF_INET6 || !whole {
        return None;
    }
    let (seconds, servers) = rest.split_first_chunk::<4>()?;
    let servers = servers.chunks_exact(16).filter_map(|server| take::<16>(server, 0)).map(Ipv6Addr::from);
    let servers = servers.filter(|server| is_a_hosts((*server).into())).take(MAX_DNS).collect();
    Some(News::Dns(link, Dns { servers, seconds: u32::from_be_bytes(*seconds) }))
}

fn ip(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

/// The value of the first attribute of this kind.
fn find(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut parts = parts(attributes, 4, |head| Some(usize::from(u16::from_ne_bytes(take(head, 0)?))));
    let found =
        parts.find(|part| take(part, 2).map(u16::from_ne_bytes).map(|kind| kind & NLA_TYPE_MASK) == Some(wanted));
    found?.get(4..)
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value.strip_suffix(&[0])?).ok()
}

/// Messages and attributes alike: each begins with its own length, head included, and ends at a multiple of four. Ends at
/// the first that is not whole.
fn parts(mut rest: &[u8], head: usize, length: fn(&[u8]) -> Option<usize>) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let length = length(rest)?;
        let part = rest.get(..length).filter(|_| length >= head)?;
        rest = rest.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some(part)
    })
}

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The upper bits say that an attribute is nested, or in network order.
const NLA_TYPE_MASK: u16 = 0x3fff;
const ARPHRD_ETHER: u16 = 1;
const IFA_F_DADFAILED: u32 = 8;
const IFA_F_TENTATIVE: u32 = 0x40;
const ND_OPT_RDNSS: u8 = 25;

#[cfg(test)]
#[path = "netlink_news_tests.rs"]
mod tests;
