//! The power-cut rig: records what a VM writes to its boot partition, makes every disk that a power cut could have left of
//! it, and looks at each with the eyes of GRUB and of init.

#![forbid(unsafe_code)]

pub mod boots;
pub mod bounded;
pub mod cuts;
pub mod epochs;
pub mod expected;
pub mod fsck;
pub mod grub;
pub mod image;
pub mod judge;
pub mod library;
pub mod log;
pub mod parallel;
pub mod random;
pub mod recording;
pub mod run;
pub mod scratch;
pub mod tally;
pub mod view;

pub use run::{Form, Rig};
