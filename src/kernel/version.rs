//! A kernel's version as kernel.org names its tarballs.

use std::fmt;
use std::str::FromStr;

/// `6.12.80`, or `6.18` for the first of a series. Ordered as the kernel's makers count.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// The folder of its tarballs, below the mirror's root.
    pub fn folder(self) -> String {
        format!("v{}.x", self.major)
    }

    /// The file name of its tarball.
    pub fn tarball(self) -> String {
        format!("linux-{self}.tar.xz")
    }

    /// The file name of its tarball's signature, which is on what is inside the xz.
    pub fn signature(self) -> String {
        format!("linux-{self}.tar.sign")
    }

    /// As the kernel's Makefile has it: the first of a series is `6.18.0` there.
    pub fn in_makefile(self) -> String {
        format!("{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 { write!(out, ".{}", self.patch) } else { Ok(()) }
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<u32>> = text.split('.').map(parse_number).collect();
        match parts.as_deref() {
            Some(&[major, minor]) => Ok(Self { major, minor, patch: 0 }),
            Some(&[major, minor, patch]) if patch > 0 => Ok(Self { major, minor, patch }),
            _ => Err(format!("{text:?} is not a version of a released kernel: it looks like 6.12.80 or 6.18")),
        }
    }
}

/// Digits alone, without a leading zero: `parse` would take a sign.
fn parse_number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_versions() {
        let rows = [
            ("of a series", "6.12.80", Some(("6.12.80", "6.12.80"))),
            ("the first of one", "6.18", Some(("6.18", "6.18.0"))),
            ("a candidate", "6.18-rc3", None),
            ("as a Makefile has it", "6.18.0", None),
            ("a sign", "6.+12", None),
            ("a zero in front", "6.012", None),
            ("a path", "6.12/../..", None),
            ("one number", "6", None),
            ("four", "2.6.32.1", None),
            ("nothing", "", None),
            ("too large", "6.99999999999", None),
        ];
        for (row, text, wanted) in rows {
            match (text.parse::<Version>(), wanted) {
                (Ok(version), Some((shown, made))) => {
                    assert_eq!((version.to_string().as_str(), version.in_makefile().as_str()), (shown, made), "{row}");
                }
                (Err(error), None) => {
                    assert!(error.contains("is not a version of a released kernel"), "{row}: {error}")
                }
                (parsed, _) => panic!("{row}: {parsed:?}"),
            }
        }
    }

    #[test]
    fn names_its_tarball_and_its_place() {
        let version: Version = "6.12.80".parse().unwrap();
        assert_eq!((version.folder().as_str(), version.tarball().as_str()), ("v6.x", "linux-6.12.80.tar.xz"));
        assert_eq!(version.signature(), "linux-6.12.80.tar.sign");
        assert!("6.9.1".parse::<Version>().unwrap() < "6.12".parse().unwrap(), "counted, not compared as text");
    }
}
