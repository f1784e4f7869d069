//! Documents that clients send: each field is in a table, or the request is refused.

use crate::refusal::Refusal;
use serde_json::{Map, Value};

/// One field of a document.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its place: `metadata.user_data` is `user_data` in the object `metadata`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
}

/// What a field holds. `null` counts as left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A number of things, or of one thing.
    Number,
    /// `true` or `false`.
    Truth,
    /// Strings.
    Texts,
    /// Numbers.
    Numbers,
    /// Objects, which are kept as they are.
    Objects,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be there.
    Required,
    /// It need not.
    Optional,
}

impl Field {
    /// One that must be there.
    pub const fn required(path: &'static str, kind: Kind) -> Field {
        Field { path, kind, need: Need::Required }
    }

    /// One that need not.
    pub const fn optional(path: &'static str, kind: Kind) -> Field {
        Field { path, kind, need: Need::Optional }
    }
}

/// A document that has passed its table.
#[derive(Clone, Debug)]
pub struct Document(Value);

impl Document {
    /// Reads a body by a table; an empty one counts as `{}`.
    pub fn read(body: &[u8], table: &[Field]) -> Result<Document, Refusal> {
        let body = if body.is_empty() { b"{}" } else { body };
        let document: Value = serde_json::from_slice(body).map_err(|_| Refusal::because("Invalid JSON"))?;
        let Value::Object(object) = &document else { return Err(Refusal::because("Invalid JSON")) };
        let mut errors = Vec::new();
        check(object, "", table, &mut errors);
        let document = Document(document);
        for field in table.iter().filter(|field| field.need == Need::Required && document.get(field.path).is_none()) {
            errors.push((field.path.into(), format!("{} is required", field.path)));
        }
        if errors.is_empty() { Ok(document) } else { Err(Refusal::fields(errors)) }
    }

    /// What stands in a place, if anything but `null` does.
    pub fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.0, |value, name| value.get(name)).filter(|value| !value.is_null())
    }

    /// A string.
    pub fn text(&self, path: &str) -> Option<String> {
        self.get(path)?.as_str().map(str::to_string)
    }

    /// A number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.get(path)?.as_u64()
    }

    /// `true` or `false`.
    pub fn truth(&self, path: &str) -> Option<bool> {
        self.get(path)?.as_bool()
    }

    /// Strings.
    pub fn texts(&self, path: &str) -> Option<Vec<String>> {
        let texts = self.get(path)?.as_array()?.iter().filter_map(Value::as_str);
        Some(texts.map(str::to_string).collect())
    }

    /// Numbers.
    pub fn numbers(&self, path: &str) -> Option<Vec<u64>> {
        Some(self.get(path)?.as_array()?.iter().filter_map(Value::as_u64).collect())
    }
}

fn check(object: &Map<String, Value>, prefix: &str, table: &[Field], errors: &mut Vec<(String, String)>) {
    for (name, value) in object {
        let path = format!("{prefix}{name}");
        let below = format!("{path}.");
        if let Some(field) = table.iter().find(|field| field.path == path) {
            if let Some(wanted) = complaint(field.kind, value) {
                errors.push((path, wanted.into()));
            }
        } else if table.iter().any(|field| field.path.starts_with(&below)) {
            match value {
                Value::Object(object) => check(object, &below, table, errors),
                Value::Null => {}
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    errors.push((path, "Must be of type Object".into()));
                }
            }
        } else {
            errors.push((path, "Unexpected field".into()));
        }
    }
}

fn complaint(kind: Kind, value: &Value) -> Option<&'static str> {
    let all = |is: fn(&Value) -> bool| value.as_array().is_some_and(|values| values.iter().all(is));
    let (fits, wanted) = match kind {
        Kind::Text => (value.is_string(), "Must be of type String"),
        Kind::Number => (value.is_u64(), "Must be of type Integer"),
        Kind::Truth => (value.is_boolean(), "Must be of type Boolean"),
        Kind::Texts => (all(Value::is_string), "Must be an array of Strings"),
        Kind::Numbers => (all(Value::is_u64), "Must be an array of Integers"),
        Kind::Objects => (all(Value::is_object), "Must be an array of Objects"),
    };
    (!fits && !value.is_null()).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plain_http::Answer;
    use serde_json::json;

    const TABLE: &[Field] = &[
        Field::required("region", Kind::Text),
        Field::optional("tags", Kind::Texts),
        Field::optional("booted", Kind::Truth),
        Field::required("devices.sda.disk_id", Kind::Number),
        Field::optional("devices.sdb.disk_id", Kind::Number),
        Field::optional("interfaces", Kind::Objects),
        Field::optional("linodes", Kind::Numbers),
    ];

    #[test]
    fn what_fits_can_be_read() {
        let body = json!({"region": "x", "tags": ["a", "b"], "booted": false, "interfaces": [{"purpose": "public"}],
            "devices": {"sda": {"disk_id": 7}, "sdb": null}, "linodes": [1, 2]});
        let document = Document::read(body.to_string().as_bytes(), TABLE).unwrap();
        assert_eq!(document.text("region").as_deref(), Some("x"));
        assert_eq!(document.texts("tags").unwrap(), ["a", "b"]);
        assert_eq!((document.truth("booted"), document.number("devices.sda.disk_id")), (Some(false), Some(7)));
        assert_eq!((document.number("devices.sdb.disk_id"), document.numbers("linodes")), (None, Some(vec![1, 2])));
    }

    #[test]
    fn what_does_not_is_named() {
        let good = json!({"region": "x", "devices": {"sda": {"disk_id": 7}}});
        let table = [
            (json!({"region": null}), "region", "region is required"),
            (json!({"devices": {}}), "devices.sda.disk_id", "devices.sda.disk_id is required"),
            (json!({"devices": [1]}), "devices", "Must be of type Object"),
            (json!({"region": 1}), "region", "Must be of type String"),
            (json!({"tags": "a"}), "tags", "Must be an array of Strings"),
            (json!({"tags": ["a", 1]}), "tags", "Must be an array of Strings"),
            (json!({"booted": "no"}), "booted", "Must be of type Boolean"),
            (json!({"devices": {"sda": {"disk_id": -7}}}), "devices.sda.disk_id", "Must be of type Integer"),
            (json!({"devices": {"sda": {"disk_id": 7, "x": 1}}}), "devices.sda.x", "Unexpected field"),
            (json!({"interfaces": ["public"]}), "interfaces", "Must be an array of Objects"),
            (json!({"linodes": [1.5]}), "linodes", "Must be an array of Integers"),
            (json!({"user_data": "x"}), "user_data", "Unexpected field"),
        ];
        for (change, field, reason) in table {
            let mut body = good.clone();
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let refused: Answer = Document::read(body.to_string().as_bytes(), TABLE).unwrap_err().into();
            let said: Value = serde_json::from_slice(&refused.body).unwrap();
            assert_eq!(refused.status, 400);
            assert!(said["errors"].as_array().unwrap().contains(&json!({"field": field, "reason": reason})), "{said}");
        }
        for body in ["{", "[]", "7"] {
            let refused = Document::read(body.as_bytes(), TABLE).unwrap_err();
            assert_eq!(refused, Refusal::because("Invalid JSON"), "{body}");
        }
    }
}
