//! Locking a process up, by itself and for good, before it reads the first byte from outside.
//!
//! It holds for the process and whatever it becomes; nothing here can be undone. What a kernel cannot do is not left out in
//! silence: the caller is told each [gap](enter).

use crate::failure::{Cause, Doing, Failure};
use crate::seccomp;
use crate::sys::{self, LandlockRuleset};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{self, DumpableBehavior, Gid, Pid, Resource, Rlimit, Signal, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// The user and group of the fetching child. They own nothing: Debian keeps 65520 to 65533 free of everything, and so does
/// systemd. `nobody` (65534) would not do, since the limits below count all processes of a user.
pub const FETCH_USER: u32 = 65533;

/// How many bytes of its address space a process may use. The shipped child takes a fifth of it; one that is linked to shared
/// libraries, in tests, most of it.
pub const SMALL_MEMORY: u64 = 16 << 20;

/// What a process keeps when it is locked up.
pub struct Confinement<'c> {
    /// The user and group it becomes, if it is root; without one it stays what it is.
    pub user: Option<u32>,
    /// What it may still do that only root may.
    pub capabilities: CapabilitySet,
    /// The first descriptor that it loses.
    pub close_from: u32,
    /// The files that it may open. Those that are not there it cannot have either.
    pub allowed: &'c [Allowed<'c>],
    /// Whether it may wait for TCP connections.
    pub tcp: Tcp,
    /// What it may ask the kernel for.
    pub calls: Calls,
    /// The most bytes of address space.
    pub memory: u64,
    /// The most descriptors.
    pub descriptors: u64,
    /// The most bytes that any file it writes may have.
    pub file_size: u64,
    /// The process it dies with; it must be its parent.
    pub parent: Option<Pid>,
}

/// A path, and what may be done with what it leads to and with everything below that.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'c> {
    /// The path.
    pub path: &'c str,
    /// What may be done.
    pub right: Right,
}

/// What may be done with a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To read files.
    Read,
    /// To read, write, make and remove files, and to give them another name.
    Change,
    /// To make files, directories and links, and to write.
    Fill,
}

impl Right {
    /// As Landlock has it (`LANDLOCK_ACCESS_FS_*`).
    fn bits(self) -> u64 {
        const WRITE_FILE: u64 = 1 << 1;
        const READ_FILE: u64 = 1 << 2;
        const REMOVE_FILE: u64 = 1 << 5;
        const MAKE_DIR: u64 = 1 << 7;
        const MAKE_REG: u64 = 1 << 8;
        const MAKE_SYM: u64 = 1 << 12;
        const TRUNCATE: u64 = 1 << 14;
        match self {
            Right::Read => READ_FILE,
            Right::Fill => WRITE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM,
            Right::Change => READ_FILE | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE,
        }
    }
}

/// What it may do with TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tcp {
    /// Neither call others nor begin to wait for them.
    None,
    /// Call others.
    Connect,
    /// Call others, and be called.
    Bind,
}

/// Which system calls it may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All that its rights let it: it makes sockets of its own.
    All,
    /// It has every socket that it needs, and makes neither others, nor processes, nor namespaces: see [`seccomp`].
    Few,
}

/// As many descriptors as a process takes that has a connection and a file, and resolves a name.
pub const FEW_DESCRIPTORS: u64 = 16;

/// Locks the process up. What is returned says, in a few words each, what the kernel or the lack of rights left open.
pub fn enter(confinement: &Confinement) -> Result<Vec<String>, Failure> {
    let mut gaps = Vec::new();
    sys::close_from(confinement.close_from).doing(|| "closing other descriptors".into())?;
    match process::setsid() {
        // It leads a session already, its own.
        Err(Errno::PERM) => {}
        made => made.map(drop).doing(|| "opening a session of its own".into())?,
    }
    thread::set_no_new_privs(true).doing(|| "renouncing new privileges".into())?;
    forbid_files(confinement, &mut gaps)?;
    limit(confinement)?;
    match (process::geteuid().is_root(), confinement.user) {
        (true, user) => give_up_privileges(user, confinement.capabilities)?,
        (false, _) => gaps.push(format!("not started by root: it stays user {}", process::geteuid())),
    }
    thread::set_capabilities(None, only(confinement.capabilities & held()?))
        .doing(|| "dropping capabilities".into())?;
    process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "hiding its memory".into())?;
    // After the change of user, which clears it.
    if let Some(parent) = confinement.parent {
        die_with(parent)?;
    }
    // Last, since what locks a process up is not for everybody to call.
    if confinement.calls == Calls::Few {
        forbid_calls(&mut gaps)?;
    }
    Ok(gaps)
}

