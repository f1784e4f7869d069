//! Guests of a few bytes: they print on the first serial port what they were given, and end.
#![allow(dead_code)] // Each test binary takes what it needs.

use std::path::{Path, PathBuf};

/// 16-bit code: prints the text at `TEXT` on the first serial port, then goes on with what stands at `END`.
const PRINT: [u8; 17] = [
    0x31, 0xc0, 0x8e, 0xd8, // xor ax, ax; mov ds, ax
    0xbe, TEXT as u8, 0x7c, // mov si, 0x7c00 + TEXT
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xac, 0x84, 0xc0, // lodsb; test al, al
    0x74, 0x03, // jz END
    0xee, // out dx, al
    0xeb, // jmp back to lodsb; its distance follows
];
const BACK: u8 = 0xf8;
const TEXT: usize = 0x40;

/// What a boot sector does after it has printed.
#[derive(Clone, Copy)]
pub enum End {
    /// ACPI sleep state 5 through the chipset's PM1 control register.
    PowerOff,
    /// The keyboard controller's reset line.
    Reset,
    /// Nothing, for ever.
    Halt,
    /// Sends every byte from the serial port back.
    Echo,
}

impl End {
    fn code(self) -> &'static [u8] {
        match self {
            End::PowerOff => &[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xeb, 0xfe],
            End::Reset => &[0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe],
            End::Halt => &[0xf4, 0xeb, 0xfd],
            // mov dx, 0x3fd; in al, dx; test al, 1; jz back; mov dx, 0x3f8; in al, dx; out dx, al; jmp back
            End::Echo => &[0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf8, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xf1],
        }
    }
}

/// Writes a disk whose boot sector prints `text`.
pub fn boot_sector(folder: &Path, text: &str, end: End) -> PathBuf {
    let mut sector = [&PRINT[..], &[BACK], end.code()].concat();
    assert!(sector.len() <= TEXT && text.len() < 510 - TEXT);
    sector.resize(TEXT, 0);
    sector.extend(text.bytes());
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(1 << 20, 0);
    let path = folder.join("disk.img");
    std::fs::write(&path, sector).expect("writing a disk");
    path
}

/// Where the protected-mode part of a bzImage begins when its setup is one sector long.
const PROTECTED: usize = 0x400;

/// The fields of the boot protocol (Documentation/arch/x86/boot.rst) that QEMU and both GRUBs look at.
const HEADER: [(usize, &[u8]); 6] = [
    (0x1f1, &[1]),                                                          // setup_sects
    (0x1fe, &[0x55, 0xaa, 0xeb, 0x66, b'H', b'd', b'r', b'S', 0x06, 0x02]), // boot_flag, jump to 0x268, version 2.06
    (0x211, &[1]),                                                          // loadflags: LOADED_HIGH
    (0x214, &[0, 0, 0x10, 0]),                                              // code32_start
    (0x22c, &[0xff, 0xff, 0xff, 0x37, 0, 0x10]),                            // initrd_addr_max, kernel_alignment
    (0x238, &[0xff, 0x07]),                                                 // cmdline_size
];

/// Real mode, for QEMU and GRUB Legacy: DS is the setup's segment.
const SETUP: [u8; 20] = [
    0x66, 0xa1, 0x28, 0x02, // mov eax, [cmd_line_ptr]
    0x66, 0x8b, 0x0e, 0x1c, 0x02, // mov ecx, [ramdisk_size]
    0x66, 0xc1, 0xc8, 0x04, // ror eax, 4
    0x8e, 0xd8, // mov ds, ax
    0x66, 0xc1, 0xe8, 0x1c, // shr eax, 28
    0x96, // xchg si, ax
];

/// Protected mode, for GRUB 2: ESI points to the boot parameters.
const ENTRY: [u8; 12] = [
    0x8b, 0x8e, 0x1c, 0x02, 0, 0, // mov ecx, [esi + ramdisk_size]
    0x8b, 0xb6, 0x28, 0x02, 0, 0, // mov esi, [esi + cmd_line_ptr]
];

/// Prints the command line at (E)SI, `+` if ECX says that there is an initrd and else `-`, and powers off. `narrow` is
/// the prefix that makes 16 bits of what is 32 bits wide here, `wide` the other way round.
fn print_and_power_off(narrow: &[u8], wide: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 15] = [
        narrow,
        &[0xba, 0xf8, 0x03],       // mov dx, 0x3f8
        &[0xac, 0xee, 0x84, 0xc0], // lodsb; out dx, al; test al, al
        &[0x75, 0xfa],             // jnz to the lodsb
        &[0xb0, b'-'],             // mov al, '-'
        wide,
        &[0xe3, 0x02],              // jecxz over the next
        &[0xb0, b'+'],              // mov al, '+'
        &[0xee, 0xb0, b'\n', 0xee], // out dx, al; mov al, '\n'; out dx, al
        narrow,
        &[0xba, 0x04, 0x06], // mov dx, 0x604
        narrow,
        &[0xb8, 0x00, 0x20], // mov ax, 0x2000
        narrow,
        &[0xef, 0xeb, 0xfe], // out dx, ax; jmp $
    ];
    parts.concat()
}

/// Writes a bzImage that prints its command line and behind it `+` if it got an initrd, else `-`, and powers off.
pub fn kernel(folder: &Path) -> PathBuf {
    let mut image = vec![0; 0x600];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    HEADER.iter().for_each(|(at, bytes)| put(*at, bytes));
    put(0x268, &[&SETUP[..], &print_and_power_off(&[], &[0x67])].concat());
    put(PROTECTED, &[&ENTRY[..], &print_and_power_off(&[0x66], &[])].concat());
    let path = folder.join("kernel");
    std::fs::write(&path, image).expect("writing a kernel");
    path
}
