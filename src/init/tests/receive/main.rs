//! The config socket as its clients find it: the shipped child, real curl, and clients that mean harm.

mod command;
mod dawdlers;
mod hostile;
mod office;
mod staying;
mod taken_over;

use fetch_tests::operators::{Operators, Paper};
use init::receive::reception::Ended;
use office::{Vm, text};
use serde_json::{Value, json};
use std::fs;

#[test]
fn anybody_may_ask_how_it_is() {
    let vm = Vm::start();
    let state: Value = serde_json::from_str(&text(&vm.curl(&[&vm.url("/")]))).unwrap();
    assert_eq!((&state["state"], &state["release"]), (&json!("waiting"), &json!("the release")));
    assert_eq!(state["standing"], "the standing");
    assert_eq!(state["addresses"], json!(["the", "addresses"]));
    assert_eq!(state["config"], Value::Null, "it is nobody's business but the operators'");
    let client = vm.client();
    let state: Value =
        serde_json::from_str(&text(&vm.curl(&["--cert", client.to_str().unwrap(), &vm.url("/")]))).unwrap();
    assert_eq!(state["config"], "the config");
    assert!(state["uptime"].as_u64().is_some_and(|uptime| uptime > 0), "{state}");
    let page = text(&vm.curl(&["-H", "Accept: text/html", &vm.url("/")]));
    assert!(page.contains("<dt>doing<dd>waiting for a configuration"), "{page}");
}

#[test]
fn an_operator_pushes_with_curl() {
    let vm = Vm::start();
    let (client, bundle) = (vm.client(), vm.place.path().join("bundle"));
    // Long enough for curl to wait for its 100.
    let bytes = b"bundle".repeat(400_000);
    fs::write(&bundle, &bytes).unwrap();
    let words = ["--cert", client.to_str().unwrap(), "-T", bundle.to_str().unwrap()];
    let answer = vm.curl(&[&words[..], &["-v", &vm.url("/config")]].concat());
    assert!(String::from_utf8_lossy(&answer.stderr).contains("HTTP/1.1 100 Continue"), "{answer:?}");
    let answer: Value = serde_json::from_str(&text(&answer)).unwrap();
    let doing = "booting with the configuration";
    assert_eq!(answer, json!({"sha256": "ab".repeat(32), "files": 1, "bytes": 2_400_000, "doing": doing}));
    assert_eq!(vm.ended(), (Ended::Stored, vec![bytes]));
}

#[test]
fn what_is_refused_or_cannot_be_stored_is_said_and_the_next_one_is_taken() {
    let vm = Vm::start();
    let (client, bundle) = (vm.client(), vm.place.path().join("bundle"));
    let push = |content: &str| {
        fs::write(&bundle, content).unwrap();
        let words = ["--cert", client.to_str().unwrap(), "-w", "%{http_code}", "-T", bundle.to_str().unwrap()];
        text(&vm.curl(&[&words[..], &[&vm.url("/config")]].concat()))
    };
    assert_eq!(push("bad"), "{\"error\":\"it is no \\\"bundle\\\"\"}\n422");
    assert_eq!(vm.note(), "refused what was pushed: it is no \"bundle\"");
    assert_eq!(push("full"), "{\"error\":\"storing it: no space left on device\"}\n500");
    assert!(push("").ends_with("200"), "whether it is empty is for others to judge");
    assert_eq!(vm.ended(), (Ended::Stored, vec![vec![]]));
}

#[test]
fn a_manifest_is_pushed_behind_its_signature() {
    let vm = Vm::start();
    let client = vm.client();
    let file = |name: &str, content: &str| {
        let path = vm.place.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_string()
    };
    let (manifest, bad, good) = (file("release.json", "manifest"), file("bad", "bad"), file("good", "signature"));
    let cert = ["--cert", client.to_str().unwrap(), "-w", "%{http_code}\n"];
    let (to_signature, to_manifest) = (vm.url("/release.minisig"), vm.url("/release"));
    let alone = text(&vm.curl(&[&cert[..], &["-T", &manifest, &to_manifest]].concat()));
    assert_eq!(alone, "{\"error\":\"send the manifest's signature first: PUT /release.minisig\"}\n409\n");
    let both = |signature: &str| {
        text(&vm.curl(&[&cert[..], &["-T", signature, &to_signature, "-T", &manifest, &to_manifest]].concat()))
    };
    assert_eq!(both(&bad), "{\"kept\":true}\n200\n{\"error\":\"refusing the manifest\"}\n422\n");
    assert_eq!(both(&good), "{\"kept\":true}\n200\n{\"release\":\"kernel/1\"}\n202\n");
    assert_eq!(vm.ended(), (Ended::Installed, vec![b"manifest".to_vec(), b"signature".to_vec()]));
}

