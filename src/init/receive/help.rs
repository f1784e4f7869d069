//! PID 1's call for help where nothing can be booted: it says why to whoever asks, takes a release or a configuration from an operator,
//! and tries to fetch the release itself meanwhile.

use super::boot::{introduce, while_reachable};
use super::identity::{self, Identity};
use super::office::VmOffice;
use super::parent::Receiver;
use super::reception::{Ended, Purpose, receive};
use crate::enrol;
use crate::failure::Failure;
use crate::install::boot::{newest_could_boot, old_news};
use crate::install::{How, Offer, believe, ca, install, set_clock, settings_or_default};
use crate::log::{note, say};
use crate::net::parent::UP_WITHIN;
use crate::store::Disk;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::settings::{Settings, Store};

/// The pause before an attempt to fetch, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// How long the attempt may take whoever offers releases to answer, and all that it fetches then; operators wait meanwhile. The next
/// attempt goes on with what has come.
const ANSWER: Duration = Duration::from_secs(20);
const FETCH: Duration = Duration::from_secs(600);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// A configuration that may boot is stored.
    Configured,
    /// A release that may boot is installed.
    Installed,
    /// An operator wants a reboot.
    Reboot,
    /// Nobody came in time.
    None,
    /// There is nobody who could.
    Nobody,
}

/// Whether there is anybody to be called: operators, whoever knows them, or somebody who offers releases.
pub fn can_be_called(disk: &Disk) -> bool {
    is_anybody_known(disk) || enrol::is_wanted(disk).unwrap_or(false)
}

fn is_anybody_known(disk: &Disk) -> bool {
    identity::operators_are_known(disk).unwrap_or(false) || settings_or_default(disk).manifest.url.is_some()
}

/// Calls, and waits for this long after somebody who may help has asked for something last.
pub fn call(disk: &Disk, patience: Duration) -> Result<Help, Failure> {
    if enrol::is_wanted(disk)? {
        enrol::from_metadata(disk);
        if !is_anybody_known(disk) {
            return Ok(Help::Nobody);
        }
    }
    let (settings, identity) = (settings_or_default(disk), identity::find_or_make(disk)?);
    set_clock(disk, &|line| say!("{line}"))?;
    let mut until = Instant::now() + patience;
    let mut fetching = Fetching { next: Instant::now() + PAUSE.0, pause: PAUSE.0 };
    loop {
        match call_once(disk, &settings, &identity, patience, &mut until, &mut fetching) {
            Ok(help) => return Ok(help),
            Err(failure) => note!("{failure}; calling again in {} s", PAUSE.0.as_secs()),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Help::None);
        }
        sleep(PAUSE.0.min(left));
    }
}

/// When it is tried to fetch the release.
struct Fetching {
    next: Instant,
    pause: Duration,
}

fn call_once(
    disk: &Disk,
    settings: &Settings,
    identity: &Identity,
    patience: Duration,
    until: &mut Instant,
    fetching: &mut Fetching,
) -> Result<Help, Failure> {
    let say = |line: &str| say!("{line}");
    let (boot, store, purpose) = (disk, (settings.config.store == Store::Disk).then_some(disk), Purpose::Help);
    let office = VmOffice { boot, store, purpose, settings, running: None, network: None, offer: None, say: &say };
    while_reachable(office, UP_WITHIN, |office| listen(office, identity, patience, until, fetching))
}

fn listen(
    office: &mut VmOffice,
    identity: &Identity,
    patience: Duration,
    until: &mut Instant,
    fetching: &mut Fetching,
) -> Result<Help, Failure> {
    let mut receiver = Receiver::start(&identity.terms(office.settings.config.port), &|text| note!("{text}"))?;
    introduce(office, &mut receiver)?;
    let help = loop {
        let look = if office.settings.manifest.url.is_some() { fetching.next.min(*until) } else { *until };
        match receive(&mut receiver, office, Some(look))? {
            Ended::Stored => break Help::Configured,
            Ended::Installed => break Help::Installed,
            Ended::Reboot => break Help::Reboot,
            Ended::TimeOver => {}
        }
        if let Some(called) = receiver.called {
            *until = (*until).max(called + patience);
        }
        if Instant::now() >= *until {
            break Help::None;
        }
        if Instant::now() >= fetching.next && try_to_fetch(office, &mut receiver, fetching)? {
            break Help::Installed;
        }
    };
    receiver.end()?;
    Ok(help)
}

/// Whether what the settings' manifest offers was installed.
fn try_to_fetch(office: &VmOffice, receiver: &mut Receiver, fetching: &mut Fetching) -> Result<bool, Failure> {
    let Some(url) = office.settings.manifest.url.as_deref() else { return Ok(false) };
    receiver.set("state", "installing")?;
    receiver.set("doing", "trying to fetch the release once more")?;
    let fetched = fetch(office, url);
    fetching.pause = (fetching.pause * 2).min(PAUSE.1);
    fetching.next = Instant::now() + fetching.pause;
    fetched.or_else(|failure| {
        note!("{failure}; trying again in {} s", fetching.pause.as_secs());
        receiver.set("failure", &failure.to_string())?;
        Ok(false)
    })
}

fn fetch(office: &VmOffice, url: &str) -> Result<bool, Failure> {
    // A lock of its own: the office takes it for what is pushed.
    let disk = office.boot.again()?;
    disk.claim_for("installing")?;
    let in_time = |patience| Some(Instant::now() + patience);
    let how = How { until: in_time(ANSWER), ..How::in_a_boot(office.settings, office.say) };
    let offer = Offer::fetch(url, ca(&disk)?.as_deref(), &how)?;
    let admitted = believe(&disk, &offer, office.settings)?;
    if let Some(why) = old_news(&disk, &admitted)?.filter(|_| newest_could_boot(&disk)) {
        say!("{why}");
        return Ok(false);
    }
    install(&disk, &offer, &How { until: in_time(FETCH), ..how }).map(|id| say!("installed release {id}"))?;
    Ok(true)
}
