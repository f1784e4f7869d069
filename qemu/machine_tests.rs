//! The table of machines and the arguments each must print.

use super::*;
use crate::disk::{Disk, Plug};
use crate::network::Forward;
use std::time::Duration;

const START: &str = "-nodefaults -no-user-config -display none -serial mon:stdio";

fn kernel() -> Boot {
    Boot::Kernel { kernel: "/k".into(), initrd: None, cmdline: "console=ttyS0 quiet".into() }
}

fn late(disk: Disk) -> Disk {
    Disk { plug: Plug::After(Duration::from_secs(2)), ..disk }
}

#[test]
fn arguments() {
    let plain = Machine::new(kernel());
    let table = [
        (
            "a bare kernel",
            plain.clone(),
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -kernel /k -append console=ttyS0 quiet -nic none",
        ),
        (
            "kernel and initrd, a large pc with KVM that reboots",
            Machine {
                memory: 1024,
                cpus: 2,
                board: Board::Pc,
                boot: Boot::Kernel { kernel: "/k".into(), initrd: Some("/i".into()), cmdline: String::new() },
                reboot: Reboot::Happens,
                accel: Accel::Kvm,
                ..plain.clone()
            },
            "-machine pc -accel kvm -cpu max -m 1024 -smp 2 -kernel /k -initrd /i -append  -nic none",
        ),
        (
            "counted instructions are TCG's",
            Machine { accel: Accel::Kvm, clock: Clock::Instructions, ..plain.clone() },
            "-machine q35 -accel tcg -cpu max,-avx -icount shift=0,sleep=off -m 256 -smp 1 -no-reboot -kernel /k -append console=ttyS0 quiet -nic none",
        ),
        (
            "a boot sector",
            Machine::new(Boot::Disk),
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -nic none",
        ),
        (
            "GRUB 2 with its disk on virtio-scsi",
            Machine { disks: vec![Disk::scsi("/d")], ..Machine::new(Boot::Grub2 { image: "/g".into() }) },
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -kernel /g -device virtio-scsi-pci,id=scsi0 \
             -drive if=none,id=disk0,format=raw,file=/d,cache=unsafe -device scsi-hd,bus=scsi0.0,scsi-id=0,drive=disk0,bootindex=1 -nic none",
        ),
        (
            "GRUB Legacy from its floppy",
            Machine::new(Boot::GrubLegacy { floppy: "/f,1".into() }),
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot \
             -drive if=floppy,index=0,format=raw,readonly=on,file=/f,,1 -global isa-fdc.bootindexA=0 -nic none",
        ),
        (
            "a late disk: its controller, the socket, no drive",
            Machine { disks: vec![late(Disk::scsi("/d"))], qmp: Some("/q".into()), ..plain.clone() },
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -kernel /k -append console=ttyS0 quiet \
             -device virtio-scsi-pci,id=scsi0 -nic none -qmp unix:/q,server=on,wait=off",
        ),
        (
            "a microvm with all that hangs on its virtio-mmio",
            Machine {
                board: Board::Microvm,
                disks: vec![Disk::scsi("/s"), Disk::blk("/b")],
                network: Network::User { forwards: vec![] },
                rng: true,
                ..plain.clone()
            },
            "-machine microvm,acpi=off,rtc=on -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -kernel /k -append console=ttyS0 quiet \
             -device virtio-scsi-device,id=scsi0 \
             -drive if=none,id=disk0,format=raw,file=/s,cache=unsafe -device scsi-hd,bus=scsi0.0,scsi-id=0,drive=disk0,bootindex=1 \
             -drive if=none,id=disk1,format=raw,file=/b,cache=unsafe -device virtio-blk-device,drive=disk1,bootindex=2 \
             -netdev user,id=net0 -device virtio-net-device,netdev=net0 -device virtio-rng-device",
        ),
        (
            "user network, entropy, one's own arguments",
            Machine {
                network: Network::User {
                    forwards: vec![Forward { host: 2222, guest: 22 }, Forward { host: 8002, guest: 1002 }],
                },
                rng: true,
                extra: vec!["-rtc".into(), "base=1970-01-02".into()],
                ..plain.clone()
            },
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -kernel /k -append console=ttyS0 quiet \
             -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8002-:1002 \
             -device virtio-rng-pci -rtc base=1970-01-02",
        ),
        (
            "a network with a metadata service",
            Machine {
                network: Network::Metadata { forwards: vec![Forward { host: 2222, guest: 22 }], service: 8080 },
                ..plain
            },
            "-machine q35 -accel tcg -cpu max,-avx -m 256 -smp 1 -no-reboot -kernel /k -append console=ttyS0 quiet \
             -nic user,model=virtio-net-pci,net=160.0.0.0/4,host=172.31.0.2,dns=172.31.0.3,dhcpstart=172.31.0.15,\
             guestfwd=tcp:169.254.169.254:80-cmd:/bin/busybox nc 127.0.0.1 8080,hostfwd=tcp:127.0.0.1:2222-:22",
        ),
    ];
    for (name, machine, wanted) in table {
        assert_eq!(machine.args().join(" "), format!("{START} {wanted}"), "{name}");
    }
}

#[test]
fn a_console_with_a_log() {
    let machine = Machine { log: Some("/l,1".into()), ..Machine::new(kernel()) };
    let wanted =
        "-chardev stdio,id=console,mux=on,signal=off,logfile=/l,,1 -serial chardev:console -mon chardev=console";
    assert_eq!(machine.args().join(" ").find(wanted), Some("-nodefaults -no-user-config -display none ".len()));
}

#[test]
fn command_line_is_quoted() {
    let line = Machine::new(kernel()).command_line();
    assert!(line.starts_with("qemu-system-x86_64 -nodefaults "), "{line}");
    assert!(line.contains(" -append 'console=ttyS0 quiet' "), "{line}");
}
