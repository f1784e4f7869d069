//! What was changed, so that all of it can be put back, the last first.

use super::rtnl::Rtnl;
use crate::failure::{Cause, Doing, Failure};
use rustix::io::{Errno, Result as SysResult};
use std::path::Path;
use wire::inet::{Cidr, Route};
use wire::netlink::{self, Duplicates, State, Verb};

/// One change, and what undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// An interface was set up.
    Up(u32),
    /// An interface had this MTU.
    Mtu(u32, u32),
    /// An interface was made.
    Made(u32),
    /// A sysctl had this value.
    Sysctl(String, String),
    /// An interface was given an address.
    Address(u32, Cidr),
    /// A route through an interface was added.
    Route(u32, Route),
}

/// All of them, the first first.
#[derive(Debug, Default)]
pub struct Traces(Vec<Trace>);

impl Traces {
    /// To be undone. Of a value that changed twice, only the first is the one that was there.
    pub fn leave(&mut self, trace: Trace) {
        let known = self.0.iter().any(|old| match (old, &trace) {
            (Trace::Mtu(old, _), Trace::Mtu(new, _)) => old == new,
            (Trace::Sysctl(old, _), Trace::Sysctl(new, _)) => old == new,
            (old, new) => old == new,
        });
        if !known {
            self.0.push(trace);
        }
    }

    /// Undoes those that fit, the last first, all that can be: the first that could not is the failure.
    pub fn undo(&mut self, kernel: &mut Rtnl, fits: impl Fn(&Trace) -> bool) -> Result<(), Failure> {
        let mut outcome = Ok(());
        let (undone, kept) = std::mem::take(&mut self.0).into_iter().partition(fits);
        self.0 = kept;
        for trace in Vec::<Trace>::into_iter(undone).rev() {
            outcome = outcome.and(undo(kernel, &trace));
        }
        outcome
    }
}

/// What is gone already needs no undoing.
fn undo(kernel: &mut Rtnl, trace: &Trace) -> Result<(), Failure> {
    let undone: SysResult<()> = match trace {
        Trace::Up(link) => kernel.order(|number| netlink::set_state(*link, State::Down, number)),
        Trace::Mtu(link, mtu) => kernel.order(|number| netlink::set_mtu(*link, *mtu, number)),
        Trace::Made(link) => kernel.order(|number| netlink::delete_link(*link, number)),
        Trace::Address(link, address) => {
            kernel.order(|number| netlink::address(Verb::Delete, *link, *address, Duplicates::Detect, number))
        }
        Trace::Route(link, route) => kernel.order(|number| netlink::route(Verb::Delete, *link, route, None, number)),
        Trace::Sysctl(path, value) => match std::fs::write(path, value) {
            Err(error) if !Path::new(path).exists() => {
                drop(error); // its interface is gone, and it with it
                return Ok(());
            }
            written => return written.doing(|| format!("writing {value} to {path}")),
        },
    };
    match undone {
        Ok(()) | Err(Errno::NODEV | Errno::ADDRNOTAVAIL | Errno::SRCH | Errno::NOENT) => Ok(()),
        Err(error) => Err(Failure::new(format!("undoing {trace:?}: {}", error.words()))),
    }
}
