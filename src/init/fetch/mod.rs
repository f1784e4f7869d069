//! Fetching a file from the network, in a child process: PID 1 never parses a byte from outside.
//!
//! The caller opens the file and calls [`parent::fetch`]. The child is this very program under the name [`NAME`]: it reads a
//! [`job`], locks itself up ([`crate::sandbox`]), and tells what it does in lines of text ([`report`]) that the parent believes
//! nothing of. What a finished fetch is worth the caller finds out from the file itself: [`fetched::Fetched`].

pub mod child;
pub mod crypto;
pub mod download;
pub mod fetched;
pub mod head;
pub mod http;
pub mod job;
pub mod meter;
pub mod mirrors;
pub mod names;
pub mod parent;
pub mod rate;
pub mod report;
pub mod show;
pub mod tls;
pub mod verified;

/// The name (`argv[0]`) under which the program is the fetching child.
pub const NAME: &str = "dock0-fetch";
