//! Linodes: making, changing, forgetting, and what they say of themselves.

use crate::catalogue::{Type, has_metadata};
use crate::config::Config;
use crate::disk::Disk;
use crate::event::Entity;
use crate::fields::{Document, Field, Kind};
use crate::moment::{Moment, Moving, after, text};
use crate::refusal::Refusal;
use crate::world::World;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use plain_http::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What lists may be filtered by.
pub const FILTERABLE: &[&str] = &["group", "id", "image", "ipv4", "label", "region", "tags"];
/// What may be said of one that is made. One is made empty: deploying an image in the same request is not spoken here.
pub const CREATE: &[Field] = &[
    Field::required("region", Kind::Text),
    Field::required("type", Kind::Text),
    Field::optional("label", Kind::Text),
    Field::optional("tags", Kind::Texts),
    Field::optional("booted", Kind::Truth),
    Field::optional("authorized_keys", Kind::Texts),
    Field::optional("firewall_id", Kind::Number),
    Field::optional("interface_generation", Kind::Text),
    Field::optional("metadata.user_data", Kind::Text),
];
/// What may be said of one that is changed.
pub const UPDATE: &[Field] = &[
    Field::optional("label", Kind::Text),
    Field::optional("tags", Kind::Texts),
    Field::optional("watchdog_enabled", Kind::Truth),
];
/// The most bytes of user data, before they are encoded.
const MAX_USER_DATA: usize = 16384;

/// A Linode.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Linode {
    id: u64,
    /// Its name, which no other has.
    pub label: String,
    /// Where it is.
    pub region: String,
    /// Its size.
    pub kind: String,
    /// What it is found by.
    pub tags: Vec<String>,
    /// Who may log in, as the metadata service says.
    pub keys: Vec<String>,
    /// What it is told by the metadata service: base64.
    pub user_data: Option<String>,
    /// Its address.
    pub ipv4: String,
    /// Its other address, with the length of its prefix.
    pub ipv6: String,
    /// The host it is on.
    pub host: String,
    /// Whether it is started again when it powers itself off.
    pub watchdog: bool,
    created: Moment,
    updated: Moment,
    /// How far it is.
    pub status: Moving<Status>,
    /// Its disks, by number.
    pub disks: BTreeMap<u64, Disk>,
    /// Its profiles, by number.
    pub configs: BTreeMap<u64, Config>,
    /// The profile it was booted with last.
    pub booted: Option<u64>,
}

/// How far a Linode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It is being made.
    Provisioning,
    /// It is off.
    Offline,
    /// It is being started.
    Booting,
    /// It is on.
    Running,
    /// It is being stopped.
    ShuttingDown,
    /// It is being stopped and started.
    Rebooting,
}

impl Status {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Status::Provisioning => "provisioning",
            Status::Offline => "offline",
            Status::Booting => "booting",
            Status::Running => "running",
            Status::ShuttingDown => "shutting_down",
            Status::Rebooting => "rebooting",
        }
    }
}

impl Linode {
    /// As the API has it.
    pub fn document(&self, now: Moment) -> Value {
        json!({"id": self.id, "label": self.label, "group": "", "region": self.region, "type": self.kind, "tags": self.tags,
            "image": null, "ipv4": [self.ipv4], "ipv6": self.ipv6, "status": self.status.at(now).name(),
            "has_user_data": self.user_data.is_some(), "host_uuid": self.host, "hypervisor": "kvm",
            "watchdog_enabled": self.watchdog, "created": text(self.created), "updated": text(self.updated),
            "specs": self.size().specs(), "site_type": "core", "capabilities": [], "disk_encryption": "disabled",
            "interface_generation": "legacy_config", "lke_cluster_id": null, "maintenance_policy": "linode/migrate",
            "placement_group": null, "locks": [],
            "alerts": {"cpu": 90, "io": 10000, "network_in": 10, "network_out": 10, "transfer_quota": 80},
            "backups": {"available": false, "enabled": false, "last_successful": null,
                "schedule": {"day": null, "window": null}}})
    }

