//! Serials of manifests: which is the highest that is out there, and whether the next one grows.

use crate::dist::{MANIFEST, MANIFEST_SIGNATURE};
use crate::github::{GitHub, Release};
use anyhow::{Context, Result, anyhow, bail};
use init::trust::{self, Key};
use menagerie::Name;
use std::path::Path;
use wire::manifest::Manifest;

/// The highest serial there is, and the release that has it.
#[derive(Debug)]
pub struct Newest {
    serial: u64,
    tag: String,
}

impl Newest {
    /// The highest serial that this key has signed for this channel. Another key's are counted for themselves, and what nobody
    /// signed, or no machine reads, counts for nothing.
    pub fn of<'r>(
        github: &GitHub,
        key: &Key,
        channel: &Name,
        releases: impl Iterator<Item = &'r Release>,
    ) -> Result<Newest> {
        let mut newest = Newest { serial: 0, tag: String::new() };
        for release in releases {
            let (manifest, minisig) = (release.asset(MANIFEST), release.asset(MANIFEST_SIGNATURE));
            let (Some(manifest), Some(minisig)) = (manifest, minisig) else { continue };
            if manifest.size > wire::manifest::MAX_BYTES as u64 || minisig.size > wire::minisig::MAX_BYTES as u64 {
                continue;
            }
            let bytes = github.read(manifest, wire::manifest::MAX_BYTES)?;
            let minisig = github.read(minisig, wire::minisig::MAX_BYTES)?;
            if trust::signer(std::slice::from_ref(key), &bytes, &minisig).is_err() {
                continue;
            }
            let tag = &release.tag;
            let read = Manifest::parse(&bytes).map_err(|why| anyhow!("{MANIFEST} of {tag}: {why}"))?;
            if read.channel == *channel && read.serial > newest.serial {
                newest = Newest { serial: read.serial, tag: tag.clone() };
            }
        }
        Ok(newest)
    }

    /// The same with one that is here.
    pub fn or(self, serial: u64, place: &Path) -> Newest {
        if serial > self.serial { Newest { serial, tag: place.display().to_string() } } else { self }
    }

    /// The serial that is asked for, if it grows, or else the one that follows.
    pub fn next(&self, asked: Option<u64>) -> Result<u64> {
        let Newest { serial: highest, tag } = self;
        match asked {
            Some(serial) if serial > *highest => Ok(serial),
            Some(serial) if *highest == 0 => bail!("the serial {serial} does not grow: the first is 1"),
            Some(serial) => bail!("the serial {serial} does not grow: {tag} has {highest}"),
            None => highest
                .checked_add(1)
                .with_context(|| format!("{tag} has the highest serial there is: sign with another key")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_grow() {
        for (highest, asked, next) in [
            (0, None, Ok(1)),
            (0, Some(1), Ok(1)),
            (0, Some(0), Err("the serial 0 does not grow: the first is 1")),
            (7, None, Ok(8)),
            (7, Some(9), Ok(9)),
            (7, Some(7), Err("the serial 7 does not grow: 1.0 has 7")),
            (u64::MAX, None, Err("1.0 has the highest serial there is: sign with another key")),
        ] {
            let newest = Newest { serial: highest, tag: "1.0".into() };
            assert_eq!(
                newest.next(asked).map_err(|why| why.to_string()),
                next.map_err(str::to_owned),
                "{highest} {asked:?}"
            );
        }
    }
}
