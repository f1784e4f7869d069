//! e2fsck: replays a journal as the kernel would on mounting, and says whether a file system is sound.

use crate::bounded;
use anyhow::Result;
use dock0::tool::Tool;
use std::path::Path;

const E2FSCK: Tool = Tool { program: "e2fsck", package: "e2fsprogs" };

/// An error says that e2fsck is missing, and how to get it.
pub fn require() -> Result<()> {
    E2FSCK.run(E2FSCK.command().arg("-V")).map(drop)
}

/// Replays the journal of an image and does nothing else. An error is what e2fsck said.
pub fn replay(image: &Path) -> Result<()> {
    bounded::run(E2FSCK, |command| command.args(["-y", "-E", "journal_only"]).arg(image))
}

/// Looks at everything and changes nothing. An error is what was found.
pub fn check(image: &Path) -> Result<()> {
    bounded::run(E2FSCK, |command| command.arg("-fn").arg(image))
}
