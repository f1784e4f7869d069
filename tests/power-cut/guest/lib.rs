//! What the guest of the power-cut rig and the rig itself say to each other: sequences, states of a boot partition, lines
//! on the console, the marker on the disk.

#![forbid(unsafe_code)]

pub mod line;
pub mod marker;
pub mod sequence;
pub mod state;

/// The word on the kernel command line that gives the guest a neighbour, who syncs the disk while it is changed.
pub const NEIGHBOUR: &str = "cut.neighbour";

pub use line::{Kind, Line};
pub use sequence::Sequence;
pub use state::State;
