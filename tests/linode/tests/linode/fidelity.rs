//! What the stand-in takes, the real client can say.

use crate::place::Place;
use fake_linode::{Kind, REQUESTS};
use std::collections::BTreeSet;

/// The options that linode-cli knows for an action.
fn options(place: &Place, command: &str, action: &str) -> BTreeSet<String> {
    let help = place.cli(&[command, action, "--help"]);
    let words = help.split(|letter: char| letter.is_whitespace() || "[],".contains(letter));
    words.filter_map(|word| word.strip_prefix("--")).map(|word| word.trim_end_matches(':').to_string()).collect()
}

#[test]
fn linode_cli_has_each_field_that_is_taken() {
    let place = Place::new();
    for (command, action, fields) in REQUESTS {
        let options = options(&place, command, action);
        assert!(!options.is_empty() && !options.contains("no_such_field"), "{options:?}");
        for field in *fields {
            // A list of objects is said an object's field at a time.
            let below = format!("{}.", field.path);
            let has_parts = field.kind == Kind::Objects && options.iter().any(|option| option.starts_with(&below));
            assert!(options.contains(field.path) || has_parts, "{command} {action} --{}: {options:?}", field.path);
        }
    }
}

#[test]
fn linode_cli_filters_by_what_lists_can_be_filtered_by() {
    let place = Place::new();
    place.linode("web1");
    for (words, found) in [
        (["linodes", "list", "--label", "web1"], 1),
        (["linodes", "list", "--label", "web2"], 0),
        (["linodes", "list", "--region", "us-ord"], 1),
        (["regions", "list", "--country", "in"], 1),
        (["kernels", "list", "--architecture", "x86_64"], 3),
        (["linodes", "types", "--class", "standard"], 2),
        (["events", "list", "--entity.type", "linode"], 1),
        (["events", "list", "--action", "linode_delete"], 0),
        (["images", "list", "--label", "web1"], 0),
        (["firewalls", "list", "--label", "web1"], 0),
    ] {
        assert_eq!(place.json(&words).len(), found, "{words:?}");
    }
}

#[test]
fn linode_cli_pages() {
    let place = Place::new();
    for number in 0..26 {
        let label = format!("fw-{number:02}");
        let body =
            serde_json::json!({"label": label, "rules": {"inbound_policy": "DROP", "outbound_policy": "ACCEPT"}});
        place.done("POST", "/v4/networking/firewalls", body);
    }
    let page = |number: &str| place.json(&["firewalls", "list", "--page", number, "--page-size", "25"]).len();
    assert_eq!((page("1"), page("2")), (25, 1));
    assert_eq!(place.json(&["firewalls", "list", "--all-rows"]).len(), 26);
    let sorted = place.json(&["firewalls", "list", "--order-by", "label", "--order", "desc"]);
    assert_eq!((&sorted[0]["label"], &sorted[25]["label"]), (&"fw-25".into(), &"fw-00".into()));
}
