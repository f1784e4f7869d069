//! The stand-in as a program: prints the environment in which linode-cli and dock0 come here, and serves until it is stopped;
//! or runs a program in that environment.

use anyhow::{Context, Result, ensure};
use argh::FromArgs;
use fake_linode::{FakeLinode, Settings};
use nix::sys::signal::{SigSet, Signal};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::Duration;

/// A stand-in for Linode, whose machines boot in QEMU.
#[derive(FromArgs)]
struct Arguments {
    /// where everything is kept, for the next time too (default: a temporary directory)
    #[argh(option)]
    directory: Option<PathBuf>,
    /// milliseconds that a boot, a disk and so on take (default: 1000)
    #[argh(option, default = "1000")]
    pace: u64,
    /// LABEL=PORT:PORT: the ports of 127.0.0.1 that lead to SSH and to the config socket of the Linode with this label
    /// (repeatable; default: free ones)
    #[argh(option)]
    forward: Vec<Forward>,
    /// a program and its arguments: it is run in that environment, and the stand-in ends with it
    #[argh(positional, greedy)]
    command: Vec<String>,
}

/// The ports that lead into a Linode, known before it boots.
struct Forward {
    label: String,
    ports: [u16; 2],
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Forward, String> {
        let read = || {
            let (label, ports) = text.split_once('=').filter(|(label, _)| !label.is_empty())?;
            let (ssh, config) = ports.split_once(':')?;
            let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
            Some(Forward { label: label.into(), ports: [port(ssh)?, port(config)?] })
        };
        read().ok_or_else(|| "must be LABEL=PORT:PORT, like web1=2201:1102".into())
    }
}

fn forwards(chosen: Vec<Forward>) -> Result<BTreeMap<String, [u16; 2]>> {
    let (mut forwards, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for Forward { label, ports } in chosen {
        for port in ports {
            ensure!(taken.insert(port), "--forward: port {port} is given twice");
        }
        ensure!(forwards.insert(label.clone(), ports).is_none(), "--forward: {label} is given twice");
    }
    Ok(forwards)
}

fn main() -> Result<ExitCode> {
    let arguments: Arguments = argh::from_env();
    // Waited for below, with the machines still to be stopped; blocked before there is a thread that could be hit.
    let mut signals = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().context("blocking signals")?;
    let pace = Duration::from_millis(arguments.pace);
    let (directory, forwards) = (arguments.directory, forwards(arguments.forward)?);
    let fake = FakeLinode::start(Settings { directory, pace, forwards, ..Settings::default() })?;
    if let [program, words @ ..] = &arguments.command[..] {
        let mut command = Command::new(program);
        command.args(words).envs(fake.environment());
        for name in fake.removed() {
            command.env_remove(name);
        }
        // Ctrl-C reaches it too, and is its own business.
        let ended = command.status().with_context(|| format!("starting {program}"))?;
        return Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut out = std::io::stdout();
    for name in fake.removed() {
        writeln!(out, "unset {name}")?;
    }
    for (name, value) in fake.environment() {
        writeln!(out, "export {name}={value}")?;
    }
    let address = fake.address();
    writeln!(
        out,
        "# http://{address}/v4 until Ctrl-C; http://{address}/fake/linodes/ID tells ports and console of a machine"
    )?;
    out.flush()?;
    signals.wait().context("waiting for a signal")?;
    Ok(ExitCode::SUCCESS)
}
