//! A recording: a VM changes the disk it was booted from, and everything it writes is logged.

use crate::cuts::{self, Cut};
use crate::epochs::{Timeline, divide};
use crate::expected::Expected;
use crate::log;
use anyhow::{Context, Result, ensure};
use boot_tests::Root;
use dock0::image::Format;
use dock0::menu::Menu;
use dock0::origin::Origin;
use dock0::release::ArtifactFile;
use dock0::tool::DEBUGFS;
use power_cut_guest::{Line, NEIGHBOUR, Sequence, marker};
use qemu::{Boot, Bus, Disk, Machine, Report, Vm, Writes};
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// The disk: room for three releases, two kernels and one of each that comes in.
const SIZE: u64 = 64 << 20;
/// More than a recording takes on a slow and busy machine.
const DEADLINE: Duration = Duration::from_secs(300);
/// From the guest's last word to QEMU's end.
const END: Duration = Duration::from_secs(30);

/// The disk before the VM started.
const BEFORE: &str = "before.img";
/// What the VM wrote.
const LOG: &str = "log";
/// What the guest said.
const LINES: &str = "lines";
/// All that was said, for whoever looks for what went wrong.
const CONSOLE: &str = "console";

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What the disk hangs on.
    pub bus: Bus,
    /// How the guest changes it.
    pub sequence: Sequence,
}

/// What came of it.
pub struct Recording {
    /// What was recorded.
    pub subject: Subject,
    /// The disk before.
    pub before: Vec<u8>,
    /// What was written to it, and when that was certain.
    pub timeline: Timeline,
    /// The numbers of the blocks that the journal has.
    pub journal: HashSet<usize>,
    /// The states it went through.
    pub expected: Expected,
}

impl Subject {
    /// `virtio-scsi/dock0`: its place below a directory of recordings, and the beginning of its disks' names.
    pub fn name(self) -> String {
        let bus = match self.bus {
            Bus::VirtioBlk => "virtio-blk",
            Bus::VirtioScsi => "virtio-scsi",
        };
        format!("{bus}/{}", self.sequence.word())
    }

    /// The subject with this name.
    pub fn named(name: &str) -> Option<Subject> {
        let subject = |bus| Sequence::ALL.map(|sequence| Subject { bus, sequence });
        [Bus::VirtioBlk, Bus::VirtioScsi].into_iter().flat_map(subject).find(|subject| subject.name() == name)
    }
}

impl Recording {
    /// Boots the VM and records so many operations in `directory`.
    pub fn make(subject: Subject, operations: u32, directory: &Path) -> Result<Recording> {
        let record = || -> Result<Recording> {
            fs::create_dir_all(directory)?;
            let before = directory.join(BEFORE);
            make_disk(&before)?;
            let disk = tempfile::NamedTempFile::new()?;
            fs::copy(&before, disk.path())?;
            let report = run(subject, operations, disk.path(), &directory.join(LOG))?;
            fs::write(directory.join(CONSOLE), &report.console)?;
            fs::write(directory.join(LINES), report.probe.join("\n"))?;
            let recording = Recording::open(subject, directory)?;
            recording.check(operations, &fs::read(disk.path())?)?;
            Ok(recording)
        };
        record().with_context(|| format!("recording {} in {}", subject.name(), directory.display()))
    }

    /// Reads one that was made before.
    pub fn open(subject: Subject, directory: &Path) -> Result<Recording> {
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        let before = read(BEFORE)?;
        let entries = log::parse(&read(LOG)?, before.len() as u64).map_err(anyhow::Error::msg)?;
        let lines = parse_lines(&String::from_utf8(read(LINES)?).context("the guest's lines are no text")?)?;
        let expected = Expected::from_lines(&lines, subject.sequence.promise())?;
        let journal = find_journal(&directory.join(BEFORE))?;
        Ok(Recording { subject, before, timeline: divide(entries), journal, expected })
    }

    /// Everything that a power cut could have left of it.
    pub fn cuts(&self, seed: u64) -> Vec<Cut> {
        cuts::enumerate(&self.before, &self.timeline, &self.journal, seed)
    }

