//! Configuration profiles: what a Linode boots with.

use crate::catalogue::KERNELS;
use crate::event::Entity;
use crate::fields::{Document, Field, Kind};
use crate::linode::check_label;
use crate::moment::{Moment, text};
use crate::refusal::Refusal;
use crate::world::World;
use plain_http::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What lists may be filtered by.
pub const FILTERABLE: &[&str] = &["label"];
/// The devices, in the order in which the machine has them.
pub const DEVICES: [&str; 8] = ["sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg", "sdh"];
/// What Linode does to a disk before it boots, unless told otherwise. Here it does nothing, and remembers what it was told.
const HELPERS: [&str; 5] = ["devtmpfs_automount", "distro", "modules_dep", "network", "updatedb_disabled"];
/// What may be said of one that is changed.
pub const UPDATE: &[Field] = &[
    Field::optional("label", Kind::Text),
    Field::optional("comments", Kind::Text),
    Field::optional("kernel", Kind::Text),
    Field::optional("devices.sda.disk_id", Kind::Number),
    Field::optional("devices.sdb.disk_id", Kind::Number),
    Field::optional("devices.sdc.disk_id", Kind::Number),
    Field::optional("devices.sdd.disk_id", Kind::Number),
    Field::optional("devices.sde.disk_id", Kind::Number),
    Field::optional("devices.sdf.disk_id", Kind::Number),
    Field::optional("devices.sdg.disk_id", Kind::Number),
    Field::optional("devices.sdh.disk_id", Kind::Number),
    Field::optional("helpers.devtmpfs_automount", Kind::Truth),
    Field::optional("helpers.distro", Kind::Truth),
    Field::optional("helpers.modules_dep", Kind::Truth),
    Field::optional("helpers.network", Kind::Truth),
    Field::optional("helpers.updatedb_disabled", Kind::Truth),
    Field::optional("interfaces", Kind::Objects),
    Field::optional("memory_limit", Kind::Number),
    Field::optional("root_device", Kind::Text),
    Field::optional("run_level", Kind::Text),
    Field::optional("virt_mode", Kind::Text),
];

/// A profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    id: u64,
    label: String,
    comments: String,
    /// What boots it.
    pub kernel: String,
    /// The numbers of its disks, by device.
    pub devices: BTreeMap<String, u64>,
    helpers: BTreeMap<String, bool>,
    interfaces: Vec<Value>,
    memory_limit: u64,
    root_device: String,
    run_level: String,
    virt_mode: String,
    created: Moment,
}

impl Config {
    fn new(id: u64, created: Moment) -> Config {
        Config {
            id,
            label: String::new(),
            comments: String::new(),
            kernel: "linode/grub2".into(),
            devices: BTreeMap::new(),
            helpers: HELPERS.map(|name| (name.to_string(), true)).into(),
            interfaces: Vec::new(),
            memory_limit: 0,
            root_device: "/dev/sda".into(),
            run_level: "default".into(),
            virt_mode: "paravirt".into(),
            created,
        }
    }

    /// As the API has it.
    pub fn document(&self) -> Value {
        let device = |name: &str| {
            let disk = self.devices.get(name).map(|id| json!({"disk_id": id, "volume_id": null}));
            (name.to_string(), disk.unwrap_or(Value::Null))
        };
        let devices: Map<String, Value> = DEVICES.into_iter().map(device).collect();
        json!({"id": self.id, "label": self.label, "comments": self.comments, "kernel": self.kernel, "devices": devices,
            "helpers": self.helpers, "interfaces": self.interfaces, "memory_limit": self.memory_limit,
            "root_device": self.root_device, "run_level": self.run_level, "virt_mode": self.virt_mode,
            "created": text(self.created), "updated": text(self.created), "initrd": null})
    }

