//! What is found out before anything is made.

use crate::place::{ELSEWHERE, HERE, Place, elsewhere_and, showing};
use serde_json::json;

/// Of no key that anybody has.
const FINGERPRINT: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn mistakes_make_nothing() {
    let place = Place::new(ELSEWHERE);
    place.keys.put("noise", "noise");
    for (words, section, sentence) in [
        ("", "{region: nowhere}", "dock0: web1: linode: missing field `type`\n"),
        (
            "",
            &ELSEWHERE.replace("ap-west", "nowhere"),
            "dock0: web1: linode: region: nowhere: Linode, GET /regions/nowhere: Not found (404)\n",
        ),
        (
            "",
            &ELSEWHERE.replace("64", "16"),
            "dock0: web1: linode: disks: boot: 16 MB are too few: the image has 32 MB\n",
        ),
        (
            "",
            &ELSEWHERE.replace("{boot", "{boat"),
            "dock0: web1: linode: unknown field `boat`, expected `boot` or `scratch`\n",
        ),
        ("", &elsewhere_and("firewall: none"), "dock0: web1: linode: firewall: there is none that is none\n"),
        (
            "",
            &elsewhere_and("settings: noise"),
            "dock0: web1: noise: dock0/settings.json: it is not JSON from byte 0 on (docs/network.md has all that can be set)\n",
        ),
        ("--keep-data --fresh", ELSEWHERE, "dock0: --keep-data, --fresh: one of them at a time\n"),
        ("--jobs 0", ELSEWHERE, "dock0: --jobs 0: must be 1 or more\n"),
        ("--identity nowhere", ELSEWHERE, "dock0: nowhere: is no directory, and there is no nowhere.pem either\n"),
    ] {
        place.section(section);
        let said = place.deploy(words);
        assert_eq!((said.code, said.err.as_str()), (Some(1), sentence), "{words} {section}");
    }
    place.section(&ELSEWHERE.replace("boot.img.gz", "noise"));
    let said = place.deploy("");
    assert!(said.code == Some(1) && said.err.contains("noise"), "{said:?}");
    let said =
        place.keys.run("LINODE_TOKEN= LINODE_CLI_TOKEN= HOME=/nowhere XDG_CONFIG_HOME= LINODE_CLI_CONFIG= $0 list");
    assert!(said.code == Some(1) && said.err.starts_with("dock0: there is no token: set $LINODE_TOKEN"), "{said:?}");
    assert_eq!(place.changes(), Vec::<String>::new());
}

#[test]
fn without_the_cas_key_no_image_can_carry_an_identity() {
    let place = Place::new(ELSEWHERE);
    place.keys.must("rm keys/web1.* keys/operators.key");
    let said = place.deploy("");
    let end = "There is no Linode of it yet\n";
    assert!(said.code == Some(1) && said.err.contains("operators.key") && said.err.ends_with(end), "{said:?}");
    assert_eq!(place.changes(), Vec::<String>::new());
}

/// Where the metadata service says whom to believe, whoever answers must prove that he has heard it.
#[test]
fn a_vm_that_proves_nothing_is_pushed_nothing() {
    let mut place = Place::new(HERE);
    for (proof, why) in [
        (
            json!("00".repeat(32)),
            "it does not prove what this VM was told by its metadata: somebody else answers there",
        ),
        (json!(null), "it knows its operators, and not by its metadata: make the image without operators.pem"),
    ] {
        place.vm = showing(&place.keys, json!({"state": "waiting", "fingerprint": FINGERPRINT, "proof": proof}));
        let said = place.deploy("");
        assert!(said.code == Some(1) && said.err.contains(why), "{said:?}");
        assert!(said.err.contains(": the same command goes on, "), "{said:?}");
        assert!(place.vm.lines().iter().all(|line| line == "GET /"), "{:?}", place.vm.lines());
        let token = place.keys.read("keys/web1.enrolment");
        assert!(token.len() == 65 && !said.err.contains(token.trim()) && !said.out.contains(token.trim()));
    }
    let known = place.run(&format!("push web1=127.0.0.1:{} --bundle build.tar.gz", place.vm.port));
    assert_eq!(known.err, "dock0: web1: it has not been met yet: dock0 deploy goes on with it\n");
}
