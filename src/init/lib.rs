//! What PID 1 and the `menagerie` command are made of, as a library, so that tests drive the very code that ships.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::exit)]

pub mod admit;
pub mod again;
pub mod boot_partition;
pub mod boots;
pub mod child_process;
pub mod command;
pub mod config;
pub mod debt;
pub mod device;
pub mod enrol;
pub mod failure;
pub mod fetch;
pub mod grow;
pub mod handover;
pub mod image;
pub mod install;
pub mod kernel_fs;
pub mod kexec;
pub mod lines;
pub mod log;
pub mod net;
pub mod orders;
pub mod overlay;
pub mod places;
pub mod receive;
pub mod rescue;
pub mod role;
pub mod sandbox;
pub mod scratch;
mod seccomp;
pub mod shell;
pub mod state_file;
pub mod stopwatch;
pub mod store;
pub mod sys;
pub mod trial;
pub mod trust;
pub mod watchdog;
