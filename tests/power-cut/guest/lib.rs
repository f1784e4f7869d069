//! What the guest of the power-cut rig and the rig itself say to each other: sequences, states of a boot partition, lines
//! on the console, the marker on the disk.

#![forbid(unsafe_code)]

pub mod line;
pub mod marker;
pub mod sequence;
pub mod state;

pub use line::{Kind, Line};
pub use sequence::Sequence;
pub use state::State;
