//! Which block device is meant: `/dev/NAME`, `LABEL=NAME` or `UUID=UUID`, as in `root=`.

use core::fmt;
use core::str::FromStr;
use heapless::{String, Vec};

/// Which block device is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// `/dev/…`, at most 64 bytes.
    Path(String<64>),
    /// `LABEL=…`, 1 to 16 bytes.
    Label(String<16>),
    /// `UUID=…`
    Uuid([u8; 16]),
}

/// As it is written on the command line.
impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceSpec::Path(path) => f.write_str(path),
            DeviceSpec::Label(label) => write!(f, "LABEL={label}"),
            DeviceSpec::Uuid(uuid) => {
                f.write_str("UUID=")?;
                uuid.iter().enumerate().try_for_each(|(i, byte)| {
                    let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(f, "{dash}{byte:02x}")
                })
            }
        }
    }
}

/// Not one of the three forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADevice;

impl FromStr for DeviceSpec {
    type Err = NotADevice;

    fn from_str(text: &str) -> Result<Self, NotADevice> {
        let spec = match text.split_once('=') {
            Some(("LABEL", label)) => String::try_from(label).ok().filter(|l| !l.is_empty()).map(DeviceSpec::Label),
            Some(("UUID", uuid)) => parse_uuid(uuid).map(DeviceSpec::Uuid),
            _ if text.starts_with("/dev/") && !text.contains(|c: char| c.is_control()) => {
                String::try_from(text).ok().map(DeviceSpec::Path)
            }
            _ => None,
        };
        spec.ok_or(NotADevice)
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8, 32> =
        text.bytes().filter(|&byte| byte != b'-').take(33).try_fold(Vec::new(), |mut digits: Vec<u8, 32>, byte| {
            let digit = char::from(byte).to_digit(16)?;
            digits.push(u8::try_from(digit).ok()?).ok()?;
            Some(digits)
        })?;
    let mut uuid = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |value, digit| value << 4 | digit);
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn specs_print_as_they_are_written() {
        for text in ["/dev/sda", "LABEL=dock0", "UUID=00112233-4455-6677-8899-aabbccddeeff"] {
            assert_eq!(DeviceSpec::from_str(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_no_device() {
        let long = std::format!("/dev/{}", "x".repeat(60));
        let uuid_and_more = "UUID=00112233-4455-6677-8899-aabbccddeeff0";
        for text in [
            "",
            "sda",
            "/etc/passwd",
            "/dev/\u{1b}",
            "LABEL=",
            "LABEL=seventeen-letters",
            "UUID=0011",
            uuid_and_more,
            "UUID=g",
            &long,
        ] {
            assert_eq!(DeviceSpec::from_str(text), Err(NotADevice), "{text:?}");
        }
    }
}
