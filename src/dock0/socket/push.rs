//! Pushing: waiting until a VM waits too, sending, and making sure of what it has got.

use super::answer::{Answer, Stored, printable};
use super::cargo::Cargo;
use super::trouble::{Kind, Trouble};
use super::vm::Vm;
use crate::manifest::hex;
use crate::stop;
use anyhow::{Result, anyhow, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// How often a VM is asked whether it waits.
const EVERY: Duration = Duration::from_secs(1);
/// For how long a VM is asked what it has, when its answer has not come; while it still stores, for as long as it may keep us
/// waiting.
const ASKING_AGAIN: Duration = Duration::from_secs(10);

/// What is most likely of a VM that has got everything and is silent then.
const GONE: &str = "it does not answer any more: if it has the bundle, it boots with it next";

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The bundle is stored. What the VM said of it.
    Stored {
        /// Its SHA-256.
        sha256: String,
        /// Files and bytes in it; not known where the answer was lost and the VM was asked again.
        size: Option<(u64, u64)>,
        /// What it does now, in its own words.
        doing: Option<String>,
    },
    /// The VM believes the manifest, and installs this.
    Installing(String),
}

impl Pushed {
    /// What it is, and what happens next. When that is, the VM knows: one that waited for this boots now, one that runs does not.
    pub fn words(&self) -> String {
        match self {
            Pushed::Stored { sha256, size, doing } => {
                let size = match size {
                    Some((files, bytes)) => format!(", {files} files of {bytes} bytes"),
                    None => " (its answer was lost, and it was asked again)".into(),
                };
                let next = doing
                    .as_deref()
                    .filter(|doing| !doing.is_empty())
                    .map_or("it boots with it next".into(), printable);
                format!("stored {sha256}{size}; {next}")
            }
            Pushed::Installing(release) => {
                format!("installs {release} now, and boots from it next; dock0 status shows how far")
            }
        }
    }
}

/// Why one attempt came to nothing.
enum Undone {
    /// Another push is under way; this one has changed nothing, and can be tried again.
    Busy(String),
    /// It is over.
    Over(anyhow::Error),
}

/// Pushes to a VM, which has until `until` to be ready for it. `show` gets what is going on.
pub fn push(vm: &Vm, cargo: &Cargo, until: Instant, show: &dyn Fn(&str)) -> Result<Pushed> {
    loop {
        wait(vm, until, show)?;
        show("sending");
        match send(vm, cargo, until) {
            Ok(pushed) => return Ok(pushed),
            Err(Undone::Busy(why)) if Instant::now() + EVERY < until => show(&why),
            Err(Undone::Busy(why)) => bail!("{vm}: {why}"),
            Err(Undone::Over(error)) => return Err(error),
        }
        stop::pause(EVERY)?;
    }
}

/// Until it waits.
fn wait(vm: &Vm, until: Instant, show: &dyn Fn(&str)) -> Result<()> {
    let since = Instant::now();
    loop {
        let last = match vm.state(until) {
            Ok(state) if state.state == "waiting" => return Ok(()),
            Ok(state) => state.line(),
            Err(Trouble { kind: Kind::Final, why }) => bail!("{vm}: {why}"),
            Err(trouble) => format!("no answer yet: {trouble}"),
        };
        if Instant::now() + EVERY >= until {
            bail!("{vm}: it did not wait for a push within {} s; at last: {last}", since.elapsed().as_secs() + 1);
        }
        show(&last);
        stop::pause(EVERY)?;
    }
}

fn send(vm: &Vm, cargo: &Cargo, until: Instant) -> Result<Pushed, Undone> {
    match cargo {
        Cargo::Bundle(bytes) => send_bundle(vm, bytes, until),
        Cargo::Release { manifest, signature } => send_release(vm, manifest, signature),
    }
}

fn send_bundle(vm: &Vm, bytes: &[u8], until: Instant) -> Result<Pushed, Undone> {
    let ours = hex(&Sha256::digest(bytes));
    let answer = match vm.put("/config", bytes) {
        Err(Trouble { kind: Kind::Lost, why }) => return ask_again(vm, &ours, &why, until).map_err(Undone::Over),
        answer => expect(vm, 200, answer)?,
    };
    let Stored { sha256, files, bytes, doing } = read(vm, &answer)?;
    match sha256 == ours {
        true => Ok(Pushed::Stored { sha256, size: Some((files, bytes)), doing }),
        false => {
            let theirs = printable(&sha256);
            Err(Undone::Over(anyhow!("{vm}: it has stored something else: SHA-256 {theirs}, and {ours} was sent")))
        }
    }
}

fn send_release(vm: &Vm, manifest: &[u8], signature: &[u8]) -> Result<Pushed, Undone> {
    #[derive(Deserialize)]
    struct Believed {
        release: String,
    }
    expect(vm, 200, vm.put("/release.minisig", signature))?;
    let answer = expect(vm, 202, vm.put("/release", manifest))?;
    let Believed { release } = read(vm, &answer)?;
    Ok(Pushed::Installing(printable(&release)))
}

/// The answer, if it is the one that says that all is well.
fn expect(vm: &Vm, status: u16, answer: Result<Answer, Trouble>) -> Result<Answer, Undone> {
    match answer {
        Ok(answer) if answer.status == status => Ok(answer),
        Ok(answer) if answer.status == 409 => Err(Undone::Busy(answer.sentence())),
        Ok(answer) => Err(Undone::Over(anyhow!("{vm}: it answers {}: {}", answer.status, answer.sentence()))),
        Err(Trouble { kind: Kind::Away, why }) => Err(Undone::Busy(why)),
        Err(Trouble { kind: Kind::Lost, why }) => {
            Err(Undone::Over(anyhow!("{vm}: its answer was lost ({why}); dock0 status shows what it does now")))
        }
        Err(Trouble { kind: Kind::Final, why }) => Err(Undone::Over(anyhow!("{vm}: {why}"))),
    }
}

fn read<'a, T: Deserialize<'a>>(vm: &Vm, answer: &'a Answer) -> Result<T, Undone> {
    answer.json().map_err(|why| Undone::Over(anyhow!("{vm}: {why}")))
}

/// Whether a bundle whose answer was lost is stored. A VM that has it goes on at once and answers nothing any more.
fn ask_again(vm: &Vm, ours: &str, why: &str, patience: Instant) -> Result<Pushed> {
    let mut until = Instant::now() + ASKING_AGAIN;
    let patience = patience.max(until);
    let mut last = GONE;
    while Instant::now() + EVERY < until {
        // Not at once: it may be about to begin to store.
        stop::pause(EVERY)?;
        match vm.state(until) {
            Ok(state) if state.config.as_deref() == Some(ours) => {
                return Ok(Pushed::Stored { sha256: ours.into(), size: None, doing: state.doing });
            }
            Ok(state) if state.state == "storing" => {
                until = patience.min(Instant::now() + ASKING_AGAIN);
                last = "it still stores the bundle: dock0 status shows what becomes of it";
            }
            Ok(state) if state.state == "waiting" => {
                bail!("{vm}: its answer was lost ({why}), and it has not stored the bundle: push again")
            }
            Err(Trouble { kind: Kind::Final, why }) => bail!("{vm}: {why}"),
            Ok(_) => {}
            Err(_) => last = GONE,
        }
    }
    bail!("{vm}: its answer was lost ({why}), and {last}")
}
