//! The stand-in as a program: prints the environment in which linode-cli comes here, and serves until it is stopped.

use anyhow::{Context, Result};
use argh::FromArgs;
use fake_linode::{FakeLinode, Settings};
use nix::sys::signal::{SigSet, Signal};
use std::io::Write;
use std::path::PathBuf;
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
}

fn main() -> Result<()> {
    let arguments: Arguments = argh::from_env();
    // Waited for below, with the machines still to be stopped; blocked before there is a thread that could be hit.
    let mut signals = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().context("blocking signals")?;
    let pace = Duration::from_millis(arguments.pace);
    let fake = FakeLinode::start(Settings { directory: arguments.directory, pace, ..Settings::default() })?;
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
    Ok(())
}
