//! A shell on the console, for a person, if the initrd was built with one (`dock0 initrd --shell`).

use crate::handover;
use crate::log::{note, say};
use std::path::Path;
use std::process::Command;

const SHELL: &str = "/bin/sh";

/// Whether there is one. After the switch there is none: what stands at this path then is the VM's own.
pub fn is_there() -> bool {
    handover::is_in_memory("/").unwrap_or(false) && Path::new(SHELL).exists()
}

/// `fancy`: a shell before the root is built. The boot goes on when it ends, and without one.
pub fn open_before_the_root() {
    if is_there() {
        say!("fancy: a shell before the root is built; leave it with exit, and the boot goes on");
        run();
    } else {
        note!("fancy: this initrd was built without a shell (dock0 initrd --shell); going on");
    }
}

/// Runs it and waits for its end.
pub fn run() {
    match Command::new(SHELL).env_clear().envs([("HOME", "/"), ("TERM", "linux"), ("PATH", "/bin:/sbin")]).status() {
        Ok(status) => say!("the shell has ended ({status})"),
        Err(error) => note!("starting {SHELL}: {}", crate::failure::Cause::words(&error)),
    }
}
