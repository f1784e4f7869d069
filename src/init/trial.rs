//! The trial of a release, as a boot goes through it: which one is taken, and the way back from a bad one.
//!
//! The rules are [`menagerie::trial`]'s; here they are carried out. What cannot be written down is said, and the boot goes on: a
//! boot partition that has become read-only boots what it holds.

use crate::again;
use crate::boots::{self, Outcome};
use crate::debt::{Debt, Starts, Try};
use crate::failure::Failure;
use crate::install::settings_or_default;
use crate::log::{alarm, note, say};
use crate::store::change::{self, Change, Consent};
use crate::store::supply::Local;
use crate::store::{Disk, Files, survey};
use crate::{kexec, rescue, watchdog};
use menagerie::state::{Marks, Trial};
use menagerie::trial::{Cost, Why, another, judge};
use menagerie::{Entry, Layout, Listing, Policy, Release, ReleaseId, Selection, Verdict};
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use wire::settings::Settings;

/// What is booted, and what that costs.
pub struct Taken {
    /// The releases, as they stand now.
    pub listing: Box<Listing>,
    /// Which of them.
    pub release: Selection,
    /// What is written down before the root takes over.
    pub debt: Debt,
}

/// The release whose kernel and initrd the boot loader has started.
pub fn started(listing: &Listing, entry: Entry) -> Option<Release> {
    match entry {
        Entry::Instead(number) | Entry::Asked(Selection::Number(number)) => listing.release(number),
        Entry::Asked(Selection::Latest) => listing.newest(),
    }
    .cloned()
}

/// Which release is booted, where this one's kernel and initrd run. It does not come back where it has others: they are started.
pub fn choose(disk: &Disk, listing: Box<Listing>, entry: Entry, running: Option<&Release>) -> Result<Taken, Failure> {
    choose_but(disk, listing, entry, running, &mut again::without())
}

/// The same where these cannot be booted.
fn choose_but(
    disk: &Disk,
    listing: Box<Listing>,
    entry: Entry,
    running: Option<&Release>,
    broken: &mut Vec<ReleaseId>,
) -> Result<Taken, Failure> {
    let (marks, remarks) = survey::marks(disk);
    remarks.all().for_each(|remark| note!("{remark}"));
    let instead = match entry {
        Entry::Instead(number) => listing.release(number).map(Release::id),
        Entry::Asked(_) => None,
    };
    let way = Way { disk, running, terms: terms(disk, &listing, &marks), marks: &marks, instead };
    let tries = way.terms.tries;
    let is_whole =
        |release: &Release| !broken.contains(&release.id()) && survey::is_whole(disk, &Layout::default(), release);
    if !again::without().is_empty()
        && let Some(other) = another(&listing, &marks, broken, &mut { is_whole })
    {
        let other = other.clone();
        return way.boot_for_once(listing, &other);
    }
    let verdict = judge(&listing, &marks, entry, tries, &mut { is_whole });
    match verdict.map_err(|impossible| Failure::new(impossible.to_string()))? {
        Verdict::Boot(release) => {
            if let Entry::Instead(number) = entry {
                alarm!("the boot loader could not start the newest release: it has started release {number}");
            }
            let is_chosen = matches!(entry, Entry::Asked(Selection::Number(_)));
            let debt = if is_chosen { Debt::NONE } else { Debt { starts: Starts::Always, ..Debt::NONE } };
            let release = release.clone();
            way.boot(listing, &release, debt, broken)
        }
        Verdict::Try { release, spent, cost } => {
            let one = Try { before: marks.trial(spent.id), spent };
            let debt = Debt { spends: Some((one, cost)), starts: Starts::Times(tries), ..Debt::NONE };
            let release = release.clone();
            way.boot(listing, &release, debt, broken)
        }
        Verdict::FallBack { from, to, why } => {
            say_way_back(from, to, why);
            let (bad, to) = (Some(from.id()), to.clone());
            way.go_back(listing, bad, &to, broken)
        }
        Verdict::BeginAnew(release) => {
            let release = release.clone();
            alarm!("no release is left that is good, or not bad: release {} ({release}) begins anew", release.id());
            way.begin_anew(listing, &release, broken)
        }
        Verdict::Stuck(newest) => {
            let (id, may_call) = (newest.id(), rescue::can_call_for_help(disk));
            let sentence = format!("release {id} ({newest}) never came up, and nothing else here can be booted");
            let other = another(&listing, &marks, &[id], &mut { is_whole }).filter(|_| !may_call).cloned();
            match other {
                Some(other) => way.boot_for_once(listing, &other),
                // Whoever is called reaches what the boot loader goes on starting.
                None if may_call => Err(Failure::new(sentence)),
                None => {
                    Starts::Times(tries).set(disk);
                    Err(Failure::new(sentence + ": it is started again"))
                }
            }
        }
    }
}

