//! Enrolment: a Linode that knows nobody asks its metadata service who may push to it, and what proves it to them
//! (docs/linode.md).
//!
//! Who asks is a child process, locked up before the first byte comes from outside: this very program under the name [`NAME`].
//! The secret that it hears stays with it; what it says of the rest is parsed as a stranger's words, a [`line`] each.

pub mod child;
pub mod keep;
pub mod learn;
pub mod line;
pub mod metadata;
pub mod parent;

pub use learn::{from_metadata, is_wanted};

/// The name (`argv[0]`) under which the program is the child that asks.
pub const NAME: &str = "dock0-enrol";

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What proves this VM's key: 64 lower-case hexadecimal digits.
    pub proof: String,
    /// The operators' CAs: PEM.
    pub operators: String,
    /// `dock0/settings.json`, if there is one; it can be used.
    pub settings: Option<Vec<u8>>,
}
