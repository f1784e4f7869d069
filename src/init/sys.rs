//! System calls that take more than a line: ioctls of loop devices, ext4 and fs-verity, opening below a root, a signal's
//! default, Landlock, seccomp, handing a descriptor to a child, kexec, reboots, watchdogs; and one function of the C library that is better
//! not linked. The only file of init with `unsafe` in it.
#![expect(
    unsafe_code,
    reason = "ioctls pass pointers to structures that only the kernel's headers define; signals are per process"
)]

use nix::sys::signal::{SigHandler, Signal};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, Updater, ioctl, opcode};
use rustix::system::RebootCommand;
use std::convert::Infallible;
use std::ffi::{CStr, c_void};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

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

/// Stays when the terminal goes, and when whoever reads what is said does.
pub fn ignore_hangups() {
    for signal in [Signal::SIGHUP, Signal::SIGPIPE] {
        // SAFETY: no handler is installed, and ignoring needs none.
        let ignored = unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) };
        // Worst case: this program ends with its terminal, and the VM runs on.
        ignored.map(drop).unwrap_or_default();
    }
}

/// The path of an open file, links resolved.
pub fn path_of(file: impl AsFd) -> std::io::Result<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?;
    path.into_os_string().into_string().map_err(|_| Errno::ILSEQ.into())
}

/// Ends what runs on this machine. Comes back only with the reason why the kernel refuses.
pub fn reboot(command: RebootCommand) -> Result<Infallible> {
    Err(rustix::system::reboot(command).err().unwrap_or(Errno::INVAL))
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

/// Lets the child of a command have files of ours as descriptors from this one on, and none of those above them.
pub fn hand_over(command: &mut Command, files: Vec<OwnedFd>, first: RawFd) {
    let others = first.unsigned_abs().saturating_add(u32::try_from(files.len()).unwrap_or(u32::MAX));
    let mut copies = vec![-1; files.len()];
    let install = move || {
        // Behind all the places first: a file may stand where another one belongs.
        for (file, copy) in files.iter().zip(&mut copies) {
            // SAFETY: fcntl takes numbers. The copy is the child's alone, and is closed below.
            *copy = unsafe { nix::libc::fcntl(file.as_raw_fd(), nix::libc::F_DUPFD_CLOEXEC, others) };
            system_call((*copy).into())?;
        }
        for (copy, place) in copies.iter().zip(first..) {
            // SAFETY: dup2 takes two numbers. The target is the child's own copy of the table; nothing here owns it.
            system_call(unsafe { nix::libc::dup2(*copy, place) }.into())?;
        }
        // SAFETY: close_range takes three numbers, and with this flag closes nothing before the exec.
        let closed =
            unsafe { nix::libc::syscall(nix::libc::SYS_close_range, others, u32::MAX, nix::libc::CLOSE_RANGE_CLOEXEC) };
        Ok(system_call(closed).map(drop)?)
    };
    // SAFETY: between fork and exec the closure makes system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
}

/// The file that this program was started with as this descriptor. Once only: whoever calls it owns the file.
pub fn inherited_file(descriptor: RawFd) -> Result<File> {
    // SAFETY: fcntl takes numbers; F_GETFD only looks.
    if unsafe { nix::libc::fcntl(descriptor, nix::libc::F_GETFD) } == -1 {
        return Err(Errno::BADF);
    }
    // SAFETY: it is open, and as a descriptor that comes from outside it belongs to nobody in this program.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Closes all descriptors from this one on, whoever has opened them. For a program that has just begun.
pub fn close_from(first: u32) -> Result<()> {
    // SAFETY: close_range takes three numbers. What is closed with it is lost to whoever thinks he has it open: see above.
    system_call(unsafe { nix::libc::syscall(nix::libc::SYS_close_range, first, u32::MAX, 0u32) }).map(drop)
}

/// Which version of Landlock's rules the kernel has. `ENOSYS` or `EOPNOTSUPP` where it has none.
pub fn landlock_version() -> Result<u32> {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    let nothing = std::ptr::null::<LandlockRuleset>();
    // SAFETY: with this flag the call takes no structure and returns a number.
    let version = unsafe {
        nix::libc::syscall(nix::libc::SYS_landlock_create_ruleset, nothing, 0usize, LANDLOCK_CREATE_RULESET_VERSION)
    };
    system_call(version).map(|version| u32::try_from(version).unwrap_or_default())
}

/// `struct landlock_ruleset_attr` (linux/landlock.h): what is forbidden unless a rule allows it, a bit each.
#[repr(C)]
pub struct LandlockRuleset {
    /// `LANDLOCK_ACCESS_FS_*`
    pub files: u64,
    /// `LANDLOCK_ACCESS_NET_*`, since version 4.
    pub network: u64,
    /// `LANDLOCK_SCOPE_*`, since version 6.
    pub scoped: u64,
}

/// `struct landlock_path_beneath_attr` (linux/landlock.h)
#[repr(C, packed)]
struct LandlockPath {
    allowed: u64,
    parent: i32,
}

const _: () = assert!(size_of::<LandlockPath>() == 12, "struct landlock_path_beneath_attr of linux/landlock.h");

/// Makes a set of Landlock's rules. Fields that the kernel is too old for must be 0.
pub fn landlock_rules(forbidden: &LandlockRuleset) -> Result<OwnedFd> {
    // SAFETY: the call reads a `struct landlock_ruleset_attr` of the size that is given with it.
    let rules = unsafe {
        let (pointer, size) = (std::ptr::from_ref(forbidden), size_of::<LandlockRuleset>());
        nix::libc::syscall(nix::libc::SYS_landlock_create_ruleset, pointer, size, 0u32)
    };
    let rules = RawFd::try_from(system_call(rules)?).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(rules) })
}

