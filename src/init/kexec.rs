//! Starting a release's own kernel from the one that runs, without the firmware and the boot loader.

use crate::failure::{Cause, Doing, Failure};
use crate::kernel_fs::c_string;
use crate::log::note;
use crate::store::{Disk, Files};
use crate::sys;
use menagerie::layout::{INITRD, KERNEL};
use menagerie::{Layout, Release};
use rustix::mount::MountFlags;
use rustix::system::RebootCommand;
use std::fs::File;
use std::path::Path;

/// How Linux has been started: the kind of boot loader, in the upper bits, as `hdr.type_of_loader` of linux/bootparam.h has it.
const LOADER: &str = "/proc/sys/kernel/bootloader_type";
/// What kexec calls itself there.
const KEXEC: u32 = 0xd;

/// Whether the kernel that runs was started by another one, and so no firmware or boot loader had a say. Where nobody says, it
/// was not.
pub fn has_started_us() -> bool {
    std::fs::read_to_string(LOADER).is_ok_and(|text| is_kexec(&text))
}

fn is_kexec(loader: &str) -> bool {
    loader.trim().parse::<u32>().is_ok_and(|kind| kind >> 4 == KEXEC)
}

/// Whether two releases have the same kernel and the same initrd, so that it does not matter whose run. One that has none runs
/// with any.
pub fn is_same_kernel(one: &Release, other: &Release) -> bool {
    [KERNEL, INITRD].iter().all(|name| match (one.artifact(name), other.artifact(name)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    })
}

/// Loads the kernel and the initrd of a release, for a boot of the newest one or of whatever these words choose besides. Nothing is
/// started yet.
pub fn load(disk: &Disk, release: &Release, choice: &str) -> Result<(), Failure> {
    let line = std::fs::read("/proc/cmdline").doing(|| "reading /proc/cmdline".into())?;
    let line = String::from_utf8_lossy(&wire::cmdline::for_newest(&line)).into_owned() + choice;
    let place = disk.path()?;
    let open = |name: &str| {
        let path = release
            .artifact(name)
            .map(|artifact| Path::new(&place).join(Layout::default().artifact(artifact).as_str()));
        path.map(|path| File::open(&path).doing(|| format!("opening {}", path.display()))).transpose()
    };
    let kernel =
        open(KERNEL)?.ok_or_else(|| Failure::new(format!("release {} has no kernel of its own", release.number)))?;
    sys::load_kernel(&kernel, open(INITRD)?.as_ref(), &c_string(&line))
        .doing(|| format!("loading the kernel of {release}"))
}

/// Starts what was loaded. The disk is written out and made read-only before: nobody else does that. Returns if the kernel refuses.
pub fn start(disk: &Disk) -> Result<std::convert::Infallible, Failure> {
    rustix::fs::sync();
    if let Err(error) = disk.checkpoint().and_then(|_| make_read_only(disk)) {
        // Worst case: the next kernel replays the journal, as after a power cut.
        note!("making {} read-only: {}", disk.show(""), error.words());
    }
    sys::reboot(RebootCommand::Kexec).doing(|| "starting the loaded kernel".into())
}

fn make_read_only(disk: &Disk) -> rustix::io::Result<()> {
    let path = disk.path().map_err(|_| rustix::io::Errno::NOENT)?;
    rustix::mount::mount_remount(path, MountFlags::RDONLY, c"")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn kexec_is_known_by_its_number() {
        // GRUB is 0x7, QEMU 0xb; what follows is a version.
        for (text, want) in
            [("208\n", true), ("209\n", true), ("114\n", false), ("176\n", false), ("", false), ("x", false)]
        {
            assert_eq!(is_kexec(text), want, "{text:?}");
        }
    }

    /// Of these artifacts, by name and version.
    pub fn release(artifacts: &[(&str, &str)]) -> Release {
        let artifact = |(name, version): &(&str, &str)| menagerie::Artifact {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
        };
        Release { number: 0, artifacts: artifacts.iter().map(artifact).collect() }
    }

    #[test]
    fn kernels_are_compared_by_name_and_version() {
        let one = release(&[("kernel", "1"), ("initrd", "1"), ("vm_root", "1")]);
        for (other, want) in [
            (release(&[("kernel", "1"), ("initrd", "1"), ("vm_root", "2")]), true),
            (release(&[("kernel", "2"), ("initrd", "1"), ("vm_root", "1")]), false),
            (release(&[("kernel", "1"), ("initrd", "2"), ("vm_root", "1")]), false),
            (release(&[("vm_root", "2")]), true),
        ] {
            assert_eq!(is_same_kernel(&one, &other), want, "{other}");
        }
    }
}
