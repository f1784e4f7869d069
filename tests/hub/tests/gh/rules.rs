//! What GitHub refuses a publisher, and in which words.

use crate::place::{COMMIT, Place, STRANGE, complaint, fetch};
use hub::Hub;
use serde_json::{Value, json};

fn validation(resource: &str, code: &str, field: &str) -> Value {
    json!([{"resource": resource, "code": code, "field": field}])
}

/// The status and document of a request to the API, with the token.
fn ask(place: &Place, method: &str, path: &str, body: &str) -> (u32, Value) {
    let address = format!("{}{path}", place.hub.public("127.0.0.1"));
    let token = place.token().replace("token ", "Bearer ");
    let (status, body) = fetch(&["-X", method, "-H", &token, "--data-binary", body, &address]);
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[test]
fn only_the_token_opens_the_api() {
    let place = Place::new();
    place.gh("release create 1.0 --draft --notes x initrd");
    let (release, asset) = (place.release().id, place.release().assets["initrd"].id);
    let before = place.hub.releases();
    for (method, path) in [
        ("GET", "".into()),
        ("GET", format!("/commits/{COMMIT}")),
        ("GET", "/releases".into()),
        ("GET", "/releases/latest".into()),
        ("GET", "/releases/tags/1.0".into()),
        ("POST", "/releases".into()),
        ("PATCH", format!("/releases/{release}")),
        ("DELETE", format!("/releases/{release}")),
        ("POST", format!("/releases/{release}/assets?name=kernel")),
        ("DELETE", format!("/releases/assets/{asset}")),
        ("GET", "/nothing".into()),
    ] {
        let address = format!("{}/repos/acme/dock0{path}", place.hub.public("127.0.0.1"));
        let (basic, longer) = (place.token().replace("token ", "Basic "), place.token() + "s");
        for token in ["User-Agent: nobody", "Authorization: token wrong", &basic, &longer] {
            let (status, body) = fetch(&["-X", method, "-H", token, "-d", "{\"tag_name\":\"2\"}", &address]);
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((status, &body["message"]), (401, &json!("Bad credentials")), "{method} {path} {token}");
        }
    }
    let graphql = format!("{}/graphql", place.hub.public("127.0.0.1"));
    assert_eq!(fetch(&["-d", "{}", &graphql]).0, 401);
    assert_eq!(place.hub.releases(), before);
    let said = complaint(place.command("api repos/{owner}/{repo}").env("GH_TOKEN", "wrong"));
    assert!(said.contains("HTTP 401") && said.contains("Bad credentials"), "{said}");
}

#[test]
fn a_tag_has_one_published_release() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x");
    let said = place.refused("release create 1.0 --notes y");
    assert!(said.contains("HTTP 422") && said.contains("Release.tag_name already exists"), "{said}");
    let (status, body) = ask(&place, "POST", "/repos/acme/dock0/releases", "{\"tag_name\": \"1.0\"}");
    assert_eq!((status, &body["message"]), (422, &json!("Validation Failed")));
    assert_eq!(body["errors"], validation("Release", "already_exists", "tag_name"));
    // Beside it there may be a draft, as long as it is one.
    let (status, draft) = ask(&place, "POST", "/repos/acme/dock0/releases", "{\"tag_name\": \"1.0\", \"draft\": true}");
    assert_eq!((status, &draft["draft"]), (201, &json!(true)));
    let path = format!("/repos/acme/dock0/releases/{}", draft["id"]);
    let (status, body) = ask(&place, "PATCH", &path, "{\"draft\": false}");
    assert_eq!((status, &body["errors"]), (422, &validation("Release", "already_exists", "tag_name")));
    let (status, body) = ask(&place, "PATCH", &path, "{\"draft\": false, \"tag_name\": \"1.1\"}");
    assert_eq!((status, &body["tag_name"], place.hub.tag("1.1").as_deref()), (200, &json!("1.1"), Some(COMMIT)));
}

#[test]
fn what_makes_no_release_is_refused() {
    let place = Place::new();
    let strange = format!("{{\"tag_name\": \"1\", \"target_commitish\": \"{STRANGE}\", \"draft\": true}}");
    for (body, field, code) in [
        ("{}", "tag_name", "missing_field"),
        ("{\"tag_name\": 1}", "tag_name", "invalid"),
        ("{\"tag_name\": \"1\", \"draft\": \"yes\"}", "draft", "invalid"),
        ("{\"tag_name\": \"1\", \"make_latest\": \"yes\"}", "make_latest", "invalid"),
        (&strange, "target_commitish", "invalid"),
    ] {
        let (status, answer) = ask(&place, "POST", "/repos/acme/dock0/releases", body);
        assert_eq!((status, &answer["errors"]), (422, &validation("Release", code, field)), "{body}");
    }
    let (status, answer) = ask(&place, "POST", "/repos/acme/dock0/releases", "{");
    assert_eq!((status, &answer["message"]), (400, &json!("Problems parsing JSON")));
    assert_eq!(place.hub.releases(), []);
    for (method, path) in [
        ("GET", "/repos/acme/other"),
        ("GET", "/repos/acme/dock0/releases/latest"),
        ("GET", "/repos/acme/dock0/releases/one"),
        ("PATCH", "/repos/acme/dock0/releases/99"),
        ("DELETE", "/repos/acme/dock0/releases/99"),
        ("DELETE", "/repos/acme/dock0/releases/assets/99"),
        ("PUT", "/repos/acme/dock0/releases"),
    ] {
        assert_eq!(ask(&place, method, path, "{}").0, 404, "{method} {path}");
    }
}

