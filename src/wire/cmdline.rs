//! The kernel command line: which boot was asked for.
//!
//! The last of several equal parameters wins. Words that are not ours are somebody else's and are skipped, whatever bytes
//! they hold; ours are checked, and a bad one is an error that names it.

use crate::device_spec::{DeviceSpec, NotADevice};
use crate::words::{Words, parameters, without_last_word};
use core::fmt::{self, Write};
use core::str::FromStr;
use heapless::{String, Vec};
use menagerie::{Entry, RelPath, Selection, layout};

/// The longest command line that x86 hands on (`COMMAND_LINE_SIZE` less its zero byte); the rest is cut off unsaid.
pub const KERNEL_MAX: usize = 2047;
/// Where everything is mounted until the root takes over, and the default of `basepath=`.
pub const BASEPATH: &str = "/run/vm";
/// The label of the boot partition looked for by default.
pub const ROOT_LABEL: &str = "dock0";
/// The program that takes over, and the default of `init=`.
pub const INIT: &str = "/sbin/init";
/// How long to wait for a device by default, in seconds (`dock0.wait=`).
pub const WAIT_SECONDS: u32 = 10;
/// How long the whole boot may take by default, in seconds (`dock0.deadline=`): enough to replay a large journal.
pub const DEADLINE_SECONDS: u32 = 120;
/// How long the rescue countdown is by default, in seconds (`dock0.rescue=reboot:30`).
pub const RESCUE_SECONDS: u32 = 30;
/// How long an operator is waited for by default, in seconds (`dock0.rescue=network:900`).
pub const HELP_SECONDS: u32 = 900;
/// The longest wait or countdown that can be asked for: a day, in seconds.
pub const MAX_SECONDS: u32 = 86_400;

/// An absolute path of at most 255 bytes.
pub type Path = String<255>;

/// Whether `config/templates` is laid over the root, and waited for: `dock0.config=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigPolicy {
    /// If it is there; if it is not, it is waited for.
    #[default]
    Auto,
    /// A new one is waited for.
    Wait {
        /// `wait:SECONDS`: after so many, the one that is there is taken.
        seconds: Option<u32>,
    },
    /// Never: the root as its image has it.
    Skip,
}

/// What rescue() ends with: `dock0.rescue=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RescuePolicy {
    /// `network:SECONDS`: what nobody else can help is told over the network, where operators may mend it; then a reboot. Where the
    /// next boot can do better, or nobody can be reached, it is like [`RescuePolicy::Reboot`].
    Network {
        /// How long they have after they last called.
        seconds: u32,
    },
    /// `reboot:SECONDS`
    Reboot {
        /// The countdown.
        seconds: u32,
    },
    /// `poweroff`
    Poweroff,
    /// `halt`: stands still, so that the console can be read.
    Halt,
    /// `shell`: a shell on the console, if the initrd was built with one.
    Shell,
}

impl Default for RescuePolicy {
    fn default() -> Self {
        RescuePolicy::Network { seconds: HELP_SECONDS }
    }
}

/// A failure on purpose, to see what the rescue of this VM does: `dock0.drill=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// `error`: as if a step had failed.
    Error,
    /// `panic`: as if init had a defect.
    Panic,
    /// `hang`: as if a disk did not answer.
    Hang,
}

/// What was asked for, with the default where nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmdline {
    /// `root=`: the boot partition.
    pub root: DeviceSpec,
    /// `basepath=`: a directory below /run.
    pub basepath: Path,
    /// `rootfspath=`: an image on the boot partition, instead of a release's `vm_root`.
    pub rootfspath: Option<RelPath>,
    /// `cowspace=`: a device for the scratch layer, instead of memory.
    pub cowspace: Option<DeviceSpec>,
    /// `fancy`: a shell before the root is built.
    pub fancy: bool,
    /// `init=`: what takes over in the root.
    pub init: Path,
    /// `dock0.release=`
    pub release: Selection,
    /// `dock0.fallback`: the boot loader chose that release itself, since the newest one did not start.
    pub fallback: bool,
    /// `dock0.config=`
    pub config: ConfigPolicy,
    /// `dock0.wait=`: seconds to wait for a device.
    pub wait: u32,
    /// `dock0.deadline=`: seconds that the whole boot may take, besides waiting for devices.
    pub deadline: u32,
    /// `dock0.drill=`
    pub drill: Option<Drill>,
    /// Words that begin with `dock0.` and mean nothing here, the first four, cut to 32 bytes.
    pub unknown: Vec<String<32>, 4>,
    /// The line was as long as the kernel allows, so its last word was not trusted.
    pub cut_off: bool,
}

