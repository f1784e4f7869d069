//! The parent's side of unpacking: starts the child, and waits for its word.

use super::child::{FIRST, USER, Verdict};
use super::{NAME, Undone, doing};
use crate::child_process::ChildProcess;
use crate::failure::{Doing, Failure};
use crate::lines::{MAX_LINE, is_printable};
use crate::store::Disk;
use crate::sys;
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long it may take: 16 MiB on a slow disk.
const DEADLINE: Duration = Duration::from_secs(60);

/// Has a bundle unpacked into an empty directory. Nothing that lies there afterwards is to be believed.
pub fn unpack(disk: &Disk, path: &str, bundle: File, program: &Path) -> Result<(), Undone> {
    let directory = disk.open_directory(path).doing(doing(disk, "opening", path))?;
    // While it is filled nobody else looks into it: until it is done, the modes of what lies there are not what they shall be.
    fchmod(&directory, Mode::RWXU).doing(doing(disk, "closing", path))?;
    // It is the child's until it is adopted. Who is not root has no other user to give it to.
    if rustix::process::geteuid().is_root() {
        let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
        fchown(&directory, Some(user), Some(group)).doing(doing(disk, "handing over", path))?;
    }
    let mut command = Command::new(program);
    command.arg0(NAME).arg(std::process::id().to_string()).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let files: [OwnedFd; 2] = [bundle.into(), directory];
    sys::hand_over(&mut command, files.into(), FIRST);
    let mut child = ChildProcess::start(&mut command, "unpacks".into())?;
    let mut output = child.output()?;
    // Its one line is shorter than what a pipe holds: it waits for nobody.
    let status = child.end(DEADLINE)?;
    let mut said = String::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    output.by_ref().take(most).read_to_string(&mut said).doing(|| format!("listening to {NAME}"))?;
    judge(said.trim_end_matches('\n'), status)
}

fn judge(said: &str, status: ExitStatus) -> Result<(), Undone> {
    match Verdict::parse(said).filter(|_| is_printable(said)) {
        Some(Verdict::Done) if status.success() => Ok(()),
        Some(Verdict::Refused(sentence)) => Err(Undone::Refused(Failure::new(sentence))),
        Some(Verdict::Failed(sentence)) => Err(Undone::Failed(Failure::new(sentence))),
        Some(Verdict::Done) | None => {
            Err(Undone::Failed(Failure::new(format!("unpacking the bundle: {NAME} has ended with {status}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn what_the_child_says_is_a_strangers_word() {
        let ended = "unpacking the bundle: dock0-unpack has ended with ";
        for (said, code, want) in [
            ("done", 0, "done".to_string()),
            ("refused it is no gzip", 1, "refused: it is no gzip".into()),
            (
                "failed writing config/a: no space left on device",
                1,
                "failed: writing config/a: no space left on device".into(),
            ),
            ("done", 1, format!("failed: {ended}exit status: 1")),
            ("", 0, format!("failed: {ended}exit status: 0")),
            ("done and more", 0, format!("failed: {ended}exit status: 0")),
            ("refused \u{1b}[2J", 1, format!("failed: {ended}exit status: 1")),
        ] {
            let came = match judge(said, ExitStatus::from_raw(code << 8)) {
                Ok(()) => "done".to_string(),
                Err(Undone::Refused(failure)) => format!("refused: {failure}"),
                Err(Undone::Failed(failure)) => format!("failed: {failure}"),
            };
            assert_eq!(came, want, "{said}");
        }
    }
}
