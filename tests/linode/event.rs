//! Events: each thing that was done, and how far it is.

use crate::moment::{Moment, text};
use crate::state::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What lists may be filtered by.
pub const FILTERABLE: &[&str] = &["action", "created", "entity.id", "entity.type", "id"];

/// One thing that was done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    id: u64,
    action: String,
    entity: Entity,
    secondary: Option<Entity>,
    created: Moment,
    /// When it is done; None for what is done as soon as it is asked for.
    until: Option<Moment>,
    /// Why it fails then.
    failure: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// `linode`, `disk`, `image` and so on.
    pub kind: String,
    /// Its number.
    pub id: u64,
    /// Its name.
    pub label: String,
    /// Its place in the API.
    pub url: String,
}

impl Event {
    /// As the API has it.
    pub fn document(&self, now: Moment) -> Value {
        let length = self.until.map(|until| until.saturating_sub(self.created));
        let passed = now.saturating_sub(self.created);
        let (status, percent) = match (length, &self.failure) {
            (None, _) => ("notification", 100),
            // The first tenth of its time it waits for its turn.
            (Some(length), _) if passed < length / 10 => ("scheduled", 0),
            (Some(length), _) if passed < length => ("started", passed * 100 / length),
            (Some(_), None) => ("finished", 100),
            (Some(_), Some(_)) => ("failed", 100),
        };
        let entity =
            |entity: &Entity| json!({"type": entity.kind, "id": entity.id, "label": entity.label, "url": entity.url});
        json!({"id": self.id, "action": self.action, "status": status, "percent_complete": percent,
            "entity": entity(&self.entity), "secondary_entity": self.secondary.as_ref().map(entity),
            "created": text(self.created), "duration": passed.min(length.unwrap_or(0)) as f64 / 1000.0,
            "message": self.failure.as_ref().filter(|_| status == "failed"), "username": "operator", "read": false,
            "seen": false, "rate": null, "time_remaining": null})
    }
}

impl State {
    /// Remembers that something is being done, until then.
    pub fn record(&mut self, now: Moment, action: &str, entity: Entity, until: Option<Moment>) {
        self.add(now, (action, entity, None), until, None);
    }

    /// The same of a part of something: its disk, for instance.
    pub fn record_part(&mut self, now: Moment, action: &str, (entity, part): (Entity, Entity), until: Option<Moment>) {
        self.add(now, (action, entity, Some(part)), until, None);
    }

    /// Remembers that something did not work.
    pub fn record_failure(&mut self, now: Moment, action: &str, entity: Entity, why: &str) {
        self.add(now, (action, entity, None), Some(now), Some(why.into()));
    }

    fn add(
        &mut self,
        created: Moment,
        (action, entity, secondary): (&str, Entity, Option<Entity>),
        until: Option<Moment>,
        failure: Option<String>,
    ) {
        let id = self.number();
        self.events.insert(id, Event { id, action: action.into(), entity, secondary, created, until, failure });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_scheduled_starts_and_ends() {
        let entity =
            Entity { kind: "linode".into(), id: 7, label: "web1".into(), url: "/v4/linode/instances/7".into() };
        let mut state = State::default();
        state.record(1000, "linode_boot", entity.clone(), Some(2000));
        state.record_failure(1000, "image_upload", entity.clone(), "no gzip");
        state.record(1000, "linode_config_create", entity, None);
        let all: Vec<_> = state.events.into_values().collect();
        let status = |number: usize, now| all[number].document(now)["status"].as_str().unwrap().to_string();
        let table = [(1099, "scheduled"), (1100, "started"), (1999, "started"), (2000, "finished")];
        for (now, wanted) in table {
            assert_eq!(status(0, now), wanted, "{now}");
        }
        assert_eq!(all[0].document(1500)["percent_complete"], 50);
        assert_eq!((status(1, 1000), all[1].document(1000)["message"].clone()), ("failed".into(), json!("no gzip")));
        assert_eq!(status(2, 1000), "notification");
    }
}
