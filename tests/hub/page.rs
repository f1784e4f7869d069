//! Long lists, a page at a time: <https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api>.

use crate::documents::Site;
use plain_http::{Answer, Request};
use serde_json::Value;

/// How much is on a page if nobody says.
const USUAL: usize = 30;
/// How much is on one at most, whatever is asked for.
const MOST: usize = 100;

/// The page that is asked for, and in `Link` where the others are, if there are others.
pub fn answer(site: &Site, request: &Request, all: Vec<Value>) -> Answer {
    let asked = |name, usual: usize| request.query(name).and_then(|text| text.parse().ok()).unwrap_or(usual).max(1);
    let size = asked("per_page", USUAL).min(MOST);
    let number = asked("page", 1);
    let last = all.len().div_ceil(size).max(1);
    let shown = all.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    let answer = Answer::json(200, &Value::Array(shown));
    let relations = [
        ("prev", (number > 1).then(|| number - 1)),
        ("next", (number < last).then(|| number + 1)),
        ("last", (number < last).then_some(last)),
        ("first", (number > 1).then_some(1)),
    ];
    let path = request.path();
    let links = relations.iter().filter_map(|(name, number)| {
        let number = number.as_ref()?;
        Some(format!("<{}{path}?per_page={size}&page={number}>; rel=\"{name}\"", site.api))
    });
    let links: Vec<_> = links.collect();
    if links.is_empty() { answer } else { answer.with("Link", links.join(", ")) }
}
