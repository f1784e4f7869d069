//! Beginning the boot anew without a reboot: everything that was mounted is let go, and /init is executed once more.

use crate::failure::{Doing, Failure};
use crate::handover::is_in_memory;
use crate::kernel_fs::c_string;
use rustix::mount::{UnmountFlags, unmount};
use std::convert::Infallible;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

/// How it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// As a boot does.
    Whole,
    /// With a boot partition that nothing is written to, since writing has failed.
    ReadOnly,
}

/// The environment variable that says the latter; the root's init never sees it.
const VARIABLE: &str = "DOCK0_BOOT";
const READ_ONLY: &str = "read-only";
/// The program, as the kernel starts it.
const INIT: &str = "/init";

/// Whether this boot leaves the boot partition as it is.
pub fn is_read_only() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|how| how == READ_ONLY)
}

/// Begins anew. Comes back only with the reason why that is not possible.
pub fn begin(how: Anew) -> Result<Infallible, Failure> {
    if !is_in_memory("/").doing(|| "looking at /".into())? {
        return Err(Failure::new("beginning anew: the initrd is gone already"));
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").doing(|| "reading /proc/self/mounts".into())?;
    let words: Vec<CString> =
        std::env::args_os().map(|word| CString::new(word.into_vec()).unwrap_or_default()).collect();
    for target in targets(&mounts) {
        // Lazily: what is open is closed by the exec. Worst case: it stays mounted below what is mounted next.
        unmount(target, UnmountFlags::DETACH).unwrap_or_default();
    }
    let environment = match how {
        Anew::Whole => vec![],
        Anew::ReadOnly => vec![c_string(&format!("{VARIABLE}={READ_ONLY}"))],
    };
    nix::unistd::execve(&c_string(INIT), &words, &environment).doing(|| format!("starting {INIT} again"))
}

/// Where something is mounted but /, what lies on top first.
fn targets(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|target| *target != "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_top_goes_first_and_the_initrd_stays() {
        let mounts = "rootfs / rootfs rw 0 0\ndevtmpfs /dev devtmpfs rw 0 0\n/dev/sda /run/vm/bootmnt ext4 rw 0 0\n";
        assert_eq!(targets(mounts).collect::<Vec<_>>(), ["/run/vm/bootmnt", "/dev"]);
    }

    #[test]
    fn where_there_is_no_initrd_nothing_is_unmounted() {
        if is_in_memory("/").unwrap() {
            return; // a container whose root is in memory: nothing must be tried there
        }
        assert_eq!(begin(Anew::Whole).unwrap_err().to_string(), "beginning anew: the initrd is gone already");
    }
}
