//! What the entries of a bundle must be to one another: one tree, in which each thing stands once and only directories have
//! things in them, and part of which is laid over the root.

use super::MAX_ENTRIES;
use super::entry::{Entry, Path, What};
use super::refused::{Flaw, Refused, Why};

/// Puts the entries in order, directories before what lies in them, and checks them.
pub fn check<'t>(entries: &mut [Entry<'t>]) -> Result<(), Refused<'t>> {
    entries.sort_unstable_by(|one, other| one.path.tree_order(&other.path));
    let mut nodes: usize = 0;
    let mut before: Option<&Entry> = None;
    for entry in &*entries {
        if let Some(before) = before {
            check_neighbours(before, entry).map_err(|why| Refused::Entry(entry.path, why))?;
        }
        nodes = nodes.saturating_add(new_components(before.map(|before| before.path).unwrap_or_default(), entry.path));
        before = Some(entry);
    }
    match () {
        () if nodes > MAX_ENTRIES => Err(Refused::Archive(Flaw::TooMany)),
        // A VM would keep it, boot without any configuration, and never wait for one again.
        () if !entries.iter().any(|entry| entry.path.is_within_templates()) => Err(Refused::Archive(Flaw::NoTemplates)),
        () => Ok(()),
    }
}

/// In order, whatever lies below an entry comes right behind it.
fn check_neighbours(before: &Entry, entry: &Entry) -> Result<(), Why> {
    if before.path == entry.path {
        return Err(Why::Twice);
    }
    match before.what != What::Directory && entry.path.is_within(before.path) {
        true => Err(Why::BelowAFile),
        false => Ok(()),
    }
}

/// How many components of a path are not the previous one's: the thing itself, and the directories it is the first in.
fn new_components(before: Path, path: Path) -> usize {
    let common = before.components().zip(path.components()).take_while(|(one, other)| one == other).count();
    path.components().count().saturating_sub(common)
}
