//! One network from the first interface to the last trace: what is done when, and what it is like now.

use super::dhcp::Dhcp;
use super::link;
use super::report;
use super::resolv_conf::ResolvConf;
use super::rtnl::Rtnl;
use super::traces::{Trace, Traces};
use super::view::View;
use crate::failure::{Doing, Failure};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};
use wire::dhcp_client::Change;
use wire::inet::{Cidr, Route};
use wire::netlink::{self, Duplicates, State, Verb};
use wire::netlink_news::Link;
use wire::network::{Family, Method, Names, Network};
use wire::network_report::{Facts, Report, sentence};

/// When it first says that it is still trying: IPv6 alone takes four seconds when nothing is wrong.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// How often it says so then.
const REMIND: Duration = Duration::from_secs(10);
/// The loopback's own address.
const LOOPBACK: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 8 };

/// Everything the child knows and has.
pub struct Session {
    wanted: Network,
    kernel: Rtnl,
    view: View,
    traces: Traces,
    resolv_conf: ResolvConf,
    /// The interface that has the addresses, once there is one.
    chosen: Option<u32>,
    dhcp: Option<Dhcp>,
    /// What IPv4 was configured with.
    ipv4: Option<(Cidr, Vec<Route>)>,
    /// What of a lease the kernel has refused: a server's mistake is no reason to end.
    refused: Option<String>,
    /// What the parent was told last that is up.
    told: Option<Facts>,
    next_word: Instant,
}

impl Session {
    /// Looks at what there is.
    pub fn start(wanted: Network, root: &Path) -> Result<Session, Failure> {
        let now = Instant::now();
        let mut session = Session {
            wanted,
            kernel: Rtnl::open()?,
            view: View::default(),
            traces: Traces::default(),
            resolv_conf: ResolvConf::below(root),
            chosen: None,
            dhcp: None,
            ipv4: None,
            refused: None,
            told: None,
            next_word: now + FIRST_WORD,
        };
        session.view.refresh(&mut session.kernel, now)?;
        session.set_loopback_up()?;
        Ok(session)
    }

    /// What this machine says to itself, under whatever address, goes through the loopback.
    fn set_loopback_up(&mut self) -> Result<(), Failure> {
        let loopback = self.view.links().iter().find(|link| link.name.as_str() == "lo" && link.state == State::Down);
        let Some(loopback) = loopback.cloned() else { return Ok(()) };
        link::set_up(&mut self.kernel, &mut self.traces, &loopback)?;
        // The kernel gives it this one then, and leaves it there.
        self.traces.leave(Trace::Address(loopback.index, LOOPBACK));
        Ok(())
    }

