//! The operator's side of dock0: what the command does, as a library, so that the boot tests build their disks with it.

#![forbid(unsafe_code)]

pub mod disk;
pub mod image;
pub mod initrd;
pub mod menu;
pub mod output;
pub mod release;
pub mod stamp;
pub mod tool;
