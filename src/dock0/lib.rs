//! The operator's side of dock0: what the command does, as a library, so that the boot tests build their disks with it.

#![forbid(unsafe_code)]

pub mod authority;
pub mod config;
pub mod disk;
pub mod ext4;
pub mod http;
pub mod image;
pub mod initrd;
pub mod linode;
pub mod manifest;
pub mod measure;
pub mod menu;
pub mod nameless;
pub mod origin;
pub mod outdated;
pub mod output;
pub mod papers;
pub mod progress;
pub mod recipe;
pub mod release;
pub mod root;
pub mod signing;
pub mod socket;
pub mod stamp;
pub mod stop;
pub mod stream;
pub mod supply;
pub mod tool;
pub mod verity;
