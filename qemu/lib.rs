//! The harness room: describes a virtual machine as a plain value, runs it in QEMU, and never waits without a deadline.

mod capture;
mod console;
mod disk;
mod failure;
mod grub;
mod kvm;
mod machine;
mod network;
mod qmp;
mod shell;
mod vm;
mod whole;

pub use console::{Report, strip_escapes};
pub use disk::{Bus, Cache, Disk, Plug, Writes};
pub use failure::{Failure, Why};
pub use kvm::accel;
pub use machine::{Accel, Board, Boot, Clock, Machine, QEMU, Reboot};
pub use network::{Forward, Network};
pub use shell::{command_line, quote};
pub use vm::Vm;

use std::path::PathBuf;

/// The repository's root: built things are below its `build/`.
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
