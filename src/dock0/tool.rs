//! Running the programs of other packages: one that is missing or fails is an error that says what to do.

use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

/// A program and the Debian package that has it.
#[derive(Clone, Copy)]
pub struct Tool {
    /// What is called.
    pub program: &'static str,
    /// What to install.
    pub package: &'static str,
}

/// e2fsprogs' maker of ext4.
pub const MKE2FS: Tool = Tool { program: "mke2fs", package: "e2fsprogs" };
/// e2fsprogs' editor of ext4.
pub const DEBUGFS: Tool = Tool { program: "debugfs", package: "e2fsprogs" };
/// The maker of EROFS.
pub const MKFS_EROFS: Tool = Tool { program: "mkfs.erofs", package: "erofs-utils" };
/// The maker of squashfs.
pub const MKSQUASHFS: Tool = Tool { program: "mksquashfs", package: "squashfs-tools" };

impl Tool {
    /// A command with the directories of system programs in its search path, where a plain user's shell has none.
    pub fn command(self) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(self.program);
        command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end; what it printed is shown only if it failed. Returns its standard output.
    pub fn run(self, command: &mut Command) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.finish(command)?.stdout).into_owned())
    }

    /// The same, but returns its standard error.
    pub fn complaints(self, command: &mut Command) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.finish(command)?.stderr).into_owned())
    }

    fn finish(self, command: &mut Command) -> Result<Output> {
        let output = match command.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{} is missing: install the package {}", self.program, self.package)
            }
            output => output.with_context(|| format!("starting {}", self.program))?,
        };
        if !output.status.success() {
            let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            bail!("{} failed ({}):\n{printed}{}", self.program, output.status, errors.trim_end());
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let tool = Tool { program: "no-such-program-here", package: "the-package" };
        let error = tool.run(&mut tool.command()).unwrap_err().to_string();
        assert_eq!(error, "no-such-program-here is missing: install the package the-package");
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let tool = Tool { program: "sh", package: "dash" };
        let error = tool.run(tool.command().args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert_eq!(error, "sh failed (exit status: 3):\nwhy");
    }
}