    /// Its addresses, as the API has them.
    pub fn addresses(&self) -> Value {
        let rdns = format!("{}.ip.linodeusercontent.com", self.ipv4.replace('.', "-"));
        let public = json!({"address": self.ipv4, "gateway": "203.0.113.1", "subnet_mask": "255.255.255.0", "prefix": 24,
            "type": "ipv4", "public": true, "rdns": rdns, "linode_id": self.id, "region": self.region});
        let address = self.ipv6.trim_end_matches("/128");
        let six = |address: &str, public: bool| {
            json!({"address": address, "gateway": "fe80::1", "subnet_mask": "ffff:ffff:ffff:ffff::", "prefix": 64,
                "type": "ipv6", "public": public, "rdns": null, "linode_id": self.id, "region": self.region})
        };
        json!({"ipv4": {"public": [public], "private": [], "shared": [], "reserved": [], "vpc": []},
            "ipv6": {"slaac": six(address, true), "link_local": six(&self.link_local(), false), "global": []}})
    }

    /// Its address that needs no router.
    pub fn link_local(&self) -> String {
        self.ipv6.trim_end_matches("/128").replace("2001:db8:", "fe80:")
    }

    /// What can be bought of that name; the smallest, if it is sold no more.
    pub fn size(&self) -> Type {
        Type::find(&self.kind).unwrap_or(Type::smallest())
    }

    /// How events name it.
    pub fn entity(&self) -> Entity {
        let url = format!("/v4/linode/instances/{}", self.id);
        Entity { kind: "linode".into(), id: self.id, label: self.label.clone(), url }
    }
}

impl World {
    /// A Linode.
    pub fn linode(&self, id: u64) -> Result<&Linode, Refusal> {
        self.state.linodes.get(&id).ok_or_else(Refusal::not_found)
    }

    /// The same, to change it.
    pub fn linode_mut(&mut self, id: u64) -> Result<&mut Linode, Refusal> {
        self.state.linodes.get_mut(&id).ok_or_else(Refusal::not_found)
    }

    /// Whether something is being done to it.
    pub fn is_busy(&self, linode: &Linode) -> bool {
        !matches!(linode.status.at(self.now), Status::Offline | Status::Running)
    }