#[test]
fn an_asset_needs_a_name_of_its_own_and_bytes() {
    let place = Place::new();
    place.gh("release create 1.0 --notes x kernel");
    let path = format!("/repos/acme/dock0/releases/{}/assets", place.release().id);
    let (status, body) = ask(&place, "POST", &format!("{path}?name=kernel"), "bytes");
    assert_eq!((status, &body["errors"]), (422, &validation("ReleaseAsset", "already_exists", "name")));
    let (status, body) = ask(&place, "POST", &path, "bytes");
    assert_eq!((status, &body["errors"]), (422, &validation("ReleaseAsset", "missing_field", "name")));
    let (status, body) = ask(&place, "POST", &format!("{path}?name=empty"), "");
    assert_eq!((status, &body["message"]), (400, &json!("Bad Content-Length: ")));
    assert_eq!(place.release().assets.len(), 1);
    let (status, body) = ask(&place, "POST", &format!("{path}?name=dock0_1.0~rc1%2Bb@2+(x).deb&label=A+%26"), "bytes");
    assert_eq!((status, &body["name"], &body["label"]), (201, &json!("dock0_1.0.rc1+b@2..x..deb"), &json!("A &")));
    let digest = "sha256:277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9";
    assert_eq!((&body["digest"], &body["size"]), (&json!(digest), &json!(5)));
    let (_, all) = ask(&place, "GET", &path, "");
    let names: Vec<_> = all.as_array().unwrap().iter().map(|asset| asset["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dock0_1.0.rc1+b@2..x..deb", "kernel"]);
}

#[test]
fn a_commit_is_known_when_it_was_pushed() {
    let place = Place::new();
    let known = |commit: &str| place.api(&format!("repos/{{owner}}/{{repo}}/commits/{commit}"))["sha"].clone();
    assert_eq!((known(COMMIT), known("main")), (json!(COMMIT), json!(COMMIT)));
    let said = place.refused(&format!("api repos/{{owner}}/{{repo}}/commits/{STRANGE}"));
    assert!(said.contains("HTTP 422") && said.contains(&format!("No commit found for SHA: {STRANGE}")), "{said}");
    let said = place.refused(&format!("release create 1.0 --draft --notes x --target {STRANGE}"));
    assert!(said.contains("Release.target_commitish is invalid"), "{said}");
    place.hub.push(STRANGE);
    assert_eq!((known(STRANGE), known("main")), (json!(STRANGE), json!(STRANGE)));
    place.gh(&format!("release create 1.0 --notes x --target {STRANGE}"));
    assert_eq!(place.hub.tag("1.0").as_deref(), Some(STRANGE));
}

#[test]
fn nothing_is_released_of_an_empty_repository() {
    let place = Place::of(Hub::start("acme/dock0").unwrap());
    let said = place.refused("release create 1.0 --notes x");
    assert!(said.contains("Repository is empty."), "{said}");
    assert_eq!(place.hub.releases(), []);
}

#[test]
fn a_hundred_and_one_releases_come_on_two_pages() {
    let place = Place::new();
    let address = format!("{}/repos/acme/dock0/releases?[1-101]", place.hub.public("127.0.0.1"));
    fetch(&["-H", &place.token(), "-d", "{\"tag_name\": \"1\", \"draft\": true}", &address]);
    let mut ids: Vec<_> = place.hub.releases().iter().map(|release| release.id.to_string()).collect();
    assert_eq!(ids.len(), 101);
    ids.reverse();
    let said = place.gh("api --paginate repos/{owner}/{repo}/releases?per_page=100 --jq .[].id");
    assert_eq!(said.lines().collect::<Vec<_>>(), ids);
    let pages = |path: &str| place.hub.asked().iter().filter(|asked| asked.contains(path)).count();
    assert_eq!((pages("per_page=100"), pages("page=2")), (2, 1));
    let said = place.gh("api --paginate repos/{owner}/{repo}/releases?per_page=30 --jq .[].id");
    assert_eq!(said.lines().collect::<Vec<_>>(), ids, "thirty at a time");
    assert_eq!(pages("per_page=30&page=4"), 1);
    assert_eq!(place.api("repos/{owner}/{repo}/releases?per_page=500").as_array().unwrap().len(), 100);
    assert_eq!(place.api("repos/{owner}/{repo}/releases?page=18446744073709551615"), json!([]));
}
