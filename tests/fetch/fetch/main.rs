//! Fetching as it is done: a parent, a child that has locked itself up, and servers on the loopback.

mod child;
mod good;
mod hostile;
mod power;
mod resume;
mod sandbox;
mod shipped;

/// The program that is the child in these tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_fetch-probe");
