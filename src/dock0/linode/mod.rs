//! Linode: its API, as an operator's machine asks it.

pub mod api;
pub mod gzip;
pub mod image;
pub mod token;
