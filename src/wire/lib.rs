//! Bytes from outside, one file a format: limits first, checked slices, no panics, no allocation, no system calls.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod base64;
pub mod bundle;
pub mod bytes;
pub mod cmdline;
pub mod device_spec;
pub mod dhcp;
pub mod dhcp_client;
mod dhcp_options;
pub mod dns;
pub mod enrolment;
mod first;
pub mod grubenv;
pub mod http_request;
pub mod inet;
pub mod ip_param;
pub mod json;
mod json_shape;
pub mod manifest;
pub mod minisig;
pub mod netlink;
pub mod netlink_news;
pub mod network;
pub mod network_report;
pub mod program;
pub mod seed;
pub mod settings;
pub mod superblock;
pub mod uevent;
pub mod url;
mod words;

#[cfg(test)]
mod noise_tests;
