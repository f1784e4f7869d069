//! Becoming the VM's own init: checking it, moving into the root, freeing the initrd, and the last exec.

use crate::failure::{Doing, Failure};
use crate::kernel_fs::{KERNEL_FS, c_string, make_directory};
use crate::log::{note, say};
use crate::places::Places;
use crate::sys;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use wire::program::{self, Program};

/// What the kernel itself gives its first program, and nothing that was meant for us.
const ENVIRONMENT: [&CStr; 2] = [c"HOME=/", c"TERM=linux"];

/// Whether PID 1 runs from an initrd, in memory. Started from a disk, it would end with emptying that disk.
pub fn require_initrd() -> Result<(), Failure> {
    match is_in_memory("/").doing(|| "looking at /".into())? {
        true => Ok(()),
        false => Err(Failure::new("this is no initrd: / is not in memory, and nothing was touched")),
    }
}

/// Whether a path lies on one of the two file systems that the kernel unpacks an initrd into (linux/magic.h).
pub fn is_in_memory(path: &str) -> rustix::io::Result<bool> {
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    const TMPFS_MAGIC: u32 = 0x0102_1994;
    let kind = rustix::fs::statfs(path)?.f_type;
    Ok([RAMFS_MAGIC, TMPFS_MAGIC].iter().any(|&magic| kind == i64::from(magic)))
}

/// Whether the new root has this program and what it needs to start.
///
/// Checked here and not left to exec(), which comes when there is no way back, and says "no such file" of a script whose
/// interpreter is missing.
pub fn check_init(new_root: &str, init: &str) -> Result<(), Failure> {
    let root = Path::new(new_root);
    // Without waiting: it may be a pipe.
    let file = sys::open_below(root, Path::new(init), OFlags::RDONLY | OFlags::NONBLOCK)
        .doing(|| format!("looking for {init} in the root"))?;
    let meta = file.metadata().doing(|| format!("looking at {init}"))?;
    if !meta.is_file() || std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 == 0 {
        return Err(Failure::new(format!("{init} is not an executable file")));
    }
    let start = sys::read_start(&file, program::PROBE_LEN).doing(|| format!("reading {init}"))?;
    let (needs, kind) = match program::identify(&start) {
        Program::Script(interpreter) => (Some(interpreter), "a script for"),
        Program::Elf(loader) => (loader, "a program that is loaded by"),
        Program::ForeignElf(machine) => {
            return Err(Failure::new(format!("{init} is a program for another machine (ELF machine {machine})")));
        }
        Program::Unknown => return Err(Failure::new(format!("{init} is neither an ELF program nor a script"))),
    };
    if let Some(needs) = needs {
        let needs = Path::new(OsStr::from_bytes(needs));
        sys::open_below(root, needs, OFlags::PATH)
            .doing(|| format!("{init} is {kind} {}, which the root cannot give", needs.display()))?;
    }
    Ok(())
}

/// Moves the kernel's file systems into the new root, makes that `/`, and frees the initrd.
pub fn switch_root(places: &Places) -> Result<(), Failure> {
    let new_root = &places.new_root;
    say!("switching to the root, and freeing the initrd's memory");
    let open_root = || rustix::fs::open("/", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let old_root = open_root().doing(|| "opening the initrd".into())?;
    for fs in &KERNEL_FS {
        let target = format!("{new_root}{}", fs.target);
        make_directory(&target)?;
        rustix::mount::mount_move(fs.target, &target).doing(|| format!("moving {} to {target}", fs.target))?;
    }
    rustix::process::chdir(new_root.as_str()).doing(|| format!("entering {new_root}"))?;
    rustix::mount::mount_move(".", "/").doing(|| format!("moving {new_root} to /"))?;
    rustix::process::chroot(".").doing(|| "making the new root /".into())?;
    rustix::process::chdir("/").doing(|| "entering the new root".into())?;
    take_the_console_of_the_root();
    if let Err(error) = free_initrd(&old_root) {
        // Worst case: its megabytes stay taken until the VM ends.
        note!("freeing the initrd: {}", crate::failure::Cause::words(&error));
    }
    Ok(())
}

/// Standard input and output lead to the console of the initrd, which would keep that file system in use.
fn take_the_console_of_the_root() {
    let console = rustix::fs::open("/dev/console", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
    let taken = console.and_then(|console| {
        rustix::stdio::dup2_stdin(&console)?;
        rustix::stdio::dup2_stdout(&console)?;
        rustix::stdio::dup2_stderr(&console)
    });
    if let Err(error) = taken {
        // A VM without any console: init keeps what the kernel gave us.
        note!("opening /dev/console: {}", crate::failure::Cause::words(&error));
    }
}

/// Removes everything in the initrd, whose memory is freed with it. Never follows a link, never leaves its file system.
fn free_initrd(initrd: &OwnedFd) -> rustix::io::Result<()> {
    let device = rustix::fs::fstat(initrd)?.st_dev;
    empty_directory(initrd, device)
}

fn empty_directory(directory: impl AsFd, device: u64) -> rustix::io::Result<()> {
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = rustix::fs::openat(&directory, name, flags, Mode::empty())?;
                if rustix::fs::fstat(&inner)?.st_dev == device {
                    empty_directory(&inner, device)?;
                    rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR)?;
                }
            }
            removed => removed?,
        }
    }
    Ok(())
}

/// The VM's init takes the process over. It gets the words that the kernel had left for it, as it would without us.
pub fn exec(init: &str) -> Result<Infallible, Failure> {
    let words = std::env::args_os().skip(1).filter(|word| !wire::cmdline::is_for_us(word.as_bytes()));
    let arguments: Vec<CString> = std::iter::once(c_string(init)).chain(words.map(into_c_string)).collect();
    sys::stop_ignoring_broken_pipes();
    // The system call itself: the C library's other exec functions would try /bin/sh on what the kernel refuses.
    nix::unistd::execve(&c_string(init), &arguments, &ENVIRONMENT).doing(|| format!("starting {init}"))
}

/// An argument as it came; it has no zero byte, since it came from the kernel.
fn into_c_string(word: OsString) -> CString {
    CString::new(word.into_vec()).unwrap_or_default()
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
