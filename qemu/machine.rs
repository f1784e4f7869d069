//! A virtual machine as a plain value that prints itself as QEMU arguments.

use crate::disk::{Bus, Disk, Plug, comma_safe};
use crate::network::Network;
use crate::shell;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The program that runs a `Machine`; in Debian it comes with `qemu-system-x86`.
pub const QEMU: &str = "qemu-system-x86_64";

/// Everything about one virtual machine. Change what you need of `Machine::new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// RAM in MiB.
    pub memory: u32,
    /// Virtual processors.
    pub cpus: u32,
    /// The mainboard.
    pub board: Board,
    /// What the firmware starts.
    pub boot: Boot,
    /// The disks, in the order in which firmware and GRUB number them.
    pub disks: Vec<Disk>,
    /// The network card.
    pub network: Network,
    /// What a reboot of the guest does.
    pub reboot: Reboot,
    /// Who executes the guest's instructions.
    pub accel: Accel,
    /// What the guest's clock follows.
    pub clock: Clock,
    /// A virtio entropy source besides the processor's own instruction.
    pub rng: bool,
    /// A Unix socket for QMP commands; `Vm::start` sets it when a disk is to be plugged in later.
    pub qmp: Option<PathBuf>,
    /// A file that gets what the serial console says, from the start.
    pub log: Option<PathBuf>,
    /// Arguments added at the end, as they are.
    pub extra: Vec<String>,
}

/// The mainboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// PCI Express, QEMU's `q35`.
    Q35,
    /// The old one, QEMU's `pc` (i440FX).
    Pc,
    /// No PCI, hardly any firmware: QEMU's `microvm`. It boots a kernel only, takes no disk on virtio-blk while it runs, and
    /// cannot power itself off: a reboot ends it.
    Microvm,
}

/// What the firmware starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// A kernel handed over by QEMU: the quick way.
    Kernel {
        /// A bzImage.
        kernel: PathBuf,
        /// The initial RAM disk, if any.
        initrd: Option<PathBuf>,
        /// The kernel command line, `console=ttyS0` included.
        cmdline: String,
    },
    /// The boot sector of the first disk, as Linode's "direct disk" has it.
    Disk,
    /// GRUB 2 reading `/boot/grub/grub.cfg` from the first disk, as Linode starts it.
    Grub2 {
        /// The core image behind `lnxboot.img`.
        image: PathBuf,
    },
    /// GRUB Legacy reading `/boot/grub/menu.lst` from the first disk.
    GrubLegacy {
        /// A floppy image of stage1 and stage2.
        floppy: PathBuf,
    },
}

/// What a reboot of the guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reboot {
    /// It ends QEMU.
    Ends,
    /// It boots again.
    Happens,
}

/// Who executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// QEMU's translator: slow, works everywhere.
    Tcg,
    /// The host's processor, through `/dev/kvm`.
    Kvm,
}

/// What the guest's clock follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The host's time.
    Host,
    /// The number of executed instructions (1 ns each), so that times hardly depend on the host's load; where the guest
    /// waits for a disk the clock jumps. Implies TCG.
    Instructions,
}

impl Machine {
    /// 256 MiB, one processor, q35, TCG, no disk, no network; a reboot ends QEMU.
    pub fn new(boot: Boot) -> Machine {
        Machine {
            memory: 256,
            cpus: 1,
            board: Board::Q35,
            boot,
            disks: Vec::new(),
            network: Network::None,
            reboot: Reboot::Ends,
            accel: Accel::Tcg,
            clock: Clock::Host,
            rng: false,
            qmp: None,
            log: None,
            extra: Vec::new(),
        }
    }

    /// The same with the best accelerator of this host; see `accel` for what that may cost and say.
    pub fn on_this_host(boot: Boot) -> Result<Machine> {
        Ok(Machine { accel: crate::accel()?, ..Machine::new(boot) })
    }

