//! What is done with what operators want, for as long as it is waited for: the word between the child that listens and
//! whoever stores.

use super::parent::{Receiver, Request};
use super::state::quote;
use crate::config::{Stored, Undone};
use crate::failure::{Doing, Failure};
use crate::net::child::timespec;
use crate::net::parent::Network;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::fs::File;
use std::time::{Duration, Instant};

/// How often it looks around if nothing comes.
const LOOK: Duration = Duration::from_secs(60);

/// What is told of a configuration that is stored: by a VM that waited for it, and by one that runs.
const BOOTS: &str = "booting with the configuration";
/// The latter; whoever pushes can tell by it.
pub const STAYS: &str = "the configuration is stored; the next boot has it";

/// How the waiting ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// A bundle was stored.
    Stored,
    /// A reboot was asked for.
    Reboot,
    /// A manifest was believed and installed.
    Installed,
    /// Nobody came in time.
    TimeOver,
}

/// What operators are waited for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A configuration.
    Configuration,
    /// Anything that makes this VM boot.
    Help,
}

/// Whoever does what operators want.
pub trait Office {
    /// What it is there for.
    fn purpose(&self) -> Purpose;
    /// Stores a bundle, which nobody has looked at yet.
    fn store(&mut self, bundle: File) -> Result<Stored, Undone>;
    /// Reads a manifest and its signature, which nobody has looked at yet: the release that it offers, if it is believed.
    fn believe(&mut self, manifest: File, signature: File) -> Result<String, Undone>;
    /// Installs what was believed last.
    fn install(&mut self, say: &mut dyn FnMut(&str)) -> Result<(), Failure>;
    /// Whether a reboot can be had.
    fn reboots(&self) -> bool;
    /// What the network is like now.
    fn network(&mut self) -> Option<&mut Network>;
}

/// Receives until something is stored, or it is time to go.
pub fn receive(receiver: &mut Receiver, office: &mut dyn Office, until: Option<Instant>) -> Result<Ended, Failure> {
    wait(receiver, office)?;
    loop {
        if let Some(request) = receiver.listen()? {
            if let Some(ended) = fulfil(receiver, office, request)? {
                return Ok(ended);
            }
            wait(receiver, office)?;
            continue;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Ended::TimeOver);
        }
        sleep(receiver, office.network(), until)?;
    }
}

/// Says that it waits.
fn wait(receiver: &mut Receiver, office: &dyn Office) -> Result<(), Failure> {
    receiver.set("state", "waiting")?;
    receiver.set(
        "doing",
        match office.purpose() {
            Purpose::Configuration => "waiting for a configuration",
            Purpose::Help => "waiting for a release or a configuration that boots, since nothing here does",
        },
    )
}

fn fulfil(receiver: &mut Receiver, office: &mut dyn Office, request: Request) -> Result<Option<Ended>, Failure> {
    match request {
        Request::Config(bytes) => store(receiver, office, bytes),
        Request::Release(manifest, signature) => install(receiver, office, manifest, signature),
        Request::Reboot if !office.reboots() => {
            let sentence = "this VM runs, and is rebooted from inside";
            receiver.answer(409, &super::state::error(sentence)).map(|()| None)
        }
        Request::Reboot => {
            receiver.set("state", "leaving")?;
            receiver.answer(202, "{}")?;
            Ok(Some(Ended::Reboot))
        }
    }
}

fn store(receiver: &mut Receiver, office: &mut dyn Office, bytes: u64) -> Result<Option<Ended>, Failure> {
    receiver.set("state", "storing")?;
    receiver.set("doing", &format!("storing a configuration of {bytes} bytes"))?;
    let stored = receiver.pushed(0, bytes).map_err(Undone::Failed).and_then(|bundle| office.store(bundle));
    match stored {
        Ok(Stored { sha256, files, bytes }) => {
            receiver.set("config", &sha256)?;
            receiver.set("state", "leaving")?;
            let doing = if office.reboots() { BOOTS } else { STAYS };
            receiver.set("doing", doing)?;
            let (sha256, doing) = (quote(&sha256), quote(doing));
            let json = format!("{{\"sha256\":{sha256},\"files\":{files},\"bytes\":{bytes},\"doing\":{doing}}}");
            // It is stored, whether or not anybody hears of it.
            receiver.answer(200, &json).unwrap_or_default();
            Ok(Some(Ended::Stored))
        }
        Err(undone) => refuse(receiver, &undone).map(|()| None),
    }
}

fn install(
    receiver: &mut Receiver,
    office: &mut dyn Office,
    manifest: u64,
    signature: u64,
) -> Result<Option<Ended>, Failure> {
    let both = receiver.pushed(0, manifest).and_then(|text| Ok((text, receiver.pushed(manifest, signature)?)));
    match both.map_err(Undone::Failed).and_then(|(manifest, signature)| office.believe(manifest, signature)) {
        Ok(release) => {
            receiver.set("state", "installing")?;
            receiver.set("doing", &format!("installing {release}"))?;
            receiver.answer(202, &format!("{{\"release\":{}}}", quote(&release)))?;
        }
        Err(undone) => return refuse(receiver, &undone).map(|()| None),
    }
    let mut tell = |doing: &str| {
        // Worst case: nobody is told any more how far it is. It is installed all the same, and whoever listens next to a child that
        // has ended meets the failure again.
        receiver.drain().and_then(|()| receiver.set("doing", doing)).unwrap_or_default();
    };
    match office.install(&mut tell) {
        Ok(()) => Ok(Some(Ended::Installed)),
        Err(failure) => receiver.set("failure", &failure.to_string()).map(|()| None),
    }
}

fn refuse(receiver: &mut Receiver, undone: &Undone) -> Result<(), Failure> {
    let (status, failure) = match undone {
        Undone::Refused(failure) => (422, failure),
        Undone::Failed(failure) => (500, failure),
    };
    receiver.note(&format!("refused what was pushed: {failure}"));
    receiver.answer(status, &super::state::error(&failure.to_string()))
}

/// Until something is said, by the child or by the network.
fn sleep(receiver: &mut Receiver, network: Option<&mut Network>, until: Option<Instant>) -> Result<(), Failure> {
    let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()).min(LOOK));
    let mut fds = vec![PollFd::from_borrowed_fd(receiver.output(), PollFlags::IN)];
    fds.extend(network.as_ref().map(|network| PollFd::from_borrowed_fd(network.output(), PollFlags::IN)));
    match poll(&mut fds, Some(&timespec(left))) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error).doing(|| "waiting for a configuration".into()),
    }
    let has_changed = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
    drop(fds);
    if let Some(network) = network.filter(|_| has_changed) {
        network.listen()?;
        receiver.set("addresses", &addresses(network))?;
    }
    Ok(())
}

/// What a VM can be reached at, divided by blanks.
pub fn addresses(network: &Network) -> String {
    let facts = network.facts();
    let all = facts.iter().flat_map(|facts| &facts.addresses).map(|own| own.address.to_string());
    all.collect::<Vec<_>>().join(" ")
}
