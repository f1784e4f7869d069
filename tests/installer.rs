//! The installer on this machine: a boot disk that is mounted for as long as one command runs on it.

use crate::partition::DiskFile;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Where the disk is mounted, in the words of a command and in what it says.
pub const DISK: &str = "DISK";
/// In seconds; longer than anything takes that does not hang.
const DEADLINE: &str = "60";
/// In a mount namespace of its own, which takes the mount away with it whatever happens. The first word is the disk's image,
/// the second where it is mounted.
const MOUNTED: &str = r#"
mount -o loop "$1" "$2" || exit 125
place=$2
shift 2
"$@"
code=$?
umount "$place" || exit 125
exit $code
"#;

/// How a command has ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it said on its standard error.
    pub said: String,
}

/// Runs a command while the disk is mounted on [`DISK`].
pub fn run_on(disk: &DiskFile, words: &[&str]) -> Result<Ran> {
    let place = tempfile::tempdir()?;
    let path = place.path().display().to_string();
    let words = words.iter().map(|word| word.replace(DISK, &path)).collect::<Vec<_>>();
    let mut command = Command::new("timeout");
    command.args([DEADLINE, "unshare", "--mount", "sh", "-c", MOUNTED, "sh"]);
    let output = command.arg(&disk.path).arg(place.path()).args(&words).output().context("starting timeout")?;
    let ran = Ran { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).replace(&path, DISK) };
    ensure!(ran.code != Some(125), "mounting a disk (these tests need root: run them with sudo): {}", ran.said);
    ensure!(ran.code != Some(124), "{words:?} takes longer than {DEADLINE} s: {}", ran.said);
    Ok(ran)
}

/// The shipped program: `init menagerie install URL`.
pub fn install(disk: &DiskFile, url: &str) -> Result<Ran> {
    install_under(disk, &[], url)
}

/// The same, started by another program, strace for one.
pub fn install_under(disk: &DiskFile, before: &[&str], url: &str) -> Result<Ran> {
    let init = crate::init();
    let words = [before, &[text(&init)?, "menagerie", "--root", DISK, "install", url]].concat();
    run_on(disk, &words)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}
