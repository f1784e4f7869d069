//! What the probe tells the tests: everything about a running root that init is responsible for.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The facts, as the probe found them when it was started.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The probe's process id.
    pub pid: u32,
    /// Its arguments, the first being its own name.
    pub argv: Vec<String>,
    /// Its environment, sorted.
    pub env: BTreeMap<String, String>,
    /// Its working directory.
    pub cwd: String,
    /// Its open descriptors and what they lead to; the one that listed them is left out.
    pub fds: BTreeMap<i32, String>,
    /// Every mount in its order.
    pub mounts: Vec<Mount>,
    /// `Umask`, `SigBlk`, `SigIgn` and `SigCgt` of /proc/self/status.
    pub status: BTreeMap<String, String>,
    /// `MemTotal`, `MemFree` and so on of /proc/meminfo, in KiB.
    pub meminfo: BTreeMap<String, u64>,
    /// Pages that are free but kept at hand by a processor, which `MemFree` does not count, in KiB.
    pub free_at_hand: u64,
    /// The kernel command line.
    pub cmdline: String,
    /// The files that `probe.read=` named.
    pub read: BTreeMap<String, Answer>,
    /// The files that `probe.write=` named, each written with its own name.
    pub wrote: BTreeMap<String, Answer>,
    /// What came of each command that a `probe.run=` named, in their order.
    pub ran: Vec<Ran>,
    /// Bytes of the file system that `/` writes to (`probe.statfs=` names it).
    pub statfs: BTreeMap<String, u64>,
    /// What the kernel's log says after `dock0: `.
    pub log: Vec<String>,
}

/// One line of /proc/self/mountinfo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is.
    pub target: String,
    /// Its type.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Per-mount options.
    pub options: String,
    /// The file system's own options.
    pub own_options: String,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The program and its words.
    pub words: Vec<String>,
    /// Its exit code; none if it could not be started, or was killed.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error, or why it could not be started.
    pub err: String,
}

/// How a file answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was read or written; the error's text if it was refused.
    pub text: String,
    /// Mode and owner as `100644 0:0`; empty if it was refused.
    pub meta: String,
}