    /// Makes one.
    pub fn create_linode(&mut self, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, CREATE)?;
        let (region, kind) = (wish.text("region").unwrap_or_default(), wish.text("type").unwrap_or_default());
        let has_metadata = has_metadata(&region).ok_or_else(|| Refusal::field("region", "region is not valid"))?;
        if Type::find(&kind).is_none() {
            return Err(Refusal::field("type", "A valid plan type by that ID was not found"));
        }
        let id = self.state.number();
        let label = wish.text("label").unwrap_or_else(|| format!("linode{id}"));
        self.check_linode_label(&label, id)?;
        let user_data = wish.text("metadata.user_data");
        if let Some(data) = &user_data {
            check_user_data(data, has_metadata)?;
        }
        let firewall = wish.number("firewall_id");
        if firewall.is_some_and(|firewall| !self.state.firewalls.contains_key(&firewall)) {
            return Err(Refusal::field("firewall_id", "firewall_id is not valid"));
        }
        if wish.text("interface_generation").is_some_and(|generation| generation != "legacy_config") {
            return Err(Refusal::field("interface_generation", "Only legacy_config is spoken here"));
        }
        if wish.truth("booted") == Some(true) {
            return Err(Refusal::field("booted", "Booted cannot be true without an image"));
        }
        let ready = after(self.now, self.settings.pace);
        let linode = Linode {
            id,
            label,
            region,
            kind,
            tags: wish.texts("tags").unwrap_or_default(),
            keys: wish.texts("authorized_keys").unwrap_or_default(),
            user_data,
            // Addresses of nobody: RFC 5737 and 3849.
            ipv4: format!("203.0.113.{}", 2 + id % 250),
            ipv6: format!("2001:db8::f03c:91ff:fe00:{id:x}/128"),
            host: format!("{id:040x}"),
            watchdog: true,
            created: self.now,
            updated: self.now,
            status: Moving::until(Status::Provisioning, ready, Status::Offline),
            disks: BTreeMap::new(),
            configs: BTreeMap::new(),
            booted: None,
        };
        let (answer, entity) = (Answer::json(200, &linode.document(self.now)), linode.entity());
        self.state.record(self.now, "linode_create", entity.clone(), Some(ready));
        self.state.linodes.insert(id, linode);
        if let Some(firewall) = firewall {
            self.add_device(firewall, entity)?;
        }
        Ok(answer)
    }

    /// Changes its name, its tags, or what happens when it powers itself off.
    pub fn update_linode(&mut self, id: u64, body: &[u8]) -> Result<Answer, Refusal> {
        self.linode(id)?;
        let wish = Document::read(body, UPDATE)?;
        if let Some(label) = wish.text("label") {
            self.check_linode_label(&label, id)?;
        }
        let now = self.now;
        let linode = self.linode_mut(id)?;
        linode.label = wish.text("label").unwrap_or_else(|| linode.label.clone());
        linode.tags = wish.texts("tags").unwrap_or_else(|| linode.tags.clone());
        linode.watchdog = wish.truth("watchdog_enabled").unwrap_or(linode.watchdog);
        linode.updated = now;
        let (answer, entity) = (Answer::json(200, &linode.document(now)), linode.entity());
        self.state.record(now, "linode_update", entity, None);
        Ok(answer)
    }

    /// Stops it, and forgets it with its disks.
    pub fn delete_linode(&mut self, id: u64) -> Result<Answer, Refusal> {
        let linode = self.linode(id)?;
        if self.is_busy(linode) {
            return Err(Refusal::because("Linode busy."));
        }
        let entity = linode.entity();
        self.forget_linode(id).map_err(|error| Refusal::new(500, &format!("{error:#}")))?;
        self.state.record(self.now, "linode_delete", entity, None);
        Ok(Answer::json(200, &json!({})))
    }

    /// The same without asking whether it is busy, and without a word.
    pub fn forget_linode(&mut self, id: u64) -> anyhow::Result<()> {
        self.vms.stop(id);
        let Some(linode) = self.state.linodes.remove(&id) else { return Ok(()) };
        self.state.firewalls.values_mut().for_each(|firewall| firewall.forget(id));
        linode.disks.keys().try_for_each(|disk| self.place.remove(&self.place.disk(*disk)))?;
        self.place.remove(&self.place.console(id))
    }

    fn check_linode_label(&self, label: &str, id: u64) -> Result<(), Refusal> {
        check_label(label, 3..=64)?;
        if label.contains("--") || label.contains("__") || label.contains("..") {
            return Err(Refusal::field("label", "Label cannot have two dashes, underscores or periods in a row"));
        }
        if self.state.linodes.values().any(|other| other.label == label && other.id != id) {
            return Err(Refusal::field("label", "Label must be unique among your linodes"));
        }
        Ok(())
    }
}

/// Whether a name can be one.
pub fn check_label(label: &str, length: RangeInclusive<usize>) -> Result<(), Refusal> {
    if !length.contains(&label.chars().count()) {
        let (least, most) = (length.start(), length.end());
        return Err(Refusal::field("label", &format!("Must be between {least} and {most} characters")));
    }
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_. ".contains(letter);
    if *length.start() == 3 && !label.chars().all(|letter| is_plain(letter) && letter != ' ') {
        return Err(Refusal::field("label", "Must only use ASCII letters, numbers, underscores, periods, and dashes"));
    }
    Ok(())
}

fn check_user_data(data: &str, has_metadata: bool) -> Result<(), Refusal> {
    let refused = |reason: &str| Err(Refusal::field("metadata.user_data", reason));
    if !has_metadata {
        return Err(Refusal::field("metadata", "Metadata is not supported in this region"));
    }
    match BASE64_STANDARD.decode(data) {
        Err(_) => refused("user_data must be a base64-encoded string"),
        Ok(bytes) if bytes.len() > MAX_USER_DATA => refused("Decoded user_data must not exceed 16384 bytes"),
        Ok(_) => Ok(()),
    }
}
