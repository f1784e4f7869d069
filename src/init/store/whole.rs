//! Small files that are there whole or not at all.

use super::artifact::make_directories;
use super::files::{Files, parent};
use crate::failure::{Doing, Failure};
use rustix::io::Errno;

/// Whether anything stands at a path.
pub fn is_there(files: &impl Files, path: &str) -> Result<bool, Failure> {
    match files.look(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error).doing(|| format!("looking for {}", files.show(path))),
    }
}

/// Writes a file of mode 0600 in the place of the one that is there, if one is: that one goes when the new one is on the disk.
pub fn write(files: &impl Files, path: &str, text: &[u8]) -> Result<(), Failure> {
    let (new, doing) = (format!("{path}.new"), || format!("writing {}", files.show(path)));
    make_directories(files, parent(path))?;
    remove(files, &new).doing(doing)?;
    let mut file = files.create(&new, 0).doing(doing)?;
    files.write(&mut file, text).and_then(|()| files.finish(file)).doing(doing)?;
    remove(files, path).doing(doing)?;
    files.rename(&new, path).and_then(|()| files.sync_directory(parent(path))).doing(doing)
}

fn remove(files: &impl Files, path: &str) -> rustix::io::Result<()> {
    match files.remove_file(path) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}
