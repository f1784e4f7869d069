//! Fetching with curl.

use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Brings what a URL leads to into a file, which has this name only when it is complete.
pub fn to_file(url: &str, part: &Path, kept: &Path) -> Result<()> {
    let folder = part.parent().context("a download needs a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    eprintln!("kernel: fetching {url}");
    let quiet = if std::io::stderr().is_terminal() { "--progress-bar" } else { "--silent" };
    let mut curl = curl(url);
    curl.args([quiet, "--output"]).arg(part).arg(url);
    let status = curl.status().with_context(|| format!("fetching {url}: starting curl"))?;
    ensure!(status.success(), "fetching {url}: curl failed ({status})");
    std::fs::rename(part, kept).with_context(|| format!("renaming {} to {}", part.display(), kept.display()))
}

/// The text of something small: a list, a signature.
pub fn read(url: &str) -> Result<String> {
    let mut curl = curl(url);
    curl.args(["--silent", "--max-time", "60", "--max-filesize", "16777216"]).arg(url).stderr(Stdio::inherit());
    let output = curl.output().with_context(|| format!("fetching {url}: starting curl"))?;
    ensure!(output.status.success(), "fetching {url}: curl failed ({})", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{url} is not text"))
}

fn curl(url: &str) -> Command {
    let mut curl = Command::new("curl");
    if url.starts_with("https:") {
        // No redirect leads to where anybody on the way can answer.
        curl.args(["--proto-redir", "=https"]);
    }
    curl.args(["--fail", "--location", "--show-error", "--retry", "3", "--connect-timeout", "30"])
        // A mirror that sends nothing for two minutes is given up.
        .args(["--speed-time", "120", "--speed-limit", "1"]);
    curl
}
