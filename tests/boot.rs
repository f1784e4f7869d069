//! One boot of a test: what to boot, and how it must end.

use crate::partition::DiskFile;
use anyhow::{Context, Result, ensure};
use probe::Facts;
use qemu::{Board, Disk, Machine, Report, Vm};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than any boot takes on a slow and busy machine; a boot that hangs fails here.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A machine about to boot, for as long as its disks are there.
pub struct Boot<'d> {
    /// The machine, to be changed at will.
    pub machine: Machine,
    disks: PhantomData<&'d DiskFile>,
}

impl<'d> Boot<'d> {
    /// Through `-kernel`, with our kernel and initrd and these words on the kernel command line; no disk yet.
    pub fn kernel(words: &str) -> Boot<'d> {
        Boot::kernel_with(crate::initrd(), words)
    }

    /// The same with another initrd.
    pub fn kernel_with(initrd: PathBuf, words: &str) -> Boot<'d> {
        let cmdline = format!("{words} console=ttyS0 panic=-1 dock0.rescue=reboot:0");
        Boot::from(qemu::Boot::Kernel { kernel: crate::kernel(), initrd: Some(initrd), cmdline })
    }

    /// On QEMU's microvm, with the kernel that is made for it.
    pub fn microvm(words: &str) -> Boot<'d> {
        let mut boot = Boot::kernel(words);
        if let qemu::Boot::Kernel { kernel, .. } = &mut boot.machine.boot {
            *kernel = crate::microvm_kernel();
        }
        boot.machine.board = Board::Microvm;
        boot
    }

    /// Any other way in.
    pub fn from(way: qemu::Boot) -> Boot<'d> {
        Boot { machine: Machine::new(way), disks: PhantomData }
    }

    /// With these words at the very end of the kernel command line, where the last of two equal ones wins.
    pub fn and(mut self, words: &str) -> Boot<'d> {
        if let qemu::Boot::Kernel { cmdline, .. } = &mut self.machine.boot {
            cmdline.push(' ');
            cmdline.push_str(words);
        }
        self
    }

    /// With a disk on virtio-scsi, as Linode has them.
    pub fn scsi(self, disk: &'d DiskFile) -> Boot<'d> {
        self.disk(Disk::scsi(&disk.path))
    }

    /// With a disk on virtio-blk.
    pub fn blk(self, disk: &'d DiskFile) -> Boot<'d> {
        self.disk(Disk::blk(&disk.path))
    }

    /// With any disk.
    pub fn disk(mut self, disk: Disk) -> Boot<'d> {
        self.machine.disks.push(disk);
        self
    }

    /// With this much memory, in MiB.
    pub fn memory(mut self, memory: u32) -> Boot<'d> {
        self.machine.memory = memory;
        self
    }

    /// Starts it, for a test that talks to it while it runs; with KVM where that has proved itself.
    pub fn start(mut self) -> Result<Vm> {
        self.machine.accel = qemu::accel()?;
        Vm::start(&self.machine)
    }

    /// Boots to the probe's "done": the probe's facts, and the console.
    pub fn to_done(self) -> Result<(Facts, Report)> {
        let report = self.start()?.run_to_done(DEADLINE)?;
        let json = report.probe.last().context("the probe said nothing")?;
        Ok((serde_json::from_str(json).context("reading the probe's report")?, report))
    }

    /// Boots to the probe's "done": the facts alone.
    pub fn facts(self) -> Result<Facts> {
        self.to_done().map(|(facts, _)| facts)
    }

    /// Boots to a failure that rescue() turns into a reboot: the whole console, in which this sentence was found.
    pub fn to_rescue(self, sentence: &str) -> Result<String> {
        let console = self.start()?.run_to_end(DEADLINE)?;
        let said = format!("dock0: the boot has failed: {sentence}");
        ensure!(console.contains(&said), "{said:?} was not said:\n{console}");
        ensure!(console.contains("dock0: rebooting"), "no reboot:\n{console}");
        Ok(console)
    }

    /// Boots until QEMU ends: the whole console.
    pub fn to_end(self) -> Result<String> {
        self.start()?.run_to_end(DEADLINE)
    }
}
