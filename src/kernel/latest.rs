//! Which kernels are newest, by kernel.org's own list.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::download;
use crate::tools;
use crate::version::Version;

/// The list, as the kernel's makers publish it.
pub const RELEASES: &str = "https://www.kernel.org/releases.json";

/// The kinds that are named, a line each.
const KINDS: [&str; 2] = ["stable", "longterm"];

/// What is read of the list; there is more in it.
#[derive(Deserialize)]
struct List {
    releases: Vec<Release>,
}

#[derive(Deserialize)]
struct Release {
    moniker: String,
    version: String,
    #[serde(default)]
    iseol: bool,
}

/// Fetches the list and names the newest of each kind, a line each.
pub fn name_newest(url: &str) -> Result<String> {
    tools::require_fetching()?;
    let text = download::read(url)?;
    let newest = find_newest(&text).with_context(|| format!("reading {url}"))?;
    Ok(newest.into_iter().map(|(kind, version)| format!("{kind:<8} {version}\n")).collect())
}

/// The newest version of each kind that is still looked after.
fn find_newest(text: &str) -> Result<Vec<(&'static str, Version)>> {
    let list: List = serde_json::from_str(text)?;
    let newest_of = |kind: &str| {
        let mut versions = Vec::new();
        for release in list.releases.iter().filter(|release| release.moniker == kind && !release.iseol) {
            versions.push(release.version.parse::<Version>().map_err(anyhow::Error::msg)?);
        }
        versions.into_iter().max().with_context(|| format!("it names no {kind} kernel"))
    };
    KINDS.iter().map(|kind| Ok((*kind, newest_of(kind)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Server;

    /// As kernel.org has it, with what is not read left in here and there.
    const LIST: &str = r#"{"latest_stable": {"version": "6.17.9"}, "releases": [
        {"iseol": false, "version": "6.18-rc7", "moniker": "mainline", "source": "https://k.invalid/l.tar.gz"},
        {"iseol": false, "version": "6.17.9", "moniker": "stable", "released": {"timestamp": 1}},
        {"iseol": true, "version": "6.19.1", "moniker": "stable"},
        {"iseol": false, "version": "6.6.117", "moniker": "longterm"},
        {"iseol": false, "version": "6.12.59", "moniker": "longterm"},
        {"iseol": false, "version": "next-20261125", "moniker": "linux-next"}]}"#;

    #[test]
    fn the_newest_of_each_kind_is_named() {
        let server = Server::start();
        server.put("releases.json", LIST.as_bytes());
        assert_eq!(name_newest(&server.url("releases.json")).unwrap(), "stable   6.17.9\nlongterm 6.12.59\n");
    }

    #[test]
    fn a_list_that_cannot_be_is_refused() {
        let rows = [
            ("no list", "<html>", "expected value"),
            (
                "no longterm",
                r#"{"releases": [{"moniker": "stable", "version": "6.17.9"}]}"#,
                "names no longterm kernel",
            ),
            (
                "no version",
                r#"{"releases": [{"moniker": "stable", "version": "\u001b[2J"}]}"#,
                r#""\u{1b}[2J" is not a version"#,
            ),
        ];
        let server = Server::start();
        for (row, text, wanted) in rows {
            server.put("releases.json", text.as_bytes());
            let error = format!("{:#}", name_newest(&server.url("releases.json")).unwrap_err());
            assert!(error.contains(&server.url("releases.json")) && error.contains(wanted), "{row}: {error}");
        }
    }

    #[test]
    fn a_list_that_is_not_there_is_said() {
        let server = Server::start();
        let error = name_newest(&server.url("none.json")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("fetching {}: curl failed", server.url("none.json"))), "{error}");
        server.put("latin.json", b"\xe9");
        let error = name_newest(&server.url("latin.json")).unwrap_err().to_string();
        assert_eq!(error, format!("{} is not text", server.url("latin.json")));
    }
}
