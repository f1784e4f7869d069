//! What is in a bundle, and what changed between two.

use super::secret::Secrets;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use wire::bundle::{Bundle, Entry, What};

/// The bit of a mode that lets everybody read.
const READ_BY_ALL: u16 = 0o004;

/// Whether the lines that changed are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// They are not: what changed is only named.
    Hide,
    /// They are, of files that everybody may read and that hold no secret.
    Show,
}

/// A line for each entry: mode, size, path.
pub fn list(bundle: &Bundle) -> Vec<String> {
    bundle.entries().iter().map(line).collect()
}

fn line(Entry { path, mode, what }: &Entry) -> String {
    match what {
        What::Directory => format!("{mode:04o} {:>8} {path}/", "-"),
        What::File(bytes) => format!("{mode:04o} {:>8} {path}", bytes.len()),
        What::Link(target) => format!("{mode:04o} {:>8} {path} -> {target}", "-"),
    }
}

/// What changed from one to the other, a line for each entry, followed by the file's lines where they are shown.
pub fn compare(old: &Bundle, new: &Bundle, secrets: &Secrets, lines: Lines) -> Vec<String> {
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut all = Vec::new();
    for path in paths {
        match (old.get(path), new.get(path)) {
            (Some(old), None) => all.push(format!("- {}", line(old))),
            (None, Some(new)) => all.push(format!("+ {}", line(new))),
            (Some(old), Some(new)) if old.mode != new.mode || old.what != new.what => {
                all.push(format!("- {}", line(old)));
                all.push(format!("+ {}", line(new)));
                if lines == Lines::Show {
                    all.extend(changed_lines(old, new, secrets));
                }
            }
            _ => {}
        }
    }
    all
}

fn by_path<'b>(bundle: &'b Bundle) -> BTreeMap<String, &'b Entry<'b>> {
    bundle.entries().iter().map(|entry| (entry.path.to_string(), entry)).collect()
}

/// The lines that changed in a file. A secret of the old bundle is not known any more; that is why a file which holds one
/// now, or which not everybody may read, is not shown at all.
fn changed_lines(old: &Entry, new: &Entry, secrets: &Secrets) -> Option<String> {
    let (What::File(before), What::File(after)) = (old.what, new.what) else { return None };
    if before == after {
        return None;
    }
    let (Some(before), Some(after)) = (text(before), text(after)) else {
        return Some("    (not text)".into());
    };
    let is_open = (old.mode & new.mode) & READ_BY_ALL != 0;
    if !is_open || secrets.occur_in(before) || secrets.occur_in(after) {
        return Some("    (may hold a secret: not shown)".into());
    }
    let difference = TextDiff::from_lines(before, after);
    let shown = difference.unified_diff().context_radius(3).to_string();
    let shown: Vec<String> = shown.lines().map(|line| format!("    {line}")).collect();
    Some(shown.join("\n"))
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
