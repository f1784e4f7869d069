//! The kernel's own file systems, which everything else needs first.

use crate::failure::{Doing, Failure};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use std::path::Path;

/// One mount.
pub struct KernelFs {
    /// The type, and the name it has in /proc/mounts.
    pub kind: &'static str,
    /// Where; the directory is made if it is missing.
    pub target: &'static str,
    /// How.
    pub flags: MountFlags,
    /// The file system's own options.
    pub options: &'static str,
}

const QUIET: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// In the order in which they are mounted, and moved into the root at the end. systemd finds them mounted
/// and leaves them as they are.
pub const KERNEL_FS: [KernelFs; 4] = [
    KernelFs { kind: "devtmpfs", target: "/dev", flags: MountFlags::NOSUID, options: "mode=0755" },
    KernelFs { kind: "proc", target: "/proc", flags: QUIET, options: "" },
    KernelFs { kind: "sysfs", target: "/sys", flags: QUIET, options: "" },
    KernelFs {
        kind: "tmpfs",
        target: "/run",
        flags: MountFlags::NOSUID.union(MountFlags::NODEV),
        options: "mode=0755",
    },
];

/// Mounts all of them.
pub fn mount_all() -> Result<(), Failure> {
    for fs in &KERNEL_FS {
        make_directory(fs.target)?;
        mount(fs.kind, fs.target, fs.kind, fs.flags, Some(&*c_string(fs.options)))
            .doing(|| format!("mounting {} on {}", fs.kind, fs.target))?;
    }
    Ok(())
}

/// Makes a directory of mode 0755 that may exist already.
pub fn make_directory(path: &str) -> Result<(), Failure> {
    let made = match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) if Path::new(path).is_dir() => Ok(()),
        Err(Errno::EXIST) => Err(Errno::NOTDIR),
        made => made,
    };
    made.doing(|| format!("making the directory {path}"))
}

/// A text as the kernel takes it. It is ours or from the command line, where no zero byte can be; one would empty it.
pub fn c_string(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let targets: Vec<&str> = KERNEL_FS.iter().map(|fs| fs.target).collect();
        assert_eq!(targets, ["/dev", "/proc", "/sys", "/run"], "/dev first: the log is there");
        for fs in &KERNEL_FS {
            assert!(fs.flags.contains(MountFlags::NOSUID), "{}: no setuid programs on it", fs.target);
            assert_eq!(c_string(fs.options).to_bytes(), fs.options.as_bytes(), "{}", fs.target);
        }
    }
}
