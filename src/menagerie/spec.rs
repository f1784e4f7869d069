//! An artifact as a person writes it down: `NAME=VERSION@FILE`, or `NAME=VERSION` of one that stands already.

use crate::layout::{LongLink, check_link};
use crate::{Artifact, BadName, Layout};
use core::fmt;

/// An artifact and the file it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec<'t> {
    /// Which artifact.
    pub artifact: Artifact,
    /// Where its bytes are; `None` where no file was named.
    pub file: Option<&'t str>,
}

/// Why a text is no artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSpec<'t> {
    /// It has no `=`.
    Shape,
    /// There is nothing behind the `@`.
    NoFile,
    /// This name is none.
    Name(&'t str, BadName),
    /// This version is none.
    Version(&'t str, BadName),
    /// No link can lead to it.
    LongLink(LongLink),
}

impl fmt::Display for BadSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadSpec::Shape => f.write_str("must be NAME=VERSION@FILE"),
            BadSpec::NoFile => f.write_str("must be NAME=VERSION@FILE, and the file is empty"),
            BadSpec::Name(name, why) => write!(f, "the name {name:?} {why}"),
            BadSpec::Version(version, why) => write!(f, "the version {version:?} {why}"),
            BadSpec::LongLink(why) => why.fmt(f),
        }
    }
}

/// Reads `NAME=VERSION@FILE` or `NAME=VERSION`; the file may hold further `=` and `@`.
pub fn parse<'t>(layout: &Layout, text: &'t str) -> Result<Spec<'t>, BadSpec<'t>> {
    let (name, rest) = text.split_once('=').ok_or(BadSpec::Shape)?;
    let (version, file) = match rest.split_once('@') {
        Some((_, "")) => return Err(BadSpec::NoFile),
        Some((version, file)) => (version, Some(file)),
        None => (rest, None),
    };
    let artifact = Artifact {
        name: name.parse().map_err(|why| BadSpec::Name(name, why))?,
        version: version.parse().map_err(|why| BadSpec::Version(version, why))?,
    };
    check_link(layout, &artifact).map_err(BadSpec::LongLink)?;
    Ok(Spec { artifact, file })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{format, string::ToString};

    #[test]
    fn an_artifact_is_name_version_and_file() {
        for (text, name, version, file) in [
            ("vm_root=2026.11@images/a=b@c.erofs", "vm_root", "2026.11", Some("images/a=b@c.erofs")),
            ("kernel=6.12.117", "kernel", "6.12.117", None),
        ] {
            let spec = parse(&Layout::default(), text).unwrap();
            assert_eq!((spec.artifact.name.as_str(), spec.artifact.version.as_str()), (name, version), "{text}");
            assert_eq!(spec.file, file, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_one_is_said() {
        let long = format!("{}={}@x", "n".repeat(22), "v".repeat(21));
        for (text, why) in [
            ("kernel", "must be NAME=VERSION@FILE"),
            ("kernel=1@", "must be NAME=VERSION@FILE, and the file is empty"),
            ("../x=1@f", "the name \"../x\" begins with a dot"),
            ("x=a b@f", "the version \"a b\" has a character other than letters, digits and . _ + ~ -"),
            ("x=@f", "the version \"\" is empty"),
            (&long, "has too long a name and version: a link to it has 60 bytes, at most 59 can be"),
        ] {
            assert_eq!(parse(&Layout::default(), text).unwrap_err().to_string(), why, "{text}");
        }
    }
}
