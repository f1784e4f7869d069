//! Real boots: a disk that a power cut may have left is booted through GRUB 2, and the guest goes on where it was cut off.

use crate::cuts::Cut;
use crate::expected::{Expected, Fit};
use crate::judge::{self, Judge};
use crate::recording::{Recording, parse_lines};
use crate::scratch::{self, Scratch};
use anyhow::{Context, Result, bail, ensure};
use menagerie::layout;
use power_cut_guest::state::{Promise, Release};
use power_cut_guest::{Kind, Line, State};
use qemu::{Boot, Disk, Machine, Vm};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// More than a boot and two operations take on a slow and busy machine.
const DEADLINE: Duration = Duration::from_secs(180);
/// From the guest's last word to QEMU's end.
const END: Duration = Duration::from_secs(30);

/// Boots the disk of this cut: `Ok` if it comes up old or new, can be changed again, and is sound then.
pub fn boot(recording: &Recording, cut: &Cut) -> Result<()> {
    let place = scratch::directory()?;
    let mut scratch = Scratch::new(recording.before.clone(), &recording.timeline.writes, place.path())?;
    scratch.advance(&recording.timeline.epochs, cut.epoch);
    let done = judge::read_marker(scratch.make(&cut.pieces)?)?;
    let lines = run(scratch.path())?;
    check_lines(&lines, &recording.expected, done)?;
    judge_afterwards(&lines, scratch.path(), place.path())
}

fn run(disk: &Path) -> Result<Vec<Line>> {
    let mut machine = Machine::on_this_host(Boot::grub2()?)?;
    machine.disks.push(Disk::scsi(disk));
    let mut vm = Vm::start(&machine)?;
    let report = vm.run_to_done(DEADLINE)?;
    let status = vm.wait_exit(END)?;
    ensure!(status.success(), "QEMU ended with {status}");
    parse_lines(&report.probe.join("\n")).with_context(|| report.console)
}

/// The guest runs from the root of the release that the disk holds, which is old or new, and went on from there.
fn check_lines(lines: &[Line], expected: &Expected, done: u32) -> Result<()> {
    let [Line::Runs(root), start, installed, back] = lines else {
        bail!("the guest did not say what it should: {lines:?}");
    };
    let (start, installed, back) = (
        after(start, done, None)?,
        after(installed, done + 1, Some(Kind::Install))?,
        after(back, done + 2, Some(Kind::RollBack))?,
    );
    let parts = [
        ("latest", expected.fit(done, &start.latest, |state| &state.latest)),
        ("releases", expected.fit(done, &start.releases, |state| &state.releases)),
        ("config", expected.fit(done, &start.config, |state| &state.config)),
    ];
    if let Some((part, fit)) = parts.iter().find(|(_, fit)| *fit != Fit::Current) {
        bail!("booted with {done} operations done, {part} is {fit:?}: {start:?}");
    }
    let version = |release: &Release| release.get(layout::VM_ROOT).map(|artifact| artifact.version.clone());
    let latest = version(&start.latest);
    ensure!(latest.as_ref() == Some(root), "the guest runs from vm_root {root}, and latest has {latest:?}");
    ensure!(version(&installed.latest) != latest, "the install changed nothing");
    ensure!(back.latest == start.latest, "the way back led elsewhere: {back:?}");
    Ok(())
}

fn after(line: &Line, wanted: u32, what: Option<Kind>) -> Result<&State> {
    if let Line::After { operation, kind, state } = line
        && (*operation, *kind) == (wanted, what)
    {
        return Ok(state);
    }
    bail!("instead of operation {wanted}, {what:?}, the guest said {line:?}")
}

fn judge_afterwards(lines: &[Line], disk: &Path, place: &Path) -> Result<()> {
    let expected = Expected::from_lines(lines, Promise::Every)?;
    let judgement = Judge::new(&expected, place).judge(&File::open(disk)?, disk, 0)?;
    ensure!(judgement.is_sound(), "after the boot the disk is not sound: {judgement:?}");
    Ok(())
}
