//! Scripts: every executable of a directory, in name order, with the configuration on its standard input.

use super::build_directory::BuildDirectory;
use super::secret::Secrets;
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

/// What scripts are given.
pub struct Scripts<'s> {
    /// Where they work.
    pub build: &'s BuildDirectory,
    /// What they read.
    pub config: &'s Value,
    /// How long each may take.
    pub patience: Duration,
    /// What must not be shown of what they print.
    pub secrets: &'s Secrets,
}

impl Scripts<'_> {
    /// Runs those of a directory; a failing one stops the build.
    pub fn run(&self, scripts: &Path) -> Result<()> {
        let Scripts { build, config, patience, secrets } = *self;
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
                bail!("the script {} failed ({}):\n{}", script.display(), ended.status, secrets.show(&said));
            }
        }
        Ok(())
    }
}

/// The executables in a directory, by name, as absolute paths.
fn find(directory: &Path) -> Result<Vec<PathBuf>> {
    let absolute = fs::canonicalize(directory).with_context(|| format!("looking at {}", directory.display()))?;
    let mut found = Vec::new();
    for name in render::list(&absolute)? {
        let path = absolute.join(name);
        // A script may be a link to one; an editor's lock is a link to nothing.
        let meta = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            meta => meta.with_context(|| format!("looking at {}", path.display()))?,
        };
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            found.push(path);
        }
    }
    Ok(found)
}
