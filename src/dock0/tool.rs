//! Running the programs of other packages: one that is missing or fails is an error that says what to do.

use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, Output, Stdio};

/// Where programs are when nobody says so.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where mke2fs and debugfs are.
const SYSTEM_PATH: &str = "/usr/sbin:/sbin";

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
/// The maker of roots of Debian.
pub const MMDEBSTRAP: Tool = Tool { program: "mmdebstrap", package: "mmdebstrap" };
/// The maker of roots of Arch Linux.
pub const PACSTRAP: Tool = Tool { program: "pacstrap", package: "arch-install-scripts" };
/// bubblewrap, which runs programs in a root.
pub const BWRAP: Tool = Tool { program: "bwrap", package: "bubblewrap" };
/// What copies container images from one form to another.
pub const SKOPEO: Tool = Tool { program: "skopeo", package: "skopeo" };
/// What unpacks them.
pub const UMOCI: Tool = Tool { program: "umoci", package: "umoci" };
/// This machine's shell.
pub const SHELL: Tool = Tool { program: "/bin/sh", package: "dash" };
/// fsverity-utils' fsverity.
pub const FSVERITY: Tool = Tool { program: "fsverity", package: "fsverity" };

impl Tool {
    /// A command with the directories of system programs in its search path, where a plain user's shell has none.
    pub fn command(self) -> Command {
        let mut command = Command::new(self.program);
        command.env("PATH", search_path(&std::env::var_os("PATH").unwrap_or_default())).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end; what it printed is shown only if it failed. Returns its standard output.
    pub fn run(self, command: &mut Command) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.finish(command)?.stdout).into_owned())
    }

    /// The same, but returns its standard output as it is.
    pub fn bytes(self, command: &mut Command) -> Result<Vec<u8>> {
        Ok(self.finish(command)?.stdout)
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

/// Without the empty elements of `inherited`, each of which would be the current directory.
fn search_path(inherited: &OsStr) -> OsString {
    let elements = |path| <[u8]>::split(path, |&byte| byte == b':').filter(|element| !element.is_empty());
    let mut path: Vec<&[u8]> = elements(inherited.as_bytes()).collect();
    if path.is_empty() {
        return DEFAULT_PATH.into();
    }
    path.extend(elements(SYSTEM_PATH.as_bytes()));
    OsString::from_vec(path.join(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_never_looked_for_in_the_current_directory() {
        let default = DEFAULT_PATH.as_bytes();
        for (inherited, want) in [
            (&b""[..], default),
            (b":", default),
            (b"/bin", b"/bin:/usr/sbin:/sbin"),
            (b":/bin::/usr/bin:", b"/bin:/usr/bin:/usr/sbin:/sbin"),
            (b"/caf\xe9", b"/caf\xe9:/usr/sbin:/sbin"),
        ] {
            let path = search_path(OsStr::from_bytes(inherited));
            assert_eq!(path.as_bytes(), want, "{}", inherited.escape_ascii());
        }
    }

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
