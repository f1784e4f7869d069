//! The stamp beside a finished kernel: what it was built from, so that the next call can see there is nothing to do.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::places::{Places, size_of};

/// What is remembered of a finished build.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stamp {
    /// The key of everything that went in.
    pub key: String,
    /// The kernel's version, as its Makefile has it.
    pub version: String,
    /// The kernel's size.
    pub bytes: u64,
    /// What the last build from nothing took, if there was one.
    pub effort: Option<Effort>,
}

/// What a build took; the estimate for the next one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Effort {
    /// How many objects were made.
    pub objects: u64,
    /// How long it took, in seconds.
    pub seconds: u64,
}

impl Stamp {
    /// Writes the stamp, which declares the kernel beside it finished.
    pub fn write(&self, places: &Places) -> Result<()> {
        let part = places.stamp.with_extension("part");
        std::fs::write(&part, toml::to_string(self)?).with_context(|| format!("writing {}", part.display()))?;
        std::fs::rename(&part, &places.stamp)
            .with_context(|| format!("renaming {} to {}", part.display(), places.stamp.display()))
    }
}

/// The stamp, if the kernel beside it is the one that `key` asks for.
pub fn read_current(places: &Places, key: &str) -> Option<Stamp> {
    read_last(places)
        .filter(|stamp| stamp.key == key && is_size(&places.vmlinuz, stamp.bytes) && places.config.exists())
}

fn is_size(path: &Path, bytes: u64) -> bool {
    size_of(path).is_ok_and(|size| size == bytes)
}

/// The stamp of the last build, whatever it was made from.
pub fn read_last(places: &Places) -> Option<Stamp> {
    // A stamp that is missing or damaged costs a build that was not needed, nothing worse.
    std::fs::read_to_string(&places.stamp).ok().and_then(|text| toml::from_str(&text).ok())
}

/// Removes the stamp, so that the kernel beside it counts as unfinished.
pub fn remove(places: &Places) -> Result<()> {
    match std::fs::remove_file(&places.stamp) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", places.stamp.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        let effort = Some(Effort { objects: 2000, seconds: 300 });
        Stamp { key: "k".into(), version: "6.12.1".into(), bytes: 3, effort }
    }

    #[test]
    fn only_the_kernel_that_was_stamped_is_current() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = Places::below(folder.path(), "linode");
        places.stamp = folder.path().join("stamp.toml");
        places.vmlinuz = folder.path().join("vmlinuz");
        places.config = folder.path().join("config");
        assert_eq!(read_current(&places, "k"), None, "nothing there");
        stamp().write(&places).unwrap();
        assert_eq!(read_current(&places, "k"), None, "a stamp without a kernel");
        std::fs::write(&places.config, "").unwrap();
        std::fs::write(&places.vmlinuz, "abc").unwrap();
        assert_eq!(read_current(&places, "k"), Some(stamp()), "all there");
        assert_eq!(read_current(&places, "other"), None, "another key");
        std::fs::write(&places.vmlinuz, "ab").unwrap();
        assert_eq!(read_current(&places, "k"), None, "a kernel cut short");
        remove(&places).unwrap();
        remove(&places).unwrap();
        assert_eq!(read_last(&places), None, "removed");
    }
}
