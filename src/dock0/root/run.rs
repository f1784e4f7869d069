//! Running things while a root is built: in it, with no way out but the network, or on this machine.

use crate::progress::step;
use crate::tool::{BWRAP, SHELL};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The variable that says what time it is for whoever makes the same bytes twice.
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// 2025-01-01: long enough after 1970 for shadow(5), in which the first day means that a password has to be changed.
const THEN: &str = "1735689600";
/// Where the script is that runs in the root.
const SCRIPT: &str = "/run/dock0-script";

/// Runs a program of this machine in the root.
pub fn script(root: &Path, script: &Path) -> Result<()> {
    let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = in_root(root);
    command.arg("--ro-bind").arg(script).arg(SCRIPT).arg("--").arg(SCRIPT);
    step(&format!("running {name} in it"), || BWRAP.run(&mut command).map(drop)).context(name)
}

/// Runs a line of its shell in the root.
pub fn command(root: &Path, line: &str) -> Result<()> {
    let mut command = in_root(root);
    command.args(["--", "/bin/sh", "-c", line]);
    step(&format!("running in it: {line}"), || BWRAP.run(&mut command).map(drop)).with_context(|| line.to_string())
}

/// Runs a line of this machine's shell, in this directory; `$ROOT` is the root.
pub fn command_on_host(root: &Path, line: &str, directory: &Path) -> Result<()> {
    let mut command = SHELL.command();
    command.args(["-ec", line]).env("ROOT", root).current_dir(directory);
    step(&format!("running: {line}"), || SHELL.run(&mut command).map(drop)).with_context(|| line.to_string())
}

/// Another root, with processes and devices of its own, and nothing of this machine but the network. Whatever it has started ends
/// with it.
fn in_root(root: &Path) -> Command {
    let mut command = BWRAP.command();
    command.arg("--bind").arg(root).arg("/");
    // Programs that give up root's rights, as apt does to fetch, need a /tmp for everybody.
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", "--perms", "1777", "--tmpfs", "/tmp"]);
    command.args([
        "--unshare-pid",
        "--unshare-uts",
        "--unshare-ipc",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]);
    for (name, value) in [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ] {
        command.args(["--setenv", name, value]);
    }
    // Who is behind a proxy has packages only through it.
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        if let Some(value) = std::env::var_os(name) {
            command.arg("--setenv").arg(name).arg(value);
        }
    }
    command.arg("--setenv").arg(EPOCH).arg(epoch());
    command
}

/// What programs take for the time that they write into files (reproducible-builds.org): the caller's, or always the same.
pub fn epoch() -> OsString {
    std::env::var_os(EPOCH).unwrap_or_else(|| THEN.into())
}
