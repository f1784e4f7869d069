//! The network in the initrd: a child process brings it up, keeps it up and takes it down again, so that PID 1 never
//! parses a byte that comes from outside. `parent` is PID 1's side; everything else is the child.

pub mod addresses;
pub mod child;
mod dhcp;
mod link;
pub mod parent;
mod report;
mod resolv_conf;
mod rtnl;
mod session;
mod signals;
mod traces;
mod view;

/// The name under which the program is this child.
pub const NAME: &str = "dock0-net";