/// Allows something with what a path leads to, opened as `O_PATH`.
pub fn landlock_allow(rules: &OwnedFd, path: &OwnedFd, allowed: u64) -> Result<()> {
    const LANDLOCK_RULE_PATH_BENEATH: u32 = 1;
    let rule = LandlockPath { allowed, parent: path.as_raw_fd() };
    let pointer = std::ptr::from_ref(&rule);
    // SAFETY: with this kind of rule the call reads a `struct landlock_path_beneath_attr`.
    system_call(unsafe {
        let call = nix::libc::SYS_landlock_add_rule;
        nix::libc::syscall(call, rules.as_raw_fd(), LANDLOCK_RULE_PATH_BENEATH, pointer, 0u32)
    })
    .map(drop)
}

/// Puts this process under a set of rules, for good. `no_new_privs` must be set.
pub fn landlock_restrict(rules: &OwnedFd) -> Result<()> {
    // SAFETY: the call takes two numbers.
    system_call(unsafe { nix::libc::syscall(nix::libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0u32) }).map(drop)
}

/// Puts this process under a filter of its system calls, for good. `no_new_privs` must be set.
pub fn filter_calls(program: &[nix::libc::sock_filter]) -> Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = nix::libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let (pointer, what) = (std::ptr::from_ref(&program), nix::libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the call reads a `struct sock_fprog` and the instructions that it points at, of which there are as many as it says;
    // the kernel copies them, and writes nothing.
    system_call(unsafe { nix::libc::syscall(nix::libc::SYS_seccomp, what, 0u32, pointer) }).map(drop)
}

/// Loads a kernel that kexec starts, with its initrd and its command line. `ENOEXEC` of what is no kernel, `ENOSYS` or `EPERM` where
/// the running one cannot or may not.
pub fn load_kernel(kernel: &File, initrd: Option<&File>, command_line: &CStr) -> Result<()> {
    const KEXEC_FILE_NO_INITRAMFS: usize = 4;
    let (initrd, flags) = match initrd {
        Some(initrd) => (initrd.as_raw_fd(), 0),
        None => (-1, KEXEC_FILE_NO_INITRAMFS),
    };
    let line = command_line.to_bytes_with_nul();
    let call = nix::libc::SYS_kexec_file_load;
    // SAFETY: the call takes two descriptors, the length of a text with its zero byte, that text, and flags.
    system_call(unsafe { nix::libc::syscall(call, kernel.as_raw_fd(), initrd, line.len(), line.as_ptr(), flags) })
        .map(drop)
}

/// What a watchdog calls itself.
pub fn watchdog_identity(watchdog: &File) -> Result<String> {
    let mut info = WatchdogInfo { options: 0, firmware: 0, identity: [0; 32] };
    // SAFETY: WDIOC_GETSUPPORT writes a `struct watchdog_info`, which WatchdogInfo is.
    unsafe { ioctl(watchdog, Updater::<WDIOC_GETSUPPORT, WatchdogInfo>::new(&mut info)) }?;
    let text = info.identity.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Gives a watchdog this many seconds, and returns how many it has taken.
pub fn set_watchdog(watchdog: &File, seconds: u32) -> Result<u32> {
    let mut seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    // SAFETY: WDIOC_SETTIMEOUT reads and writes an int.
    unsafe { ioctl(watchdog, Updater::<WDIOC_SETTIMEOUT, i32>::new(&mut seconds)) }?;
    u32::try_from(seconds).map_err(|_| Errno::INVAL)
}

/// What syscall(2) returned, or the error that it left behind.
fn system_call(returned: nix::libc::c_long) -> Result<nix::libc::c_long> {
    match returned {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
        returned => Ok(returned),
    }
}

/// Where Rust's runtime asks how far the stack reaches, to name an overflow of it: nobody knows. The C library would read it
/// from /proc/self/maps with scanf(3), which brings along numbers of every kind: 42 KB of the initrd. An overflow still ends the
/// program, at the page below the stack; the kernel calls that SIGSEGV, and Rust would have added a sentence.
// SAFETY: the name and the types are pthread_getattr_np(3)'s, which may fail and then writes nothing.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
#[unsafe(no_mangle)]
extern "C" fn pthread_getattr_np(_: nix::libc::pthread_t, _: *mut nix::libc::pthread_attr_t) -> nix::libc::c_int {
    nix::libc::ENOSYS
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
const WDIOC_GETSUPPORT: Opcode = opcode::read::<WatchdogInfo>(b'W', 0);
const WDIOC_SETTIMEOUT: Opcode = opcode::read_write::<i32>(b'W', 6);

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

/// `struct watchdog_info` (linux/watchdog.h)
#[repr(C)]
struct WatchdogInfo {
    options: u32,
    firmware: u32,
    identity: [u8; 32],
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
