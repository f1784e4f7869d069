//! Firewalls, as far as a deploy names them: made, listed, with the Linodes behind them. Nothing here is kept out by one.

use crate::event::Entity;
use crate::fields::{Document, Field, Kind};
use crate::linode::check_label;
use crate::moment::{Moment, text};
use crate::refusal::Refusal;
use crate::world::World;
use plain_http::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What lists may be filtered by.
pub const FILTERABLE: &[&str] = &["created", "id", "label", "tags", "updated"];
/// The same for lists of devices.
pub const DEVICES_FILTERABLE: &[&str] = &["created", "id", "updated"];
/// What may be said of one that is made.
pub const CREATE: &[Field] = &[
    Field::required("label", Kind::Text),
    Field::required("rules.inbound_policy", Kind::Text),
    Field::required("rules.outbound_policy", Kind::Text),
    Field::optional("rules.inbound", Kind::Objects),
    Field::optional("rules.outbound", Kind::Objects),
    Field::optional("devices.linodes", Kind::Numbers),
    Field::optional("tags", Kind::Texts),
];
/// What may be said of a device that is put behind one.
pub const DEVICE: &[Field] = &[Field::required("id", Kind::Number), Field::required("type", Kind::Text)];

/// A firewall.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Firewall {
    id: u64,
    label: String,
    tags: Vec<String>,
    rules: Value,
    created: Moment,
    devices: Vec<Device>,
}

/// What is behind one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Device {
    id: u64,
    entity: Entity,
    created: Moment,
}

impl Firewall {
    /// As the API has it.
    pub fn document(&self) -> Value {
        let entities: Vec<_> = self.devices.iter().map(|device| &device.entity).map(entity).collect();
        json!({"id": self.id, "label": self.label, "status": "enabled", "tags": self.tags, "rules": self.rules,
            "created": text(self.created), "updated": text(self.created), "entities": entities})
    }

    /// What is behind it.
    pub fn devices(&self) -> Vec<Value> {
        let document = |device: &Device| {
            json!({"id": device.id, "entity": entity(&device.entity), "created": text(device.created),
                "updated": text(device.created)})
        };
        self.devices.iter().map(document).collect()
    }

    /// A Linode is gone.
    pub fn forget(&mut self, linode: u64) {
        self.devices.retain(|device| device.entity.id != linode);
    }
}

fn entity(entity: &Entity) -> Value {
    json!({"type": entity.kind, "id": entity.id, "label": entity.label, "url": entity.url, "parent_entity": null})
}

impl World {
    /// A firewall.
    pub fn firewall(&self, id: u64) -> Result<&Firewall, Refusal> {
        self.state.firewalls.get(&id).ok_or_else(Refusal::not_found)
    }

    /// Makes one.
    pub fn create_firewall(&mut self, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, CREATE)?;
        let label = wish.text("label").unwrap_or_default();
        check_label(&label, 3..=32)?;
        if self.state.firewalls.values().any(|other| other.label == label) {
            return Err(Refusal::field("label", "Label must be unique among your firewalls"));
        }
        for policy in ["rules.inbound_policy", "rules.outbound_policy"] {
            if !["ACCEPT", "DROP"].contains(&wish.text(policy).unwrap_or_default().as_str()) {
                return Err(Refusal::field(policy, "Must be one of ACCEPT, DROP"));
            }
        }
        let entity = |id: u64| self.linode(id).map(|linode| linode.entity());
        let entities: Result<Vec<_>, _> =
            wish.numbers("devices.linodes").unwrap_or_default().into_iter().map(entity).collect();
        let entities = entities.map_err(|_| Refusal::field("devices.linodes", "A Linode by that ID was not found"))?;
        let rules = |name: &str| wish.get(name).cloned().unwrap_or(json!([]));
        let rules = json!({"inbound": rules("rules.inbound"), "outbound": rules("rules.outbound"), "version": 1,
            "fingerprint": "00000000", "inbound_policy": wish.text("rules.inbound_policy"),
            "outbound_policy": wish.text("rules.outbound_policy")});
        let id = self.state.number();
        let tags = wish.texts("tags").unwrap_or_default();
        self.state
            .firewalls
            .insert(id, Firewall { id, label: label.clone(), tags, rules, created: self.now, devices: vec![] });
        let own = Entity { kind: "firewall".into(), id, label, url: format!("/v4/networking/firewalls/{id}") };
        self.state.record(self.now, "firewall_create", own, None);
        entities.into_iter().try_for_each(|entity| self.add_device(id, entity).map(drop))?;
        Ok(Answer::json(200, &self.firewall(id)?.document()))
    }

    /// Puts a Linode behind one.
    pub fn create_device(&mut self, firewall: u64, body: &[u8]) -> Result<Answer, Refusal> {
        self.firewall(firewall)?;
        let wish = Document::read(body, DEVICE)?;
        if wish.text("type").as_deref() != Some("linode") {
            return Err(Refusal::field("type", "type is not valid"));
        }
        let linode = self.linode(wish.number("id").unwrap_or_default());
        let entity = linode.map_err(|_| Refusal::field("id", "A Linode by that ID was not found"))?.entity();
        self.add_device(firewall, entity)?;
        let devices = self.firewall(firewall)?.devices();
        Ok(Answer::json(200, devices.last().unwrap_or(&Value::Null)))
    }

    /// The same, for a Linode that is known.
    pub fn add_device(&mut self, firewall: u64, entity: Entity) -> Result<(), Refusal> {
        let (id, created) = (self.state.number(), self.now);
        let firewall = self.state.firewalls.get_mut(&firewall).ok_or_else(Refusal::not_found)?;
        if firewall.devices.iter().any(|device| device.entity.id == entity.id) {
            return Err(Refusal::field("id", "The Linode is behind this firewall already"));
        }
        firewall.devices.push(Device { id, entity, created });
        Ok(())
    }

    /// Removes one.
    pub fn delete_firewall(&mut self, id: u64) -> Result<Answer, Refusal> {
        self.state.firewalls.remove(&id).ok_or_else(Refusal::not_found)?;
        Ok(Answer::json(200, &json!({})))
    }
}