    /// To wait on for the kernel's news.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.kernel.news()
    }

    /// To wait on for answers from DHCP servers.
    pub fn answers(&self) -> Option<BorrowedFd<'_>> {
        self.dhcp.as_ref().map(Dhcp::answers)
    }

    /// When there is something to do even if nothing comes.
    pub fn wake(&self) -> Instant {
        let dns = self.view.next_expiry(Instant::now());
        let dhcp = self.dhcp.as_ref().map(Dhcp::wake);
        [dns, dhcp].into_iter().flatten().fold(self.next_word, Instant::min)
    }

    /// Takes in the kernel's news.
    pub fn hear_news(&mut self) -> Result<(), Failure> {
        self.view.hear(&mut self.kernel, Instant::now())
    }

    /// Takes in what DHCP servers say.
    pub fn hear_answers(&mut self, now: Instant) {
        let change = self.dhcp.as_mut().and_then(|dhcp| dhcp.hear(now));
        self.follow_dhcp(change);
    }

    /// Everything that can be done now.
    pub fn work(&mut self, now: Instant) -> Result<(), Failure> {
        if self.chosen.is_some_and(|chosen| self.view.link(chosen).is_none()) {
            self.forget_link();
        }
        if self.chosen.is_none() {
            self.choose(now)?;
        }
        if self.dhcp.as_ref().is_some_and(|dhcp| dhcp.wake() <= now) {
            let change = self.dhcp.as_mut().and_then(|dhcp| dhcp.wake_up(now));
            self.follow_dhcp(change);
        }
        self.tell(now)
    }

    /// Leaves everything as it was.
    pub fn end(mut self) -> Result<(), Failure> {
        if let Some(dhcp) = &mut self.dhcp {
            dhcp.release();
        }
        let put_back = self.resolv_conf.put_back();
        self.traces.undo(&mut self.kernel, |_| true).and(put_back)
    }

    /// Sets every interface up that may be meant, and takes the first that has a carrier.
    fn choose(&mut self, now: Instant) -> Result<(), Failure> {
        let candidates: Vec<Link> = link::candidates(&self.wanted, &self.view).cloned().collect();
        for candidate in &candidates {
            link::set_up(&mut self.kernel, &mut self.traces, candidate)?;
        }
        let Some(taken) = candidates.iter().find(|link| link.carrier) else { return Ok(()) };
        let others = |link: &u32| *link != taken.index && candidates.iter().any(|other| other.index == *link);
        self.traces.undo(&mut self.kernel, |trace| matches!(trace, Trace::Up(link) if others(link)))?;
        let chosen = match self.wanted.vlan {
            Some(id) => self.set_up_vlan(taken, id)?,
            None => taken.clone(),
        };
        self.chosen = Some(chosen.index);
        self.configure(&chosen, now)
    }

    /// The VLAN's interface, up. The interface below it carries nothing else.
    fn set_up_vlan(&mut self, on: &Link, id: u16) -> Result<Link, Failure> {
        link::set_ipv6(&mut self.traces, &on.name, &Method::Off)?;
        let name = link::make_vlan(&mut self.kernel, on, id)?;
        self.view.refresh(&mut self.kernel, Instant::now())?;
        let vlan = self.view.links().iter().find(|link| link.name.as_str() == name).cloned();
        let vlan = vlan.ok_or_else(|| Failure::new(format!("making VLAN {id} on {}: it is not there", on.name)))?;
        self.traces.leave(Trace::Made(vlan.index));
        link::set_ipv6(&mut self.traces, &name, &self.wanted.ipv6)?;
        link::set_up(&mut self.kernel, &mut self.traces, &vlan)?;
        Ok(vlan)
    }

    /// What is wanted of the interface and can be had without waiting; DHCP begins.
    fn configure(&mut self, link: &Link, now: Instant) -> Result<(), Failure> {
        link::set_ipv6(&mut self.traces, &link.name, &self.wanted.ipv6)?;
        if let Some(mtu) = self.wanted.mtu {
            link::set_mtu(&mut self.kernel, &mut self.traces, link, mtu.into())?;
        }
        match (self.wanted.ipv4, link.mac) {
            (Method::Automatic, Some(mac)) => self.dhcp = Some(Dhcp::open(&link.name, mac, now)?),
            (Method::Static { address, gateway }, _) => {
                self.set_ipv4(address, gateway.map(Route::default_via).into_iter().collect())?;
            }
            (Method::Automatic, None) | (Method::Off, _) => {}
        }
        if let Method::Static { address, gateway } = self.wanted.ipv6 {
            self.add_address(address)?;
            gateway.map_or(Ok(()), |gateway| self.add_route(Route::default_via(gateway), address))?;
        }
        Ok(())
    }

    fn follow_dhcp(&mut self, change: Option<Change>) {
        let followed = match change {
            None => return,
            Some(Change::Deconfigure) => self.clear_ipv4(),
            Some(Change::Configure) => self.follow_lease(),
        };
        self.refused = followed.err().map(|failure| failure.to_string());
    }

    fn follow_lease(&mut self) -> Result<(), Failure> {
        let Some(lease) = self.dhcp.as_ref().and_then(Dhcp::lease).cloned() else { return Ok(()) };
        let offered = lease.mtu.filter(|_| self.wanted.mtu.is_none());
        let link = self.chosen.and_then(|chosen| self.view.link(chosen)).cloned();
        let set = match (offered, link) {
            (Some(mtu), Some(link)) => link::set_mtu(&mut self.kernel, &mut self.traces, &link, mtu.into()),
            _ => Ok(()),
        };
        self.set_ipv4(lease.address, lease.routes.to_vec()).and(set)
    }

    /// This address and these routes instead of what IPv4 has; nothing is touched where it is the same. A route that the
    /// kernel refuses keeps no other one away.
    fn set_ipv4(&mut self, address: Cidr, routes: Vec<Route>) -> Result<(), Failure> {
        let new = Some((address, routes.clone()));
        if self.ipv4 == new {
            return Ok(());
        }
        self.clear_ipv4()?;
        self.add_address(address)?;
        self.ipv4 = new;
        let mut outcome = Ok(());
        for route in routes {
            outcome = outcome.and(self.add_route(route, address));
        }
        outcome
    }

    fn clear_ipv4(&mut self) -> Result<(), Failure> {
        self.ipv4 = None;
        let chosen = self.chosen;
        self.traces.undo(&mut self.kernel, |trace| match trace {
            Trace::Address(link, to) | Trace::Route(link, Route { to, .. }) => {
                Some(*link) == chosen && Family::of(to.address) == Family::V4
            }
            Trace::Up(_) | Trace::Mtu(..) | Trace::Made(_) | Trace::Sysctl(..) => false,
        })
    }

    fn add_address(&mut self, address: Cidr) -> Result<(), Failure> {
        let Some(link) = self.chosen else { return Ok(()) };
        // Whoever gives an address by hand knows that it is free, and the boot waits for it.
        let given = self.kernel.order(|number| netlink::address(Verb::Add, link, address, Duplicates::Ignore, number));
        given.doing(|| format!("giving {} the address {address}", self.name(link)))?;
        self.traces.leave(Trace::Address(link, address));
        Ok(())
    }

    fn add_route(&mut self, route: Route, own: Cidr) -> Result<(), Failure> {
        let Some(link) = self.chosen else { return Ok(()) };
        let added = self.kernel.order(|number| netlink::route(Verb::Add, link, &route, Some(own), number));
        added.doing(|| format!("adding a route to {} through {}", route.to, self.name(link)))?;
        self.traces.leave(Trace::Route(link, route));
        Ok(())
    }

    /// The interface was pulled out: another one may come.
    fn forget_link(&mut self) {
        (self.chosen, self.dhcp, self.ipv4) = (None, None, None);
    }

    /// Tells the parent what is new, and now and then what is still in the way.
    fn tell(&mut self, now: Instant) -> Result<(), Failure> {
        let facts = self.facts(now);
        match (facts.filter(|facts| self.is_usable(facts)), &self.told) {
            (Some(facts), told) if told.as_ref() != Some(&facts) => {
                if told.as_ref().is_none_or(|told| told.dns != facts.dns) && !facts.dns.is_empty() {
                    self.resolv_conf.name(&facts.dns, &facts.interface)?;
                }
                report::write(&Report::Up(facts.clone()));
                self.told = Some(facts);
            }
            (None, Some(_)) => {
                report::write(&Report::Down(sentence(&self.in_the_way(now))));
                (self.told, self.next_word) = (None, now + REMIND);
            }
            (None, None) if self.next_word <= now => {
                report::write(&Report::Trying(sentence(&self.in_the_way(now))));
            }
            _ => {}
        }
        if self.next_word <= now {
            self.next_word = now + REMIND;
        }
        Ok(())
    }

    /// What the interface has that reaches the world; none while it has no carrier.
    fn facts(&self, now: Instant) -> Option<Facts> {
        let link = self.chosen.and_then(|chosen| self.view.link(chosen)).filter(|link| link.carrier)?;
        let gateway = |family| self.view.gateway(link.index, family);
        Some(Facts {
            interface: link.name.clone(),
            mtu: link.mtu,
            addresses: self.view.addresses(link.index).take(wire::network_report::MAX_ADDRESSES).collect(),
            gateways: [gateway(Family::V4), gateway(Family::V6)].into_iter().flatten().collect(),
            dns: self.dns(link.index, now),
        })
    }

    /// Name servers that are given, or those of DHCP and of the routers.
    fn dns(&self, link: u32, now: Instant) -> heapless::Vec<IpAddr, { wire::network::MAX_DNS }> {
        if !self.wanted.dns.is_empty() {
            return self.wanted.dns.clone();
        }
        let lease = self.dhcp.as_ref().and_then(Dhcp::lease);
        let offered = lease.iter().flat_map(|lease| lease.dns.iter().copied().map(IpAddr::from));
        offered.chain(self.view.dns(link, now)).take(wire::network::MAX_DNS).collect()
    }

    /// One family has an address and a way out, and names can be resolved if they must be.
    fn is_usable(&self, facts: &Facts) -> bool {
        let named = self.wanted.names == Names::Unneeded || !facts.dns.is_empty();
        named
            && [(Family::V4, self.wanted.ipv4), (Family::V6, self.wanted.ipv6)].iter().any(|(family, method)| {
                let addressed = facts.addresses.iter().any(|own| Family::of(own.address) == *family);
                // Who gives an address without a gateway wants to reach this network alone.
                let isolated = matches!(method, Method::Static { gateway: None, .. });
                addressed && (isolated || facts.gateways.iter().any(|via| Family::of(*via) == *family))
            })
    }

    /// Why the network is not usable, for a person.
    fn in_the_way(&self, now: Instant) -> String {
        let Some(chosen) = self.chosen.and_then(|chosen| self.view.link(chosen)) else { return self.no_interface() };
        let name = &chosen.name;
        if let Some(refused) = &self.refused {
            return refused.clone();
        }
        let Some(facts) = self.facts(now) else { return format!("{name} has lost its carrier") };
        if facts.addresses.is_empty() {
            let ipv6 = if self.wanted.ipv6 == Method::Off { "" } else { "; no IPv6 router has given an address" };
            return match &self.dhcp {
                Some(dhcp) => format!("{name} has no address: {}{ipv6}", dhcp.trouble()),
                None => format!("{name} has no address{ipv6}"),
            };
        }
        let missing = if facts.gateways.is_empty() { "no default route" } else { "no name server" };
        format!("{facts}, but {missing}")
    }

    fn no_interface(&self) -> String {
        let names: Vec<&str> = link::candidates(&self.wanted, &self.view).map(|link| link.name.as_str()).collect();
        match (&self.wanted.interface, names.as_slice()) {
            (Some(name), []) => format!("there is no interface {name}"),
            (None, []) => "there is no Ethernet interface".into(),
            (_, [name]) => format!("{name} has no carrier"),
            (_, names) => format!("none of {} has a carrier", names.join(", ")),
        }
    }

    fn name(&self, link: u32) -> String {
        self.view.link(link).map_or_else(|| format!("interface {link}"), |link| link.name.to_string())
    }
}