    /// Takes over what is said, if it can be.
    fn change(&mut self, wish: &Document, disks: &[u64]) -> Result<(), Refusal> {
        let texts = [
            ("label", &mut self.label),
            ("comments", &mut self.comments),
            ("kernel", &mut self.kernel),
            ("root_device", &mut self.root_device),
            ("run_level", &mut self.run_level),
            ("virt_mode", &mut self.virt_mode),
        ];
        for (name, text) in texts {
            if let Some(new) = wish.text(name) {
                *text = new;
            }
        }
        check_label(&self.label, 1..=48)?;
        let valid = [
            ("kernel", KERNELS.iter().any(|(id, _)| *id == self.kernel)),
            ("run_level", ["default", "single", "binbash"].contains(&self.run_level.as_str())),
            ("virt_mode", ["paravirt", "fullvirt"].contains(&self.virt_mode.as_str())),
        ];
        if let Some((name, _)) = valid.iter().find(|(_, is_valid)| !is_valid) {
            return Err(Refusal::field(name, &format!("{name} is not valid")));
        }
        for name in DEVICES {
            let path = format!("devices.{name}.disk_id");
            match wish.number(&path) {
                Some(id) if !disks.contains(&id) => {
                    return Err(Refusal::field(&path, &format!("Disk {id} does not exist on this Linode")));
                }
                Some(id) => drop(self.devices.insert(name.into(), id)),
                // Devices are said all at once: what is not among them is taken away.
                None if wish.get("devices").is_some() => drop(self.devices.remove(name)),
                None => {}
            }
        }
        for name in HELPERS {
            if let Some(new) = wish.truth(&format!("helpers.{name}")) {
                self.helpers.insert(name.into(), new);
            }
        }
        if let Some(interfaces) = wish.get("interfaces").and_then(Value::as_array) {
            let is_known = |one: &Value| ["public", "vlan", "vpc"].iter().any(|purpose| one["purpose"] == *purpose);
            if !interfaces.iter().all(is_known) {
                return Err(Refusal::field("interfaces", "purpose is required and must be public, vlan, or vpc"));
            }
            self.interfaces.clone_from(interfaces);
        }
        self.memory_limit = wish.number("memory_limit").unwrap_or(self.memory_limit);
        Ok(())
    }
}

impl World {
    /// A profile of a Linode.
    pub fn config(&self, linode: u64, id: u64) -> Result<&Config, Refusal> {
        self.linode(linode)?.configs.get(&id).ok_or_else(Refusal::not_found)
    }

    /// Makes a profile.
    pub fn create_config(&mut self, linode: u64, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, UPDATE)?;
        let required = ["label", "devices"].iter().find(|name| wish.get(name).is_none());
        if let Some(name) = required {
            return Err(Refusal::field(name, &format!("{name} is required")));
        }
        let id = self.state.number();
        self.keep_config(linode, Config::new(id, self.now), &wish, "linode_config_create")
    }

    /// Changes a profile, for the next boot.
    pub fn update_config(&mut self, linode: u64, id: u64, body: &[u8]) -> Result<Answer, Refusal> {
        let config = self.config(linode, id)?.clone();
        self.keep_config(linode, config, &Document::read(body, UPDATE)?, "linode_config_update")
    }

    fn keep_config(
        &mut self,
        linode: u64,
        mut config: Config,
        wish: &Document,
        action: &str,
    ) -> Result<Answer, Refusal> {
        let now = self.now;
        let owner = self.linode_mut(linode)?;
        let disks: Vec<u64> = owner.disks.keys().copied().collect();
        config.change(wish, &disks)?;
        let answer = Answer::json(200, &config.document());
        let entities = (owner.entity(), entity(linode, &config));
        owner.configs.insert(config.id, config);
        self.state.record_part(now, action, entities, None);
        Ok(answer)
    }

    /// Removes a profile.
    pub fn delete_config(&mut self, linode: u64, id: u64) -> Result<Answer, Refusal> {
        let now = self.now;
        let owner = self.linode_mut(linode)?;
        let config = owner.configs.remove(&id).ok_or_else(Refusal::not_found)?;
        let entities = (owner.entity(), entity(linode, &config));
        self.state.record_part(now, "linode_config_delete", entities, None);
        Ok(Answer::json(200, &json!({})))
    }
}

fn entity(linode: u64, config: &Config) -> Entity {
    let url = format!("/v4/linode/instances/{linode}/configs/{}", config.id);
    Entity { kind: "config".into(), id: config.id, label: config.label.clone(), url }
}
