//! System calls that take more than a line: ioctls of loop devices and ext4, opening below a root, a signal's default. The
//! only file of init with `unsafe` in it.
#![expect(
    unsafe_code,
    reason = "ioctls pass pointers to structures that only the kernel's headers define; signals are per process"
)]

use nix::sys::signal::{SigHandler, Signal};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl, opcode};
use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;

/// A loop device that has a file; the kernel takes the file off once nobody holds the device.
pub struct LoopDevice {
    path: String,
    _held: File,
}

impl LoopDevice {
    /// `/dev/loopN`
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Attaches `file` read-only to a free loop device; `name` is what losetup shows.
pub fn attach_loop(file: &File, name: &str) -> Result<LoopDevice> {
    let control = open("/dev/loop-control", OFlags::RDWR)?;
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and returns the number of a device.
    let number = unsafe { ioctl(&control, LoopCtlGetFree) }?;
    let path = format!("/dev/loop{number}");
    let device = open(&path, OFlags::RDWR)?;
    let backing = u32::try_from(file.as_raw_fd()).map_err(|_| Errno::BADF)?;
    let config = LoopConfig::read_only(backing, name);
    // SAFETY: LOOP_CONFIGURE reads a `struct loop_config`, which LoopConfig is (the layout is asserted below).
    unsafe { ioctl(&device, Setter::<LOOP_CONFIGURE, LoopConfig>::new(config)) }?;
    Ok(LoopDevice { path, _held: device })
}

/// Grows the mounted ext4 that `mount_point` is the root of to this many of its blocks.
pub fn resize_ext4(mount_point: &File, blocks: u64) -> Result<()> {
    // SAFETY: EXT4_IOC_RESIZE_FS reads one 64-bit number.
    unsafe { ioctl(mount_point, Setter::<EXT4_IOC_RESIZE_FS, u64>::new(blocks)) }
}

/// Gives the signal for a broken pipe back its default; Rust's runtime ignores it, and exec() would hand that on.
pub fn stop_ignoring_broken_pipes() {
    // SAFETY: no handler is installed, and the default needs none.
    let restored = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    if let Err(error) = restored {
        // Worst case: the VM's init ignores broken pipes until it sets its own signals, as every init does.
        crate::log::note!("restoring SIGPIPE: {error}");
    }
}

/// The path of an open file, links resolved.
pub fn path_of(file: &File) -> std::io::Result<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    path.into_os_string().into_string().map_err(|_| Errno::ILSEQ.into())
}

/// Opens what `path` leads to, as if `root` were `/`.
pub fn open_below(root: &Path, path: &Path, flags: OFlags) -> Result<File> {
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?.into())
}

/// The first `length` bytes of a file or device, or all of a shorter one.
pub fn read_start(file: &File, length: usize) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(length);
    file.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut start)?;
    Ok(start)
}

fn open(path: &str, flags: OFlags) -> Result<File> {
    Ok(rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())?.into())
}

const LOOP_CTL_GET_FREE: Opcode = 0x4c82;
const LOOP_CONFIGURE: Opcode = 0x4c0a;
const EXT4_IOC_RESIZE_FS: Opcode = opcode::write::<u64>(b'f', 16);

struct LoopCtlGetFree;

// SAFETY: the opcode takes no pointer, changes no memory of ours, and its result is the return value.
unsafe impl Ioctl for LoopCtlGetFree {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(number: IoctlOutput, _: *mut c_void) -> Result<i32> {
        Ok(number)
    }
}

/// `struct loop_config` with its `struct loop_info64` unfolded (linux/loop.h).
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304, "struct loop_config of linux/loop.h has 304 bytes");

impl LoopConfig {
    fn read_only(fd: u32, name: &str) -> Self {
        const LO_FLAGS_READ_ONLY: u32 = 1;
        const LO_FLAGS_AUTOCLEAR: u32 = 4;
        let mut file_name = [0; 64];
        // One byte less, so that it ends with a zero.
        for (to, from) in file_name.iter_mut().take(63).zip(name.bytes()) {
            *to = from;
        }
        LoopConfig {
            fd,
            block_size: 0,
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            sizelimit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            file_name,
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
            reserved: [0; 8],
        }
    }
}
