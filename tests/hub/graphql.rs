//! The two questions gh asks in GraphQL, known by their names: which release has a tag, drafts among them, and whether a
//! tag is there.

use crate::documents::{Site, refusal};
use crate::repository::Repository;
use plain_http::Answer;
use serde_json::{Value, json};

/// The answer to a question. GraphQL's errors come with a status of 200.
pub fn answer(site: &Site, repository: &Repository, body: &[u8]) -> Result<Answer, Answer> {
    let asked: Value = serde_json::from_slice(body).map_err(|_| refusal(400, "Problems parsing JSON"))?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_string();
    let variable = |name: &str| text(asked.get("variables").and_then(|variables| variables.get(name)));
    let name = format!("{}/{}", variable("owner"), variable("name"));
    if !site.name.eq_ignore_ascii_case(&name) {
        return Ok(error(&format!("Could not resolve to a Repository with the name '{name}'.")));
    }
    let (query, tag) = (text(asked.get("query")), variable("tagName"));
    let found = if query.contains("RepositoryReleaseByTag") {
        let drafts = repository.releases.iter().rev().find(|release| release.draft && release.tag == tag);
        let found = repository.published(&tag).ok().or(drafts);
        json!({"release": found.map(|release| json!({"databaseId": release.id, "isDraft": release.draft}))})
    } else if query.contains("RepositoryFindRef") {
        let found = tag.strip_prefix("refs/tags/").filter(|tag| repository.tags.contains_key(*tag));
        json!({"ref": found.map(|tag| json!({"id": format!("REF_{tag}")}))})
    } else {
        return Ok(error("The hub knows no such query."));
    };
    Ok(Answer::json(200, &json!({"data": {"repository": found}})))
}

fn error(message: &str) -> Answer {
    Answer::json(200, &json!({"data": null, "errors": [{"message": message}]}))
}
