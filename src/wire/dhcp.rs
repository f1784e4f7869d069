//! DHCPv4 messages (RFC 2131, 2132, 3396, 3442) as a client writes and reads them.
//!
//! Reading is strict: a message that is not wholly well formed, or is for somebody else, is as if it had not come. What a
//! server offers is checked before it is a [`Lease`].

use crate::bytes::take;
use crate::dhcp_options::{
    CLASSLESS, DNS, END, LEASE, MAGIC, MASK, MAX_SIZE, MESSAGE_TYPE, MTU, Options, PAD, PARAMETERS, REBIND, RENEW,
    REQUESTED, ROUTERS, SERVER,
};
use crate::inet::{Cidr, Mac, Route, is_a_hosts, mask_to_prefix};
use core::fmt;
use core::net::Ipv4Addr;
use heapless::Vec;

/// Where servers listen.
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;
/// The longest message read, in bytes; we tell servers so (option 57).
pub const LONGEST: usize = 1500;
/// How many routes of a lease are kept; a server that sends more is refused.
pub const MAX_ROUTES: usize = 16;
/// How many name servers of a lease are kept: as many as the resolver asks (`MAXNS` of `resolv.h`).
pub const MAX_DNS: usize = 3;
/// The shortest lease that is usable, in seconds: below it a client would do nothing but renew.
pub const SHORTEST_LEASE: u32 = 10;
/// The least MTU that is heeded, in bytes: below it the kernel takes IPv6 off the link, and some servers send a
/// meaningless 576.
pub const LEAST_MTU: u16 = 1280;

/// A message as it is sent: BOOTP's 236 bytes, the magic number, and our options.
pub type Message = Vec<u8, 320>;

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Who has an address?
    Discover,
    /// I take what this server has offered.
    Select {
        /// The address offered.
        address: Ipv4Addr,
        /// Who has offered it.
        server: Ipv4Addr,
    },
    /// I keep the address that I have: to its server when renewing, to everybody when rebinding.
    Keep {
        /// The address.
        address: Ipv4Addr,
    },
    /// I no longer need the address.
    Release {
        /// The address.
        address: Ipv4Addr,
        /// Whose it is.
        server: Ipv4Addr,
    },
}

/// What a server has granted, or offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address and its network.
    pub address: Cidr,
    /// Classless static routes (option 121) if there are any, else a default route through the first router.
    pub routes: Vec<Route, MAX_ROUTES>,
    /// Name servers, the first three.
    pub dns: Vec<Ipv4Addr, MAX_DNS>,
    /// The link's MTU in bytes, at least [`LEAST_MTU`].
    pub mtu: Option<u16>,
    /// Who grants it.
    pub server: Ipv4Addr,
    /// For how long, in seconds; `u32::MAX` is for ever.
    pub seconds: u32,
    /// When to ask the server to renew it, in seconds; less than `rebind_after`.
    pub renew_after: u32,
    /// When to ask every server, in seconds; less than `seconds`.
    pub rebind_after: u32,
}

impl Lease {
    /// Our address.
    pub fn own(&self) -> Ipv4Addr {
        match self.address.address {
            core::net::IpAddr::V4(v4) => v4,
            core::net::IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED, // none is made this way
        }
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This could be yours.
    Offer(Lease),
    /// This is yours.
    Ack(Lease),
    /// That is not yours.
    Nak {
        /// Who says so.
        server: Ipv4Addr,
    },
}

/// Why a message was not heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is not a server's answer to us.
    NotForUs,
    /// It is not what the standards say.
    Malformed(&'static str),
    /// It is an offer of something that no machine can use.
    Unusable(&'static str),
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ignored::NotForUs => f.write_str("it is not for us"),
            Ignored::Malformed(what) => write!(f, "it is malformed: {what}"),
            Ignored::Unusable(what) => write!(f, "it cannot be used: {what}"),
        }
    }
}

