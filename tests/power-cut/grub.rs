//! GRUB's own code for reading ext4, as a program.

use crate::bounded;
use anyhow::Result;
use dock0::tool::Tool;
use std::path::Path;

const GRUB_FSTEST: Tool = Tool { program: "grub-fstest", package: "grub-common" };

/// An error says that grub-fstest is missing, and how to get it.
pub fn require() -> Result<()> {
    GRUB_FSTEST.run(GRUB_FSTEST.command().arg("--version")).map(drop)
}

/// Compares what GRUB reads in a directory of the image, links followed, with every file of a directory here. An error is
/// what differs, in GRUB's words.
pub fn compare(image: &Path, directory: &str, with: &Path) -> Result<()> {
    bounded::run(GRUB_FSTEST, |command| command.arg(image).arg("cmp").arg(directory).arg(with))
}
