//! What the child that brings the network up tells PID 1, a line each, on its standard output. PID 1 reads it as it would
//! read a stranger: the child hears the network, and PID 1 never does.
//!
//!     gap SENTENCE         it is locked up, but for this
//!     trying SENTENCE      it goes on, and this is what is in the way
//!     up interface=eth0 mtu=1500 address=192.0.2.5/24 gateway=192.0.2.1 dns=192.0.2.53
//!     down SENTENCE        what was up is no longer usable; it goes on
//!     failed SENTENCE      it ends

use crate::inet::{Cidr, InterfaceName, interface_name};
use crate::network::{MAX_DNS, cut};
use core::fmt;
use core::net::IpAddr;
use heapless::{String, Vec};

/// The longest line, in bytes, its end not counted.
pub const LONGEST_LINE: usize = 1000;
/// How many addresses are told of.
pub const MAX_ADDRESSES: usize = 8;
/// How many gateways are told of: one a family.
pub const MAX_GATEWAYS: usize = 2;

/// At most 300 bytes, none of them a control character's.
pub type Sentence = String<300>;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// `gap`
    Gap(Sentence),
    /// `trying`
    Trying(Sentence),
    /// `up`
    Up(Facts),
    /// `down`
    Down(Sentence),
    /// `failed`
    Failed(Sentence),
}

/// What the network is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The interface that has the addresses.
    pub interface: InterfaceName,
    /// Its MTU, in bytes.
    pub mtu: u32,
    /// Addresses that reach the world.
    pub addresses: Vec<Cidr, MAX_ADDRESSES>,
    /// Where the default routes lead.
    pub gateways: Vec<IpAddr, MAX_GATEWAYS>,
    /// Whom the resolver asks.
    pub dns: Vec<IpAddr, MAX_DNS>,
}

/// A line that no child of ours writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAReport;

/// Makes a sentence: as much of the text as fits, control characters left out.
pub fn sentence(text: &str) -> Sentence {
    let mut sentence = Sentence::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if sentence.push(c).is_err() {
            break;
        }
    }
    sentence
}

impl Report {
    /// Reads a line without its end.
    pub fn parse(line: &[u8]) -> Result<Report, NotAReport> {
        let line = core::str::from_utf8(line).map_err(|_| NotAReport)?;
        if line.len() > LONGEST_LINE || line.contains(|c: char| c.is_control()) {
            return Err(NotAReport);
        }
        match line.split_once(' ').ok_or(NotAReport)? {
            ("gap", text) => Ok(Report::Gap(cut(text))),
            ("trying", text) => Ok(Report::Trying(cut(text))),
            ("down", text) => Ok(Report::Down(cut(text))),
            ("failed", text) => Ok(Report::Failed(cut(text))),
            ("up", words) => Facts::parse(words).map(Report::Up),
            _ => Err(NotAReport),
        }
    }
}

impl Facts {
    fn parse(words: &str) -> Result<Facts, NotAReport> {
        let mut facts = Facts::default();
        for word in words.split(' ') {
            let bad = |_| NotAReport;
            match word.split_once('=').ok_or(NotAReport)? {
                ("interface", name) => facts.interface = interface_name(name).map_err(|_| NotAReport)?,
                ("mtu", mtu) => facts.mtu = mtu.parse().map_err(|_| NotAReport)?,
                ("address", cidr) => {
                    facts.addresses.push(cidr.parse().map_err(|_| NotAReport)?).map_err(|_| NotAReport)?
                }
                ("gateway", via) => facts.gateways.push(via.parse().map_err(|_| NotAReport)?).map_err(bad)?,
                ("dns", server) => facts.dns.push(server.parse().map_err(|_| NotAReport)?).map_err(bad)?,
                _ => return Err(NotAReport),
            }
        }
        if facts.interface.is_empty() || facts.addresses.is_empty() { Err(NotAReport) } else { Ok(facts) }
    }
}

/// As the line is written, without its end.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::Gap(sentence) => write!(f, "gap {sentence}"),
            Report::Trying(sentence) => write!(f, "trying {sentence}"),
            Report::Down(sentence) => write!(f, "down {sentence}"),
            Report::Failed(sentence) => write!(f, "failed {sentence}"),
            Report::Up(facts) => {
                write!(f, "up interface={} mtu={}", facts.interface, facts.mtu)?;
                facts.addresses.iter().try_for_each(|address| write!(f, " address={address}"))?;
                facts.gateways.iter().try_for_each(|gateway| write!(f, " gateway={gateway}"))?;
                facts.dns.iter().try_for_each(|server| write!(f, " dns={server}"))
            }
        }
    }
}

