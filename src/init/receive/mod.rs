//! The config socket: where a VM that waits for its configuration takes it from its operators (docs/config-socket.md).
//!
//! Who listens is a child process, locked up before the first byte comes from outside; PID 1 neither parses such a byte nor
//! believes the child. The child is this very program under the name [`NAME`]: it answers what it can by itself, puts what
//! is pushed into a file that it shares with its parent, and asks the parent what to answer ([`words`]).

pub mod boot;
pub mod certificate;
pub mod child;
pub mod connection;
pub mod desk;
pub mod help;
pub mod identity;
mod kernel_log;
pub mod listener;
pub mod office;
pub mod parent;
pub mod reception;
pub mod state;
pub mod tls;
pub mod words;

/// The name (`argv[0]`) under which the program is the listening child.
pub const NAME: &str = "dock0-receive";
