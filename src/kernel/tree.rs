//! A work tree: the source unpacked and patched once, with one folder of objects for each configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::key;
use crate::make::Log;
use crate::places::{Places, create_folder};
use crate::series::{self, Patch};
use crate::source::{self, Source};

/// How much of its key a tree's folder carries in its name: enough that two never meet.
const NAME_DIGITS: usize = 16;

/// Where a source is unpacked and patched, until it has earned its name. There is one at a time: the lock is held.
const UNFINISHED: &str = "src.part";

/// The name of the patched source inside a tree.
const SOURCE: &str = "linux";

/// `build/kernel/src-<key>/`, complete because it has its name.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
}

impl Tree {
    /// The patched source.
    pub fn source(&self) -> PathBuf {
        self.path.join(SOURCE)
    }

    /// Where a configuration's objects are.
    pub fn objects(&self, config: &str) -> PathBuf {
        self.path.join(format!("obj-{config}"))
    }

    /// The configuration that make reads.
    pub fn dot_config(&self, config: &str) -> PathBuf {
        self.objects(config).join(".config")
    }

    /// The kernel that make leaves.
    pub fn image(&self, config: &str) -> PathBuf {
        self.objects(config).join("arch/x86/boot/bzImage")
    }

    /// The addresses of the kernel's functions.
    pub fn system_map(&self, config: &str) -> PathBuf {
        self.objects(config).join("System.map")
    }

    /// The kernel's version, from its Makefile.
    pub fn version(&self) -> Result<String> {
        let path = self.source().join("Makefile");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        parse_version(&text).with_context(|| format!("{} names no version", path.display()))
    }
}

/// `6.12.117` from the first lines of a kernel's Makefile.
fn parse_version(makefile: &str) -> Option<String> {
    let field = |name: &str| {
        makefile.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim()))
    };
    let numbers = [field("VERSION")?, field("PATCHLEVEL")?, field("SUBLEVEL")?].join(".");
    Some(numbers + field("EXTRAVERSION").unwrap_or_default())
}

/// The tree for this source and these patches; unpacked now if it is not there yet.
pub fn provide(places: &Places, source: &Source, patches: &[Patch], log: &mut Log) -> Result<Tree> {
    let key = key::of_tree(source, patches);
    let name = format!("src-{}", key.get(..NAME_DIGITS).unwrap_or(&key));
    let tree = Tree { path: places.work.join(name) };
    if !tree.path.exists() {
        let part = places.work.join(UNFINISHED);
        remove_folder(&part)?;
        unpack(source, &part.join(SOURCE), &places.downloads(), log)?;
        for patch in patches {
            let said = series::apply(patch, &part.join(SOURCE))?;
            log.write(&format!("{}\n{said}\n", patch.name))?;
        }
        std::fs::rename(&part, &tree.path)
            .with_context(|| format!("renaming {} to {}", part.display(), tree.path.display()))?;
    }
    Ok(tree)
}

fn unpack(source: &Source, to: &Path, downloads: &Path, log: &mut Log) -> Result<()> {
    create_folder(to)?;
    match source {
        Source::Directory { path, .. } => copy_folder(path, to),
        Source::Tarball { path, recorded, .. } => {
            if let Some(recorded) = recorded {
                source::compare_with_recorded(path, recorded)?;
            }
            unpack_tarball(path, to, log)
        }
        Source::Url { url, sha256 } => unpack_tarball(&source::fetch(url, sha256, downloads)?, to, log),
    }
}

fn unpack_tarball(tarball: &Path, to: &Path, log: &mut Log) -> Result<()> {
    eprintln!("kernel: unpacking {}", tarball.display());
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=1", "--no-same-owner", "--directory"])
        .arg(to)
        .arg("--file")
        .arg(tarball);
    log.run(&mut tar).with_context(|| format!("unpacking {} to {}", tarball.display(), to.display()))
}

/// Copies a source that belongs to someone, so that patching it leaves theirs alone. Times are kept, history is not copied.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    eprintln!("kernel: copying {}", from.display());
    let copying = || format!("copying {} to {}", from.display(), to.display());
    let mut pack = Command::new("tar");
    pack.arg("--directory").arg(from).args(["--exclude=./.git", "--create", "--file=-", "."]).stdout(Stdio::piped());
    let mut pack = pack.spawn().with_context(copying)?;
    let pipe = pack.stdout.take().with_context(copying)?;
    let mut unpack = Command::new("tar");
    unpack.arg("--directory").arg(to).args(["--extract", "--no-same-owner", "--file=-"]).stdin(pipe);
    let unpacked = unpack.status().with_context(copying)?;
    let packed = pack.wait().with_context(copying)?;
    ensure!(packed.success() && unpacked.success(), "{}: tar failed ({packed}, {unpacked})", copying());
    Ok(())
}

