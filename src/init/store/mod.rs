//! The boot partition's files: reading what stands there, and the only code that changes it.
//!
//! Every change is a plan (`menagerie::plan`), applied a step at a time through the trait [`Files`], so that tests can
//! count, fail and cut the steps of the file system itself.

pub mod apply;
pub mod artifact;
pub mod change;
pub mod disk;
pub mod files;
pub mod loader;
pub mod seen;
pub mod supply;
pub mod survey;
pub mod tree;
pub mod trials;
pub mod whole;

#[cfg(test)]
pub(crate) mod faults;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod proof_tests;

pub use disk::{Disk, Lock};
pub use files::{Checkpoint, Entry, Files, Kind, Seal};