    /// QEMU's arguments. The serial console and QEMU's monitor share standard input and output (Ctrl-A X leaves).
    pub fn args(&self) -> Vec<String> {
        let mut args = Args(Vec::new());
        args.add(["-nodefaults", "-no-user-config", "-display", "none"]);
        self.add_console(&mut args);
        args.add(["-machine", self.board.name()]);
        self.add_processor(&mut args);
        args.add(["-m", &self.memory.to_string(), "-smp", &self.cpus.to_string()]);
        if self.reboot == Reboot::Ends {
            args.add(["-no-reboot"]);
        }
        self.boot.add_to(&mut args);
        self.add_disks(&mut args);
        args.0.extend(self.network.args(self.board));
        if self.rng {
            args.add(["-device", &format!("virtio-rng-{}", self.board.transport())]);
        }
        if let Some(socket) = &self.qmp {
            args.add(["-qmp", &format!("unix:{},server=on,wait=off", comma_safe(socket))]);
        }
        args.0.extend(self.extra.iter().cloned());
        args.0
    }

    /// The line that repeats this machine in a shell.
    pub fn command_line(&self) -> String {
        shell::command_line(QEMU, &self.args())
    }

    fn add_console(&self, args: &mut Args) {
        let Some(log) = &self.log else { return args.add(["-serial", "mon:stdio"]) };
        // What mon:stdio stands for, which has no name for a log.
        let console = format!("stdio,id=console,mux=on,signal=off,logfile={}", comma_safe(log));
        args.add(["-chardev", &console, "-serial", "chardev:console", "-mon", "chardev=console"]);
    }

    fn add_processor(&self, args: &mut Args) {
        // `max` has RDRAND: without it the guest waits a second for its first random numbers.
        let accel = match (self.accel, self.clock) {
            (Accel::Kvm, Clock::Host) => "kvm",
            (Accel::Tcg, _) | (Accel::Kvm, Clock::Instructions) => "tcg",
        };
        // AES in its AVX form takes QEMU's translator four times as long as in the form before that.
        let processor = if accel == "tcg" { "max,-avx" } else { "max" };
        args.add(["-accel", accel, "-cpu", processor]);
        if self.clock == Clock::Instructions {
            args.add(["-icount", "shift=0,sleep=off"]);
        }
    }

    fn add_disks(&self, args: &mut Args) {
        if self.disks.iter().any(|disk| disk.bus == Bus::VirtioScsi) {
            args.add(["-device", &format!("virtio-scsi-{},id=scsi0", self.board.transport())]);
        }
        for (number, disk) in self.disks.iter().enumerate() {
            args.0.extend(disk.args(number, self.board));
        }
    }

    /// Whether some disk is plugged in after the start.
    pub(crate) fn has_late_disk(&self) -> bool {
        self.disks.iter().any(|disk| disk.plug != Plug::AtStart)
    }
}

struct Args(Vec<String>);

impl Args {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(String::from));
    }
}

impl Board {
    fn name(self) -> &'static str {
        match self {
            Board::Q35 => "q35",
            Board::Pc => "pc",
            // With ACPI, Linux asks no timer of the old PC, and emulated it has no other: it hangs before it starts. Without,
            // devices are told on the kernel command line. Without a clock it would be 1970.
            Board::Microvm => "microvm,acpi=off,rtc=on",
        }
    }

    /// What the names of its virtio devices end in: what they hang on.
    pub(crate) fn transport(self) -> &'static str {
        match self {
            Board::Q35 | Board::Pc => "pci",
            Board::Microvm => "device",
        }
    }
}

impl Boot {
    fn add_to(&self, args: &mut Args) {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        match self {
            Boot::Kernel { kernel, initrd, cmdline } => {
                args.add(["-kernel", &text(kernel)]);
                if let Some(initrd) = initrd {
                    args.add(["-initrd", &text(initrd)]);
                }
                args.add(["-append", cmdline]);
            }
            Boot::Disk => {}
            Boot::Grub2 { image } => args.add(["-kernel", &text(image)]),
            Boot::GrubLegacy { floppy } => {
                // `pc` has a floppy controller of its own, `q35` gets one by this; before every disk in both.
                let drive = format!("if=floppy,index=0,format=raw,readonly=on,file={}", comma_safe(floppy));
                args.add(["-drive", &drive, "-global", "isa-fdc.bootindexA=0"]);
            }
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
