//! What the stacked YAML says of a VM's Linode: the section `linode:`.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tag of every Linode that dock0 has made, or has taken over.
pub const TAG: &str = "dock0";
/// The size of a boot disk that nobody gives one, in MB: three releases of a large Debian beside the one that runs.
const BOOT: u64 = 2048;
/// What can be switched on in a profile; all of it is off, since there is nothing on a boot disk that it knows.
pub const HELPERS: [&str; 5] = ["devtmpfs_automount", "distro", "modules_dep", "network", "updatedb_disabled"];

/// How a Linode shall be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Where.
    pub region: String,
    /// What it costs and has.
    #[serde(rename = "type")]
    pub kind: String,
    /// The boot image, of `dock0 disk --linode`.
    pub image: PathBuf,
    /// The VM's settings.json, which it hears by metadata or finds in its own image.
    pub settings: Option<PathBuf>,
    /// What starts it.
    #[serde(default)]
    pub kernel: Kernel,
    /// Its disks.
    #[serde(default)]
    pub disks: Disks,
    /// What stands before it.
    pub firewall: Option<FirewallName>,
    /// What it is found by, beside [`TAG`].
    #[serde(default)]
    pub tags: Vec<String>,
    /// Which of [`HELPERS`] are on.
    #[serde(default)]
    pub helpers: Vec<String>,
    /// Who logs in there, for the SSH line.
    #[serde(default = "root")]
    pub user: String,
}

/// What starts a Linode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Kernel {
    /// Linode's GRUB 2, which reads the boot disk's grub.cfg.
    #[default]
    #[serde(rename = "linode/grub2")]
    Grub2,
    /// Linode's GRUB Legacy, which reads the boot disk's menu.lst.
    #[serde(rename = "linode/grub-legacy")]
    GrubLegacy,
    /// The boot disk's own first sector.
    #[serde(rename = "linode/direct-disk")]
    DirectDisk,
}

impl Kernel {
    /// As the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Grub2 => "linode/grub2",
            Kernel::GrubLegacy => "linode/grub-legacy",
            Kernel::DirectDisk => "linode/direct-disk",
        }
    }
}

/// The sizes of disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disks {
    /// Of the boot disk, in MB (2²⁰ bytes).
    pub boot: u64,
    /// Of the scratch disk, in MB; none is all that is left.
    pub scratch: Option<u64>,
}

impl Default for Disks {
    fn default() -> Disks {
        Disks { boot: BOOT, scratch: None }
    }
}

/// A firewall, by its number or its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum FirewallName {
    /// Its number.
    Number(u64),
    /// Its name.
    Label(String),
}

fn root() -> String {
    "root".into()
}

impl Section {
    /// Of a whole configuration; paths are relative to `directory`.
    pub fn read(config: &Value, directory: &Path) -> Result<Section> {
        let section = config.get("linode").context("there is no section linode: in the configuration")?;
        let mut section: Section = serde_json::from_value(section.clone()).context("linode")?;
        section.image = directory.join(&section.image);
        section.settings = section.settings.map(|path| directory.join(path));
        ensure!(section.disks.boot > 0 && section.disks.scratch != Some(0), "linode: disks: 0 MB are no disk");
        if let Some(unknown) = section.helpers.iter().find(|name| !HELPERS.contains(&name.as_str())) {
            bail!("linode: helpers: there is no {unknown}; there are {}", HELPERS.join(", "));
        }
        if let Some(tag) = section.tags.iter().find(|tag| !(3..=50).contains(&tag.chars().count())) {
            bail!("linode: tags: {tag:?}: a tag has 3 to 50 characters");
        }
        Ok(section)
    }

    /// Whether a disk of so many bytes fits on the boot disk.
    pub fn check_room(&self, bytes: u64) -> Result<()> {
        let (image, boot) = (bytes.div_ceil(1 << 20), self.disks.boot);
        ensure!(image <= boot, "linode: disks: boot: {boot} MB are too few: the image has {image} MB");
        Ok(())
    }

