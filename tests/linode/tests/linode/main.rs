//! The stand-in for Linode, driven by the real linode-cli, by curl and by dock0's own client.

mod faults;
mod fidelity;
mod guest;
mod images;
mod life;
mod machine;
mod place;
mod program;
mod rules;
