//! The rules of releases: what a boot partition may hold, and which release a boot takes. No system calls, no clock.
//!
//! A *release* is a numbered set of *artifacts* at exact versions; 0 is the newest. The layout, with `latest`
//! pointing at release 0, is the predecessor's, so that a tree made by either program is read by the other.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod accept;
pub mod id;
pub mod inventory;
pub mod layout;
pub mod listing;
pub mod name;
pub mod new_release;
pub mod plan;
mod plan_marks;
pub mod record;
pub mod refused;
pub mod seen;
pub mod select;
pub mod space;
pub mod spec;
pub mod state;
pub mod step;
pub mod timestamp;
pub mod trial;

pub use accept::{Clock, Expected, Judge, NotAccepted, Offer};
pub use id::{ReleaseId, Which};
pub use inventory::{Inventory, Leftover, Loader, Stored};
pub use layout::Layout;
pub use listing::{Artifact, Listing, Release};
pub use name::{BadName, Name, RelPath, Version};
pub use new_release::{NewRelease, Source};
pub use plan::{Plan, Policy, Wish, plan};
pub use record::Record;
pub use refused::Refused;
pub use seen::{KeyId, ManifestId, Memory, Seen};
pub use select::{Impossible, Selection, newest_with_root, select};
pub use step::Step;
pub use timestamp::Timestamp;
pub use trial::{Entry, Verdict};

#[cfg(test)]
mod plan_tests;
