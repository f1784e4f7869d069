//! Which artifacts have newer releases on GitHub, and writing their versions into the recipe without touching the rest.

use crate::http;
use crate::recipe::{Ingredient, Recipe};
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use std::cmp::Ordering;

/// GitHub's own API. GitHub Enterprise has another, and names it in the environment of its jobs.
pub const API: &str = "https://api.github.com";
/// See [`API`].
pub const API_VARIABLE: &str = "GITHUB_API_URL";
/// A token in the environment, sent along if there is one: without, GitHub answers 60 times an hour.
pub const TOKEN_VARIABLE: &str = "GITHUB_TOKEN";
/// The longest answer, in bytes: a release with many assets has some 100 KB.
const MAX_ANSWER: u64 = 4 << 20;

/// An artifact and what there is of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The version in the recipe.
    pub version: String,
    /// The newest release's; none where there is no release, or where GitHub is not asked.
    pub newest: Option<String>,
    /// Whether that is newer.
    pub outdated: bool,
    /// Why GitHub is not asked, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

/// Asks of each artifact of the recipe.
pub fn ask(recipe: &Recipe, api: &str, token: Option<&str>) -> Result<Vec<Standing>> {
    recipe.artifacts.iter().map(|ingredient| ask_one(recipe, ingredient, api, token)).collect()
}

fn ask_one(recipe: &Recipe, ingredient: &Ingredient, api: &str, token: Option<&str>) -> Result<Standing> {
    let Ingredient { name, version: Spanned { value: version, .. }, url, .. } = ingredient;
    let (newest, skipped) = match (url, recipe.org_of(ingredient)) {
        (Some(_), _) => (None, Some("it has a url of its own")),
        (None, None) => (None, Some("it has no org")),
        (None, Some(org)) => (newest(api, org, name, token)?, None),
    };
    let outdated = newest.as_ref().is_some_and(|newest| compare(newest, version) == Ordering::Greater);
    Ok(Standing { name: name.clone(), version: version.clone(), newest, outdated, skipped })
}

/// The tag of the newest release that is no draft and no pre-release (GitHub's REST API, "Get the latest release").
fn newest(api: &str, org: &str, name: &str, token: Option<&str>) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Release {
        tag_name: String,
    }
    for word in [org, name] {
        word.parse::<menagerie::Name>().map_err(|why| anyhow!("{word:?} {why}"))?;
    }
    let url = format!("{}/repos/{org}/{name}/releases/latest", api.trim_end_matches('/'));
    let mut answer = match http::get(&url, "application/vnd.github+json", token) {
        Err(no) if no.status == Some(404) => return Ok(None),
        Err(no) if matches!(no.status, Some(403 | 429)) => {
            bail!("{no}: if that is for asking too often, set ${TOKEN_VARIABLE}")
        }
        answer => answer?,
    };
    let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
    let text = text.with_context(|| format!("reading what {url} answers"))?;
    let release: Release = serde_json::from_str(&text).with_context(|| format!("reading what {url} answers"))?;
    let tag = release.tag_name;
    tag.parse::<menagerie::Version>().map_err(|why| anyhow!("the newest release of {org}/{name}, {tag:?}, {why}"))?;
    Ok(Some(tag))
}

/// Which of two versions is newer: numbers count as numbers, a `v` in front does not count, and what ends in `-rc…`,
/// `-alpha…`, `-beta…`, `-pre…` or `~…` comes before what does not.
fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (without_v(one), without_v(other));
    let ((one, one_pre), (other, other_pre)) = (split_pre(one), split_pre(other));
    compare_runs(one, other).then_with(|| match (one_pre, other_pre) {
        ("", "") => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (one, other) => compare_runs(one, other),
    })
}

fn without_v(version: &str) -> &str {
    version.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(version)
}

fn split_pre(version: &str) -> (&str, &str) {
    let marks = ["-rc", "-alpha", "-beta", "-pre", "~"];
    let at = marks.iter().filter_map(|mark| version.find(mark)).min().unwrap_or(version.len());
    version.split_at(at)
}

