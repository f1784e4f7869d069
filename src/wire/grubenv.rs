//! What boot loaders remember between boots: GRUB 2's environment block and GRUB Legacy's saved entry, in which both count how
//! often they may still start a release on trial.
//!
//! Both are read and written in place, a sector at a time, by boot loaders that know where a file's blocks are and nothing of
//! its file system: their length never changes.

use heapless::Vec;

/// GRUB 2's environment block, below the boot partition's root.
pub const GRUBENV: &str = "boot/grub/grubenv";
/// GRUB Legacy's saved entry, likewise.
pub const DEFAULT: &str = "boot/grub/default";

/// How long GRUB 2's block is, in bytes: it takes no other.
pub const GRUBENV_SIZE: usize = 1024;
/// How long GRUB Legacy's file is, in bytes: it writes no shorter one.
pub const DEFAULT_SIZE: usize = 512;

/// How often GRUB 2 may still start release 0: a digit. Without it, it does not count.
pub const VARIABLE: &str = "dock0_tries";
/// The entries of GRUB Legacy that count, from the first to the last start; the one behind them has given up.
pub const LEGACY_ENTRIES: [u8; 3] = [7, 8, 9];

/// What GRUB 2's block begins with.
const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";

/// A block in which nothing is set.
pub fn empty_grubenv() -> [u8; GRUBENV_SIZE] {
    let mut block = [b'#'; GRUBENV_SIZE];
    block.iter_mut().zip(SIGNATURE).for_each(|(to, from)| *to = *from);
    block
}

/// The block in which GRUB 2 has so many starts left, or does not count; everything else in it stays. `None` where it is no such
/// block, or is full.
pub fn with_tries(block: &[u8], tries: Option<u8>) -> Option<[u8; GRUBENV_SIZE]> {
    let lines = block.strip_prefix(SIGNATURE).filter(|_| block.len() == GRUBENV_SIZE)?;
    let mut text: Vec<u8, GRUBENV_SIZE> = Vec::from_slice(SIGNATURE).ok()?;
    // What begins with a # fills the block up.
    let settings = lines.split_inclusive(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"#"));
    for line in settings.filter(|line| value_of(line).is_none()) {
        text.extend_from_slice(line).ok()?;
    }
    if let Some(tries) = tries {
        text.extend_from_slice(VARIABLE.as_bytes()).ok()?;
        text.extend_from_slice(&[b'=', b'0'.checked_add(tries.min(9))?, b'\n']).ok()?;
    }
    let mut block = [b'#'; GRUBENV_SIZE];
    block.iter_mut().zip(text).for_each(|(to, from)| *to = from);
    Some(block)
}

/// What a line of the block sets our variable to.
fn value_of(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"=")
}

/// GRUB Legacy's file, with which it starts a release so many times, or without counting.
pub fn legacy_default(tries: Option<u8>) -> [u8; DEFAULT_SIZE] {
    let entry: &[u8] = match tries {
        None => b"0",
        Some(0) => b"10",
        Some(1) => b"9",
        Some(2) => b"8",
        Some(_) => b"7",
    };
    let mut file = [b'\n'; DEFAULT_SIZE];
    file.iter_mut().zip(entry).for_each(|(to, from)| *to = *from);
    file
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;

    fn block(lines: &str) -> [u8; GRUBENV_SIZE] {
        let mut block = empty_grubenv();
        block[SIGNATURE.len()..].iter_mut().zip(lines.bytes()).for_each(|(to, from)| *to = from);
        block
    }

    #[test]
    fn the_number_is_set_and_everything_else_stays() {
        for (before, tries, after) in [
            ("", Some(3), "dock0_tries=3\n"),
            ("", None, ""),
            ("dock0_tries=1\n", Some(3), "dock0_tries=3\n"),
            ("dock0_tries=0\n", None, ""),
            ("saved_entry=a\ndock0_tries=1\nx=dock0_tries=2\n", None, "saved_entry=a\nx=dock0_tries=2\n"),
            ("a=1\n", Some(200), "a=1\ndock0_tries=9\n"),
        ] {
            assert_eq!(with_tries(&block(before), tries), Some(block(after)), "{before:?} {tries:?}");
        }
    }

    #[test]
    fn what_is_no_block_is_left_alone() {
        assert_eq!(with_tries(&[b'#'; GRUBENV_SIZE], None), None, "no signature");
        assert_eq!(with_tries(&empty_grubenv()[..1023], None), None, "too short");
        assert_eq!(with_tries(&[&empty_grubenv()[..], b"#"].concat(), None), None, "too long");
        let full: String = (0..199).map(|_| "abc=\n").collect();
        assert_eq!(with_tries(&block(&full), Some(3)), None, "no room");
    }

    #[test]
    fn legacy_has_an_entry_for_each_start() {
        for (tries, text) in
            [(None, "0\n"), (Some(0), "10\n"), (Some(1), "9\n"), (Some(2), "8\n"), (Some(3), "7\n"), (Some(9), "7\n")]
        {
            let file = legacy_default(tries);
            assert!(file.starts_with(text.as_bytes()) && file[text.len()..].iter().all(|byte| *byte == b'\n'));
        }
        assert_eq!(LEGACY_ENTRIES, [7, 8, 9]);
    }
}
