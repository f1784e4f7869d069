//! The operator's end of a VM's config socket (docs/config-socket.md): asking a VM how it is, and pushing to it.

pub mod answer;
pub mod cargo;
pub mod connection;
pub mod host;
pub mod push;
pub mod tls;
pub mod trouble;
pub mod vm;
