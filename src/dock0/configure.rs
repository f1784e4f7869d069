//! The verb that builds a VM's configuration: config.

use super::say;
use anyhow::{Result, bail};
use argh::FromArgs;
use dock0::config::listing::Lines;
use dock0::config::{self, Lists, Request};
use std::path::PathBuf;
use std::time::Duration;

/// Builds a config bundle: merges YAML files, each over those before it, renders templates, runs scripts and packs what they
/// made.
#[derive(FromArgs)]
#[argh(subcommand, name = "config")]
pub struct ConfigArguments {
    /// the bundle to make (paths.output of the files, or else build.tar.gz beside the first)
    #[argh(option, short = 'o')]
    output: Option<PathBuf>,
    /// lists come behind the lists they are merged over, instead of taking their place
    #[argh(switch)]
    append_lists: bool,
    /// how long each script and each !command may take, in seconds (60)
    #[argh(option, default = "config::PATIENCE")]
    timeout: u32,
    /// show what would be in the bundle: mode, size and path; no bundle is written
    #[argh(switch)]
    list: bool,
    /// show what changed since this bundle: - what was, + what is; no bundle is written
    #[argh(option)]
    diff: Option<PathBuf>,
    /// with --diff: the lines that changed too, of files that everybody may read and that hold no secret
    #[argh(switch)]
    text: bool,
    /// the YAML files, the first at the bottom
    #[argh(positional)]
    files: Vec<PathBuf>,
}

pub fn config(arguments: ConfigArguments) -> Result<()> {
    let ConfigArguments { output, append_lists, timeout, list, diff, text, files } = arguments;
    if text && diff.is_none() {
        bail!("--text: shows the lines of what --diff finds, and there is no --diff");
    }
    let request = Request {
        files: &files,
        output: output.as_deref(),
        lists: if append_lists { Lists::Append } else { Lists::Replace },
        patience: Duration::from_secs(timeout.into()),
    };
    let built = config::build(&request)?;
    let say = |line: &String| say(&built.secrets.mask(line));
    if list {
        built.list()?.iter().try_for_each(say)?;
    }
    if let Some(old) = &diff {
        let lines = if text { Lines::Show } else { Lines::Hide };
        let changes = built.compare(old, lines)?;
        match changes.is_empty() {
            true => say(&format!("nothing changed since {}", old.display()))?,
            false => changes.iter().try_for_each(say)?,
        }
    }
    if list || diff.is_some() {
        return Ok(());
    }
    built.write()?;
    let (size, sha256) = (built.packed.len(), built.sha256());
    say(&format!("bundle {}: {} entries, {size} bytes, sha256 {sha256}", built.output.display(), built.count()?))
}
