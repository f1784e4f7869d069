//! What Linode's API answers with, as far as it is read here (<https://techdocs.akamai.com/linode-api/reference/api>).

use super::section::TAG;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A virtual machine.
#[derive(Clone, Debug, Deserialize)]
pub struct Linode {
    /// Its number, for ever.
    pub id: u64,
    /// Its name, which no other of the account has.
    pub label: String,
    /// `running`, `offline`, `provisioning` and so on.
    pub status: String,
    /// Where it is.
    pub region: String,
    /// What it costs and has.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The public addresses come first.
    pub ipv4: Vec<String>,
    /// With the length of its prefix.
    pub ipv6: Option<String>,
    /// What it is found by.
    pub tags: Vec<String>,
    /// What it has.
    pub specs: Specs,
    /// Whether its metadata service says what it was given.
    pub has_user_data: Option<bool>,
}

/// What a Linode has.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Specs {
    /// For all of its disks together, in MB (2²⁰ bytes).
    pub disk: u64,
}

impl Linode {
    /// Whether dock0 has made it, or has taken it over.
    pub fn is_ours(&self) -> bool {
        self.tags.iter().any(|tag| tag == TAG)
    }

    /// Where it is in the API.
    pub fn path(&self) -> String {
        format!("/linode/instances/{}", self.id)
    }

    /// Its addresses, without prefixes.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let bare = |text: &String| text.split('/').next().unwrap_or_default().parse().ok();
        self.ipv4.iter().chain(&self.ipv6).filter_map(bare).collect()
    }
}

/// A disk of a Linode.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Disk {
    /// Its number.
    pub id: u64,
    /// Its name, which others may have too.
    pub label: String,
    /// `ready`, `not ready` or `deleting`.
    pub status: String,
    /// In MB (2²⁰ bytes).
    pub size: u64,
}

/// What a Linode is booted with: a configuration profile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Profile {
    /// Its number.
    pub id: u64,
    /// Its name, which others may have too.
    pub label: String,
    /// `linode/grub2` and so on.
    pub kernel: String,
    /// What stands at `sda` to `sdh`.
    pub devices: BTreeMap<String, Option<Device>>,
    /// What Linode changes in a disk before it boots, and whether it does.
    pub helpers: BTreeMap<String, bool>,
}

/// What stands at one place of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Device {
    /// None is a volume.
    pub disk_id: Option<u64>,
}

/// What disks can be made of.
#[derive(Clone, Debug, Deserialize)]
pub struct Image {
    /// `private/12345`
    pub id: String,
    /// Its name, which others may have too.
    pub label: String,
    /// `pending_upload`, `creating` or `available`.
    pub status: String,
}

/// An image that is awaited.
#[derive(Debug, Deserialize)]
pub struct Upload {
    /// It.
    pub image: Image,
    /// Where its bytes go, once.
    pub upload_to: String,
}

/// Where Linodes can be.
#[derive(Clone, Debug, Deserialize)]
pub struct Region {
    /// `Metadata` among others.
    pub capabilities: Vec<String>,
}

/// A firewall, or what stands behind one.
#[derive(Clone, Debug, Deserialize)]
pub struct Firewall {
    /// Its number.
    pub id: u64,
    /// Its name, which no other of the account has.
    pub label: String,
}

/// What stands behind a firewall.
#[derive(Debug, Deserialize)]
pub struct Guarded {
    /// What it is.
    pub entity: Entity,
}

/// What something happened to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entity {
    /// `linode`, `image` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its number; of some things a name.
    pub id: serde_json::Value,
}

/// Something that is being done, or was.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// Newer ones have larger numbers.
    pub id: u64,
    /// `linode_boot`, `disk_create` and so on.
    pub action: String,
    /// `scheduled`, `started`, `finished`, `failed` or `notification`.
    pub status: String,
    /// How far it is, if that is known.
    pub percent_complete: Option<u64>,
    /// To what.
    pub entity: Option<Entity>,
    /// Why it failed.
    pub message: Option<String>,
}

/// What an instruction without an answer of interest answers.
#[derive(Debug, Deserialize)]
pub struct Done {}
