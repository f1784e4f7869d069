//! PID 1's way to a release over the network: the clock, the network, the manifest, the artifacts, and the network down again. For
//! a disk that has no release to boot, and for one that looks for a newer one at every boot.

use super::{How, Offer, believe, ca, install, read_settings, set_clock};
use crate::admit::Admitted;
use crate::failure::Failure;
use crate::log::say;
use crate::net::parent::{Network, UP_WITHIN, wanted_here};
use crate::rescue;
use crate::store::{Disk, survey};
use menagerie::{Layout, ReleaseId};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use wire::network::Names;
use wire::settings::Settings;

/// What a look for a newer release came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// There is nothing that was not installed once.
    NothingNew,
    /// A newer release is installed.
    Installed,
}

/// Installs what the settings' manifest offers.
pub fn over_the_network(disk: &Disk) -> Result<(), Failure> {
    say!("installing over the network, since there is no release to boot");
    let settings = read_settings(disk)?;
    with_network(disk, &settings, None, &mut |offer, how| {
        install(disk, offer, how).map(|id| say!("installed release {id}"))
    })
}

/// Looks for a release that this disk never had, and installs it. It ends when its time is over, whatever has come by then; the next
/// look goes on with that.
pub fn look_for_newer(disk: &Disk, settings: &Settings) -> Result<Looked, Failure> {
    let seconds = settings.check_seconds;
    say!("looking for a newer release, for {seconds} s at most");
    let until = Instant::now() + Duration::from_secs(seconds.into());
    let mut looked = Looked::NothingNew;
    with_network(disk, settings, Some(until), &mut |offer, how| {
        let admitted = believe(disk, offer, settings)?;
        if let Some(why) = old_news(disk, &admitted)? {
            say!("{why}");
            return Ok(());
        }
        let id = install(disk, offer, how)?;
        say!("installed release {id}");
        looked = Looked::Installed;
        Ok(())
    })?;
    Ok(looked)
}

/// Why an offer is nothing new here: somebody may have gone back from what it offers, or have had to.
pub fn old_news(disk: &Disk, admitted: &Admitted) -> Result<Option<String>, Failure> {
    let artifacts: Vec<_> = admitted.manifest.artifacts.iter().map(|entry| entry.artifact.clone()).collect();
    let id = ReleaseId::of(&artifacts);
    let ((listing, _), (marks, _)) = (survey::listing(disk, &Layout::default())?, survey::marks(disk));
    let known = listing.releases().iter().find(|release| release.id() == id);
    Ok(match known {
        _ if marks.is_bad(id) => Some(format!("what is offered, release {id}, is bad: it was tried and failed")),
        Some(known) => Some(format!("what is offered is here: release {}, {id}", known.number)),
        None => None,
    })
}

/// Whether all of the newest release is there, so that a boot that fails fails of something else.
pub fn newest_could_boot(disk: &Disk) -> bool {
    let layout = Layout::default();
    // Worst case: what is offered is installed once more.
    let Ok((listing, _)) = survey::listing(disk, &layout) else { return false };
    listing.newest().is_some_and(|newest| newest.has_root() && survey::is_whole(disk, &layout, newest))
}

/// Does something with what the settings' manifest offers, the network being up for it.
fn with_network(
    disk: &Disk,
    settings: &Settings,
    until: Option<Instant>,
    work: &mut dyn FnMut(&Offer, &How) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Each part of it has a deadline of its own, and a large root takes its time.
    rescue::without_watch(|| try_with_network(disk, settings, until, work))
}

fn try_with_network(
    disk: &Disk,
    settings: &Settings,
    until: Option<Instant>,
    work: &mut dyn FnMut(&Offer, &How) -> Result<(), Failure>,
) -> Result<(), Failure> {
    disk.claim_for("installing")?;
    let url = settings.manifest.url.as_deref().ok_or_else(|| Failure::new("the settings name no manifest"))?;
    let tell = |line: &str| say!("{line}");
    set_clock(disk, &tell)?;
    let mut wanted = wanted_here(settings)?;
    if is_numeric(url) {
        wanted.names = Names::Unneeded;
    }
    let how = How { until, ..How::in_a_boot(settings, &tell) };
    let network = Network::bring_up(&wanted, "/", how.at_most(UP_WITHIN))?;
    let done = ca(disk).and_then(|ca| Offer::fetch(url, ca.as_deref(), &how)).and_then(|offer| work(&offer, &how));
    network.take_down_and_go_on();
    done
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