/// Digits as numbers, all else by its bytes.
fn compare_runs(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !one.is_empty() && !other.is_empty() {
        let ((left, one_rest), (right, other_rest)) = (first_run(one), first_run(other));
        let order = match [left, right].map(|run| run.starts_with(|c: char| c.is_ascii_digit())) {
            [true, true] => {
                let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            _ => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.len().cmp(&other.len())
}

/// The digits, or what are none, that a text begins with.
fn first_run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    text.split_at(text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len()))
}

/// The recipe's text with the newest version of each outdated artifact, every other byte as it was.
pub fn rewrite(text: &str, recipe: &Recipe, standings: &[Standing]) -> Result<String> {
    let mut edits = Vec::new();
    for (ingredient, standing) in recipe.artifacts.iter().zip(standings) {
        if let (true, Some(newest)) = (standing.outdated, &standing.newest) {
            let by_hand =
                || anyhow!("the version of {} is written in a way that only its author can change", standing.name);
            edits.push(edit(text, &ingredient.version, newest).ok_or_else(by_hand)?);
        }
    }
    let mut new = text.to_string();
    // From the end, so that the places before stay where they are.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    edits.into_iter().for_each(|(range, version)| new.replace_range(range, &version));
    check(&new, standings)?;
    Ok(new)
}

/// Where a version is written, and what is to be written there, in the quotes that were there.
fn edit(text: &str, version: &Spanned<String>, newest: &str) -> Option<(std::ops::Range<usize>, String)> {
    if version.referenced != version.defined {
        return None; // an alias: its anchor may be somebody else's too
    }
    let span = version.referenced.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let range = start..start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    let written = text.get(range.clone())?;
    let quote = ["", "\"", "'"].into_iter().find(|quote| written == format!("{quote}{}{quote}", version.value))?;
    Some((range, format!("{quote}{newest}{quote}")))
}

/// Whether the new text says what it shall: a plain version could read as something else.
fn check(text: &str, standings: &[Standing]) -> Result<()> {
    let recipe = Recipe::parse(text).context("reading what would be written")?;
    let said = recipe.artifacts.iter().map(|ingredient| &ingredient.version.value);
    let meant = standings.iter().map(|standing| match &standing.newest {
        Some(newest) if standing.outdated => newest,
        Some(_) | None => &standing.version,
    });
    if said.eq(meant) { Ok(()) } else { bail!("the new versions cannot be written as the old ones were: quote them") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_is_newer() {
        for (one, order, other) in [
            ("1.10", Ordering::Greater, "1.9"),
            ("v1.10", Ordering::Greater, "1.9"),
            ("1.0.0", Ordering::Greater, "1.0"),
            ("1.0", Ordering::Equal, "v1.0"),
            ("1.0", Ordering::Greater, "1.0-rc1"),
            ("1.0-rc2", Ordering::Greater, "1.0-rc1"),
            ("1.0-rc10", Ordering::Greater, "1.0-rc9"),
            ("1.1-rc1", Ordering::Greater, "1.0"),
            ("6.12.117-dock0", Ordering::Greater, "6.12.117"),
            ("6.12.9", Ordering::Less, "6.12.117"),
            ("2026.11.25", Ordering::Greater, "2026.9.30"),
            ("007", Ordering::Equal, "7"),
            ("b", Ordering::Greater, "a"),
            ("123456789012345678901234567890", Ordering::Greater, "123456789012345678901234567889"),
        ] {
            assert_eq!(compare(one, other), order, "{one} and {other}");
            assert_eq!(compare(other, one), order.reverse(), "{other} and {one}");
        }
    }

    fn standing(name: &str, version: &str, newest: Option<&str>) -> Standing {
        let newest = newest.map(str::to_string);
        Standing { name: name.into(), version: version.into(), outdated: newest.is_some(), newest, skipped: None }
    }

    #[test]
    fn only_the_versions_change() {
        let text = "# é: all of it\norg: dock0 # ours\n\nartifacts:\n  - version: 1.9   # the kernel\n    name: kernel\n  \
            - {name: initrd, version: \"1.9\", file: 'x'}\n  - name: vm_root\n    version: '1.9'\n  - name: d\n    version: 1.9\n";
        let recipe = Recipe::parse(text).unwrap();
        let standings = ["kernel", "initrd", "vm_root"].map(|name| standing(name, "1.9", Some("1.10"))).into_iter();
        let standings: Vec<Standing> = standings.chain([standing("d", "1.9", None)]).collect();
        let want = text.replacen("1.9", "1.10", 3);
        assert_eq!(rewrite(text, &recipe, &standings).unwrap(), want);
        let none: Vec<Standing> = standings.iter().map(|s| standing(&s.name, "1.9", None)).collect();
        assert_eq!(rewrite(text, &recipe, &none).unwrap(), text);
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let by_hand = "the version of a is written in a way that only its author can change";
        for (text, newest, sentence) in [
            ("x: &v 1\nartifacts: [{name: a, version: *v}]", "2", by_hand),
            ("artifacts:\n- name: a\n  version: >-\n    1\n", "2", by_hand),
            ("artifacts: [{name: a, version: \"\\x31\"}]", "2", by_hand),
            ("artifacts: [{name: a, version: 1}]", "~", "reading what would be written"),
        ] {
            let recipe = Recipe::parse(text).unwrap();
            let why = rewrite(text, &recipe, &[standing("a", "1", Some(newest))]).unwrap_err().to_string();
            assert_eq!(why, sentence, "{text}");
        }
    }
}
