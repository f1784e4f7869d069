//! Lists: what `X-Filter` lets through, in the order it asks for, a page at a time
//! (<https://techdocs.akamai.com/linode-api/reference/filtering-and-sorting>, …`/pagination`).

use crate::refusal::Refusal;
use plain_http::{Answer, Request};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// How much is on a page if nobody says, and what may be asked for.
const USUAL: usize = 100;
const LEAST: usize = 25;
const MOST: usize = 500;

/// The page that is asked for. Filters may name these fields alone.
pub fn answer(request: &Request, all: Vec<Value>, filterable: &[&str]) -> Result<Answer, Refusal> {
    let filter = match request.field("X-Filter") {
        Some(text) => serde_json::from_str(text).map_err(|_| Refusal::because("Invalid X-Filter JSON"))?,
        None => json!({}),
    };
    let mut found = Vec::new();
    for document in all {
        if matches(&filter, &document, filterable)? {
            found.push(document);
        }
    }
    if let Some(field) = filter.get("+order_by").and_then(Value::as_str) {
        known(field, filterable)?;
        found.sort_by(|one, other| order(value(one, field), value(other, field)).unwrap_or(Ordering::Equal));
        if filter.get("+order").and_then(Value::as_str) == Some("desc") {
            found.reverse();
        }
    }
    page(request, found)
}

fn page(request: &Request, found: Vec<Value>) -> Result<Answer, Refusal> {
    let asked = |name: &str, usual: usize| match request.query(name) {
        Some(text) => text.parse().map_err(|_| Refusal::field(name, "Must be of type Integer")),
        None => Ok(usual),
    };
    let (size, number) = (asked("page_size", USUAL)?, asked("page", 1)?);
    if !(LEAST..=MOST).contains(&size) {
        return Err(Refusal::field("page_size", &format!("Must be {LEAST}-{MOST}")));
    }
    let (results, pages) = (found.len(), found.len().div_ceil(size).max(1));
    if !(1..=pages).contains(&number) {
        return Err(Refusal::not_found());
    }
    let data: Vec<Value> = found.into_iter().skip((number - 1) * size).take(size).collect();
    Ok(Answer::json(200, &json!({"data": data, "page": number, "pages": pages, "results": results})))
}

fn known(field: &str, filterable: &[&str]) -> Result<(), Refusal> {
    if filterable.contains(&field) { Ok(()) } else { Err(Refusal::because(&format!("Cannot filter on {field}"))) }
}

fn value<'a>(document: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(document, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

fn matches(filter: &Value, document: &Value, filterable: &[&str]) -> Result<bool, Refusal> {
    let Value::Object(conditions) = filter else { return Err(Refusal::because("Invalid X-Filter")) };
    let mut verdict = true;
    for (name, wanted) in conditions {
        let parts = || wanted.as_array().ok_or_else(|| Refusal::because(&format!("{name} takes a list")));
        let holds = match name.as_str() {
            "+order" | "+order_by" => true,
            "+and" => all(parts()?, document, filterable)?.into_iter().all(|holds| holds),
            "+or" => all(parts()?, document, filterable)?.into_iter().any(|holds| holds),
            field => {
                known(field, filterable)?;
                holds(value(document, field), wanted)?
            }
        };
        verdict &= holds;
    }
    Ok(verdict)
}

fn all(filters: &[Value], document: &Value, filterable: &[&str]) -> Result<Vec<bool>, Refusal> {
    filters.iter().map(|filter| matches(filter, document, filterable)).collect()
}

fn holds(found: &Value, wanted: &Value) -> Result<bool, Refusal> {
    let Value::Object(operators) = wanted else { return Ok(equals(found, wanted)) };
    let mut verdict = true;
    for (operator, wanted) in operators {
        let order = order(found, wanted);
        verdict &= match operator.as_str() {
            "+neq" => !equals(found, wanted),
            "+gt" => order == Some(Ordering::Greater),
            "+gte" => order.is_some_and(Ordering::is_ge),
            "+lt" => order == Some(Ordering::Less),
            "+lte" => order.is_some_and(Ordering::is_le),
            "+contains" => contains(found, wanted),
            other => return Err(Refusal::because(&format!("{other} is not a valid operator"))),
        };
    }
    Ok(verdict)
}

/// A list equals each of its members, as tags do.
fn equals(found: &Value, wanted: &Value) -> bool {
    found == wanted || found.as_array().is_some_and(|values| values.contains(wanted))
}

fn contains(found: &Value, wanted: &Value) -> bool {
    let Some(wanted) = wanted.as_str() else { return false };
    let has = |value: &Value| value.as_str().is_some_and(|text| text.contains(wanted));
    has(found) || found.as_array().is_some_and(|values| values.iter().any(has))
}

fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let document = json!({"id": 3, "label": "web1", "tags": ["dock0", "x"], "entity": {"id": 7, "type": "linode"}});
        let table = [
            (json!({}), true),
            (json!({"label": "web1"}), true),
            (json!({"label": "web"}), false),
            (json!({"label": {"+contains": "eb"}}), true),
            (json!({"tags": "dock0"}), true),
            (json!({"tags": "dock"}), false),
            (json!({"tags": {"+contains": "dock"}}), true),
            (json!({"entity.id": 7, "entity.type": "linode"}), true),
            (json!({"entity.id": 7, "entity.type": "disk"}), false),
            (json!({"+or": [{"id": 4}, {"id": 3}]}), true),
            (json!({"+and": [{"id": 4}, {"id": 3}]}), false),
            (json!({"id": {"+gt": 2, "+lte": 3}}), true),
            (json!({"id": {"+gte": 4}}), false),
            (json!({"id": {"+lt": 3}}), false),
            (json!({"id": {"+neq": 3}}), false),
            (json!({"id": {"+gt": "2"}}), false),
            (json!({"id": 3, "+order_by": "id", "+order": "desc"}), true),
        ];
        for (filter, wanted) in table {
            let found = matches(&filter, &document, &["id", "label", "tags", "entity.id", "entity.type"]).unwrap();
            assert_eq!(found, wanted, "{filter}");
        }
    }

    #[test]
    fn filters_that_are_none() {
        let table = [
            (json!([]), "Invalid X-Filter"),
            (json!({"status": "x"}), "Cannot filter on status"),
            (json!({"id": {"+like": 3}}), "+like is not a valid operator"),
            (json!({"+or": {}}), "+or takes a list"),
        ];
        for (filter, wanted) in table {
            let refused = matches(&filter, &json!({"id": 3, "status": "x"}), &["id"]).unwrap_err();
            assert_eq!(refused, Refusal::because(wanted), "{filter}");
        }
    }
}
