//! The guest of the power-cut rig: `/sbin/init` of a VM that changes the boot partition it was booted from, again and
//! again, says on the console and on the disk what it has done, and ends the VM.
//!
//! Words on the kernel command line tell it what to do: `cut.sequence=WORD cut.operations=N`, and `cut.neighbour` if somebody
//! else shall be at the disk meanwhile. Without them it does what an operator does after a power cut: an install and a way
//! back, a new configuration and a way back, by dock0's sequence.
//!
//! Like init it is its own child that unpacks a bundle, under another name.

#![forbid(unsafe_code)]

mod dock0;
mod mounted;
mod naive;
mod neighbour;
mod operation;
mod releases;
mod steps;

use anyhow::{Context, Result};
use init::config;
use init::role::Role;
use mounted::Mounted;
use operation::Operation;
use power_cut_guest::{Kind, Line, NEIGHBOUR, Sequence, state};
use rustix::system::RebootCommand;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Role::Unpack(words) = Role::of(&words, rustix::process::getpid().is_init()) {
        return config::child::run(words);
    }
    run_as_init();
    ExitCode::SUCCESS
}

fn run_as_init() {
    if let Err(error) = change_and_tell().or_else(|error| say(&Line::Failed(format!("{error:#}")))) {
        eprintln!("the guest could not even say what failed: {error:#}");
    }
    rustix::fs::sync();
    // The rig reads these with the harness's eyes for the probe.
    println!("probe: done");
    if let Err(error) = rustix::system::reboot(RebootCommand::PowerOff) {
        eprintln!("the guest could not end the VM: {error}");
    }
}

fn change_and_tell() -> Result<()> {
    // From here on the kernel says nothing on the console that could fall into the middle of a line.
    fs::write("/proc/sys/kernel/printk", "1").context("silencing the kernel")?;
    println!();
    let words = fs::read_to_string("/proc/cmdline").context("reading the kernel command line")?;
    let disk = Mounted::find()?;
    let done = disk.done()?;
    let (sequence, kinds) = orders(&words, done)?;

    say(&Line::Runs { root: mounted::running_version()?, configs: disk.configs()? })?;
    tell(&disk, sequence, done, None)?;
    for (operation, kind) in (done + 1..).zip(kinds) {
        let perform = || Operation { number: operation, kind }.perform(&disk.root, sequence);
        match words.split_whitespace().any(|word| word == NEIGHBOUR) {
            true => neighbour::beside_one(&disk.root, perform)?,
            false => perform()?,
        }
        disk.mark_done(operation)?;
        tell(&disk, sequence, operation, Some(kind))?;
    }
    Ok(())
}

/// What the words ask for, `done` operations being done.
fn orders(words: &str, done: u32) -> Result<(Sequence, Vec<Kind>)> {
    let word = |name: &str| words.split_whitespace().filter_map(|word| word.split_once('=')).find(|(n, _)| *n == name);
    let Some((_, sequence)) = word("cut.sequence") else {
        return Ok((Sequence::Dock0, vec![Kind::Install, Kind::RollBack, Kind::Configure, Kind::RollBackConfig]));
    };
    let sequence = Sequence::named(sequence).with_context(|| format!("there is no sequence {sequence}"))?;
    let (_, count) = word("cut.operations").context("cut.operations= is missing")?;
    let count: u32 = count.parse().with_context(|| format!("cut.operations={count} is no number"))?;
    Ok((sequence, (done + 1..=done + count).map(Kind::of).collect()))
}

fn tell(disk: &Mounted, sequence: Sequence, operation: u32, kind: Option<Kind>) -> Result<()> {
    let state = state::read(disk, sequence.promise()).map_err(anyhow::Error::msg)?;
    say(&Line::After { operation, kind, state })
}

fn say(line: &Line) -> Result<()> {
    let mut console = io::stdout().lock();
    writeln!(console, "probe: {}", serde_json::to_string(line)?)?;
    Ok(console.flush()?)
}
