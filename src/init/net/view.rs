//! What the kernel has told of its network: the one place from which everything is decided.

use super::rtnl::{Heard, Rtnl};
use crate::failure::{Doing, Failure};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use wire::inet::{Cidr, Route};
use wire::netlink::{List, Verb};
use wire::netlink_news::{Address, Link, News};
use wire::network::Family;

/// How many name servers of routers are remembered.
const MOST_DNS: usize = 8;

/// Links, addresses, routes, and the name servers of routers.
#[derive(Debug, Default)]
pub struct View {
    links: Vec<Link>,
    addresses: Vec<Address>,
    routes: Vec<(u32, Route)>,
    dns: Vec<RouterDns>,
}

#[derive(Debug)]
struct RouterDns {
    link: u32,
    server: IpAddr,
    /// None is for ever.
    until: Option<Instant>,
}

impl View {
    /// Everything anew.
    pub fn refresh(&mut self, kernel: &mut Rtnl, now: Instant) -> Result<(), Failure> {
        // What routers have said cannot be listed; it stays.
        *self = View { dns: std::mem::take(&mut self.dns), ..View::default() };
        for what in [List::Links, List::Addresses, List::Routes] {
            let listed = kernel.list(what).doing(|| format!("listing the kernel's {what:?}").to_lowercase())?;
            listed.into_iter().for_each(|news| self.take(news, now));
        }
        Ok(())
    }

    /// What has happened since.
    pub fn hear(&mut self, kernel: &mut Rtnl, now: Instant) -> Result<(), Failure> {
        match kernel.hear().doing(|| "hearing the kernel's news of the network".into())? {
            Heard::News(news) => news.into_iter().for_each(|news| self.take(news, now)),
            Heard::Lost => self.refresh(kernel, now)?,
        }
        Ok(())
    }

    fn take(&mut self, news: News, now: Instant) {
        match news {
            News::Link(verb, link) => {
                self.links.retain(|old| old.index != link.index);
                if verb == Verb::Add {
                    self.links.push(link);
                    self.links.sort_by_key(|link| link.index);
                } else {
                    // The kernel does not say of IPv4 routes that they went with their link.
                    self.routes.retain(|(on, _)| *on != link.index);
                    self.dns.retain(|dns| dns.link != link.index);
                }
            }
            News::Address(verb, address) => {
                self.addresses.retain(|old| (old.link, old.address.address) != (address.link, address.address.address));
                if verb == Verb::Add {
                    self.addresses.push(address);
                }
            }
            News::Route(verb, link, route) => {
                self.routes.retain(|old| *old != (link, route));
                if verb == Verb::Add {
                    self.routes.push((link, route));
                }
            }
            News::Dns(link, dns) => {
                for server in dns.servers.into_iter().map(IpAddr::from) {
                    self.dns.retain(|old| (old.link, old.server) != (link, server));
                    let until = (dns.seconds != u32::MAX).then(|| now + Duration::from_secs(dns.seconds.into()));
                    self.dns.push(RouterDns { link, server, until });
                    // A router that names ever new ones only pushes the oldest out.
                    self.dns.drain(..self.dns.len().saturating_sub(MOST_DNS));
                }
            }
            News::Done(_) | News::Answer(..) => {}
        }
    }

    /// Every interface, the oldest first.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The interface with this number.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// Addresses of an interface that reach the world.
    pub fn addresses(&self, link: u32) -> impl Iterator<Item = Cidr> {
        let usable = move |address: &&Address| address.link == link && address.usable;
        self.addresses.iter().filter(usable).map(|address| address.address)
    }

    /// The gateway of one family's default route through an interface.
    pub fn gateway(&self, link: u32, family: Family) -> Option<IpAddr> {
        let default = self.routes.iter().filter(|(on, route)| *on == link && route.is_default());
        default.filter_map(|(_, route)| route.via).find(|via| Family::of(*via) == family)
    }

    /// The name servers of an interface's routers that may still be asked.
    pub fn dns(&self, link: u32, now: Instant) -> impl Iterator<Item = IpAddr> {
        let valid = move |dns: &&RouterDns| dns.link == link && dns.until.is_none_or(|until| until > now);
        self.dns.iter().filter(valid).map(|dns| dns.server)
    }

    /// When the next of them expires.
    pub fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.dns.iter().filter_map(|dns| dns.until).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::inet::InterfaceName;
    use wire::netlink::State;
    use wire::netlink_news::Dns;

    fn link(index: u32) -> Link {
        let name = InterfaceName::try_from(format!("eth{index}").as_str()).unwrap();
        Link {
            index,
            name,
            mac: None,
            mtu: 1500,
            state: State::Up,
            carrier: true,
            ethernet: true,
            kind: Default::default(),
        }
    }

    #[test]
    fn what_comes_and_goes() {
        let (mut view, now) = (View::default(), Instant::now());
        let address = |usable| Address { link: 2, address: "2001:db8::5/64".parse().unwrap(), usable };
        let route = Route::default_via("fe80::1".parse().unwrap());
        view.take(News::Link(Verb::Add, link(2)), now);
        view.take(News::Link(Verb::Add, link(1)), now);
        view.take(News::Address(Verb::Add, address(false)), now);
        view.take(News::Route(Verb::Add, 2, route), now);
        assert_eq!(view.links().iter().map(|link| link.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(view.addresses(2).count(), 0, "not yet usable");
        view.take(News::Address(Verb::Add, address(true)), now);
        assert_eq!(view.addresses(2).map(|a| a.to_string()).collect::<Vec<_>>(), ["2001:db8::5/64"]);
        assert_eq!(view.addresses(1).count(), 0);
        assert_eq!(view.gateway(2, Family::V6), Some("fe80::1".parse().unwrap()));
        assert_eq!((view.gateway(2, Family::V4), view.gateway(1, Family::V6)), (None, None));
        view.take(News::Route(Verb::Delete, 2, route), now);
        view.take(News::Address(Verb::Delete, address(true)), now);
        assert_eq!((view.addresses(2).count(), view.gateway(2, Family::V6)), (0, None));
        view.take(News::Link(Verb::Delete, link(2)), now);
        assert!(view.link(2).is_none());
    }

    #[test]
    fn name_servers_of_routers_expire() {
        let (mut view, now) = (View::default(), Instant::now());
        let say = |view: &mut View, server: &str, seconds, now| {
            let servers = [server.parse().unwrap()].into_iter().collect();
            view.take(News::Dns(2, Dns { servers, seconds }), now);
        };
        say(&mut view, "2001:db8::1", 10, now);
        say(&mut view, "2001:db8::2", u32::MAX, now);
        let later = now + Duration::from_secs(10);
        assert_eq!((view.dns(2, now).count(), view.dns(2, later).count(), view.dns(3, now).count()), (2, 1, 0));
        assert_eq!(view.next_expiry(now), Some(later));
        assert_eq!(view.next_expiry(later), None);
        say(&mut view, "2001:db8::2", 0, now);
        assert_eq!(view.dns(2, now).count(), 1, "0 seconds takes it back");
        for last in 0..100 {
            say(&mut view, &format!("2001:db8::9:{last}"), 10, now);
        }
        assert_eq!(view.dns.len(), MOST_DNS);
        assert_eq!(view.dns(2, now).last(), Some("2001:db8::9:99".parse().unwrap()));
    }
}
