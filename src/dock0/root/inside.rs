//! Paths inside of a root that is being built: its links lead to what they lead to in the VM, never to this machine's files.

use anyhow::{Context, Result};
use init::sys::{open_below, path_of};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of a root.
pub struct Inside<'r>(pub &'r Path);

impl Inside<'_> {
    /// Where a path of the root is on this machine, its links followed; `None` where there is nothing. The empty one is the root.
    pub fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        let below = if path.is_empty() { "." } else { path };
        match open_below(self.0, Path::new(below), OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            opened => {
                let file = opened.with_context(|| format!("looking for /{path} in the root"))?;
                let place = path_of(file).with_context(|| format!("looking for the place of /{path}"))?;
                Ok(Some(place.into()))
            }
        }
    }

    /// Where a path of the root is or would be, its directory made; a link in its last place is not followed.
    pub fn place(&self, path: &str) -> Result<PathBuf> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(self.directory(parent)?.join(name))
    }

    /// A directory of the root, made if it is not there.
    pub fn directory(&self, path: &str) -> Result<PathBuf> {
        let mut at = self.find("")?.context("the root is gone")?;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]).filter(|(end, _)| *end > 0) {
            let Some((part, _)) = path.split_at_checked(end) else { continue };
            at = match self.find(part)? {
                Some(found) => found,
                None => {
                    let made = at.join(part.rsplit('/').next().unwrap_or(part));
                    fs::create_dir(&made).with_context(|| format!("making the directory /{part} in the root"))?;
                    made
                }
            };
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_to_what_they_lead_to_in_the_vm() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
        symlink("usr/sbin", root.path().join("sbin")).unwrap();
        symlink(outside.path(), root.path().join("away")).unwrap();
        symlink("/usr/../../../usr", root.path().join("up")).unwrap();
        let inside = Inside(root.path());
        let here = root.path().canonicalize().unwrap();
        assert_eq!(inside.place("sbin/init").unwrap(), here.join("usr/sbin/init"));
        assert_eq!(inside.find("up/sbin").unwrap(), Some(here.join("usr/sbin")));
        assert_eq!(inside.find("away").unwrap(), None, "it does not lead out of the root");
        assert_eq!(inside.directory("etc/a/b").unwrap(), here.join("etc/a/b"));
        assert!(here.join("etc/a/b").is_dir());
        let error = inside.place("away/file").unwrap_err().to_string();
        assert_eq!(error, "making the directory /away in the root");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
