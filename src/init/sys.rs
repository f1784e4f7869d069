//! System calls that take more than a line: ioctls of loop devices, ext4 and fs-verity, opening below a root, a signal's
//! default. The only file of init with `unsafe` in it.
#![expect(
    unsafe_code,
    reason = "ioctls pass pointers to structures that only the kernel's headers define; signals are per process"
)]

use nix::sys::signal::{SigHandler, Signal};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, Updater, ioctl, opcode};
use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
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

/// Writes the journal of the ext4 that `file` lies on to where it belongs: whoever reads the disk without replaying the
/// journal, as GRUB does, sees what we see from then on. `EOPNOTSUPP` or `ENODEV` of an ext4 without a journal, `ENOTTY` of
/// other file systems and before Linux 5.15, `EPERM` without CAP_SYS_ADMIN.
pub fn checkpoint_ext4(file: impl AsFd) -> Result<()> {
    // SAFETY: EXT4_IOC_CHECKPOINT reads one 32-bit number, its flags.
    unsafe { ioctl(file, Setter::<EXT4_IOC_CHECKPOINT, u32>::new(0)) }
}

/// Seals a file with fs-verity (SHA-256, blocks of 4 KiB): from then on the kernel checks each byte of it on reading and
/// nobody can write to it. Nobody may have it open for writing. `ENOTTY` or `EOPNOTSUPP` where kernel or file system
/// cannot.
pub fn enable_verity(file: impl AsFd) -> Result<()> {
    let argument = VerityEnable { version: 1, hash_algorithm: FS_VERITY_SHA256, block_size: 4096, rest: [0; 29] };
    // SAFETY: FS_IOC_ENABLE_VERITY reads a `struct fsverity_enable_arg`, which VerityEnable is; its pointers are null and
    // of size 0.
    unsafe { ioctl(file, Setter::<FS_IOC_ENABLE_VERITY, VerityEnable>::new(argument)) }
}

/// The fs-verity digest of a sealed file, as `fsverity measure` prints it; `ENODATA` of one that is not sealed.
pub fn measure_verity(file: impl AsFd) -> Result<[u8; 32]> {
    let mut measured = VerityDigest { algorithm: 0, size: 32, digest: [0; 32] };
    // SAFETY: FS_IOC_MEASURE_VERITY writes a `struct fsverity_digest` with up to `size` bytes behind it, which
    // VerityDigest has.
    unsafe { ioctl(file, Updater::<FS_IOC_MEASURE_VERITY, VerityDigest>::new(&mut measured)) }?;
    match (u32::from(measured.algorithm), measured.size) {
        (FS_VERITY_SHA256, 32) => Ok(measured.digest),
        _ => Err(Errno::OPNOTSUPP),
    }
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
pub fn path_of(file: impl AsFd) -> std::io::Result<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?;
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
const EXT4_IOC_CHECKPOINT: Opcode = opcode::write::<u32>(b'f', 43);
const FS_IOC_ENABLE_VERITY: Opcode = opcode::write::<VerityEnable>(b'f', 133);
/// Its number counts the structure without the digest behind it.
const FS_IOC_MEASURE_VERITY: Opcode = opcode::read_write::<[u16; 2]>(b'f', 134);
const FS_VERITY_SHA256: u32 = 1;

/// `struct fsverity_enable_arg` (linux/fsverity.h). Salt and signature, of which we have none, are in `rest`.
#[repr(C)]
struct VerityEnable {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    rest: [u32; 29],
}

const _: () = assert!(size_of::<VerityEnable>() == 128, "struct fsverity_enable_arg of linux/fsverity.h has 128 bytes");

/// `struct fsverity_digest` (linux/fsverity.h) with room for SHA-256.
#[repr(C)]
struct VerityDigest {
    algorithm: u16,
    size: u16,
    digest: [u8; 32],
}

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
