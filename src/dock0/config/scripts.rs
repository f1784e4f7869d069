//! Scripts: every executable of a directory, in name order, with the configuration on its standard input.

use super::build_directory::BuildDirectory;
use super::{child, render};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The variable that names the build directory.
const BUILD: &str = "DOCK0_BUILD";
/// Starts a script so that what it makes has the same modes whoever builds.
const START: &str = "umask 022 && exec \"$0\"";

/// Runs them all; a failing one stops the build.
pub fn run(scripts: &Path, build: &BuildDirectory, config: &Value, patience: Duration) -> Result<()> {
    let mut input = serde_json::to_vec(config).context("writing the configuration as JSON")?;
    input.push(b'\n');
    let _lent = build.lend()?;
    for script in find(scripts)? {
        let mut command = Command::new("sh");
        command.args(["-c", START]).arg(&script).current_dir(&build.path).env(BUILD, &build.path);
        let ended = match child::run(&mut command, input.clone(), patience) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                bail!("the script {} did not end within {} s (--timeout)", script.display(), patience.as_secs_f32())
            }
            ended => ended.with_context(|| format!("running the script {}", script.display()))?,
        };
        if !ended.status.success() {
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            bail!("the script {} failed ({}):\n{}", script.display(), ended.status, said.trim_end());
        }
    }
    Ok(())
}

/// The executables in a directory, by name, as absolute paths.
fn find(directory: &Path) -> Result<Vec<PathBuf>> {
    let absolute = fs::canonicalize(directory).with_context(|| format!("looking at {}", directory.display()))?;
    let mut found = Vec::new();
    for name in render::list(&absolute)? {
        let path = absolute.join(name);
        // A script may be a link to one.
        let meta = fs::metadata(&path).with_context(|| format!("looking at {}", path.display()))?;
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            found.push(path);
        }
    }
    Ok(found)
}