fn say_way_back(from: &Release, to: &Release, why: Why) {
    let why = match why {
        Why::OutOfTries => "is out of tries and counts as bad",
        Why::NeverStarted => "never came up and counts as bad",
        Why::Bad => "is bad",
    };
    let failure = Failure::new(format!("release {} ({from}) {why}", from.id()));
    rescue::go_on(&failure, &format!("falling back to release {} ({to})", to.id()));
}

/// What a way from one release to another depends on.
struct Way<'w> {
    disk: &'w Disk,
    /// The release whose kernel and initrd run.
    running: Option<&'w Release>,
    terms: Terms,
    marks: &'w Marks,
    /// What the boot loader has started because it could not start the newest.
    instead: Option<ReleaseId>,
}

impl Way<'_> {
    /// Boots the release that the rules have chosen.
    fn boot(
        &self,
        listing: Box<Listing>,
        release: &Release,
        debt: Debt,
        broken: &mut Vec<ReleaseId>,
    ) -> Result<Taken, Failure> {
        let is_newest = listing.latest == Some(release.number);
        if self.instead.is_some() && is_newest {
            // Whatever comes of its kernel, the boot loader starts it from now on.
            debt.starts.set(self.disk);
        }
        if !self.run_own_kernel(release, is_newest) {
            return self.judge_again(release, broken);
        }
        if let Some((Try { spent, .. }, cost)) = debt.spends {
            let of = if cost == Cost::EveryBoot { "boots" } else { "boots that fail" };
            let Trial { id, left } = spent;
            say!("release {id} is on trial: {left} {of} are left after this one (menagerie good ends it)");
            if cost == Cost::EveryBoot {
                // Where nobody ever says good nobody stops a watchdog either.
                self.watch_over(release);
            }
        }
        let is_chosen = debt.starts == Starts::AsBefore;
        let leaves_another = !is_chosen && self.leaves_another(&listing, release);
        self.take(listing, Selection::Number(release.number), Debt { leaves_another, ..debt })
    }

    /// Whether there is one that was not tried in this boot, if this one does not boot.
    fn leaves_another(&self, listing: &Listing, release: &Release) -> bool {
        let mut tried = again::without();
        tried.push(release.id());
        another(listing, self.marks, &tried, &mut |_| true).is_some()
    }

    /// Has it written down what a boot owes, however that ends.
    fn take(&self, listing: Box<Listing>, release: Selection, debt: Debt) -> Result<Taken, Failure> {
        rescue::owe(self.disk, debt)?;
        Ok(Taken { listing, release, debt })
    }

    /// There is nothing better: it gets all its tries again, and the first place.
    fn begin_anew(
        &self,
        listing: Box<Listing>,
        release: &Release,
        broken: &mut Vec<ReleaseId>,
    ) -> Result<Taken, Failure> {
        let Some((listing, release)) = self.move_to(listing, None, release)? else {
            return self.judge_again(release, broken);
        };
        self.take(listing, release, Debt { starts: Starts::Always, leaves_another: true, ..Debt::NONE })
    }

    fn go_back(
        &self,
        listing: Box<Listing>,
        bad: Option<ReleaseId>,
        to: &Release,
        broken: &mut Vec<ReleaseId>,
    ) -> Result<Taken, Failure> {
        let latest = Entry::Asked(Selection::Latest);
        match self.move_to(listing, bad, to)? {
            None => self.judge_again(to, broken),
            // What comes next is a boot of its own to the rules: a release of which nothing is known has its trial too.
            Some((listing, Selection::Latest)) => choose_but(self.disk, listing, latest, self.running, broken),
            Some((listing, release)) => self.take(listing, release, Debt { leaves_another: true, ..Debt::NONE }),
        }
    }

    /// Where the kernel of a release cannot be started, by the boot loader neither: it counts as one that is not whole.
    fn judge_again(&self, release: &Release, broken: &mut Vec<ReleaseId>) -> Result<Taken, Failure> {
        broken.push(release.id());
        let (listing, _) = survey::listing(self.disk, &Layout::default())?;
        let started = listing.releases().iter().find(|release| Some(release.id()) == self.instead);
        let entry = started.map_or(Entry::Asked(Selection::Latest), |started| Entry::Instead(started.number));
        choose_but(self.disk, listing, entry, self.running, broken)
    }

    /// Boots another release than the one that should, this time.
    fn boot_for_once(&self, listing: Box<Listing>, other: &Release) -> Result<Taken, Failure> {
        alarm!("booting release {}, {} ({other}), this time", other.number, other.id());
        self.run_own_kernel(other, false);
        let leaves_another = self.leaves_another(&listing, other);
        self.take(listing, Selection::Number(other.number), Debt { leaves_another, ..Debt::NONE })
    }

    /// Lets a release take the first place, and starts its kernel if another one runs. Where the releases cannot be changed it is
    /// booted from where it stands. `None`: its kernel cannot be started.
    fn move_to(
        &self,
        listing: Box<Listing>,
        bad: Option<ReleaseId>,
        to: &Release,
    ) -> Result<Option<(Box<Listing>, Selection)>, Failure> {
        let turned = self.disk.claim_for("falling back").and_then(|()| turn(self.disk, bad, to.id(), self.terms.tries));
        match &turned {
            Ok(()) => again::releases_have_turned(),
            Err(failure) => {
                alarm!("{failure}: the releases stay as they are, and release {} is booted", to.number);
            }
        }
        if !self.run_own_kernel(to, turned.is_ok()) {
            return Ok(None);
        }
        Ok(Some(match turned {
            Ok(()) => (survey::listing(self.disk, &Layout::default())?.0, Selection::Latest),
            Err(_) => (listing, Selection::Number(to.number)),
        }))
    }

    /// Starts the kernel of a release, if another one's runs: by kexec, or through the boot loader where that would start it. `false` if
    /// neither can.
    fn run_own_kernel(&self, release: &Release, is_newest: bool) -> bool {
        if self.running.is_none_or(|running| kexec::is_same_kernel(running, release)) {
            return true;
        }
        let Err(failure) = self.start_kernel(release, is_newest);
        if self.instead.is_some() {
            alarm!("{failure}, and the boot loader could not start the newest either");
            return false;
        }
        if is_newest {
            rescue::leave(&format!("{failure}; the boot loader starts it instead"));
        }
        // The kernel has no modules that the root would have to fit.
        alarm!("{failure}: booting it with the kernel that runs");
        true
    }

    fn start_kernel(&self, to: &Release, is_newest: bool) -> Result<Infallible, Failure> {
        let choice = if is_newest { String::new() } else { format!(" dock0.release={}", to.number) };
        kexec::load(self.disk, to, &choice)?;
        say!("starting the kernel of release {} ({to})", to.id());
        boots::boots(to);
        boots::write_down_or_say(self.disk, Outcome::AnotherKernel);
        self.watch_over(to);
        kexec::start(self.disk).inspect_err(|_| watchdog::disarm())
    }

    /// Has the hardware reset this machine if a release hangs that nobody has called good.
    fn watch_over(&self, release: &Release) {
        if let Some(patience) = self.terms.watchdog.filter(|_| !self.marks.is_good(release.id())) {
            watchdog::arm(patience);
        }
    }
}

