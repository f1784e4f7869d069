//! The stand-in for Linode, driven by the real linode-cli and by curl.

mod faults;
mod fidelity;
mod guest;
mod life;
mod machine;
mod place;
mod program;
mod rules;