    /// Whether the log and the disk tell the same story.
    fn check(&self, operations: u32, after: &[u8]) -> Result<()> {
        let mut disk = self.before.clone();
        for write in &self.timeline.writes {
            let place = disk.get_mut(write.at as usize..write.at as usize + write.data.len());
            place.context("a write beyond the disk")?.copy_from_slice(&write.data);
        }
        ensure!(disk == after, "the log and the disk after the recording are not the same");
        ensure!(self.expected.last() == operations, "the guest did {} operations", self.expected.last());
        Ok(())
    }
}

/// The journal is inode 8 of any ext4.
fn find_journal(image: &Path) -> Result<HashSet<usize>> {
    let blocks = DEBUGFS.run(DEBUGFS.command().args(["-R", "blocks <8>"]).arg(image))?;
    let journal: Result<HashSet<usize>, _> = blocks.split_whitespace().map(str::parse).collect();
    let journal = journal.with_context(|| format!("debugfs answered {blocks:?}"))?;
    ensure!(!journal.is_empty(), "{} has no journal", image.display());
    Ok(journal)
}

/// The guest's lines.
pub fn parse_lines(text: &str) -> Result<Vec<Line>> {
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("reading the guest's line {line}"));
    text.lines().map(parse).collect()
}

/// Release 0 with the guest as its `/sbin/init`, menus that start the guest without a word, and behind the file system
/// room for the marker.
fn make_disk(path: &Path) -> Result<()> {
    let guest = fs::read(boot_tests::built("target/x86_64-unknown-linux-gnu/init/power-cut-guest"))?;
    let root = Root::empty()?.file("sbin/init", &guest, 0o755)?.pack(Format::Erofs)?;
    let config = tempfile::tempdir()?;
    fs::create_dir(config.path().join("etc"))?;
    fs::write(config.path().join("etc/generation"), "0\n")?;
    let artifacts = vec![
        artifact("kernel", &boot_tests::kernel())?,
        artifact("initrd", &boot_tests::initrd())?,
        artifact("vm_root", &root.path)?,
    ];
    let menu = Menu { timeout: 0, extra: "dock0.rescue=reboot:0".into(), ..Menu::default() };
    let disk = dock0::disk::Disk {
        artifacts,
        config: Some(config.path().into()),
        origin: Origin::default(),
        size: SIZE,
        menu,
    };
    let staging = tempfile::tempdir()?;
    disk.stage(staging.path())?;
    dock0::ext4::make_file_system(staging.path(), path, SIZE - marker::SIZE, &disk.menu.label)?;
    Ok(File::options().write(true).open(path)?.set_len(SIZE)?)
}

fn artifact(name: &str, file: &Path) -> Result<ArtifactFile> {
    format!("{name}=op0@{}", file.display()).parse().map_err(anyhow::Error::msg)
}

/// Boots the disk: what was said.
fn run(subject: Subject, operations: u32, disk: &Path, log: &Path) -> Result<Report> {
    File::create(log)?;
    let words = format!("cut.sequence={} cut.operations={operations}", subject.sequence.word());
    // Without one, what the file system has gathered stays in memory from one wait of the guest's to the next, all or nothing.
    let neighbour = if subject.bus == Bus::VirtioBlk { NEIGHBOUR } else { "" };
    let mut machine = Machine::on_this_host(Boot::Kernel {
        kernel: boot_tests::kernel(),
        initrd: Some(boot_tests::initrd()),
        cmdline: format!("{words} {neighbour} console=ttyS0 panic=-1 dock0.rescue=reboot:0"),
    })?;
    let writes = Writes::Logged(log.into());
    machine.disks.push(Disk { bus: subject.bus, writes, ..Disk::blk(disk) });
    let mut vm = Vm::start(&machine)?;
    let report = vm.run_to_done(DEADLINE)?;
    let status = vm.wait_exit(END)?;
    ensure!(status.success(), "QEMU ended with {status}");
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for bus in [Bus::VirtioBlk, Bus::VirtioScsi] {
            for sequence in Sequence::ALL {
                let subject = Subject { bus, sequence };
                assert_eq!(Subject::named(&subject.name()), Some(subject));
            }
        }
        for name in ["", "virtio-scsi", "virtio-scsi/", "ide/dock0"] {
            assert_eq!(Subject::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_quoted() {
        let error = format!("{:#}", parse_lines("{\"Failed\":\"1\"}\n{").expect_err("no line"));
        assert!(error.starts_with("reading the guest's line {: "), "{error}");
    }
}
