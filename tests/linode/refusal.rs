//! What Linode answers who asks for what cannot be: a list of reasons, each with the field it is about.

use plain_http::Answer;
use serde_json::{Map, Value, json};

/// A request that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    errors: Vec<(Option<String>, String)>,
}

impl Refusal {
    /// A status with one reason.
    pub fn new(status: u16, reason: &str) -> Refusal {
        Refusal { status, errors: vec![(None, reason.into())] }
    }

    /// There is no such thing.
    pub fn not_found() -> Refusal {
        Refusal::new(404, "Not found")
    }

    /// It cannot be done now, or not at all.
    pub fn because(reason: &str) -> Refusal {
        Refusal::new(400, reason)
    }

    /// A field that cannot be so.
    pub fn field(field: &str, reason: &str) -> Refusal {
        Refusal::fields(vec![(field.into(), reason.into())])
    }

    /// Several of them.
    pub fn fields(errors: Vec<(String, String)>) -> Refusal {
        Refusal { status: 400, errors: errors.into_iter().map(|(field, reason)| (Some(field), reason)).collect() }
    }
}

impl From<Refusal> for Answer {
    fn from(refused: Refusal) -> Answer {
        let errors = refused.errors.into_iter().map(|(field, reason)| {
            let mut error = Map::new();
            if let Some(field) = field {
                error.insert("field".into(), Value::String(field));
            }
            error.insert("reason".into(), Value::String(reason));
            Value::Object(error)
        });
        Answer::json(refused.status, &json!({"errors": errors.collect::<Vec<_>>()}))
    }
}
