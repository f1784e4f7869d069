//! Boot tests: real kernel, real initrd, real disks in QEMU, and a probe that tells what the VM's own init finds.

mod attacks;
mod cmdline;
mod config;
mod disks;
mod enrol;
mod handover;
mod help;
mod images;
mod initrd;
mod install;
mod lab;
mod layers;
mod loaders;
mod menagerie;
mod microvm;
mod network;
mod newer;
mod published;
mod releases;
mod rescue;
mod roots;
mod trials;
mod ways;
