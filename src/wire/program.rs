//! What the kernel will do with a program file, told from its first bytes: which other file it needs to run it.

use crate::bytes::{le16, le32, le64, take};

/// How many bytes from the start [`identify`] wants to see. The kernel itself looks at 256 for a script; the path of
/// an ELF interpreter stands behind the program headers, within the first page.
pub const PROBE_LEN: usize = 4096;

/// A program, and the interpreter that must exist for it to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program<'b> {
    /// Begins with `#!` and this path.
    Script(&'b [u8]),
    /// An ELF program for x86-64 with this dynamic loader, or without one; or one for i386, of which no loader is told.
    Elf(Option<&'b [u8]>),
    /// An ELF program for another machine (its `e_machine`).
    ForeignElf(u16),
    /// Nothing the kernel can start.
    Unknown,
}

/// What begins with these bytes.
pub fn identify(start: &[u8]) -> Program<'_> {
    match start {
        [b'#', b'!', rest @ ..] => script(rest),
        [0x7f, b'E', b'L', b'F', ..] => elf(start).unwrap_or(Program::Unknown),
        _ => Program::Unknown,
    }
}

fn script(rest: &[u8]) -> Program<'_> {
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty()) {
        Some(interpreter) => Program::Script(interpreter),
        None => Program::Unknown,
    }
}

/// `Elf64_Ehdr` and its `Elf64_Phdr`s (elf(5)).
fn elf(start: &[u8]) -> Option<Program<'_>> {
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const X86_64: u16 = 62;
    const I386: u16 = 3;
    const PT_INTERP: u32 = 3;
    let [class, order] = take(start, 4)?;
    let machine = le16(start, 18)?;
    if machine == I386 {
        return Some(Program::Elf(None)); // for a kernel with 32-bit support, which only the kernel can tell
    }
    if (class, order, machine) != (CLASS_64, LITTLE_ENDIAN, X86_64) {
        return Some(Program::ForeignElf(machine));
    }
    let table = usize::try_from(le64(start, 32)?).ok()?;
    let (entry_size, entries) = (usize::from(le16(start, 54)?), usize::from(le16(start, 56)?));
    for entry in 0..entries {
        let header = entry.checked_mul(entry_size)?.checked_add(table)?;
        let Some(kind) = le32(start, header) else { break };
        if kind == PT_INTERP {
            let offset = usize::try_from(le64(start, header.checked_add(8)?)?).ok()?;
            let size = usize::try_from(le64(start, header.checked_add(32)?)?).ok()?;
            // A path beyond what was read is rare (patchelf makes such files); then the kernel is left to judge.
            let path = start.get(offset..offset.checked_add(size)?);
            return Some(Program::Elf(path.and_then(|path| path.split(|&byte| byte == 0).next())));
        }
    }
    Some(Program::Elf(None))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn elf_with(machine: u16, interpreter: Option<&[u8]>) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        if let Some(path) = interpreter {
            file[64] = 3;
            file[64 + 8] = 120;
            file[64 + 32] = u8::try_from(path.len()).unwrap();
            file.extend_from_slice(path);
        }
        file
    }

    #[test]
    fn programs_are_told_apart() {
        let dynamic = elf_with(62, Some(b"/lib64/ld-linux-x86-64.so.2\0"));
        for (case, start, want) in [
            ("script", &b"#!/bin/sh -e\n"[..], Program::Script(b"/bin/sh")),
            ("spaced script", b"#! \t/usr/bin/env python3\nx", Program::Script(b"/usr/bin/env")),
            ("script without a path", b"#!\n/bin/sh", Program::Unknown),
            ("text", b"hello", Program::Unknown),
            ("empty", b"", Program::Unknown),
            ("static", &elf_with(62, None), Program::Elf(None)),
            ("dynamic", &dynamic, Program::Elf(Some(b"/lib64/ld-linux-x86-64.so.2"))),
            ("loader beyond the page", &dynamic[..125], Program::Elf(None)),
            ("i386", &elf_with(3, None), Program::Elf(None)),
            ("arm64", &elf_with(183, None), Program::ForeignElf(183)),
            ("cut off", b"\x7fELF\x02\x01", Program::Unknown),
        ] {
            assert_eq!(identify(start), want, "{case}");
        }
    }
}
