//! Where things stand on a boot partition; every path that GRUB, init and the operator's tool share.

use crate::name::{MAX_NAME, MAX_PATH};
use crate::{Artifact, BadName, RelPath, Version};
use core::fmt::{self, Write};
use heapless::String;

/// The directory of the files themselves: `artifacts/<name>/<version>`.
pub const ARTIFACTS: &str = "artifacts";
/// The directory of releases: `releases/<N>/<name>`, each a link to an artifact.
pub const RELEASES: &str = "releases";
/// The link that GRUB and init follow to the newest release.
pub const LATEST: &str = "latest";
/// What `latest` points at, always.
pub const LATEST_TARGET: &str = "releases/0";
/// The per-VM configuration, replaced whole.
pub const CONFIG: &str = "config";
/// The part of it that is laid over the root image.
pub const CONFIG_TEMPLATES: &str = "config/templates";
/// What init keeps between boots.
pub const STATE: &str = "dock0/state";
/// Whom this machine believes: minisign's public keys for manifests, `*.pub`.
pub const TRUST: &str = "dock0/trust";
/// Behind the name of a directory or link that is being built to take the place of the one with that name.
pub const NEW: &str = ".new";
/// GRUB 2's menu and GRUB Legacy's menu: written once, never changed by a rotation.
pub const GRUB_CFG: &str = "boot/grub/grub.cfg";
/// See [`GRUB_CFG`].
pub const MENU_LST: &str = "boot/grub/menu.lst";

/// The artifact every release must have to be booted: the image of the VM's root.
pub const VM_ROOT: &str = "vm_root";
/// The artifact that GRUB loads as the kernel.
pub const KERNEL: &str = "kernel";
/// The artifact that GRUB loads as the initramfs.
pub const INITRD: &str = "initrd";

/// The longest target of a link that is made anew, in bytes: ext4 keeps that many in the inode. GRUB reads the disk
/// without replaying its journal, so a target in a block of its own could be older than the link.
pub const INLINE_LINK: usize = 59;

/// What no layout may touch.
const RESERVED: [&str; 3] = [CONFIG, "dock0", "boot/grub"];

/// The longest path that is made of a layout's own: a directory's, two words, and what stands between and around them.
const MAX_JOINED: usize = MAX_PATH + 2 * MAX_NAME + 16;
/// A path below the boot partition, or a link's target.
pub type Path = String<MAX_JOINED>;

/// Where the three parts of a menagerie stand below the boot partition. The default is what GRUB's menus and PID 1 read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    artifacts: Path,
    releases: Path,
    latest: Path,
    /// From a release's directory to the artifacts: `../../artifacts`.
    to_artifacts: Path,
    /// From the directory of `latest` to release 0: `releases/0`.
    to_newest: Path,
}

/// Why three paths make no layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLayout {
    /// One of the paths is none.
    Path(BadName),
    /// One is the same as another or as what dock0 keeps elsewhere, lies inside of it, or is where its successor is built.
    Nested,
    /// A link between them would be longer than a path may be.
    TooDeep,
}

impl fmt::Display for BadLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLayout::Path(why) => write!(f, "the path {why}"),
            BadLayout::Nested => f.write_str(
                "artifacts, releases and latest must lie outside of one another, of config, dock0 and boot/grub, and of what is \
                 built beside them (.new)",
            ),
            BadLayout::TooDeep => f.write_str("the paths of artifacts, releases and latest are too deep"),
        }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Layout {
            artifacts: joined(&[ARTIFACTS]),
            releases: joined(&[RELEASES]),
            latest: joined(&[LATEST]),
            to_artifacts: joined(&["../../", ARTIFACTS]),
            to_newest: joined(&[LATEST_TARGET]),
        }
    }
}

impl Layout {
    /// A layout of these three paths.
    pub fn new(artifacts: &str, releases: &str, latest: &str) -> Result<Layout, BadLayout> {
        let own = [artifacts, releases, latest];
        for (place, one) in own.into_iter().enumerate() {
            let others = own.into_iter().enumerate().filter(|(other, _)| *other != place).map(|(_, other)| other);
            for other in others.chain(RESERVED) {
                if is_inside(one, other) || is_inside(other, one) || is_inside_next(one, other) {
                    return Err(BadLayout::Nested);
                }
            }
        }
        let parse = |path: &str| path.parse::<RelPath>().map(|path| joined(&[path.as_str()])).map_err(BadLayout::Path);
        let latest_directory = latest.rsplit_once('/').map_or("", |(directory, _)| directory);
        Ok(Layout {
            artifacts: parse(artifacts)?,
            releases: parse(releases)?,
            latest: parse(latest)?,
            to_artifacts: relative(releases, 1, artifacts).ok_or(BadLayout::TooDeep)?,
            to_newest: relative(latest_directory, 0, releases)
                .and_then(|mut path| path.push_str("/0").is_ok().then_some(path))
                .ok_or(BadLayout::TooDeep)?,
        })
    }