/// Removes the trees of older sources and patches, each a gigabyte and more, once a newer one has built a kernel; and one that
/// a patch did not fit.
pub fn prune_others(places: &Places, keep: &Tree) -> Result<()> {
    let listing = || format!("listing {}", places.work.display());
    for entry in std::fs::read_dir(&places.work).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        let name = entry.file_name();
        if (name.to_string_lossy().starts_with("src-") || name == UNFINISHED) && entry.path() != keep.path {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder and all below it, if it is there.
pub fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_versions() {
        let rows = [
            ("stable", "# x\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n", Some("6.12.117")),
            ("candidate", "VERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION = -rc2\n", Some("6.13.0-rc2")),
            ("no kernel", "all:\n\techo\n", None),
        ];
        for (row, makefile, wanted) in rows {
            assert_eq!(parse_version(makefile).as_deref(), wanted, "{row}");
        }
    }

    /// A folder with a tiny "source", places that point into it, and a log.
    fn room(folder: &Path) -> (Places, Source, Log) {
        let mut places = Places::below(folder, "linode");
        places.work = folder.join("work");
        let linux = folder.join("given");
        std::fs::create_dir(&linux).unwrap();
        std::fs::write(linux.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION =\n").unwrap();
        let source = Source::Directory { path: linux, listing: "one".into() };
        (places, source, Log::create(&folder.join("log")).unwrap())
    }

    #[test]
    fn an_interrupted_unpacking_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (places, source, mut log) = room(folder.path());
        let part = places.work.join(UNFINISHED).join(SOURCE);
        std::fs::create_dir_all(&part).unwrap();
        std::fs::write(part.join("leftover"), "").unwrap();
        let tree = provide(&places, &source, &[], &mut log).unwrap();
        assert_eq!(tree.version().unwrap(), "6.12.3");
        assert!(!tree.source().join("leftover").exists());
    }

    #[test]
    fn a_changed_patch_means_a_fresh_tree() {
        let folder = tempfile::tempdir().unwrap();
        let (places, source, mut log) = room(folder.path());
        let content =
            "--- a/Makefile\n+++ b/Makefile\n@@ -3,2 +3,2 @@\n-SUBLEVEL = 3\n+SUBLEVEL = 4\n EXTRAVERSION =\n";
        let patch = Patch { name: "a.patch".into(), path: folder.path().join("a.patch"), content: content.into() };
        std::fs::write(&patch.path, content).unwrap();
        let plain = provide(&places, &source, &[], &mut log).unwrap();
        let patched = provide(&places, &source, &[patch], &mut log).unwrap();
        assert_eq!((plain.version().unwrap(), patched.version().unwrap()), ("6.12.3".into(), "6.12.4".into()));
        let again = provide(&places, &source, &[], &mut log).unwrap();
        assert_eq!(again.path, plain.path);
        std::fs::write(folder.path().join("a.patch"), "--- a/none\n+++ b/none\n@@ -1 +1 @@\n-1\n+2\n").unwrap();
        let unfit = Patch { name: "a.patch".into(), path: folder.path().join("a.patch"), content: b"none".into() };
        provide(&places, &source, &[unfit], &mut log).unwrap_err();
        let unfinished = places.work.join(UNFINISHED);
        assert!(unfinished.exists());
        prune_others(&places, &patched).unwrap();
        assert!(patched.path.exists() && !plain.path.exists() && !unfinished.exists());
    }

    #[test]
    fn a_tarball_is_unpacked_without_its_top_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (places, _, mut log) = room(folder.path());
        let tarball = folder.path().join("linux.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(folder.path()).arg("-cf").arg(&tarball).arg("given");
        log.run(&mut tar).unwrap();
        let source = Source::Tarball { path: tarball, size: 1, modified: 1, recorded: None };
        assert_eq!(provide(&places, &source, &[], &mut log).unwrap().version().unwrap(), "6.12.3");
    }
}
