//! What the boot tests are made of: roots with the probe in them, boot partitions in any state, a publisher, one way to boot
//! them, and one to install on them without booting.

#![forbid(unsafe_code)]

pub mod boot;
pub mod installer;
pub mod large;
pub mod partition;
pub mod publisher;
pub mod root;

pub use boot::Boot;
pub use partition::Partition;
pub use publisher::Publisher;
pub use root::Root;

use std::path::PathBuf;

/// A file that `./justw test` builds before the tests run.
///
/// # Panics
/// If it is not there: with the words that say how to get it.
pub fn built(path: &str) -> PathBuf {
    let path = qemu::repository().join(path);
    assert!(path.exists(), "{} is missing: run the tests with ./justw test, which builds it first", path.display());
    path
}

/// The kernel.
pub fn kernel() -> PathBuf {
    built("build/kernel/linode/vmlinuz")
}

/// The small kernel for QEMU's microvm and its kin.
pub fn microvm_kernel() -> PathBuf {
    built("build/kernel/microvm/vmlinuz")
}

/// The static init, as it is in the initrd.
pub fn init() -> PathBuf {
    built("build/init")
}

/// The initrd, as users get it.
pub fn initrd() -> PathBuf {
    built("build/initrd.img")
}