impl Default for Cmdline {
    fn default() -> Self {
        Cmdline {
            root: DeviceSpec::Label(word(ROOT_LABEL)),
            basepath: word(BASEPATH),
            rootfspath: None,
            cowspace: None,
            fancy: false,
            init: word(INIT),
            release: Selection::Latest,
            fallback: false,
            config: ConfigPolicy::Auto,
            wait: WAIT_SECONDS,
            deadline: DEADLINE_SECONDS,
            drill: None,
            unknown: Vec::new(),
            cut_off: false,
        }
    }
}

impl Cmdline {
    /// What the boot loader has started.
    pub fn entry(&self) -> Entry {
        match self.release {
            Selection::Number(number) if self.fallback => Entry::Instead(number),
            asked @ (Selection::Number(_) | Selection::Latest) => Entry::Asked(asked),
        }
    }
}

/// One of our parameters has a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadParameter {
    name: &'static str,
    value: String<64>,
    must: &'static str,
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadParameter { name, value, must } = self;
        write!(f, "kernel command line: {name}={value}: must be {must}")
    }
}

/// Reads the whole line. Never longer than [`KERNEL_MAX`] as the kernel gives it; longer input is read all the same.
pub fn parse(line: &[u8]) -> Result<Cmdline, BadParameter> {
    let mut cmdline = Cmdline { cut_off: is_cut_off(line), ..Cmdline::default() };
    for (name, value) in parameters(trusted(line)) {
        // One of ours without a value has an empty one, and none of them may be empty.
        let value = value.unwrap_or_default();
        match name {
            b"root" => cmdline.root = device("root", value)?,
            b"basepath" => cmdline.basepath = basepath(value)?,
            b"rootfspath" => cmdline.rootfspath = Some(rootfspath(value)?),
            b"cowspace" => cmdline.cowspace = Some(device("cowspace", value)?),
            b"fancy" => cmdline.fancy = true,
            b"init" => cmdline.init = absolute(value).ok_or_else(|| bad("init", value, ABSOLUTE))?,
            b"dock0.release" => cmdline.release = release(value)?,
            b"dock0.fallback" => cmdline.fallback = true,
            b"dock0.config" => cmdline.config = config(value)?,
            b"dock0.wait" => cmdline.wait = seconds("dock0.wait", value)?,
            b"dock0.deadline" => cmdline.deadline = seconds("dock0.deadline", value)?,
            b"dock0.rescue" => drop(rescue(value).ok_or_else(|| bad("dock0.rescue", value, RESCUE))?),
            b"dock0.drill" => cmdline.drill = Some(drill(value)?),
            // A fifth unknown word goes unsaid: four are enough to see the mistake.
            name if name.starts_with(b"dock0.") => cmdline.unknown.push(escaped(name)).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(cmdline)
}

/// The last usable `dock0.rescue=` alone, so that it holds even where another parameter is bad.
pub fn rescue_policy(line: &[u8]) -> RescuePolicy {
    let asked = |(name, value): (&[u8], Option<&[u8]>)| if name == b"dock0.rescue" { rescue(value?) } else { None };
    parameters(trusted(line)).filter_map(asked).last().unwrap_or_default()
}

/// The same line for a kernel that boots the newest release, whatever release this one was started from.
pub fn for_newest(line: &[u8]) -> Vec<u8, KERNEL_MAX> {
    // Of GRUB's own words one would be wrong, and says nothing to anybody.
    const CHOICES: [&[u8]; 3] = [b"dock0.release", b"dock0.fallback", b"BOOT_IMAGE"];
    let name = |word: &[u8]| word.split(|byte| *byte == b'=').next().is_some_and(|name| CHOICES.contains(&name));
    let mut newest = Vec::new();
    for word in Words::of(trusted(line)).filter(|word| !name(word)) {
        let space: &[u8] = if newest.is_empty() { b"" } else { b" " };
        // It is no longer than the line.
        newest.extend_from_slice(space).and_then(|()| newest.extend_from_slice(word)).unwrap_or_default();
    }
    newest
}

/// Whether a word that the kernel passed to /init as an argument was meant for it, and not for the VM's own init.
pub fn is_for_us(argument: &[u8]) -> bool {
    argument == b"fancy"
}

/// What of the line can be trusted: all of it, or all but the last word where the kernel may have cut it.
fn trusted(line: &[u8]) -> &[u8] {
    if is_cut_off(line) { without_last_word(line) } else { line }
}

fn is_cut_off(line: &[u8]) -> bool {
    line.trim_ascii_end().len() >= KERNEL_MAX
}

const DEVICE: &str = "/dev/NAME, LABEL=NAME (at most 16 characters) or UUID=UUID";
const ABSOLUTE: &str = "an absolute path of at most 255 characters";
const SECONDS: &str = "a number of seconds up to 86400";
const RESCUE: &str = "network, network:SECONDS, reboot, reboot:SECONDS, poweroff, halt or shell";

fn device(name: &'static str, value: &[u8]) -> Result<DeviceSpec, BadParameter> {
    let text = core::str::from_utf8(value).unwrap_or_default();
    text.parse().map_err(|_: NotADevice| bad(name, value, DEVICE))
}

fn basepath(value: &[u8]) -> Result<Path, BadParameter> {
    // /run moves into the new root whole, so whatever is mounted below it goes along. The path is part of overlay's
    // options, where a comma, a colon or a backslash would mean something else.
    let below_run = |path: &Path| path.strip_prefix("/run/").is_some_and(|below| RelPath::from_str(below).is_ok());
    let plain = |path: &Path| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._+~-".contains(&b));
    absolute(value)
        .filter(|path| below_run(path) && plain(path))
        .ok_or_else(|| bad("basepath", value, "a directory below /run, of letters, digits and . _ + ~ - /"))
}

fn rootfspath(value: &[u8]) -> Result<RelPath, BadParameter> {
    let text = core::str::from_utf8(value).unwrap_or_default();
    let relative = text.strip_prefix('/').unwrap_or(text);
    relative.parse().map_err(|_| bad("rootfspath", value, "a path on the boot partition, without . or .. in it"))
}

fn release(value: &[u8]) -> Result<Selection, BadParameter> {
    match value {
        b"latest" => Ok(Selection::Latest),
        digits => core::str::from_utf8(digits)
            .ok()
            .and_then(layout::parse_number)
            .map(Selection::Number)
            .ok_or_else(|| bad("dock0.release", value, "latest or a number")),
    }
}

fn config(value: &[u8]) -> Result<ConfigPolicy, BadParameter> {
    match value {
        b"auto" => Ok(ConfigPolicy::Auto),
        b"skip" => Ok(ConfigPolicy::Skip),
        b"wait" => Ok(ConfigPolicy::Wait { seconds: None }),
        value => match value.strip_prefix(b"wait:").and_then(parse_seconds) {
            Some(seconds) => Ok(ConfigPolicy::Wait { seconds: Some(seconds) }),
            None => Err(bad("dock0.config", value, "auto, skip, wait or wait:SECONDS (at most 86400)")),
        },
    }
}

fn drill(value: &[u8]) -> Result<Drill, BadParameter> {
    match value {
        b"error" => Ok(Drill::Error),
        b"panic" => Ok(Drill::Panic),
        b"hang" => Ok(Drill::Hang),
        _ => Err(bad("dock0.drill", value, "error, panic or hang")),
    }
}

fn rescue(value: &[u8]) -> Option<RescuePolicy> {
    match value {
        b"network" => Some(RescuePolicy::default()),
        b"reboot" => Some(RescuePolicy::Reboot { seconds: RESCUE_SECONDS }),
        b"poweroff" => Some(RescuePolicy::Poweroff),
        b"halt" => Some(RescuePolicy::Halt),
        b"shell" => Some(RescuePolicy::Shell),
        value => match value.strip_prefix(b"network:") {
            Some(value) => parse_seconds(value).map(|seconds| RescuePolicy::Network { seconds }),
            None => parse_seconds(value.strip_prefix(b"reboot:")?).map(|seconds| RescuePolicy::Reboot { seconds }),
        },
    }
}

fn seconds(name: &'static str, value: &[u8]) -> Result<u32, BadParameter> {
    parse_seconds(value).ok_or_else(|| bad(name, value, SECONDS))
}

fn parse_seconds(value: &[u8]) -> Option<u32> {
    core::str::from_utf8(value).ok().and_then(layout::parse_number).filter(|&seconds| seconds <= MAX_SECONDS)
}

fn absolute(value: &[u8]) -> Option<Path> {
    let text = core::str::from_utf8(value).ok()?;
    let printable = text.starts_with('/') && !text.contains(|c: char| c.is_control());
    if printable { String::try_from(text).ok() } else { None }
}

fn bad(name: &'static str, value: &[u8], must: &'static str) -> BadParameter {
    BadParameter { name, value: escaped(value), must }
}

/// The bytes with anything but printable ASCII escaped, cut to what fits.
fn escaped<const N: usize>(value: &[u8]) -> String<N> {
    let mut text = String::new();
    for &byte in value {
        if write!(text, "{}", byte.escape_ascii()).is_err() {
            break;
        }
    }
    text
}

/// A constant of this file as an owned string. Empty if it did not fit, which the test of the defaults would see.
fn word<const N: usize>(text: &str) -> String<N> {
    String::try_from(text).unwrap_or_default()
}

#[cfg(test)]
#[path = "cmdline_tests.rs"]
mod tests;
