//! PID 1's way to its first release: the clock, the network, the manifest, the artifacts, and the network down again.

use super::{How, Offer, ca, install, read_settings, set_clock};
use crate::failure::Failure;
use crate::fetch::job::Patience;
use crate::fetch::show::On;
use crate::log::{note, say};
use crate::net::parent::{Network, wanted_here};
use crate::rescue;
use crate::store::{Disk, Lock};
use menagerie::Policy;
use std::net::IpAddr;
use std::time::Duration;
use wire::network::Names;

/// How long the network may take to come up before the boot is rescued, which tries again.
const NETWORK: Duration = Duration::from_secs(120);

/// Installs what the settings' manifest offers.
pub fn over_the_network(disk: &Disk) -> Result<(), Failure> {
    say!("installing over the network, since there is no release to boot");
    // Each part of it has a deadline of its own, and a large root takes its time.
    rescue::hold_watch(true);
    let installed = try_to_install(disk);
    rescue::hold_watch(false);
    installed
}

fn try_to_install(disk: &Disk) -> Result<(), Failure> {
    if !disk.lock(Lock::ToChange)? {
        return Err(Failure::new("installing: somebody else is changing the boot partition"));
    }
    let settings = read_settings(disk)?;
    let url = settings.manifest.url.as_deref().ok_or_else(|| Failure::new("the settings name no manifest"))?;
    let tell = |line: &str| say!("{line}");
    set_clock(disk, &tell)?;
    let mut wanted = wanted_here(&settings)?;
    if is_numeric(url) {
        wanted.names = Names::Unneeded;
    }
    let network = Network::bring_up(&wanted, "/", NETWORK)?;
    let (policy, patience) = (Policy::default(), Patience::default());
    let how = How { settings: &settings, policy, running: None, patience, on: On::Log, say: &tell };
    let installed =
        ca(disk).and_then(|ca| Offer::fetch(url, ca.as_deref(), &how)).and_then(|offer| install(disk, &offer, &how));
    if let Err(failure) = network.take_down() {
        // Worst case: the root finds an interface that is up and has an address.
        note!("{failure}");
    }
    installed.map(|id| say!("installed release {id}"))
}

/// Whether an address names its host by number, so that no name server has to be there.
fn is_numeric(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address.parse::<IpAddr>().is_ok(),
        None => authority.split(':').next().is_some_and(|host| host.parse::<IpAddr>().is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_by_number_need_no_names() {
        for (url, want) in [
            ("https://192.0.2.1/release.json", true),
            ("https://192.0.2.1:8443?x", true),
            ("https://[2001:db8::1]:8443/release.json", true),
            ("https://example.org/192.0.2.1", false),
            ("https://[example]/", false),
            ("", false),
        ] {
            assert_eq!(is_numeric(url), want, "{url}");
        }
    }
}
