//! `vm`: boots a disk in QEMU for a person, with the same machine that the tests use.

use anyhow::{Context, Result, bail};
use argh::FromArgs;
use qemu::{Accel, Boot, Clock, Disk, Forward, Machine, Network, QEMU, Vm, Writes};
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::Duration;

/// Boots a disk in QEMU.
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Verb {
    Boot(BootArguments),
}

/// Boots a disk, through GRUB 2 as Linode does unless told otherwise, with the console in this terminal.
#[derive(FromArgs)]
#[argh(subcommand, name = "boot")]
struct BootArguments {
    /// a raw disk image; the first one is booted from (default: build/disk.img)
    #[argh(option)]
    disk: Vec<PathBuf>,
    /// memory in MiB (default: 256)
    #[argh(option, default = "256")]
    memory: u32,
    /// processors (default: 1)
    #[argh(option, default = "1")]
    cpus: u32,
    /// which GRUB to start: 2 or legacy (default: 2)
    #[argh(option, default = "Grub::Two")]
    grub: Grub,
    /// a kernel to start instead of a GRUB
    #[argh(option)]
    kernel: Option<PathBuf>,
    /// the initrd for --kernel
    #[argh(option)]
    initrd: Option<PathBuf>,
    /// the kernel command line for --kernel (default: console=ttyS0)
    #[argh(option, default = "\"console=ttyS0\".to_string()")]
    append: String,
    /// HOST:GUEST, a TCP port of 127.0.0.1 that leads into the guest; gives it a network card
    #[argh(option)]
    forward: Vec<PortPair>,
    /// throw away what the guest writes to its disks
    #[argh(switch)]
    snapshot: bool,
    /// print the QEMU command line and do nothing
    #[argh(switch)]
    print: bool,
    /// end with 0, and the seconds since the start, as soon as the console shows this text; else with 1
    #[argh(option)]
    until: Option<String>,
    /// with --until: print the console's lines that hold this text as well
    #[argh(option)]
    show: Option<String>,
    /// the guest's clock counts instructions, whatever else the host does, but jumps where the guest waits for a disk;
    /// implies emulation
    #[argh(switch)]
    instructions: bool,
    /// how many seconds --until waits (default: 120)
    #[argh(option, default = "120")]
    deadline: u64,
}

#[derive(Clone, Copy)]
enum Grub {
    Two,
    Legacy,
}

impl FromStr for Grub {
    type Err = String;

    fn from_str(text: &str) -> Result<Grub, String> {
        match text {
            "2" => Ok(Grub::Two),
            "legacy" => Ok(Grub::Legacy),
            other => Err(format!("{other}: it must be 2 or legacy")),
        }
    }
}

struct PortPair(Forward);

impl FromStr for PortPair {
    type Err = String;

    fn from_str(text: &str) -> Result<PortPair, String> {
        let pair = text
            .split_once(':')
            .and_then(|(host, guest)| Some(PortPair(Forward { host: host.parse().ok()?, guest: guest.parse().ok()? })));
        pair.ok_or_else(|| format!("{text}: it must be two port numbers, HOST:GUEST"))
    }
}

fn main() -> ExitCode {
    let Arguments { verb: Verb::Boot(arguments) } = argh::from_env();
    match boot(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn boot(arguments: &BootArguments) -> Result<()> {
    let machine = machine(arguments)?;
    match &arguments.until {
        _ if arguments.print => println!("{}", machine.command_line()),
        Some(text) => wait_for(&machine, text, arguments)?,
        None => run_in_foreground(&machine)?,
    }
    Ok(())
}

fn machine(arguments: &BootArguments) -> Result<Machine> {
    let boot = match (&arguments.kernel, arguments.grub) {
        (Some(kernel), _) => {
            let (kernel, initrd) = (kernel.clone(), arguments.initrd.clone());
            Boot::Kernel { kernel, initrd, cmdline: arguments.append.clone() }
        }
        (None, Grub::Two) => Boot::grub2()?,
        (None, Grub::Legacy) => Boot::grub_legacy()?,
    };
    let mut machine = Machine::on_this_host(boot)?;
    machine.memory = arguments.memory;
    machine.cpus = arguments.cpus;
    machine.disks = disks(arguments)?;
    if arguments.instructions {
        machine.clock = Clock::Instructions;
    }
    if !arguments.forward.is_empty() {
        machine.network = Network::User { forwards: arguments.forward.iter().map(|pair| pair.0).collect() };
    }
    Ok(machine)
}

fn disks(arguments: &BootArguments) -> Result<Vec<Disk>> {
    let writes = if arguments.snapshot { Writes::Dropped } else { Writes::Kept };
    let mut paths = arguments.disk.clone();
    if paths.is_empty() {
        paths.push(qemu::repository().join("build/disk.img"));
    }
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        bail!("there is no disk {}; `./justw disk` makes build/disk.img", missing.display());
    }
    Ok(paths.into_iter().map(|path| Disk { writes: writes.clone(), ..Disk::scsi(path) }).collect())
}

fn wait_for(machine: &Machine, text: &str, arguments: &BootArguments) -> Result<()> {
    let mut vm = Vm::start(machine)?;
    let took = vm.wait_for(text, Duration::from_secs(arguments.deadline))?;
    println!("{text:?} after {:.2} s", took.as_secs_f64());
    let console = vm.console();
    let shown = arguments.show.iter().flat_map(|show| console.lines().filter(move |line| line.contains(show)));
    shown.for_each(|line| println!("{line}"));
    Ok(())
}

/// Becomes QEMU, so that its exit status is ours. Returns only if that fails.
fn run_in_foreground(machine: &Machine) -> Result<()> {
    announce(machine);
    let error = Command::new(QEMU).args(machine.args()).exec();
    Err(error).with_context(|| format!("starting {QEMU} (apt-get install qemu-system-x86)"))
}

fn announce(machine: &Machine) {
    let way = match &machine.boot {
        Boot::Kernel { kernel, .. } => format!("the kernel {}", kernel.display()),
        Boot::Disk => "its boot sector".to_string(),
        Boot::Grub2 { .. } => "GRUB 2".to_string(),
        Boot::GrubLegacy { .. } => "GRUB Legacy".to_string(),
    };
    let disk = machine.disks.first().map_or(Path::new("no disk"), |disk| &disk.path);
    let (how, time) = match machine.accel {
        Accel::Kvm => ("KVM", "3"),
        Accel::Tcg => ("emulated, as KVM has not proved itself", "10"),
    };
    eprintln!("vm: booting {} through {way}, {} MiB, {how}", disk.display(), machine.memory);
    eprintln!("vm: the demo disk reaches its login in about {time} seconds");
    if std::io::stdin().is_terminal() {
        eprintln!("vm: leave with Ctrl-A X; Ctrl-A H lists QEMU's other keys");
    } else {
        eprintln!("vm: nobody can type here; it ends when the guest powers off");
    }
}
