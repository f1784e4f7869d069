//! Installing over the network: the signed manifest, then whatever of it is not on the disk, then the releases turn. For PID 1
//! and for `menagerie install` alike; bringing the network up is PID 1's alone.
//!
//! What comes from outside is fetched by a child without privileges (`crate::fetch`); here it is checked: the manifest by its
//! signature before anything of it is read, an artifact by the kernel's own measurement.

pub mod boot;
mod offer;
mod remote;

pub use offer::Offer;
pub use remote::{Remote, stands};

use crate::admit::{self, Admitted, Times};
use crate::failure::{Doing, Failure};
use crate::fetch::job::Patience;
use crate::fetch::show::On;
use crate::log::note;
use crate::store::apply::Event;
use crate::store::change::{Change, Consent, Given, Origin, Terms, Unmade, make};
use crate::store::survey::Remarks;
use crate::store::{Disk, Files};
use menagerie::space::Megabytes;
use menagerie::{Expected, Inventory, Layout, Name, Plan, Policy, ReleaseId, Timestamp};
use rustix::io::Errno;
use std::io::Read;
use std::time::{Duration, Instant};
use wire::manifest::Manifest;
use wire::settings::{self, Settings};

/// What is installed where the settings name nothing else.
const PRODUCT: &str = "dock0";
const CHANNEL: &str = "stable";
/// The only one this program is built for.
const ARCH: &str = "x86_64";
/// Where a CA beside the built-in ones is trusted, if it is there.
const CA: &str = "dock0/trust/ca.pem";

/// Reads `dock0/settings.json`; without one everything is as it is by itself.
pub fn read_settings(disk: &Disk) -> Result<Settings, Failure> {
    let doing = || format!("reading {}", disk.show(settings::PATH));
    let mut json = Vec::new();
    match disk.open(settings::PATH) {
        Err(Errno::NOENT) => return Ok(Settings::default()),
        file => {
            let most = u64::try_from(settings::LONGEST).unwrap_or(u64::MAX).saturating_add(1);
            file.doing(doing)?.take(most).read_to_end(&mut json).doing(doing)?
        }
    };
    settings::parse(&json).map_err(|bad| Failure::new(bad.to_string()))
}

/// The same for whoever goes on without them: what is wrong with them is said, and everything is as it is by itself.
pub fn settings_or_default(disk: &Disk) -> Settings {
    read_settings(disk).unwrap_or_else(|failure| {
        note!("{failure}");
        Settings::default()
    })
}

/// When this program was built: the clock cannot be behind that. Seconds since 1970, from the recipe that builds it.
pub fn built() -> Timestamp {
    /// Where it was built by hand.
    const AT_LEAST: u64 = 1_795_564_800;
    Timestamp::from_unix(option_env!("DOCK0_BUILT").and_then(|text| text.parse().ok()).unwrap_or(AT_LEAST))
}

/// Sets a clock that is behind to the earliest that it can be, so that certificates can be believed. It says what it did.
pub fn set_clock(disk: &Disk, say: &dyn Fn(&str)) -> Result<(), Failure> {
    let (floor, now) = (admit::floor(disk, built())?, admit::system_time());
    if now >= floor {
        return Ok(());
    }
    say(&format!("the clock says {now} and is behind: setting it to {floor}"));
    let seconds = i64::try_from(floor.unix()).unwrap_or(i64::MAX);
    let time = rustix::time::Timespec { tv_sec: seconds, tv_nsec: 0 };
    rustix::time::clock_settime(rustix::time::ClockId::Realtime, time).doing(|| "setting the clock".into())
}

/// How it is installed.
pub struct How<'h> {
    /// What this machine takes.
    pub settings: &'h Settings,
    /// Which old releases and orphans are kept.
    pub policy: Policy,
    /// The release that this machine runs from.
    pub running: Option<ReleaseId>,
    /// How long a mirror is waited for.
    pub patience: Patience,
    /// When fetching ends at the latest, whatever has come by then; it can be gone on with.
    pub until: Option<Instant>,
    /// Where progress is shown.
    pub on: On,
    /// Where everything else is said, a line each.
    pub say: &'h dyn Fn(&str),
}

