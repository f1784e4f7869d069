//! PID 1's wait for a configuration: who this VM is, the network, the socket, and all of it down again.

use super::identity::{self, Identity};
use super::office::VmOffice;
use super::parent::Receiver;
use super::reception::{Ended, Purpose, addresses, receive};
use super::state::BOOT;
use crate::boots;
use crate::config;
use crate::failure::Failure;
use crate::install::{read_settings, set_clock};
use crate::log::{note, say};
use crate::net::parent::{Network, UP_WITHIN, wanted_here};
use crate::rescue;
use crate::store::{Disk, survey};
use menagerie::ReleaseId;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::network::Names;
use wire::settings::Settings;

/// The pause before it all begins anew, after the first failure and at most.
pub const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is waited for, and what is told meanwhile.
pub struct Wait<'w> {
    /// The boot partition.
    pub boot: &'w Disk,
    /// Where the configuration is stored: the boot partition, or a place in memory.
    pub store: &'w Disk,
    /// The release that boots, as it is shown.
    pub release: String,
    /// Its id; none where the root is no release's.
    pub id: Option<ReleaseId>,
    /// After so long it goes on without.
    pub patience: Option<Duration>,
}

/// Waits for an operator's configuration: whether one was stored. Whatever goes wrong meanwhile is begun anew: a VM that waits
/// stays reachable.
pub fn wait_for_config(wait: &Wait) -> Result<bool, Failure> {
    // It takes as long as it takes.
    rescue::without_watch(|| try_to_wait(wait))
}

fn try_to_wait(wait: &Wait) -> Result<bool, Failure> {
    let until = wait.patience.map(|patience| Instant::now() + patience);
    let (settings, identity) = (read_settings(wait.boot)?, identity::find_or_make(wait.boot)?);
    set_clock(wait.boot, &|line| say!("{line}"))?;
    let mut pause = PAUSE.0;
    loop {
        match wait_once(wait, &settings, &identity, until) {
            Ok(Ended::Stored) => return Ok(true),
            Ok(Ended::TimeOver) => {
                say!("nobody has pushed a configuration in time: going on without");
                return Ok(false);
            }
            Ok(Ended::Reboot) => rescue::leave("an operator wants it"),
            Ok(Ended::Installed) => rescue::leave("the release that was pushed is installed"),
            Err(failure) => note!("{failure}; waiting for a configuration again in {} s", pause.as_secs()),
        }
        let left = until.map_or(pause, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(false);
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(PAUSE.1);
    }
}

fn wait_once(wait: &Wait, settings: &Settings, identity: &Identity, until: Option<Instant>) -> Result<Ended, Failure> {
    let left = until.map_or(UP_WITHIN, |until| until.saturating_duration_since(Instant::now()).min(UP_WITHIN));
    let say = |line: &str| say!("{line}");
    let Wait { boot, store, id, .. } = *wait;
    let (store, purpose) = (Some(store), Purpose::Configuration);
    let office = VmOffice { boot, store, purpose, settings, running: id, network: None, offer: None, say: &say };
    while_reachable(office, left, |office| listen(wait, office, identity, until))
}

/// Does something while the network is up, for which it has so long.
pub fn while_reachable<T>(
    mut office: VmOffice,
    patience: Duration,
    work: impl FnOnce(&mut VmOffice) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut wanted = wanted_here(office.settings)?;
    // Nobody is asked for by name before a manifest is pushed; and who can be reached by number alone is reached.
    wanted.names = Names::Unneeded;
    office.network = Some(Network::bring_up(&wanted, "/", patience)?);
    let done = work(&mut office);
    office.network.take().map(Network::take_down_and_go_on).unwrap_or_default();
    done
}

fn listen(wait: &Wait, office: &mut VmOffice, identity: &Identity, until: Option<Instant>) -> Result<Ended, Failure> {
    let terms = identity.terms(office.settings.config.port);
    let mut receiver = Receiver::start(&terms, &|text| note!("{text}"))?;
    receiver.set("release", &wait.release)?;
    receiver.set("id", &wait.id.map(|id| id.to_string()).unwrap_or_default())?;
    show_standing(wait.boot, wait.id, &mut receiver)?;
    receiver.set("config", &config::present(wait.store)?.sha256().unwrap_or_default())?;
    introduce(office, &mut receiver)?;
    let ended = receive(&mut receiver, office, until)?;
    // It has said all that it had to say.
    receiver.end()?;
    Ok(ended)
}

/// Says on the console and to whoever asks who this is.
pub fn introduce(office: &VmOffice, receiver: &mut Receiver) -> Result<(), Failure> {
    let addresses = office.network.as_ref().map(addresses).unwrap_or_default();
    let (port, fingerprint) = (receiver.port, receiver.fingerprint.clone());
    let what = match office.purpose {
        Purpose::Configuration => "a configuration",
        Purpose::Help => "help",
    };
    say!("waiting for {what} on port {port} of {addresses}");
    say!("push it with: dock0 push --fingerprint {fingerprint} NAME={}", with_port(&addresses, port));
    for (name, value) in [
        ("addresses", addresses),
        ("failure", rescue::last_failure(office.boot).unwrap_or_default()),
        ("fingerprint", fingerprint),
        ("proof", identity::proof(office.boot)),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ] {
        receiver.set(name, &value)?;
    }
    show_boots(office.boot, receiver)
}

/// Shows the last boots to whoever asks; what cannot be read is not shown.
pub fn show_boots(disk: &Disk, receiver: &mut Receiver) -> Result<(), Failure> {
    let boots = disk.directory().and_then(boots::read).unwrap_or_default();
    boots.iter().filter_map(boots::line).try_for_each(|line| receiver.set(BOOT, &line))
}

/// Shows whether a release is good, on trial or bad; where its marks cannot be read, nothing.
pub fn show_standing(disk: &Disk, id: Option<ReleaseId>, receiver: &mut Receiver) -> Result<(), Failure> {
    let standing = id.and_then(|id| {
        let (marks, remarks) = survey::marks(disk);
        remarks.unread.is_empty().then(|| marks.standing(id).to_string())
    });
    receiver.set("standing", &standing.unwrap_or_default())
}

/// The first address, as `dock0 push` takes it.
fn with_port(addresses: &str, port: u16) -> String {
    let first = addresses.split(' ').next().unwrap_or_default();
    let host = if first.contains(':') { format!("[{first}]") } else { first.into() };
    if port == wire::settings::PORT { host } else { format!("{host}:{port}") }
}