    /// The directory of artifacts.
    pub fn artifacts(&self) -> &str {
        &self.artifacts
    }

    /// The directory of releases.
    pub fn releases(&self) -> &str {
        &self.releases
    }

    /// The link to the newest release.
    pub fn latest(&self) -> &str {
        &self.latest
    }

    /// What the link to the newest release says.
    pub fn latest_target(&self) -> &str {
        &self.to_newest
    }

    /// `artifacts/<name>/<version>`
    pub fn artifact(&self, artifact: &Artifact) -> Path {
        joined(&[self.artifacts(), "/", artifact.name.as_str(), "/", artifact.version.as_str()])
    }

    /// `artifacts/<name>/.<version>.part`: an artifact while it is written. No version begins with a dot.
    pub fn part(&self, artifact: &Artifact) -> Path {
        joined(&[self.artifacts(), "/", artifact.name.as_str(), "/.", artifact.version.as_str(), PART])
    }

    /// The target of the link `releases/<N>/<name>`, relative to the directory it stands in.
    pub fn link_target(&self, artifact: &Artifact) -> Path {
        joined(&[&self.to_artifacts, "/", artifact.name.as_str(), "/", artifact.version.as_str()])
    }

    /// Which artifact a link's target means; `None` for a link that is not one of ours.
    pub fn parse_link_target(&self, target: &str) -> Option<Artifact> {
        let rest = target.strip_prefix(self.to_artifacts.as_str())?.strip_prefix('/')?;
        let (name, version) = rest.split_once('/')?;
        Some(Artifact { name: name.parse().ok()?, version: version.parse().ok()? })
    }

    /// Which release `latest` points at; `None` where it points anywhere else.
    pub fn parse_latest(&self, target: &str) -> Option<u32> {
        let directory = self.to_newest.strip_suffix('0')?;
        parse_number(target.strip_prefix(directory)?.trim_end_matches('/'))
    }
}

const PART: &str = ".part";

/// Which version an unfinished artifact's file name means; `None` for any other file name.
pub fn parse_part(file_name: &str) -> Option<Version> {
    file_name.strip_prefix('.')?.strip_suffix(PART)?.parse().ok()
}

/// A release's directory name: decimal digits without a sign or leading zeros.
pub fn parse_number(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// A link to an artifact would have this many bytes, more than [`INLINE_LINK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLink(pub usize);

impl fmt::Display for LongLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has too long a name and version: a link to it has {} bytes, at most {INLINE_LINK} can be", self.0)
    }
}

/// Whether name and version are short enough for a link of this layout that GRUB reads safely.
pub fn check_link(layout: &Layout, artifact: &Artifact) -> Result<(), LongLink> {
    match layout.link_target(artifact).len() {
        0..=INLINE_LINK => Ok(()),
        length => Err(LongLink(length)),
    }
}