impl<'h> How<'h> {
    /// As PID 1 does it.
    pub fn in_a_boot(settings: &'h Settings, say: &'h dyn Fn(&str)) -> How<'h> {
        let (policy, patience) = (Policy::default(), Patience::default());
        How { settings, policy, running: None, patience, until: None, on: On::Log, say }
    }

    /// How long something may take that must never take longer than this.
    fn at_most(&self, longest: Duration) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(longest, |left| left.min(longest))
    }
}

/// Installs what is offered, and returns which release that is. What was fetched of it is kept whatever goes wrong.
pub fn install(disk: &Disk, offer: &Offer, how: &How) -> Result<ReleaseId, Failure> {
    take(disk, offer, how)
        .map_err(|failure| if failure.is_for_want_of_room() { say_way_out(disk, &failure) } else { failure })
}

/// Room was counted before, but others write too: what to do about a disk that is full all the same.
fn say_way_out(disk: &Disk, failure: &Failure) -> Failure {
    // Worst case: how much is left is said to be nothing.
    let left = Megabytes(disk.free().map_or(0, |free| free.bytes));
    Failure::new(format!(
        "{failure}; make room on {}, which has {left} left (menagerie reap, or a larger disk), and install again: what was \
         fetched is kept",
        disk.show("")
    ))
}

/// Checks whether an offer may be installed here. Nothing is changed.
pub fn believe<'o>(disk: &Disk, offer: &'o Offer, settings: &Settings) -> Result<Admitted<'o>, Failure> {
    let word = |set: Option<&str>, default: &str| -> Result<Name, Failure> {
        let text = set.unwrap_or(default);
        text.parse().map_err(|why| Failure::new(format!("{}: {text:?} {why}", settings::PATH)))
    };
    let product = word(settings.manifest.product.as_deref(), PRODUCT)?;
    let (channel, arch) = (word(settings.manifest.channel.as_deref(), CHANNEL)?, word(None, ARCH)?);
    let expected = Expected { product: &product, channel: &channel, arch: &arch };
    let times = Times { system: admit::system_time(), built: built() };
    admit::admit(disk, &expected, times, &offer.manifest, &offer.minisig)
}

fn take(disk: &Disk, offer: &Offer, how: &How) -> Result<ReleaseId, Failure> {
    let admitted = believe(disk, offer, how.settings)?;
    let manifest = &admitted.manifest;
    let Manifest { serial, product, channel, issued, .. } = manifest;
    (how.say)(&format!("manifest {serial} of {product} {channel}, issued {issued}"));
    // From here on nothing older is installed, whatever becomes of this.
    admitted.remember(disk)?;
    let artifacts: Vec<_> = manifest.artifacts.iter().map(|entry| entry.artifact.clone()).collect();
    let given = artifacts.iter().map(|artifact| Given { artifact: artifact.clone(), origin: Origin::Remote });
    let supply = Remote::new(manifest, ca(disk)?, how);
    turn(disk, &Change::Add(given.collect()), &supply, how)?;
    Ok(ReleaseId::of(&artifacts))
}

fn turn(disk: &Disk, change: &Change, supply: &Remote, how: &How) -> Result<(), Failure> {
    let layout = Layout::default();
    let policy = Policy { tries: how.settings.tries, ..how.policy };
    let terms = Terms { layout: &layout, policy, running: how.running, supply };
    let mut show = |_: &Plan, _: &Inventory, remarks: &Remarks| {
        remarks.all().for_each(|remark| (how.say)(remark));
        Consent::Given
    };
    let made = make(disk, &terms, change, &mut show, &mut |event| {
        if let Event::Begins(step) = event {
            (how.say)(&step.to_string());
        }
    });
    match made {
        Ok(()) => Ok(()),
        Err(Unmade::Uncleared(failure)) => {
            (how.say)(&format!("installed, but not all of the old was removed: {failure}"));
            Ok(())
        }
        Err(Unmade::Nothing(failure)) => Err(failure),
    }
}

/// The CA file, if there is one.
pub fn ca(disk: &Disk) -> Result<Option<std::path::PathBuf>, Failure> {
    match disk.look(CA) {
        Ok(_) => Ok(Some(std::path::Path::new(&disk.path()?).join(CA))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error).doing(|| format!("looking for {}", disk.show(CA))),
    }
}
