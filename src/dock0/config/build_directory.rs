//! The directory that becomes a bundle's `config`: private, emptied before each build, and never somebody else's.

use anyhow::{Context, Result, bail};
use rustix::io::dup;
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What says that a directory is ours to empty. It is never packed.
pub const MARKER: &str = ".dock0-build";

/// The directory, ours alone as long as this lives.
#[derive(Debug)]
pub struct BuildDirectory {
    /// Its absolute path.
    pub path: PathBuf,
    /// Two builds into one directory would put one VM's secrets into another's bundle.
    lock: File,
}

impl BuildDirectory {
    /// Makes the directory, or empties the one that an earlier build made. It may neither hold nor lie in a source.
    pub fn prepare(path: &Path, sources: &[&Path]) -> Result<BuildDirectory> {
        BuildDirectory::prepare_as(geteuid().as_raw(), path, sources)
    }

    /// The same, for this user.
    fn prepare_as(user: u32, path: &Path, sources: &[&Path]) -> Result<BuildDirectory> {
        let doing = |what: &str| format!("{what} the build directory {}", path.display());
        let ours = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Ok(meta) if !meta.is_dir() => bail!("the build directory {}: is not a directory", path.display()),
            meta => {
                meta.with_context(|| doing("looking at"))?;
                path.join(MARKER).symlink_metadata().is_ok_and(|meta| meta.is_file())
            }
        };
        if !ours {
            DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| doing("making"))?;
            if fs::read_dir(path).with_context(|| doing("listing"))?.next().is_some() {
                bail!(
                    "the build directory {}: has things in it, and no {MARKER} says that they may be removed",
                    path.display()
                );
            }
        }
        let path = fs::canonicalize(path).with_context(|| doing("looking at"))?;
        check_apart(&path, sources)?;
        check_owner(&path, user)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700)).with_context(|| doing("closing"))?;
        let lock = lock(&path)?;
        clear(&path).with_context(|| doing("emptying"))?;
        Ok(BuildDirectory { path, lock })
    }

    /// The lock once more, for whatever is started as long as this lives: what outlives its build (another session's, or a build
    /// that was cut off) keeps the directory to itself.
    pub fn lend(&self) -> Result<OwnedFd> {
        dup(&self.lock).with_context(|| format!("lending the build directory {}", self.path.display()))
    }
}

fn lock(path: &Path) -> Result<File> {
    let marker = path.join(MARKER);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&marker);
    let file = file.with_context(|| format!("opening {}", marker.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "the build directory {}: another build is in it, or what a script of one has left running",
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", marker.display())),
    }
}

/// Root could use anybody's; its owner would read what is built there, and put into it what he likes.
fn check_owner(path: &Path, user: u32) -> Result<()> {
    let owner = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?.uid();
    match owner == user {
        true => Ok(()),
        false => bail!("the build directory {}: belongs to user {owner}, and not to user {user}", path.display()),
    }
}

fn check_apart(path: &Path, sources: &[&Path]) -> Result<()> {
    for source in sources {
        let found = fs::canonicalize(source).with_context(|| format!("looking at {}", source.display()))?;
        if found.starts_with(path) || path.starts_with(&found) {
            bail!("the build directory {}: must be apart from {}", path.display(), source.display());
        }
    }
    Ok(())
}

fn clear(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => {
                open_up(&entry.path())?;
                fs::remove_dir_all(entry.path())?;
            }
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// A plain user can only empty directories that he may write to, and a bundle may have others.
fn open_up(path: &Path) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_a_build_made_is_emptied_and_nothing_outside_of_it() {
        let place = tempfile::tempdir().unwrap();
        let (build, kept) = (place.path().join("new/build"), place.path().join("kept"));
        fs::write(&kept, "kept").unwrap();
        let first = BuildDirectory::prepare(&build, &[&kept]).unwrap();
        assert_eq!(fs::metadata(&build).unwrap().permissions().mode() & 0o7777, 0o700);
        let second = BuildDirectory::prepare(&build, &[]).unwrap_err().to_string();
        assert!(second.contains("new/build: another build is in it, or "), "{second}");
        drop(first);
        fs::create_dir_all(build.join("a/b")).unwrap();
        symlink(place.path(), build.join("a/out")).unwrap();
        symlink(&kept, build.join("out")).unwrap();
        fs::write(build.join("a/b/file"), "").unwrap();
        for directory in ["a/b", "a"] {
            fs::set_permissions(build.join(directory), Permissions::from_mode(0o500)).unwrap();
        }
        drop(BuildDirectory::prepare(&build, &[]).unwrap());
        let left: Vec<_> = fs::read_dir(&build).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [MARKER]);
        assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
    }

    #[test]
    fn what_is_not_ours_is_refused_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for directory in ["full", "source/empty", "holds"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("full/file"), "").unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("full", at("link")).unwrap();
        for (path, source, sentence) in [
            ("full", "file", "full: has things in it, and no .dock0-build says that they may be removed"),
            ("file", "full", "file: is not a directory"),
            ("link", "file", "link: is not a directory"),
            ("source/empty", "source", "must be apart from SOURCE"),
            ("holds", "holds", "must be apart from SOURCE"),
        ] {
            let refused = BuildDirectory::prepare(&at(path), &[&at(source)]).unwrap_err().to_string();
            let sentence = sentence.replace("SOURCE", &at(source).display().to_string());
            assert!(refused.ends_with(&sentence), "{refused}");
        }
        assert!(at("full/file").exists() && at("source/empty").exists());
    }

    #[test]
    fn somebody_elses_is_refused_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let (path, own) = (place.path().canonicalize().unwrap().join("build"), geteuid().as_raw());
        drop(BuildDirectory::prepare_as(own, &path, &[]).unwrap());
        fs::write(path.join("left"), "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let refused = BuildDirectory::prepare_as(own + 1, &path, &[]).unwrap_err().to_string();
        let want =
            format!("the build directory {}: belongs to user {own}, and not to user {}", path.display(), own + 1);
        assert_eq!(refused, want);
        assert!(path.join("left").exists());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
        drop(BuildDirectory::prepare(&path, &[]).unwrap());
        assert!(!path.join("left").exists());
    }
}
