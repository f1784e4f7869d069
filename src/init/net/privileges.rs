//! What the child may still do: set up interfaces and take the DHCP client's port. For good, whatever it may run.

use crate::failure::{Doing, Failure};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Interfaces, addresses, routes and their sysctls; port 68.
const KEPT: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_BIND_SERVICE);

/// Gives up every other capability, and gaining any.
pub fn keep_those_of_the_network() -> Result<(), Failure> {
    let doing = || "giving up all capabilities but CAP_NET_ADMIN and CAP_NET_BIND_SERVICE".to_string();
    rustix::thread::set_no_new_privs(true).doing(doing)?;
    let bounding = CapabilitySet::all().difference(KEPT);
    for capability in bounding.iter() {
        // One that this kernel has not, or that is gone already.
        if let Ok(true) = rustix::thread::capability_is_in_bounding_set(capability) {
            rustix::thread::remove_capability_from_bounding_set(capability).doing(doing)?;
        }
    }
    let sets = CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).doing(doing)
}