#[test]
fn an_operator_reboots_it_and_reads_what_it_said() {
    let vm = Vm::start();
    let client = vm.client();
    let cert = ["--cert", client.to_str().unwrap(), "-w", "%{http_code}"];
    let by_a_page = ["-X", "POST", "-H", "Origin: https://example.org", &vm.url("/reboot")];
    assert_eq!(
        text(&vm.curl(&[&cert[..], &by_a_page].concat())),
        "{\"error\":\"a page in a browser may not ask for /reboot (the request has an Origin)\"}\n403"
    );
    let log = text(&vm.curl(&[&cert[..], &[&vm.url("/log")]].concat()));
    assert!(log.ends_with("200"), "{log}");
    assert_eq!(text(&vm.curl(&[&cert[..], &["-X", "POST", &vm.url("/reboot")]].concat())), "{}\n202");
    assert_eq!(vm.ended(), (Ended::Reboot, vec![]));
}

/// The kernel is asked what the child that listens may still do.
#[test]
fn who_listens_is_locked_up() {
    let vm = Vm::start();
    let papers = vm.place.path().to_str().unwrap();
    let is_ours = |pid: &str| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with("dock0-receive\0") && words.contains(papers)
    };
    let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pid = all.into_iter().find(|pid| is_ours(pid)).expect("a child that listens");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.lines().any(|found| found == line), "{line:?}: {status}");
    }
    let client = vm.client();
    text(&vm.curl(&["--cert", client.to_str().unwrap(), "-X", "POST", &vm.url("/reboot")]));
    assert_eq!(vm.ended().0, Ended::Reboot);
}

/// Who shows no good paper gets nothing done, and the sentence says which paper it was.
#[test]
fn strangers_are_refused() {
    let vm = Vm::start();
    let (place, others) = (vm.place.path(), Operators::new().unwrap());
    let papers = [
        (others.issue(Paper::Client, place).unwrap(), "invalid peer certificate: UnknownIssuer", "unknown ca"),
        (
            vm.operators.issue(Paper::Expired, place).unwrap(),
            "invalid peer certificate: certificate expired",
            "certificate expired",
        ),
        (
            vm.operators.issue(Paper::Server, place).unwrap(),
            "invalid peer certificate: certificate does not allow extended key usage",
            "alert",
        ),
    ];
    for (paper, note, alert) in papers {
        let refused = vm.curl(&["--cert", paper.to_str().unwrap(), &vm.url("/")]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(alert), "{said}");
        let noted = vm.note();
        assert!(noted.starts_with(&format!("127.0.0.1: {note}")), "{noted}");
        std::thread::sleep(std::time::Duration::from_millis(1100)); // a note a second
    }
    let old = vm.curl(&["--tls-max", "1.2", &vm.url("/")]);
    assert!(String::from_utf8_lossy(&old.stderr).contains("alert protocol version"), "{old:?}");
    let without = text(&vm.curl(&["-X", "POST", "-w", "%{http_code}", &vm.url("/reboot")]));
    assert_eq!(without, "{\"error\":\"/reboot needs a certificate of this VM's operators (curl --cert)\"}\n401");
    let client = vm.client();
    text(&vm.curl(&["--cert", client.to_str().unwrap(), "-X", "POST", &vm.url("/reboot")]));
    assert_eq!(vm.ended().0, Ended::Reboot);
}

#[test]
fn a_vm_that_is_somebody_else_is_not_told_anything() {
    let (vm, other) = (Vm::start(), Vm::start());
    let client = vm.client();
    let words = ["--cert", client.to_str().unwrap(), "-T", client.to_str().unwrap(), &other.url("/config")];
    let refused = vm.curl(&words);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("public key does not match"), "{refused:?}");
    for vm in [vm, other] {
        let client = vm.client();
        text(&vm.curl(&["--cert", client.to_str().unwrap(), "-X", "POST", &vm.url("/reboot")]));
        assert_eq!(vm.ended(), (Ended::Reboot, vec![]));
    }
}
