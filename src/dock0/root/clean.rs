//! What must not be in an image that many VMs boot from: identities, keys, caches, and what the building machine has left.

use super::inside::Inside;
use anyhow::{Context, Result};
use glob::Pattern;
use std::fs;
use std::path::Path;

/// What goes from every root. An image is read by whoever can fetch it, and two VMs of one must not be the same machine.
const ALWAYS: [&str; 22] = [
    "etc/ssh/ssh_host_*",
    "etc/dropbear/dropbear_*_host_key",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "root/.bash_history",
    "root/.ash_history",
    "etc/.pwd.lock",
    "etc/*-",
    "var/lib/apt/lists/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/lib/dpkg/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/cache/apk/*",
    "var/lib/pacman/sync/*",
    "var/cache/pacman/pkg/*",
    "var/log/*",
    "var/tmp/*",
    "tmp/*",
    "run/*",
    ".dockerenv",
];
/// systemd makes a new one where this is empty.
const MACHINE_ID: &str = "etc/machine-id";
/// What programs find names with.
const NAMES: &str = "etc/resolv.conf";
/// What a machine is called: the building one, where an installer has copied that.
const HOSTNAME: &str = "etc/hostname";

/// Whether names are found as this machine finds them, as long as the root is built.
pub struct Names {
    lent: bool,
}

/// Lets programs in the root find names. What a distribution's installer has copied from this machine goes.
pub fn lend_names(inside: &Inside) -> Result<Names> {
    let here = fs::read("/etc/resolv.conf").unwrap_or_default();
    let is_copy = |path: &str, own: &[u8]| -> Result<bool> {
        Ok(inside.find(path)?.is_some_and(|found| fs::read(found).is_ok_and(|text| text == own)))
    };
    if is_copy(HOSTNAME, &fs::read("/etc/hostname").unwrap_or_default())? {
        remove(inside, HOSTNAME)?;
    }
    // Container images have an empty one where their runtime puts its own.
    let has_none = fs::symlink_metadata(inside.place(NAMES)?).map_or(true, |meta| meta.is_file() && meta.len() == 0);
    let lent = has_none || is_copy(NAMES, &here)?;
    if lent {
        fs::write(inside.place(NAMES)?, here).with_context(|| format!("writing {NAMES} of the root"))?;
    }
    Ok(Names { lent })
}

impl Names {
    /// Takes them back, unless something else stands there by now.
    pub fn take_back(self, inside: &Inside) -> Result<()> {
        let place = inside.place(NAMES)?;
        let is_ours = fs::read(&place).ok() == fs::read("/etc/resolv.conf").ok();
        if self.lent && is_ours && !place.is_symlink() { remove(inside, NAMES) } else { Ok(()) }
    }
}

/// Removes what must not be there, and what the recipe names.
pub fn clean(inside: &Inside, more: &[String]) -> Result<()> {
    for path in ALWAYS.into_iter().chain(more.iter().map(String::as_str)) {
        remove(inside, path.trim_start_matches('/'))?;
    }
    if inside.find(MACHINE_ID)?.is_some() {
        fs::write(inside.place(MACHINE_ID)?, "").with_context(|| format!("emptying {MACHINE_ID} of the root"))?;
    }
    Ok(())
}

/// Removes what a path names, with `*` and `?` in it, whatever it is. A link to a directory is followed in the root, and goes itself
/// where it stands last.
fn remove(inside: &Inside, path: &str) -> Result<()> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    for parent in match_directories(inside, parent)? {
        let Some(directory) = inside.find(&parent)? else { continue };
        for (found, _) in matching(&directory, name)? {
            let target = directory.join(&found);
            let meta = fs::symlink_metadata(&target).with_context(|| format!("looking at {}", target.display()))?;
            let removed = if meta.is_dir() { fs::remove_dir_all(&target) } else { fs::remove_file(&target) };
            removed.with_context(|| format!("removing /{parent}/{found} of the root"))?;
        }
    }
    Ok(())
}

/// The directories of the root that fit, by their paths.
fn match_directories(inside: &Inside, path: &str) -> Result<Vec<String>> {
    let mut all = vec![String::new()];
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let mut next = Vec::new();
        for parent in all {
            let Some(directory) = inside.find(&parent)? else { continue };
            let found = matching(&directory, name)?.into_iter().filter(|(_, may_be_directory)| *may_be_directory);
            next.extend(found.map(|(name, _)| if parent.is_empty() { name } else { format!("{parent}/{name}") }));
        }
        all = next;
    }
    Ok(all)
}

/// The names in a directory that fit, and whether each is a directory or a link, which may lead to one.
fn matching(directory: &Path, name: &str) -> Result<Vec<(String, bool)>> {
    let pattern = Pattern::new(name).with_context(|| format!("cleanup: {name:?}"))?;
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let doing = || format!("listing {}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        let kind = entry.file_type().with_context(doing)?;
        // What is no text matches nothing that a recipe could say.
        let name = entry.file_name().into_string().ok().filter(|name| pattern.matches(name));
        found.extend(name.map(|name| (name, !kind.is_file())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn identities_and_caches_go_and_nothing_of_this_machine_does() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |path: &str| {
            let at = root.path().join(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, "x").unwrap();
        };
        fs::write(outside.path().join("kept"), "x").unwrap();
        let kept = ["etc/passwd", "etc/ssh/sshd_config", "usr/share/doc/kept", "var/lib/apt/extended_states"];
        let gone = [
            "etc/ssh/ssh_host_rsa_key",
            "etc/passwd-",
            "var/lib/apt/lists/x",
            "var/log/apt/term.log",
            "tmp/.x",
            "usr/share/doc/a/gone",
            "usr/share/doc/b/gone",
        ];
        kept.iter().chain(&gone).chain(&["etc/machine-id"]).for_each(|path| write(path));
        fs::create_dir_all(root.path().join("srv")).unwrap();
        symlink(outside.path(), root.path().join("srv/away")).unwrap();
        let inside = Inside(root.path());
        clean(&inside, &["/usr/share/doc/*/gone".into(), "srv/away/*".into(), "nowhere/at/all".into()]).unwrap();
        for path in kept {
            assert!(root.path().join(path).exists(), "{path}");
        }
        for path in gone {
            assert!(!root.path().join(path).exists(), "{path}");
        }
        assert_eq!(fs::read_to_string(root.path().join("etc/machine-id")).unwrap(), "");
        assert!(outside.path().join("kept").exists(), "a link leads to nothing of this machine");
        let error = format!("{:#}", clean(&inside, &["[".into()]).unwrap_err());
        assert!(error.starts_with("cleanup: \"[\": "), "{error}");
    }

    #[test]
    fn names_are_lent_and_taken_back() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let (inside, path) = (Inside(root.path()), root.path().join(NAMES));
        let names = lend_names(&inside).unwrap();
        assert_eq!(fs::read(&path).ok(), Some(fs::read("/etc/resolv.conf").unwrap_or_default()));
        names.take_back(&inside).unwrap();
        assert!(!path.exists());
        symlink("../run/resolv.conf", &path).unwrap();
        lend_names(&inside).unwrap().take_back(&inside).unwrap();
        assert!(path.is_symlink(), "what the root has itself stays");
        fs::remove_file(&path).unwrap();
        let names = lend_names(&inside).unwrap();
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        names.take_back(&inside).unwrap();
        assert!(path.exists(), "what came later stays too");
    }
}
