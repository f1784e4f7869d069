//! The words of a release: checked names, versions and relative paths, so that wrong ones cannot be said.

use core::fmt;
use core::str::FromStr;
use heapless::String;

/// The longest name or version, in bytes.
pub const MAX_NAME: usize = 64;
/// The longest relative path, in bytes.
pub const MAX_PATH: usize = 255;

/// Why a name, version or path was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// It has no bytes at all.
    Empty,
    /// It is longer than [`MAX_NAME`] or [`MAX_PATH`] bytes.
    TooLong,
    /// It begins with a dot: hidden files, `.` and `..` are never names.
    LeadingDot,
    /// It has a byte outside `A-Z a-z 0-9 . _ + ~ -`.
    Character,
    /// The path begins with `/` or has an empty, `.` or `..` component.
    NotRelative,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Empty => "is empty",
            BadName::TooLong => "is too long",
            BadName::LeadingDot => "begins with a dot",
            BadName::Character => "has a character other than letters, digits and . _ + ~ -",
            BadName::NotRelative => "must be a relative path without empty, . or .. parts",
        })
    }
}

fn check_name(text: &str) -> Result<(), BadName> {
    match text.as_bytes() {
        [] => Err(BadName::Empty),
        bytes if bytes.len() > MAX_NAME => Err(BadName::TooLong),
        [b'.', ..] => Err(BadName::LeadingDot),
        bytes if bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._+~-".contains(b)) => Ok(()),
        _ => Err(BadName::Character),
    }
}

fn check_path(text: &str) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.len() > MAX_PATH {
        return Err(BadName::TooLong);
    }
    if text.bytes().any(|b| b == 0) {
        return Err(BadName::Character);
    }
    match text.split('/').all(|part| !matches!(part, "" | "." | "..")) {
        true => Ok(()),
        false => Err(BadName::NotRelative),
    }
}

/// A checked word: an owned string that only its `FromStr` can make.
macro_rules! checked_word {
    ($(#[$doc:meta])* $name:ident, $max:expr, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String<{ $max }>);

        impl $name {
            /// The word as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                $check(text)?;
                String::try_from(text).map(Self).map_err(|_| BadName::TooLong)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_word!(
    /// What an artifact is: `kernel`, `initrd`, `vm_root`. 1 to 64 bytes of `[A-Za-z0-9._+~-]`, no leading dot.
    Name, MAX_NAME, check_name
);
checked_word!(
    /// Which one it is: `1.0`, `6.12.117-dock0`. The same limits as a [`Name`].
    Version, MAX_NAME, check_name
);
checked_word!(
    /// A path below a directory that the code already holds: at most 255 bytes, no `.` or `..`, no leading `/`.
    RelPath, MAX_PATH, check_path
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_limits_say() {
        let longest = "v".repeat(64);
        let longer = "v".repeat(65);
        for (text, want) in [
            ("kernel", Ok(())),
            ("6.12.117+b1~rc2_x-y", Ok(())),
            (longest.as_str(), Ok(())),
            (longer.as_str(), Err(BadName::TooLong)),
            ("", Err(BadName::Empty)),
            (".hidden", Err(BadName::LeadingDot)),
            ("..", Err(BadName::LeadingDot)),
            ("a/b", Err(BadName::Character)),
            ("a b", Err(BadName::Character)),
            ("a\0", Err(BadName::Character)),
            ("é", Err(BadName::Character)),
        ] {
            assert_eq!(Name::from_str(text).map(|_| ()), want, "name {text:?}");
            assert_eq!(Version::from_str(text).map(|_| ()), want, "version {text:?}");
        }
    }

    #[test]
    fn paths_stay_below_their_directory() {
        let longer = "p".repeat(256);
        for (text, want) in [
            ("latest/vm_root", Ok(())),
            ("images/My Root.erofs", Ok(())),
            ("", Err(BadName::Empty)),
            ("/etc/passwd", Err(BadName::NotRelative)),
            ("a//b", Err(BadName::NotRelative)),
            ("a/", Err(BadName::NotRelative)),
            ("../up", Err(BadName::NotRelative)),
            ("a/./b", Err(BadName::NotRelative)),
            ("a\0b", Err(BadName::Character)),
            (longer.as_str(), Err(BadName::TooLong)),
        ] {
            assert_eq!(RelPath::from_str(text).map(|_| ()), want, "path {text:?}");
        }
    }
}
