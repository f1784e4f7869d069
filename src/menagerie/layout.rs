//! Where things stand on the boot partition; every path that GRUB, init and the operator's tool share.

use crate::{Name, Version};
use core::fmt::Write;
use heapless::String;

/// The directory of the files themselves: `artifacts/<name>/<version>`.
pub const ARTIFACTS: &str = "artifacts";
/// The directory of releases: `releases/<N>/<name>`, each a link to an artifact.
pub const RELEASES: &str = "releases";
/// The link that GRUB and init follow to the newest release.
pub const LATEST: &str = "latest";
/// What `latest` points at, always.
pub const LATEST_TARGET: &str = "releases/0";
/// The per-VM configuration that is laid over the root image.
pub const CONFIG_TEMPLATES: &str = "config/templates";
/// What init keeps between boots.
pub const STATE: &str = "dock0/state";
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

/// The longest text a link of ours can have: `../../artifacts/` and two words.
pub const MAX_LINK: usize = UP.len() + 2 * crate::name::MAX_NAME + 1;
const UP: &str = "../../artifacts/";

/// `artifacts/<name>/<version>`, relative to the boot partition.
pub fn artifact_path(name: &Name, version: &Version) -> String<MAX_LINK> {
    joined(&[ARTIFACTS, "/", name.as_str(), "/", version.as_str()])
}

/// The target of the link `releases/<N>/<name>`, relative to the directory it stands in.
pub fn link_target(name: &Name, version: &Version) -> String<MAX_LINK> {
    joined(&[UP, name.as_str(), "/", version.as_str()])
}

/// Which artifact a link's target means; `None` for a link that is not one of ours.
pub fn parse_link_target(target: &str) -> Option<(Name, Version)> {
    let (name, version) = target.strip_prefix(UP)?.split_once('/')?;
    Some((name.parse().ok()?, version.parse().ok()?))
}

/// Which release `latest` points at; `None` where it points anywhere else.
pub fn parse_latest(target: &str) -> Option<u32> {
    parse_number(target.strip_prefix(RELEASES)?.strip_prefix('/')?.trim_end_matches('/'))
}

/// A release's directory name: decimal digits without a sign or leading zeros.
pub fn parse_number(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

fn joined(parts: &[&str]) -> String<MAX_LINK> {
    let mut text = String::new();
    for part in parts {
        #[expect(clippy::let_underscore_must_use, reason = "cannot overflow: MAX_LINK counts the longest parts")]
        let _ = text.write_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_read_back_as_written() {
        let (name, version): (Name, Version) = ("vm_root".parse().unwrap(), "2026.11~1".parse().unwrap());
        assert_eq!(artifact_path(&name, &version).as_str(), "artifacts/vm_root/2026.11~1");
        assert_eq!(link_target(&name, &version).as_str(), "../../artifacts/vm_root/2026.11~1");
        assert_eq!(parse_link_target("../../artifacts/vm_root/2026.11~1"), Some((name, version)));
    }

    #[test]
    fn the_longest_names_fit() {
        let word = "x".repeat(64);
        let target = link_target(&word.parse().unwrap(), &word.parse().unwrap());
        assert_eq!(target.len(), MAX_LINK);
        assert!(parse_link_target(&target).is_some());
    }

    #[test]
    fn foreign_links_are_not_ours() {
        for target in ["", "../../artifacts/x", "../../artifacts/../y", "/artifacts/x/1", "../../artifacts/x/1/2"] {
            assert_eq!(parse_link_target(target), None, "target {target:?}");
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
            assert_eq!(parse_latest(target), want, "target {target:?}");
        }
    }
}
