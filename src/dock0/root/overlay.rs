//! Laying a directory over a root: what is a directory in both is one, and everything else takes the other's place. All of it is root's.

use super::inside::Inside;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

/// Lays it there. Modes are the overlay's; a directory that was there keeps its own.
pub fn lay(overlay: &Path, inside: &Inside) -> Result<()> {
    lay_directory(overlay, "", inside)
}

fn lay_directory(from: &Path, path: &str, inside: &Inside) -> Result<()> {
    let doing = || format!("listing {}", from.display());
    let entries = fs::read_dir(from).with_context(doing)?.collect::<Result<Vec<_>, _>>().with_context(doing)?;
    for entry in entries {
        let (from, name) = (entry.path(), entry.file_name());
        let name = name.to_str().with_context(|| format!("{}: its name is no text", from.display()))?;
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        let kind = entry.file_type().with_context(|| format!("looking at {}", from.display()))?;
        if kind.is_dir() {
            if inside.find(&path)?.is_none() {
                let made = inside.directory(&path)?;
                let permissions =
                    entry.metadata().with_context(|| format!("looking at {}", from.display()))?.permissions();
                fs::set_permissions(&made, permissions).with_context(|| format!("setting the mode of /{path}"))?;
            }
            lay_directory(&from, &path, inside)?;
        } else {
            lay_leaf(&from, kind, &path, inside)?;
        }
    }
    Ok(())
}

fn lay_leaf(from: &Path, kind: fs::FileType, path: &str, inside: &Inside) -> Result<()> {
    if kind.is_file() {
        return put(from, path, inside);
    }
    if !kind.is_symlink() {
        bail!("{}: only files, directories and links can be laid over a root", from.display());
    }
    let to = make_way(from, path, inside)?;
    let linked = fs::read_link(from).and_then(|target| symlink(target, to));
    linked.with_context(|| format!("copying {} to /{path} of the root", from.display()))
}

/// Puts a file into the root, with its mode.
pub fn put(file: &Path, path: &str, inside: &Inside) -> Result<()> {
    let (to, doing) = (make_way(file, path, inside)?, || format!("copying {} to /{path} of the root", file.display()));
    fs::copy(file, &to).with_context(doing)?;
    // A new file is the builder's. It is changed only where it must be: that takes setuid off.
    match (rustix::process::geteuid().is_root(), rustix::process::getegid().is_root()) {
        (true, false) => chown(&to, Some(0), Some(0)).with_context(doing),
        (true, true) | (false, _) => Ok(()),
    }
}

/// Where something goes, with nothing there any more.
fn make_way(from: &Path, path: &str, inside: &Inside) -> Result<PathBuf> {
    let to = inside.place(path)?;
    match fs::symlink_metadata(&to) {
        Ok(meta) if meta.is_dir() => bail!("{}: /{path} of the root is a directory", from.display()),
        Ok(_) => fs::remove_file(&to).with_context(|| format!("replacing /{path} of the root"))?,
        Err(_) => {}
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_there_already_stays_or_gives_way() {
        let (root, over) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("usr/sbin")).unwrap();
        fs::create_dir_all(at("etc")).unwrap();
        symlink("usr/sbin", at("sbin")).unwrap();
        symlink("/nowhere", at("etc/motd")).unwrap();
        fs::write(at("etc/kept"), "kept").unwrap();
        let from = |path: &str| over.path().join(path);
        fs::create_dir_all(from("sbin")).unwrap();
        fs::create_dir_all(from("etc/new")).unwrap();
        fs::set_permissions(from("etc/new"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(from("sbin/init"), "init").unwrap();
        fs::set_permissions(from("sbin/init"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(from("etc/motd"), "hello").unwrap();
        symlink("motd", from("etc/issue")).unwrap();
        lay(over.path(), &Inside(root.path())).unwrap();
        let mode = |path| fs::metadata(at(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("usr/sbin/init"), mode("etc/new")), (0o755, 0o700));
        assert!(at("sbin").is_symlink(), "a link to a directory stays one");
        assert_eq!(fs::read_to_string(at("etc/motd")).unwrap(), "hello");
        assert_eq!(fs::read_to_string(at("etc/issue")).unwrap(), "hello");
        assert_eq!(fs::read_to_string(at("etc/kept")).unwrap(), "kept");
        fs::create_dir(at("etc/taken")).unwrap();
        fs::write(from("etc/taken"), "").unwrap();
        let error = lay(over.path(), &Inside(root.path())).unwrap_err().to_string();
        assert!(error.ends_with("/etc/taken of the root is a directory"), "{error}");
    }
}
