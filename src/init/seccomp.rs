//! Which system calls a locked-up process loses that has all it needs: a filter for the kernel (seccomp(2), bpf(2)).
//!
//! It is a list of what is forbidden, not of what is needed: what the C library and Rust's call to read, write and wait changes
//! from one version to the next, and a child must not end over that. What stands here leads out of what Landlock and the rights of
//! users keep closed: sockets, namespaces, other processes, and the kernel's parts that have a new hole every year.

use crate::sys;
use nix::libc::*;
use rustix::io::Result;

/// What is answered with `EPERM`.
const FORBIDDEN: &[c_long] = &[
    // Sockets, also those that io_uring would make.
    SYS_socket,
    SYS_socketpair,
    SYS_bind,
    SYS_connect,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // Processes and programs.
    SYS_fork,
    SYS_vfork,
    SYS_clone,
    SYS_clone3,
    SYS_execve,
    SYS_execveat,
    // Namespaces and mounts.
    SYS_unshare,
    SYS_setns,
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_open_by_handle_at,
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_kcmp,
    // The kernel itself.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_modify_ldt,
    SYS_personality,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
];

/// `AUDIT_ARCH_X86_64` (linux/audit.h): the only one this program is built for.
const ARCH: u32 = 0xc000_003e;
/// Numbers from here on are x32's (`__X32_SYSCALL_BIT`), under which each call has another one.
const X32: u32 = 0x4000_0000;
/// Where `struct seccomp_data` (linux/seccomp.h) has the number of the call and the architecture.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;

/// Takes them from this process, for good. `EINVAL` or `ENOSYS` where the kernel has no such filters.
pub fn forbid() -> Result<()> {
    sys::filter_calls(&program())
}

/// The instructions. A jump skips so many of those behind it.
fn program() -> Vec<sock_filter> {
    let load = |at| step(BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
    let end = |how| step(BPF_RET | BPF_K, how, 0, 0);
    let mut program = vec![
        load(ARCH_AT),
        step(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        // A call of 32 bits, whose numbers are others: nobody here makes one.
        end(SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_AT),
        step(BPF_JMP | BPF_JGE | BPF_K, X32, skip(FORBIDDEN.len() + 1), 0),
    ];
    for (place, call) in FORBIDDEN.iter().enumerate() {
        let number = u32::try_from(*call).unwrap_or(X32);
        program.push(step(BPF_JMP | BPF_JEQ | BPF_K, number, skip(FORBIDDEN.len() - place), 0));
    }
    program.push(end(SECCOMP_RET_ALLOW));
    program.push(end(SECCOMP_RET_ERRNO | EPERM.unsigned_abs()));
    program
}

fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    // All codes have 16 bits.
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

const _: () = assert!(FORBIDDEN.len() < 250, "a jump skips 255 instructions at most");

fn skip(instructions: usize) -> u8 {
    u8::try_from(instructions).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with a call, by the manual of bpf(4).
    fn run(arch: u32, number: u32) -> u32 {
        let program = program();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |so: bool| usize::from(if so { jt } else { jf });
            match u32::from(code) {
                0x20 if k == 0 => accumulator = number,
                0x20 if k == 4 => accumulator = arch,
                0x15 => at += jump(accumulator == k),
                0x35 => at += jump(accumulator >= k),
                0x06 => return k,
                other => panic!("{other:x}"),
            }
        }
    }

    #[test]
    fn what_is_forbidden_is_and_nothing_else() {
        let forbidden = SECCOMP_RET_ERRNO | 1;
        for number in 0..1024 {
            let want = if FORBIDDEN.contains(&number.into()) { forbidden } else { SECCOMP_RET_ALLOW };
            assert_eq!(run(ARCH, number), want, "{number}");
        }
        let of = |call: c_long| run(ARCH, u32::try_from(call).unwrap());
        assert_eq!([SYS_socket, SYS_unshare, SYS_reboot].map(of), [forbidden; 3]);
        let needed = [SYS_read, SYS_write, SYS_accept4, SYS_poll, SYS_ppoll, SYS_openat2, SYS_exit_group, SYS_mmap];
        assert_eq!(needed.map(of), [SECCOMP_RET_ALLOW; 8]);
        assert_eq!(run(ARCH, X32), forbidden);
        assert_eq!(run(ARCH, u32::MAX), forbidden);
        const I386: u32 = 0x4000_0003;
        assert_eq!(run(I386, 3), SECCOMP_RET_KILL_PROCESS);
    }
}
