//! The HTTP server under the stand-ins: plain, on a free port of 127.0.0.1, in threads of the test that starts it.

mod message;
mod server;

pub use message::{Answer, Request};
pub use server::{Server, Service};