/// Writes a message. `seconds` since the client began to ask.
pub fn build(ask: Ask, transaction: u32, mac: Mac, seconds: u16) -> Message {
    let (own, kind) = match ask {
        Ask::Discover => (Ipv4Addr::UNSPECIFIED, DISCOVER),
        Ask::Select { .. } => (Ipv4Addr::UNSPECIFIED, REQUEST),
        Ask::Keep { address } => (address, REQUEST),
        Ask::Release { address, .. } => (address, RELEASE),
    };
    // A client that has its address hears what is sent to it; one that has none needs a broadcast.
    let flags = if own.is_unspecified() { BROADCAST } else { 0 };
    let mut message = Message::new();
    let mut put = |bytes: &[u8]| {
        // Cannot overflow: the longest has 280 bytes, and a test builds each.
        message.extend_from_slice(bytes).unwrap_or_default();
    };
    put(&[BOOTREQUEST, ETHERNET, 6, 0]);
    put(&transaction.to_be_bytes());
    put(&seconds.to_be_bytes());
    put(&flags.to_be_bytes());
    put(&own.octets());
    put(&[0; 12]); // yiaddr, siaddr, giaddr
    put(&mac);
    put(&[0; 10 + 64 + 128]); // the rest of chaddr, sname, file
    put(&MAGIC);
    put(&[MESSAGE_TYPE, 1, kind]);
    match ask {
        Ask::Select { address, server } => {
            put(&[REQUESTED, 4]);
            put(&address.octets());
            put(&[SERVER, 4]);
            put(&server.octets());
        }
        Ask::Release { server, .. } => {
            put(&[SERVER, 4]);
            put(&server.octets());
        }
        Ask::Discover | Ask::Keep { .. } => {}
    }
    if kind != RELEASE {
        let [high, low] = LONGEST_TOLD;
        put(&[MAX_SIZE, 2, high, low]);
        // Classless routes before routers, as RFC 3442 wants it.
        put(&[PARAMETERS, 9, MASK, CLASSLESS, ROUTERS, DNS, MTU, LEASE, SERVER, RENEW, REBIND]);
    }
    put(&[END]);
    // A relay may drop what is shorter than BOOTP's 300 bytes (RFC 1542 §2.1).
    while message.len() < 300 && message.push(PAD).is_ok() {}
    message
}

/// Reads a server's answer to the client with this transaction and this address.
pub fn parse(message: &[u8], transaction: u32, mac: Mac) -> Result<Reply, Ignored> {
    let fixed = Fixed::read(message).ok_or(Ignored::Malformed("it is too short"))?;
    if fixed.op != BOOTREPLY || fixed.hardware != [ETHERNET, 6] || fixed.transaction != transaction || fixed.mac != mac
    {
        return Err(Ignored::NotForUs);
    }
    let options = Options::read(message)?;
    let server = options.address(SERVER)?.filter(|server| is_a_hosts((*server).into()));
    let server = server.ok_or(Ignored::Malformed("it does not say who its server is"))?;
    match options.fixed::<1>(MESSAGE_TYPE)? {
        Some([OFFER]) => lease(fixed.yours, server, &options).map(Reply::Offer),
        Some([ACK]) => lease(fixed.yours, server, &options).map(Reply::Ack),
        Some([NAK]) => Ok(Reply::Nak { server }),
        Some(_) => Err(Ignored::NotForUs),
        None => Err(Ignored::Malformed("it does not say what it is")),
    }
}

