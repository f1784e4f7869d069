//! The steps that plans are made of. What they do is done elsewhere; here they have their names.

use crate::inventory::{Leftover, Stored};
use crate::state::{Mark, Trial};
use crate::{Artifact, ReleaseId};
use core::fmt;

/// One step. It is on the disk when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Write the journal home, so that GRUB sees all that was done so far and nothing that it sees is removed.
    Checkpoint,
    /// Remove what was left half done.
    Sweep(&'a Leftover),
    /// Remove an artifact that no release has.
    Remove(&'a Stored),
    /// Write an artifact, of this many bytes if that is known, and with this file mode.
    Write(&'a Artifact, Option<u64>, u32),
    /// Build the next tree of releases beside the present one.
    Build,
    /// Let it take the present one's place, in one atomic exchange that GRUB sees at once.
    Turn,
    /// Remove the tree that has lost its place.
    Discard,
    /// Point `latest` at release 0.
    Link,
    /// Remember something of a release.
    Mark(Mark, ReleaseId),
    /// Forget it.
    Unmark(Mark, ReleaseId),
    /// Forget how often a release was tried.
    Forget(Trial),
    /// Let the boot loader count how often it starts release 0, up to so many times.
    Arm(u8),
    /// Let it start release 0 as often as it comes.
    Disarm,
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Checkpoint => f.write_str("checkpoint the journal"),
            Step::Sweep(leftover) => write!(f, "clear away {leftover}"),
            Step::Remove(stored) => write!(f, "remove {} ({} bytes)", stored.artifact, stored.size),
            Step::Write(artifact, Some(size), _) => write!(f, "write {artifact} ({size} bytes)"),
            Step::Write(artifact, None, _) => write!(f, "write {artifact} (nobody says how many bytes)"),
            Step::Build => f.write_str("build the next tree of releases"),
            Step::Turn => f.write_str("exchange the next tree of releases and the present one"),
            Step::Discard => f.write_str("remove the old tree of releases"),
            Step::Link => f.write_str("point latest at release 0"),
            Step::Mark(mark, id) => write!(f, "mark release {id} as {mark}"),
            Step::Unmark(mark, id) => write!(f, "take the mark {mark} off release {id}"),
            Step::Forget(trial) => write!(f, "forget the tries of release {}", trial.id),
            Step::Arm(tries) => write!(f, "let the boot loader start release 0 {tries} times on trial"),
            Step::Disarm => f.write_str("let the boot loader start release 0 without counting"),
        }
    }
}
