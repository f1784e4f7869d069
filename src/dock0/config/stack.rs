//! Stacked files: each is merged deeply over those before it.

use super::node::{Node, What};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::path::Path;

/// What a list does to the list that it is merged over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// It takes its place.
    Replace,
    /// It comes behind it.
    Append,
}

/// Reads the files and merges them, each over those before it.
pub fn read(files: &[impl AsRef<Path>], lists: Lists) -> Result<Node> {
    let nodes = files.iter().map(|file| {
        let file = file.as_ref();
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        Node::parse(&file.display().to_string(), &text)
    });
    let merged = nodes.reduce(|under, over| Ok(merge(under?, over?, lists)));
    merged.unwrap_or_else(|| Err(anyhow!("no file is given to build from")))
}

/// Maps merge; everything else replaces what it is laid over, tagged values too.
pub fn merge(under: Node, over: Node, lists: Lists) -> Node {
    if under.tag.is_some() || over.tag.is_some() {
        return over;
    }
    let what = match (under.what, over.what) {
        (What::Map(mut map), What::Map(above)) => {
            for (key, node) in above {
                let node = match map.remove(&key) {
                    Some(below) => merge(below, node, lists),
                    None => node,
                };
                map.insert(key, node);
            }
            What::Map(map)
        }
        (What::List(mut list), What::List(above)) if lists == Lists::Append => {
            list.extend(above);
            What::List(list)
        }
        (_, above) => above,
    };
    Node { at: over.at, tag: None, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without places: what a value is, not where it was written.
    fn plain(node: Node) -> String {
        let tag = node.tag.map(|tag| format!("{tag} ")).unwrap_or_default();
        let what = match node.what {
            What::Null => "~".into(),
            What::Bool(value) => value.to_string(),
            What::Number(value) => value.to_string(),
            What::Text(text) => format!("{text:?}"),
            What::List(list) => format!("[{}]", list.into_iter().map(plain).collect::<Vec<_>>().join(", ")),
            What::Map(map) => {
                let pairs = map.into_iter().map(|(key, node)| format!("{key}: {}", plain(node)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        };
        tag + &what
    }

    #[test]
    fn maps_merge_and_everything_else_replaces() {
        use Lists::{Append, Replace};
        for (under, over, lists, want) in [
            ("a: 1\nb: 2", "b: 3\nc: 4", Replace, "{a: 1, b: 3, c: 4}"),
            ("a: {b: {c: 1, d: 2}}", "a: {b: {d: 3}}", Replace, "{a: {b: {c: 1, d: 3}}}"),
            ("a: [1, 2]", "a: [3]", Replace, "{a: [3]}"),
            ("a: [1, 2]", "a: [3]", Append, "{a: [1, 2, 3]}"),
            ("a: {b: [x]}", "a: {b: [y, x]}", Append, "{a: {b: [\"x\", \"y\", \"x\"]}}"),
            ("a: [1]", "a: []", Replace, "{a: []}"),
            ("a: {b: 1}", "a: 2", Replace, "{a: 2}"),
            ("a: 2", "a: {b: 1}", Append, "{a: {b: 1}}"),
            ("a: {b: 1}", "a: ~", Replace, "{a: ~}"),
            ("a: {b: 1}", "", Replace, "{a: {b: 1}}"),
            ("", "a: 1", Replace, "{a: 1}"),
            ("a: [x]", "a: !command [y]", Append, "{a: !command [\"y\"]}"),
            ("a: !command [x]", "a: [y]", Append, "{a: [\"y\"]}"),
            ("a: !env X", "a: !file y", Append, "{a: !file \"y\"}"),
            ("a: &x {b: 1}\nc: *x", "c: {d: 2}", Replace, "{a: {b: 1}, c: {b: 1, d: 2}}"),
        ] {
            let (under_node, over_node) = (Node::parse("u", under).unwrap(), Node::parse("o", over).unwrap());
            assert_eq!(plain(merge(under_node, over_node, lists)), want, "{under:?} + {over:?}, {lists:?}");
        }
    }

    #[test]
    fn values_are_what_they_look_like() {
        for (written, want) in [
            ("no", "\"no\""),
            ("on", "\"on\""),
            ("true", "true"),
            ("0644", "\"0644\""),
            ("10", "10"),
            ("-1.5", "-1.5"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("\"18446744073709551616\"", "\"18446744073709551616\""),
            ("5.5e18", "5.5e+18"),
            ("{80: 1, 0644: 2, \"~\": 3}", "{0644: 2, 80: 1, ~: 3}"),
            ("2026-01-01", "\"2026-01-01\""),
            ("10:30", "\"10:30\""),
            ("!!str 5", "\"5\""),
            ("", "~"),
            ("fe80::1", "\"fe80::1\""),
        ] {
            assert_eq!(plain(Node::parse("f", &format!("a: {written}")).unwrap()), format!("{{a: {want}}}"));
        }
    }

    #[test]
    fn what_is_no_map_of_values_is_refused_with_its_place() {
        const TOO_LONG: &str = "f: a number this long would lose digits (in quotes it is a text) at line 2, column 4";
        for (text, sentence) in [
            ("[1]", "f line 1: a map is wanted here (key: value)"),
            ("\n\n5", "f line 3: a map is wanted here (key: value)"),
            ("a:\n  b: 1\n  null: 2", "f: ~ (null) is no name for a value (in quotes it is one) at line 3, column 3"),
            ("a: 1\nb: 18446744073709551616", TOO_LONG),
            ("a: 1\nb: -9223372036854775809", TOO_LONG),
            ("a: 1\nb: 1e99", TOO_LONG),
            ("a: 1\nb: [", "f: unclosed bracket '[' at line 2, column 4"),
            (
                "a: {b: 1, b: 2}",
                "f: duplicate mapping key: b, set DuplicateKeyPolicy in Options if acceptable at line 1, column 11",
            ),
        ] {
            assert_eq!(Node::parse("f", text).unwrap_err().to_string(), sentence);
        }
        let none: [&Path; 0] = [];
        assert_eq!(read(&none, Lists::Replace).unwrap_err().to_string(), "no file is given to build from");
        let missing = read(&[Path::new("/nowhere/x.yaml")], Lists::Replace).unwrap_err();
        assert_eq!(format!("{missing:#}"), "reading /nowhere/x.yaml: No such file or directory (os error 2)");
    }
}