fn lease(yours: Ipv4Addr, server: Ipv4Addr, options: &Options) -> Result<Lease, Ignored> {
    if !is_a_hosts(yours.into()) {
        return Err(Ignored::Unusable("the address is nobody's"));
    }
    let prefix = match options.address(MASK)? {
        Some(mask) => mask_to_prefix(mask).filter(|&prefix| prefix != 0),
        None => Some(class_prefix(yours)),
    };
    let address = prefix.and_then(|prefix| Cidr::new(yours, prefix)).ok_or(Ignored::Unusable("the mask is none"))?;
    let seconds = options.number(LEASE)?.ok_or(Ignored::Unusable("it does not say for how long"))?;
    if seconds < SHORTEST_LEASE {
        return Err(Ignored::Unusable("it ends before it begins to be of use"));
    }
    let (renew_after, rebind_after) = times(seconds, options.number(RENEW)?, options.number(REBIND)?);
    let mtu = options.fixed::<2>(MTU)?.map(u16::from_be_bytes).filter(|&mtu| mtu >= LEAST_MTU);
    let dns = options.addresses(DNS)?.filter(|&dns| is_a_hosts(dns.into())).take(MAX_DNS).collect();
    Ok(Lease { address, routes: routes(options)?, dns, mtu, server, seconds, renew_after, rebind_after })
}

/// What RFC 2131 §4.4.5 takes where the server says nothing, or nothing that is in order.
fn times(seconds: u32, renew: Option<u32>, rebind: Option<u32>) -> (u32, u32) {
    let seven_eighths = seconds.saturating_sub(seconds.checked_div(8).unwrap_or(0));
    let rebind = rebind.filter(|&rebind| rebind > 1 && rebind < seconds).unwrap_or(seven_eighths);
    let half = seconds.checked_div(2).unwrap_or(0).min(rebind.saturating_sub(1));
    (renew.filter(|&renew| renew > 0 && renew < rebind).unwrap_or(half), rebind)
}

/// How many bits name the network where nobody says it: the address's class.
pub(crate) fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        _ => 24,
    }
}

/// Option 121 beats the routers (RFC 3442).
fn routes(options: &Options) -> Result<Vec<Route, MAX_ROUTES>, Ignored> {
    if let Some(classless) = options.get(CLASSLESS)? {
        return classless_routes(&classless);
    }
    let router = options.addresses(ROUTERS)?.find(|&router| is_a_hosts(router.into()));
    Ok(router.map(|router| Route::default_via(router.into())).into_iter().collect())
}

/// A prefix length, as many bytes of the destination as it needs, and a router; 0.0.0.0 is none.
fn classless_routes(mut rest: &[u8]) -> Result<Vec<Route, MAX_ROUTES>, Ignored> {
    let bad = Ignored::Malformed("its classless routes are cut off, or too many");
    let mut routes = Vec::new();
    while let [prefix, behind @ ..] = rest {
        let (significant, behind) = behind.split_at_checked(usize::from(prefix.div_ceil(8))).ok_or(bad)?;
        let (router, behind) = behind.split_first_chunk::<4>().ok_or(bad)?;
        let mut destination = [0; 4];
        destination.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
        let to = Cidr::new(Ipv4Addr::from(destination), *prefix).ok_or(bad)?;
        let router = Ipv4Addr::from(*router);
        let via = if router.is_unspecified() { None } else { Some(router.into()) };
        routes.push(Route { to, via }).map_err(|_| bad)?;
        rest = behind;
    }
    Ok(routes)
}

/// What stands before the options.
struct Fixed {
    op: u8,
    hardware: [u8; 2],
    transaction: u32,
    yours: Ipv4Addr,
    mac: Mac,
}

impl Fixed {
    fn read(message: &[u8]) -> Option<Fixed> {
        Some(Fixed {
            op: *message.first()?,
            hardware: take(message, 1)?,
            transaction: take(message, 4).map(u32::from_be_bytes)?,
            yours: take::<4>(message, 16)?.into(),
            mac: take(message, 28)?,
        })
    }
}

const BOOTREQUEST: u8 = 1;
const BOOTREPLY: u8 = 2;
const ETHERNET: u8 = 1;
const BROADCAST: u16 = 0x8000;
const LONGEST_TOLD: [u8; 2] = (LONGEST as u16).to_be_bytes();

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
const RELEASE: u8 = 7;

#[cfg(test)]
#[path = "dhcp_tests.rs"]
pub(crate) mod tests;
