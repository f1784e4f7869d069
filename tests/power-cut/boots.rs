//! Real boots: a disk that a power cut may have left is booted through GRUB 2, and the guest goes on where it was cut off.

use crate::cuts::Cut;
use crate::expected::{Expected, Fit};
use crate::judge::{self, Judge};
use crate::recording::{Recording, parse_lines};
use crate::scratch::{self, Scratch};
use anyhow::{Context, Result, bail, ensure};
use menagerie::layout;
use power_cut_guest::state::{CONFIG, CONFIG_BEFORE, Configurations, Promise, Release};
use power_cut_guest::{Kind, Line, State};
use qemu::{Boot, Disk, Machine, Vm};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// More than a boot and four operations take on a slow and busy machine.
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
    let [Line::Runs { root, configs }, start, installed, back, taken, undone] = lines else {
        bail!("the guest did not say what it should: {lines:?}");
    };
    let (start, installed, back, taken, undone) = (
        after(start, done, None)?,
        after(installed, done + 1, Some(Kind::Install))?,
        after(back, done + 2, Some(Kind::RollBack))?,
        after(taken, done + 3, Some(Kind::Configure))?,
        after(undone, done + 4, Some(Kind::RollBackConfig))?,
    );
    let left: Vec<&String> = configs.iter().filter(|name| ![CONFIG, CONFIG_BEFORE].contains(&name.as_str())).collect();
    ensure!(left.is_empty(), "the boot has left {left:?}");
    // The boot itself has spent a try, and told the boot loaders.
    let of_trials = |part: &str| ["marks", "loaders"].contains(&part);
    let fits = expected.fits(done, start);
    if let Some((part, fit)) = fits.iter().find(|(part, fit)| *fit != Fit::Current && !of_trials(part)) {
        bail!("booted with {done} operations done, {part} is {fit:?}: {start:?}");
    }
    let version = |release: &Release| release.get(layout::VM_ROOT).map(|artifact| artifact.version.clone());
    let latest = version(&start.latest);
    ensure!(latest.as_ref() == Some(root), "the guest runs from vm_root {root}, and latest has {latest:?}");
    ensure!(version(&installed.latest) != latest, "the install changed nothing");
    ensure!(back.latest == start.latest, "the way back led elsewhere: {back:?}");
    let before = taken.config.before.as_ref();
    ensure!(before == Some(&start.config.current), "the configuration before is another one: {taken:?}");
    ensure!(taken.config.current != start.config.current, "the new configuration changed nothing");
    let turned = Configurations { current: start.config.current.clone(), before: Some(taken.config.current.clone()) };
    ensure!(undone.config == turned, "the way back to the configuration before led elsewhere: {undone:?}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use power_cut_guest::state::{Artifact, Content, Files, Leaf};

    fn state(root: &str, config: &str, before: Option<&str>) -> State {
        let artifact = Artifact { version: root.into(), content: Content::of(root.as_bytes()) };
        let files = |text: &str| Files::from([("name".to_string(), Leaf::Link(text.into()))]);
        let config = Configurations { current: files(config), before: before.map(files) };
        State { latest: [(layout::VM_ROOT.to_string(), artifact)].into(), releases: None, config, ..State::default() }
    }

    /// What the guest says after a boot of a disk with no operation done, if all is well.
    fn all_is_well() -> Vec<Line> {
        let line = |operation, kind, state| Line::After { operation, kind, state };
        vec![
            Line::Runs { root: "1".into(), configs: vec!["config".into(), "config.prev".into()] },
            line(0, None, state("1", "a", Some("0"))),
            line(1, Some(Kind::Install), state("2", "a", Some("0"))),
            line(2, Some(Kind::RollBack), state("1", "a", Some("0"))),
            line(3, Some(Kind::Configure), state("1", "b", Some("a"))),
            line(4, Some(Kind::RollBackConfig), state("1", "a", Some("b"))),
        ]
    }

    #[test]
    fn what_a_guest_may_say() {
        let start = [Line::After { operation: 0, kind: None, state: state("1", "a", Some("0")) }];
        let expected = Expected::from_lines(&start, Promise::Latest).expect("a state");
        check_lines(&all_is_well(), &expected, 0).expect("all is well");
        let runs = |root: &str, config: &str| Line::Runs { root: root.into(), configs: vec![config.into()] };
        let after = |number: usize, state: State| {
            let Line::After { operation, kind, .. } = all_is_well()[number] else { panic!("{number} has a state") };
            Line::After { operation, kind, state }
        };
        for (number, line, wanted) in [
            (0, runs("1", "config.new"), "the boot has left [\"config.new\"]"),
            (0, runs("1", "config.running"), "the boot has left [\"config.running\"]"),
            (0, runs("2", "config"), "the guest runs from vm_root 2, and latest has Some(\"1\")"),
            (1, after(1, state("1", "b", Some("0"))), "booted with 0 operations done, config is Never"),
            (1, after(1, state("1", "a", None)), "booted with 0 operations done, config is Never"),
            (2, after(2, state("1", "a", Some("0"))), "the install changed nothing"),
            (3, after(3, state("2", "a", Some("0"))), "the way back led elsewhere"),
            (4, after(4, state("1", "a", Some("a"))), "the new configuration changed nothing"),
            (4, after(4, state("1", "b", Some("0"))), "the configuration before is another one"),
            (5, after(5, state("1", "a", Some("0"))), "the way back to the configuration before led elsewhere"),
            (5, after(4, state("1", "a", Some("b"))), "instead of operation 4, Some(RollBackConfig), the guest said"),
        ] {
            let mut lines = all_is_well();
            lines[number] = line;
            let error = check_lines(&lines, &expected, 0).expect_err(wanted).to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