    /// All that shall be in a profile's `helpers`.
    pub fn helpers(&self) -> BTreeMap<String, bool> {
        HELPERS.iter().map(|name| ((*name).into(), self.helpers.iter().any(|on| on == name))).collect()
    }

    /// All the tags that it shall have.
    pub fn tags(&self) -> Vec<String> {
        let own = self.tags.iter().filter(|tag| *tag != TAG);
        std::iter::once(TAG.to_string()).chain(own.cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(more: &Value) -> Result<Section, String> {
        let mut section = json!({"region": "us-ord", "type": "g6-nanode-1", "image": "build/linode.img.gz"});
        for (name, value) in more.as_object().into_iter().flatten() {
            section[name] = value.clone();
        }
        let config = json!({"hostname": "web1", "linode": section});
        Section::read(&config, Path::new("vms")).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_not_said_is_as_most_want_it() {
        let section = read(&json!({})).unwrap();
        assert_eq!(section.image, Path::new("vms/build/linode.img.gz"));
        assert_eq!((section.kernel.name(), section.disks.boot, section.disks.scratch), ("linode/grub2", 2048, None));
        assert_eq!((section.tags(), section.user.as_str()), (vec!["dock0".to_string()], "root"));
        assert!(section.helpers().values().all(|on| !on) && section.helpers().len() == 5);
    }

    #[test]
    fn all_of_it_can_be_said() {
        let section = read(&json!({"kernel": "linode/grub-legacy", "disks": {"boot": 512, "scratch": 1024},
            "firewall": "web", "tags": ["web", "dock0"], "helpers": ["network"], "user": "me"}));
        let section = section.unwrap();
        assert_eq!((section.kernel.name(), section.disks.boot), ("linode/grub-legacy", 512));
        assert_eq!((section.disks.scratch, section.user.as_str()), (Some(1024), "me"));
        assert_eq!(section.firewall, Some(FirewallName::Label("web".into())));
        assert_eq!(section.tags(), ["dock0", "web"]);
        assert_eq!(
            section.helpers().iter().filter(|(_, on)| **on).map(|(name, _)| name).collect::<Vec<_>>(),
            ["network"]
        );
        assert_eq!(read(&json!({"firewall": 7})).unwrap().firewall, Some(FirewallName::Number(7)));
    }

    #[test]
    fn mistakes_are_found_before_anything_is_made() {
        for (more, sentence) in [
            (json!({"regoin": 1}), "linode: unknown field `regoin`, expected one of `region`"),
            (
                json!({"kernel": "linode/latest"}),
                "linode: unknown variant `linode/latest`, expected one of `linode/grub2`",
            ),
            (json!({"disks": {"swap": 512}}), "linode: unknown field `swap`, expected `boot` or `scratch`"),
            (json!({"disks": {"boot": 0}}), "linode: disks: 0 MB are no disk"),
            (json!({"disks": {"scratch": 0}}), "linode: disks: 0 MB are no disk"),
            (json!({"helpers": ["swap"]}), "linode: helpers: there is no swap; there are devtmpfs_automount, distro"),
            (json!({"tags": ["ab"]}), "linode: tags: \"ab\": a tag has 3 to 50 characters"),
            (json!({"region": null}), "linode: invalid type: null, expected a string"),
        ] {
            let why = read(&more).unwrap_err();
            assert!(why.starts_with(sentence), "{why}");
        }
        let section = read(&json!({"disks": {"boot": 512}})).unwrap();
        section.check_room(512 << 20).unwrap();
        let why = section.check_room((512 << 20) + 1).unwrap_err().to_string();
        assert_eq!(why, "linode: disks: boot: 512 MB are too few: the image has 513 MB");
        let none = Section::read(&json!({"hostname": "web1"}), Path::new("")).unwrap_err().to_string();
        assert_eq!(none, "there is no section linode: in the configuration");
    }
}