/// Takes the file system away, and what else Landlock can. Before the change of user: root can open what the rules name.
fn forbid_files(confinement: &Confinement, gaps: &mut Vec<String>) -> Result<(), Failure> {
    let version = match sys::landlock_version() {
        Err(error @ (Errno::NOSYS | Errno::OPNOTSUPP)) => {
            gaps.push(format!(
                "no Landlock in this kernel ({}): files are kept from it by its user alone",
                error.words()
            ));
            return Ok(());
        }
        version => version.doing(|| "asking for Landlock".into())?,
    };
    for (since, what) in LANDLOCK_SINCE {
        if version < *since {
            gaps.push(format!("Landlock {version} in this kernel, and {what} needs {since}"));
        }
    }
    let doing = || "forbidding files with Landlock".into();
    let forbidden = forbidden(version, confinement.tcp);
    let rules = sys::landlock_rules(&forbidden).doing(doing)?;
    for Allowed { path, right } in confinement.allowed {
        match rustix::fs::open(*path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => {}
            opened => {
                let opened = opened.doing(|| format!("looking at {path}"))?;
                let bits = right.bits() & forbidden.files;
                sys::landlock_allow(&rules, &opened, bits).doing(|| format!("allowing {path} with Landlock"))?;
            }
        }
    }
    sys::landlock_restrict(&rules).doing(doing)
}

fn forbid_calls(gaps: &mut Vec<String>) -> Result<(), Failure> {
    match seccomp::forbid() {
        Err(error @ (Errno::NOSYS | Errno::INVAL)) => {
            gaps.push(format!("no seccomp in this kernel ({}): it may make sockets and namespaces", error.words()));
            Ok(())
        }
        forbidden => forbidden.doing(|| "forbidding system calls".into()),
    }
}

/// What came to Landlock with which version; 5 brought ioctls of devices, of which it can open none.
const LANDLOCK_SINCE: &[(u32, &str)] = &[
    (2, "keeping it from moving files"),
    (3, "keeping it from cutting files off"),
    (4, "keeping it from being called over TCP"),
    (6, "keeping signals and sockets of others from it"),
];

fn forbidden(version: u32, tcp: Tcp) -> LandlockRuleset {
    // LANDLOCK_ACCESS_FS_EXECUTE to _MAKE_SYM, then _REFER, _TRUNCATE and _IOCTL_DEV.
    let files = match version {
        0 | 1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    };
    const BIND_TCP: u64 = 1;
    const CONNECT_TCP: u64 = 2;
    let network = match tcp {
        _ if version < 4 => 0,
        Tcp::None => BIND_TCP | CONNECT_TCP,
        Tcp::Connect => BIND_TCP,
        Tcp::Bind => 0,
    };
    // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL.
    let scoped = if version >= 6 { 3 } else { 0 };
    LandlockRuleset { files, network, scoped }
}

fn limit(confinement: &Confinement) -> Result<(), Failure> {
    for (resource, most) in [
        (Resource::As, confinement.memory),
        (Resource::Core, 0),
        (Resource::Fsize, confinement.file_size),
        (Resource::Memlock, 0),
        (Resource::Nofile, confinement.descriptors),
        // Itself, and neither a second process nor a thread.
        (Resource::Nproc, 1),
    ] {
        let most = Rlimit { current: Some(most), maximum: Some(most) };
        process::setrlimit(resource, most).doing(|| format!("limiting {resource:?}"))?;
    }
    Ok(())
}

fn give_up_privileges(user: Option<u32>, kept: CapabilitySet) -> Result<(), Failure> {
    // The kernel says EINVAL of the first capability that it does not know.
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(capability) {
            Err(Errno::INVAL) => break,
            removed => removed.doing(|| format!("giving capability {number} up"))?,
        }
    }
    thread::clear_ambient_capability_set().doing(|| "giving ambient capabilities up".into())?;
    thread::set_keep_capabilities(!kept.is_empty()).doing(|| "keeping capabilities".into())?;
    thread::set_thread_groups(&[]).doing(|| "leaving all groups".into())?;
    let Some(number) = user else { return Ok(()) };
    let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
    thread::set_thread_res_gid(group, group, group).doing(|| format!("becoming group {number}"))?;
    thread::set_thread_res_uid(user, user, user).doing(|| format!("becoming user {number}"))
}

fn held() -> Result<CapabilitySet, Failure> {
    Ok(thread::capabilities(None).doing(|| "asking which capabilities there are".into())?.permitted)
}

fn only(capabilities: CapabilitySet) -> CapabilitySets {
    CapabilitySets { effective: capabilities, permitted: capabilities, inheritable: CapabilitySet::empty() }
}

fn die_with(parent: Pid) -> Result<(), Failure> {
    process::set_parent_process_death_signal(Some(Signal::KILL)).doing(|| "tying its life to its parent's".into())?;
    // It may have died before that.
    match process::getppid() {
        Some(now) if now == parent => Ok(()),
        _ => Err(Failure::new(format!("process {parent}, its parent, has ended already"))),
    }
}
