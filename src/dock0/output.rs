//! Files that appear whole or not at all: made beside their place, renamed onto it.

use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What to do with a file that stands where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Stop with an error.
    Refuse,
    /// Put the new one in its place.
    Replace,
}

/// Makes the file at `path`: `make` fills the temporary file it is given, which then gets mode 0644 and its name. When
/// anything fails, `path` is as it was.
pub fn write(path: &Path, existing: Existing, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => bail!("{}: is not a regular file, and was not touched", path.display()),
        Ok(_) if existing == Existing::Refuse => {
            bail!("{}: exists, and was not touched (--force replaces it)", path.display())
        }
        _ => {}
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory).with_context(|| format!("making the directory {}", directory.display()))?;
    let unfinished = tempfile::NamedTempFile::new_in(directory)
        .with_context(|| format!("making a file in {}", directory.display()))?
        .into_temp_path();
    make(&unfinished)?;
    let finish = || {
        fs::set_permissions(&unfinished, Permissions::from_mode(0o644))?;
        fs::File::open(&unfinished)?.sync_all()
    };
    finish().with_context(|| format!("writing {}", path.display()))?;
    unfinished.persist(path).with_context(|| format!("renaming the finished file to {}", path.display()))
}

/// Whether `output` is there and newer than all of `inputs`; a directory is as new as the newest thing in it.
pub fn is_newer(output: &Path, inputs: &[PathBuf]) -> Result<bool> {
    let Ok(made) = fs::metadata(output).and_then(|meta| meta.modified()) else {
        return Ok(false); // not there: it has to be made
    };
    for input in inputs {
        if newest(input).with_context(|| format!("looking at {}", input.display()))? >= made {
            return Ok(false);
        }
    }
    Ok(true)
}

fn newest(path: &Path) -> std::io::Result<SystemTime> {
    let meta = fs::symlink_metadata(path)?;
    // A link to a file counts as the file: that is what is read.
    let meta = if meta.is_symlink() { fs::metadata(path).unwrap_or(meta) } else { meta };
    let mut time = meta.modified()?;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            time = time.max(newest(&entry?.path())?);
        }
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_stands_there_is_only_replaced_when_asked_and_only_by_a_whole_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new/out");
        let fill = |text: &'static str| move |to: &Path| Ok(fs::write(to, text)?);
        write(&path, Existing::Refuse, fill("one")).unwrap();
        let refused = write(&path, Existing::Refuse, fill("two")).unwrap_err().to_string();
        assert!(refused.ends_with("exists, and was not touched (--force replaces it)"), "{refused}");
        write(&path, Existing::Replace, |_| bail!("half way")).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&path, Existing::Replace, fill("three")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_directory_or_device_is_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let refused = write(place.path(), Existing::Replace, |_| Ok(())).unwrap_err().to_string();
        assert!(refused.ends_with("is not a regular file, and was not touched"), "{refused}");
    }

    #[test]
    fn newer_means_newer_than_every_file_of_every_input() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str, seconds: u64| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let (old, output, new) = (at("old", 10), at("output", 20), at("new", 30));
        assert!(is_newer(&output, std::slice::from_ref(&old)).unwrap());
        assert!(!is_newer(&output, &[old, new]).unwrap());
        assert!(!is_newer(&place.path().join("none"), &[]).unwrap());
        assert!(is_newer(&output, &[place.path().join("none")]).is_err());
    }
}
