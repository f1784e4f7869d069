//! The merge: fragments over `make tinyconfig`, through the kernel's own rules, and nothing lost on the way.

use std::fmt::Write;

use anyhow::{Context, Result, bail};

use crate::fragment::{self, Asked};
use crate::make::{self, Log};
use crate::places::create_folder;
use crate::tree::Tree;

/// Writes the configuration's `.config` and returns its text, or fails naming every option that the kernel's rules took back.
pub fn merge(tree: &Tree, config: &str, asked: &[Asked], log: &mut Log) -> Result<String> {
    create_folder(&tree.objects(config))?;
    log.run(make::command(tree, config).arg("tinyconfig")).context("making the smallest configuration")?;
    append(tree, config, asked)?;
    log.run(make::command(tree, config).arg("olddefconfig")).context("merging the fragments")?;
    let path = tree.dot_config(config);
    let merged = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lost = fragment::find_lost(asked, &merged)?;
    if !lost.is_empty() {
        bail!("{} of the options asked for did not survive the merge:\n  {}", lost.len(), lost.join("\n  "));
    }
    Ok(merged)
}

/// Appends what was asked for: of two lines for one option, Kconfig takes the later.
fn append(tree: &Tree, config: &str, asked: &[Asked]) -> Result<()> {
    let path = tree.dot_config(config);
    let mut text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    for Asked { option, value, .. } in asked {
        writeln!(text, "{}", value.line_for(option))?;
    }
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
