//! An interface: which one, set up, with its MTU, its VLAN and the sysctls of its IPv6.

use super::rtnl::Rtnl;
use super::traces::{Trace, Traces};
use super::view::View;
use crate::failure::{Doing, Failure};
use rustix::rand::{GetRandomFlags, getrandom};
use wire::netlink::{self, State};
use wire::netlink_news::Link;
use wire::network::{Method, Network};

/// What virtual machines' and containers' Ethernets are made by; hardware has no kind.
const REAL_KINDS: [&str; 2] = ["", "veth"];

/// The interfaces that may be meant: the one that is named, or every Ethernet.
pub fn candidates<'v>(wanted: &Network, view: &'v View) -> impl Iterator<Item = &'v Link> {
    let name = wanted.interface.clone();
    view.links().iter().filter(move |link| match &name {
        Some(name) => link.name == *name,
        None => link.ethernet && REAL_KINDS.contains(&link.kind.as_str()),
    })
}

/// Sets an interface up if it is not.
pub fn set_up(kernel: &mut Rtnl, traces: &mut Traces, link: &Link) -> Result<(), Failure> {
    if link.state == State::Up {
        return Ok(());
    }
    kernel
        .order(|number| netlink::set_state(link.index, State::Up, number))
        .doing(|| format!("setting {} up", link.name))?;
    traces.leave(Trace::Up(link.index));
    Ok(())
}

/// Sets an interface's MTU, in bytes, if it has another.
pub fn set_mtu(kernel: &mut Rtnl, traces: &mut Traces, link: &Link, mtu: u32) -> Result<(), Failure> {
    if link.mtu == mtu {
        return Ok(());
    }
    let set = kernel.order(|number| netlink::set_mtu(link.index, mtu, number));
    set.doing(|| format!("setting the MTU of {} to {mtu}", link.name))?;
    traces.leave(Trace::Mtu(link.index, link.mtu));
    Ok(())
}

/// Makes the interface of a VLAN: its name.
pub fn make_vlan(kernel: &mut Rtnl, on: &Link, id: u16) -> Result<String, Failure> {
    let name = format!("vlan{id}");
    let made = kernel.order(|number| netlink::create_vlan(on.index, &name, id, number));
    made.doing(|| format!("making VLAN {id} on {}", on.name))?;
    Ok(name)
}

/// How the kernel is to treat IPv6 on an interface.
pub fn set_ipv6(traces: &mut Traces, interface: &str, method: &Method) -> Result<(), Failure> {
    let values: &[(&str, &str)] = match method {
        Method::Off => &[("disable_ipv6", "1")],
        Method::Static { .. } => &[("accept_ra", "0"), ("disable_ipv6", "0")],
        Method::Automatic => &[("accept_ra", "1"), ("autoconf", "1"), ("disable_ipv6", "0")],
    };
    values.iter().try_for_each(|(name, value)| set_sysctl(traces, interface, name, value))
}

/// Where the kernel keeps how it treats IPv6, a directory for each interface.
pub const IPV6_CONF: &str = "/proc/sys/net/ipv6/conf";

fn set_sysctl(traces: &mut Traces, interface: &str, name: &str, value: &str) -> Result<(), Failure> {
    let path = format!("{IPV6_CONF}/{interface}/{name}");
    // A kernel without IPv6 has no such file, and nothing to set.
    let Ok(before) = std::fs::read_to_string(&path) else { return Ok(()) };
    if before.trim() != value {
        std::fs::write(&path, value).doing(|| format!("writing {value} to {path}"))?;
        traces.leave(Trace::Sysctl(path, before.trim().into()));
    }
    Ok(())
}

/// A number for transactions and jitter. It is there before the kernel's generator is sure of itself: an attacker on the
/// link hears it anyway.
pub fn random() -> u32 {
    let mut bytes = [0; 4];
    match getrandom(&mut bytes, GetRandomFlags::INSECURE) {
        Ok(4) => u32::from_ne_bytes(bytes),
        // Worst case: two machines that ask in the same moment. Kernels before 5.6 know no such flag.
        Ok(_) | Err(_) => std::process::id(),
    }
}