/// For people: `eth0 has 192.0.2.5/24, gateway 192.0.2.1, DNS 192.0.2.53`.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has ", self.interface)?;
        write_list(f, &self.addresses)?;
        for (what, list) in [(", gateway ", self.gateways.as_slice()), (", DNS ", &self.dns)] {
            if !list.is_empty() {
                f.write_str(what)?;
                write_list(f, list)?;
            }
        }
        Ok(())
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, list: &[impl fmt::Display]) -> fmt::Result {
    list.iter().enumerate().try_for_each(|(at, item)| write!(f, "{}{item}", if at == 0 { "" } else { " and " }))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;
    use std::vec::Vec as List;

    #[test]
    fn lines_print_as_they_are_read() {
        for line in [
            "gap no Landlock in this kernel",
            "trying eth0: no answer from a DHCP server for 10 s, asking on",
            "down eth0 has lost its lease",
            "failed interface=a/b: must be the name of an interface",
            "up interface=eth0 mtu=1500 address=192.0.2.5/24 address=2001:db8::5/64 gateway=192.0.2.1 gateway=fe80::1 dns=::1",
            "up interface=eth0 mtu=0 address=192.0.2.5/24",
        ] {
            assert_eq!(Report::parse(line.as_bytes()).unwrap().to_string(), line);
        }
    }

    #[test]
    fn the_longest_report_fits_a_line() {
        let address = "1111:2222:3333:4444:5555:6666:7777:8888".parse::<IpAddr>().unwrap();
        let facts = Facts {
            interface: InterfaceName::try_from("fifteen-letters").unwrap(),
            mtu: u32::MAX,
            addresses: (0..MAX_ADDRESSES).map(|_| Cidr::host(address)).collect(),
            gateways: (0..MAX_GATEWAYS).map(|_| address).collect(),
            dns: (0..MAX_DNS).map(|_| address).collect(),
        };
        let line = Report::Up(facts.clone()).to_string();
        assert!(line.len() <= LONGEST_LINE, "{}", line.len());
        assert_eq!(Report::parse(line.as_bytes()), Ok(Report::Up(facts)));
    }

    #[test]
    fn whatever_else_comes_is_refused() {
        let long = std::format!("trying {}", "x".repeat(LONGEST_LINE));
        let many = std::format!("up interface=eth0 mtu=1500{}", " address=192.0.2.5/24".repeat(MAX_ADDRESSES + 1));
        let rows: &[&[u8]] = &[
            b"",
            b"trying",
            b"up",
            b"up ",
            b"up interface=eth0 mtu=1500",
            b"up mtu=1500 address=192.0.2.5/24",
            b"up interface=eth0  address=192.0.2.5/24",
            b"up interface=eth0 address=192.0.2.5/24 x=y",
            b"up interface=../x address=192.0.2.5/24",
            b"up interface=eth0 address=192.0.2.5/24 gateway=1.1.1.1 gateway=1.1.1.2 gateway=1.1.1.3",
            b"up interface=eth0 address=192.0.2.5/24 dns=1.1.1.1 dns=1.1.1.1 dns=1.1.1.1 dns=1.1.1.1",
            b"UP interface=eth0 address=192.0.2.5/24",
            b"trying \x1b[2J",
            b"trying \xff",
            long.as_bytes(),
            many.as_bytes(),
        ];
        for line in rows {
            assert_eq!(Report::parse(line), Err(NotAReport), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn sentences_are_cut_and_cleaned() {
        assert_eq!(sentence("a\u{1b}[2J\nb é").as_str(), "a[2Jb é");
        assert_eq!(sentence(&"é".repeat(400)).len(), 300);
        let Report::Trying(cut) = Report::parse(std::format!("trying {}", "x".repeat(900)).as_bytes()).unwrap() else {
            panic!()
        };
        assert_eq!(cut.len(), 300);
    }

    #[test]
    fn facts_read_as_a_sentence() {
        let line = "up interface=eth0 mtu=1500 address=10.0.2.15/24 address=fec0::5/64 gateway=10.0.2.2 dns=10.0.2.3";
        let Report::Up(facts) = Report::parse(line.as_bytes()).unwrap() else { panic!() };
        assert_eq!(facts.to_string(), "eth0 has 10.0.2.15/24 and fec0::5/64, gateway 10.0.2.2, DNS 10.0.2.3");
        let lists: List<usize> = [facts.addresses.len(), facts.gateways.len(), facts.dns.len()].into();
        assert_eq!(lists, [2, 1, 1]);
    }
}
