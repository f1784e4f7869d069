//! Linode: from nothing to a VM that runs.
//!
//! ```text
//! section ─┐
//! account ─┴─► plan ──► deploy: image, Linode, disks, profile, boot ──► meeting: who is it? push ──► good
//! ```
//!
//! [`api`] asks, with a [`token`]; [`model`] is what it answers; [`events`] waits for what takes time.

pub mod account;
pub mod api;
pub mod deploy;
pub mod events;
pub mod gzip;
pub mod image;
pub mod machine;
pub mod meeting;
pub mod model;
pub mod plan;
pub mod section;
pub mod token;
pub mod trust;
pub mod upload;