/// What is settled of trials.
struct Terms {
    tries: u8,
    /// How long a release on trial may take to show that it works, where a watchdog watches.
    watchdog: Option<Duration>,
}

/// As the settings have it. They are not read where the newest release is good.
fn terms(disk: &Disk, listing: &Listing, marks: &Marks) -> Terms {
    let settings = match listing.newest() {
        Some(newest) if !marks.is_good(newest.id()) => settings_or_default(disk),
        _ => Settings::default(),
    };
    let watchdog = Duration::from_secs(settings.watchdog.into());
    Terms { tries: settings.tries, watchdog: (!watchdog.is_zero()).then_some(watchdog) }
}

/// Marks a release bad, if one is named, and lets another one take the first place, where it has so many tries if it needs them. Nobody
/// else may change the disk meanwhile.
pub fn turn(files: &impl Files, bad: Option<ReleaseId>, to: ReleaseId, tries: u8) -> Result<(), Failure> {
    let none = |_: &menagerie::Artifact| -> io::Result<_> { Err(io::ErrorKind::NotFound.into()) };
    let (layout, supply) = (Layout::default(), Local(&none));
    let policy = Policy { tries, ..Policy::default() };
    let terms = change::Terms { layout: &layout, policy, running: None, supply: &supply };
    let made = change::make(files, &terms, &Change::FallBack(bad, to), &mut |_, _, _| Consent::Given, &mut |_| {});
    match made {
        Err(change::Unmade::Nothing(failure)) => Err(failure),
        Err(change::Unmade::Uncleared(failure)) => {
            note!("fallen back, but not all of it could be cleared away: {failure}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
