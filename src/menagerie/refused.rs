//! Why a wish cannot come true, as a sentence that says what to do instead.

use crate::listing::MAX_RELEASES;
use crate::{Artifact, Release, ReleaseId, Which};
use core::fmt;

/// Why there is no plan. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<'a> {
    /// There is no such release; there are these.
    Missing(Which, &'a [Release]),
    /// The release has an artifact that is not on the disk.
    Incomplete {
        /// The release.
        which: Which,
        /// The artifact.
        artifact: &'a Artifact,
    },
    /// The new release lacks an artifact that booting needs and that release 0 has.
    Lacks(&'static str),
    /// The old release lacks an artifact that booting needs and that release 0 has.
    WouldNotBoot {
        /// The release.
        which: Which,
        /// The artifact.
        name: &'static str,
    },
    /// It ran out of tries once.
    Bad(ReleaseId),
    /// The artifact was named without a file, and is not on the disk.
    NotThere(&'a Artifact),
    /// A release has an artifact of this name and version with other bytes.
    Differs(&'a Artifact),
    /// The artifact is there, with this mode and not the one that was asked for.
    OtherMode(&'a Artifact, u32),
    /// In the artifact's place stands something that is no file.
    Taken(&'a Artifact),
    /// So many things stand below the releases that are none of ours.
    Foreign(u32),
    /// There are so many releases more than can be listed.
    TooMany(u32),
    /// There is no release at all, but so many artifacts.
    NoReleases(usize),
    /// `latest` points at this release and not at 0.
    LatestElsewhere(u32),
    /// `latest` is something else than a link to a release.
    OddLatest,
    /// With all that is protected there would be more than [`MAX_RELEASES`].
    Full,
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Missing(Which::Older, _) => f.write_str("there is no older release"),
            Refused::Missing(which, []) => write!(f, "release {which} does not exist; there are none"),
            Refused::Missing(which, have) => {
                write!(f, "release {which} does not exist; there are")?;
                have.iter().try_for_each(|release| write!(f, " {}", release.number))
            }
            Refused::Incomplete { which, artifact } => {
                write!(f, "release {which} is incomplete: its {artifact} is not there; add that first")
            }
            Refused::Lacks(name) => write!(
                f,
                "the release has no {name}, and release 0 has one: name it too ({name}=VERSION takes one that is there)"
            ),
            Refused::WouldNotBoot { which, name } => write!(
                f,
                "release {which} has no {name}, and release 0 has one: it would not boot; add makes one that does"
            ),
            Refused::Bad(id) => {
                write!(f, "release {id} is bad: it was tried and failed; --force takes it all the same")
            }
            Refused::NotThere(artifact) => {
                write!(f, "{artifact} is not there: say which file it is, {}={}@FILE", artifact.name, artifact.version)
            }
            Refused::Differs(artifact) => {
                write!(
                    f,
                    "{artifact} is there with other bytes, and a release needs it: give the new one another version"
                )
            }
            Refused::OtherMode(artifact, mode) => {
                write!(f, "{artifact} is there with the mode {mode:04o}: give the new one another version")
            }
            Refused::Taken(artifact) => write!(f, "in the place of {artifact} stands something that is no file"),
            Refused::Foreign(1) => f.write_str(
                "one thing below the releases is none of ours, and would be lost or lose what it needs: move it away",
            ),
            Refused::Foreign(count) => write!(
                f,
                "{count} things below the releases are none of ours, and would be lost or lose what they need: move them away"
            ),
            Refused::TooMany(surplus) => {
                write!(
                    f,
                    "there are {surplus} releases more than {MAX_RELEASES}: remove the directories of the oldest ones"
                )
            }
            Refused::NoReleases(artifacts) => write!(
                f,
                "there is no release, but there are {artifacts} artifacts, which would all be removed: is --releases right? \
                 With --keep-orphans they stay"
            ),
            Refused::LatestElsewhere(number) => write!(
                f,
                "latest points at release {number}, and dock0 keeps it at release 0: point it there first \
                 (ln -sfn releases/0 latest)"
            ),
            Refused::OddLatest => f.write_str("latest is no link to a release: move it away first"),
            Refused::Full => {
                write!(f, "there would be more than {MAX_RELEASES} releases: unpin one, or retain fewer")
            }
        }
    }
}
