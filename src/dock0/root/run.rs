//! Running things while a root is built: in it, with no way out but the network, or on this machine.

use crate::tool::{BWRAP, SHELL, Tool};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::scope;
use std::time::{Duration, Instant};

/// How often it is said that something goes on.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// The variable that says what time it is for whoever makes the same bytes twice.
pub const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// 2025-01-01: long enough after 1970 for shadow(5), in which the first day means that a password has to be changed.
const THEN: &str = "1735689600";
/// Where the script is that runs in the root.
const SCRIPT: &str = "/run/dock0-script";

/// One step of a build, on standard error: a line when it begins, and one now and then while it lasts.
pub struct Step;

impl Step {
    /// Does it.
    pub fn run<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // Where standard error is closed, nobody waits for the line.
        let say = |line: &str| writeln!(std::io::stderr(), "{line}").unwrap_or_default();
        say(what);
        let (done, wait) = channel::<()>();
        scope(|threads| {
            threads.spawn(move || {
                let since = Instant::now();
                while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(SAY_EVERY) {
                    say(&format!("  {} s", since.elapsed().as_secs()));
                }
            });
            let result = work();
            drop(done);
            result
        })
    }
}

/// Runs a program of this machine in the root.
pub fn script(root: &Path, script: &Path) -> Result<()> {
    let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = in_root(root);
    command.arg("--ro-bind").arg(script).arg(SCRIPT).arg("--").arg(SCRIPT);
    Step::run(&format!("running {name} in it"), || BWRAP.run(&mut command).map(drop)).context(name)
}

/// Runs a line of its shell in the root.
pub fn command(root: &Path, line: &str) -> Result<()> {
    let mut command = in_root(root);
    command.args(["--", "/bin/sh", "-c", line]);
    Step::run(&format!("running in it: {line}"), || BWRAP.run(&mut command).map(drop)).with_context(|| line.to_string())
}

/// Runs a line of this machine's shell, in this directory; `$ROOT` is the root.
pub fn command_on_host(root: &Path, line: &str, directory: &Path) -> Result<()> {
    let mut command = SHELL.command();
    command.args(["-ec", line]).env("ROOT", root).current_dir(directory);
    Step::run(&format!("running: {line}"), || SHELL.run(&mut command).map(drop)).with_context(|| line.to_string())
}

/// Another root, with processes and devices of its own, and nothing of this machine but the network. Whatever it has started ends
/// with it.
fn in_root(root: &Path) -> Command {
    let mut command = Tool::command(BWRAP);
    command.arg("--bind").arg(root).arg("/");
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", "--tmpfs", "/tmp"]);
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
