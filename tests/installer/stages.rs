//! The stages of an install, each with the call that may find the disk full there.

/// What comes over the network once there is room.
#[derive(Clone, Copy)]
pub enum Then {
    /// All of the artifact.
    All,
    /// What was not durable yet.
    TheRest,
    /// Nothing where the kernel has sealed what came; elsewhere it has to come again.
    NothingIfSealed,
    /// Nothing.
    Nothing,
}
use Then::{All, Nothing, NothingIfSealed, TheRest};

/// Where in an install the disk is found full.
pub struct Stage {
    /// What is done there.
    pub name: &'static str,
    /// The call that finds it, for strace, and which of them.
    pub call: &'static str,
    /// The path that it is about; any, if there is none.
    pub path: Option<&'static str>,
    /// What is said.
    pub sentence: &'static str,
    /// What comes once there is room.
    pub then: Then,
}

/// What is being fetched.
pub const PART: &str = "DISK/artifacts/vm_root/.s2.part";

/// All of them, in their order.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "the serial",
        call: "renameat2:when=1",
        path: None,
        sentence: "remembering the manifest as DISK/dock0/state/serial-",
        then: All,
    },
    Stage {
        name: "reserving",
        call: "fallocate:when=1",
        path: None,
        sentence: "opening DISK/artifacts/vm_root/.s2.part",
        then: All,
    },
    Stage {
        name: "the first bytes",
        call: "write:when=1",
        path: Some(PART),
        sentence: "writing vm_root s2",
        then: All,
    },
    Stage {
        name: "two thirds of the bytes",
        call: "write:when=650",
        path: Some(PART),
        sentence: "writing vm_root s2",
        then: TheRest,
    },
    Stage {
        name: "syncing some of them",
        call: "fdatasync:when=1",
        path: Some(PART),
        sentence: "syncing vm_root s2",
        then: All,
    },
    Stage {
        name: "how far it got",
        call: "fsetxattr:when=1",
        path: Some(PART),
        sentence: "writing user.dock0.part of a half fetched file",
        then: All,
    },
    Stage {
        name: "syncing that",
        call: "fsync:when=1",
        path: Some(PART),
        sentence: "writing user.dock0.part of a half fetched file",
        then: TheRest,
    },
    Stage {
        name: "syncing all",
        call: "fsync:when=2",
        path: Some(PART),
        sentence: "syncing vm_root s2",
        then: TheRest,
    },
    Stage {
        name: "sealing",
        call: "ioctl:when=1",
        path: Some(PART),
        sentence: "sealing DISK/artifacts/vm_root/.s2.part",
        then: TheRest,
    },
    Stage {
        name: "what it is",
        call: "fsetxattr:when=2",
        path: Some(PART),
        sentence: "writing down what DISK/artifacts/vm_root/.s2.part is",
        then: NothingIfSealed,
    },
    Stage {
        name: "the name",
        call: "renameat2:when=2",
        path: None,
        sentence: "renaming DISK/artifacts/vm_root/.s2.part to DISK/artifacts/vm_root/s2",
        then: NothingIfSealed,
    },
    Stage {
        name: "the next releases",
        call: "mkdirat:when=5",
        path: None,
        sentence: "making the directory DISK/releases.new",
        then: Nothing,
    },
    Stage {
        name: "one of them",
        call: "mkdirat:when=6",
        path: None,
        sentence: "making the directory DISK/releases.new/0",
        then: Nothing,
    },
    Stage {
        name: "a link in it",
        call: "symlinkat:when=1",
        path: None,
        sentence: "making the link DISK/releases.new/0/vm_root",
        then: Nothing,
    },
    Stage {
        name: "the exchange",
        call: "renameat2:when=3",
        path: None,
        sentence: "exchanging DISK/releases.new and DISK/releases",
        then: Nothing,
    },
];