/// Whether `path` is `directory` or lies inside of it.
fn is_inside(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether `path` is what is built beside `place`, or lies inside of it.
fn is_inside_next(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place).and_then(|rest| rest.strip_prefix(NEW));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The way from a directory `below` levels below `from` to `to`.
fn relative(from: &str, below: usize, to: &str) -> Option<Path> {
    let parts = |path| str::split(path, '/').filter(|part| !part.is_empty());
    let common = parts(from).zip(parts(to)).take_while(|(one, other)| one == other).count();
    let up = parts(from).count().checked_sub(common)?.checked_add(below)?;
    let mut path = Path::new();
    for part in core::iter::repeat_n("..", up).chain(parts(to).skip(common)) {
        let slash = if path.is_empty() { "" } else { "/" };
        write!(path, "{slash}{part}").ok()?;
    }
    Some(path)
}

fn joined(parts: &[&str]) -> Path {
    let mut text = Path::new();
    for part in parts {
        #[expect(clippy::let_underscore_must_use, reason = "cannot overflow: MAX_JOINED counts the longest parts")]
        let _ = text.write_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn artifact(name: &str, version: &str) -> Artifact {
        Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() }
    }

    #[test]
    fn the_default_is_the_predecessors() {
        let layout = Layout::default();
        assert_eq!(Layout::new(ARTIFACTS, RELEASES, LATEST).as_ref(), Ok(&layout));
        assert_eq!((layout.artifacts(), layout.releases(), layout.latest()), ("artifacts", "releases", "latest"));
        assert_eq!(layout.latest_target(), LATEST_TARGET);
        assert_eq!(layout.link_target(&artifact("a", "1")).as_str(), "../../artifacts/a/1");
    }

    #[test]
    fn links_read_back_as_written() {
        let artifact = artifact("vm_root", "2026.11~1");
        for (paths, target, latest) in [
            (["artifacts", "releases", "latest"], "../../artifacts/vm_root/2026.11~1", "releases/0"),
            (["a", "r", "boot/newest"], "../../a/vm_root/2026.11~1", "../r/0"),
            (["m/a", "m/r", "m/l"], "../../a/vm_root/2026.11~1", "r/0"),
            (["a/b/c", "d/e", "d/l"], "../../../a/b/c/vm_root/2026.11~1", "e/0"),
        ] {
            let [artifacts, releases, link] = paths;
            let layout = Layout::new(artifacts, releases, link).unwrap();
            assert_eq!(layout.link_target(&artifact).as_str(), target, "{paths:?}");
            assert_eq!(layout.parse_link_target(target), Some(artifact.clone()), "{paths:?}");
            assert_eq!(layout.latest_target(), latest, "{paths:?}");
            assert_eq!(layout.parse_latest(latest), Some(0), "{paths:?}");
        }
        let layout = Layout::default();
        assert_eq!(layout.artifact(&artifact).as_str(), "artifacts/vm_root/2026.11~1");
        assert_eq!(layout.part(&artifact).as_str(), "artifacts/vm_root/.2026.11~1.part");
        assert_eq!(parse_part(".2026.11~1.part"), Some(artifact.version));
        for other in ["2026.part", ".part", "..part", "...part", ".a b.part", ".a"] {
            assert_eq!(parse_part(other), None, "{other}");
        }
    }

    #[test]
    fn paths_that_lie_in_one_another_are_refused() {
        const NESTED: &str = "artifacts, releases and latest must lie outside of one another, of config, dock0 and boot/grub, and \
                              of what is built beside them (.new)";
        for (paths, why) in [
            (["a", "a", "l"], NESTED),
            (["a", "a/r", "l"], NESTED),
            (["a", "r", "r/latest"], NESTED),
            (["r.new", "r", "l"], NESTED),
            (["l.new/a", "r", "l"], NESTED),
            (["a", "dock0/state", "l"], NESTED),
            (["a", "r", "boot/grub/latest"], NESTED),
            (["config/a", "r", "l"], NESTED),
            (["a", "config.new", "l"], NESTED),
            (["a", "../r", "l"], "the path must be a relative path without empty, . or .. parts"),
            (["/a", "r", "l"], "the path must be a relative path without empty, . or .. parts"),
            (["a", "", "l"], "the path is empty"),
        ] {
            let [artifacts, releases, latest] = paths;
            assert_eq!(Layout::new(artifacts, releases, latest).unwrap_err().to_string(), why, "{paths:?}");
        }
        assert!(Layout::new("a", "ab", "abc").is_ok(), "the same beginning is no nesting");
        let deep = "d/".repeat(126) + "d";
        assert_eq!(Layout::new(&"a/".repeat(127)[..253], &deep, "l"), Err(BadLayout::TooDeep));
    }

    #[test]
    fn the_longest_names_fit() {
        let word = "x".repeat(64);
        let directory = "d".repeat(255);
        let layout = Layout::new(&directory, "r", "l").unwrap();
        let artifact = artifact(&word, &word);
        assert!(layout.part(&artifact).ends_with("x.part"));
        assert!(layout.parse_link_target(&layout.link_target(&artifact)).is_some());
        assert_eq!(check_link(&Layout::default(), &artifact), Err(LongLink(16 + 64 + 1 + 64)));
        for (name, version, want) in [(21, 21, Ok(())), (21, 22, Err(LongLink(60)))] {
            let long = self::artifact(&"n".repeat(name), &"v".repeat(version));
            assert_eq!(check_link(&Layout::default(), &long), want);
        }
    }

    #[test]
    fn foreign_links_are_not_ours() {
        for target in ["", "../../artifacts/x", "../../artifacts/../y", "/artifacts/x/1", "../../artifacts/x/1/2"] {
            assert_eq!(Layout::default().parse_link_target(target), None, "target {target:?}");
        }
    }

    #[test]
    fn latest_is_a_release_by_number() {
        for (target, want) in [
            ("releases/0", Some(0)),
            ("releases/17", Some(17)),
            ("releases/0/", Some(0)),
            ("releases/", None),
            ("releases/00", None),
            ("releases/+1", None),
            ("releases/4294967296", None),
            ("elsewhere/0", None),
        ] {
            assert_eq!(Layout::default().parse_latest(target), want, "target {target:?}");
        }
    }
}
