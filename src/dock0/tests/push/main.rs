//! push, status and the keys for them, as they are typed, against VMs that do what each test wants.

mod keys;
mod lost;
mod place;
mod status;
mod strangers;
mod vm;

use place::{Place, bundle};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use vm::{Papers, Reply, Vm, honest, sha256, state, stored};

#[test]
fn a_bundle_is_pushed() {
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, _| honest(asked));
    let said = place.run(&format!("$0 push web1=127.0.0.1:{}", vm.port));
    let digest = sha256(&place.bundle);
    assert_eq!(
        said.out,
        format!("web1: stored {digest}, 3 files of {} bytes; it boots with it next\n", place.bundle.len()),
        "{said:?}"
    );
    assert_eq!((said.code, vm.lines()), (Some(0), vec!["GET /".to_string(), "PUT /config".into()]));
    assert_eq!(vm.asked()[1].body, place.bundle);
}

/// One that runs (`menagerie receive`) does not boot now.
#[test]
fn what_happens_next_is_told_in_the_vms_own_words() {
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, _| match asked.line.as_str() {
        "PUT /config" => {
            let (sha256, doing) = (sha256(&asked.body), "the next boot has it\x1b[2J");
            let stored = serde_json::json!({ "sha256": sha256, "files": 3, "bytes": 5, "doing": doing });
            Reply::Answer(200, stored.to_string())
        }
        _ => honest(asked),
    });
    let said = place.must(&format!("$0 push web1=127.0.0.1:{}", vm.port));
    assert!(said.ends_with(" bytes; the next boot has it?[2J\n"), "{said}");
}

#[test]
fn a_vm_that_is_late_is_waited_for() {
    let place = Place::new();
    let papers = Papers::of(&place.at("keys"), "web1");
    // A port that nobody listens on for now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        Vm::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), &papers, |asked, count| match count {
            0..2 => state("installing", "installing kernel/6.12, 3 of 9 MB", None),
            _ => honest(asked),
        })
    });
    let said = place.run(&format!("$0 push web1=127.0.0.1:{port} --timeout 30"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.err, "web1: no answer yet: connection refused\n", "news, but not every second");
    assert_eq!(late.join().unwrap().lines(), ["GET /", "GET /", "GET /", "PUT /config"]);
}

#[test]
fn a_vm_that_never_waits_is_given_up() {
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |_, _| state("leaving", "booting \x1b[2Jaway", None));
    let port = vm.port;
    let start = Instant::now();
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{port} --timeout 3"));
    let end = format!(
        "dock0: web1 at 127.0.0.1:{port}: it did not wait for a push within 3 s; at last: leaving: booting ?[2Jaway\n"
    );
    assert!(complaint.ends_with(&end) && start.elapsed() < Duration::from_secs(6), "{complaint}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{port} --timeout 2"));
    assert!(complaint.ends_with("at last: no answer yet: no answer in time\n"), "{complaint}");
    assert!(!vm.lines().contains(&"PUT /config".to_string()));
}

/// What a VM answers, and what the operator reads.
#[test]
fn what_a_vm_says_is_said() {
    let refused = "its entry 3, \\\"../x\\\", leaves the bundle";
    for (case, put, why) in [
        (
            "refused",
            Reply::Answer(422, format!("{{\"error\":\"{refused}\"}}")),
            "it answers 422: its entry 3, \"../x\", leaves",
        ),
        (
            "full",
            Reply::Answer(500, "{\"error\":\"storing it: no space left\"}".into()),
            "it answers 500: storing it: no space left",
        ),
        ("no paper", Reply::Refuse(401, "/config needs a certificate"), "it answers 401: /config needs a certificate"),
        ("too long", Reply::Refuse(413, "too many bytes"), "it answers 413: too many bytes"),
        ("odd", Reply::Answer(503, "<html>".into()), "it answers 503: and does not say why"),
        ("no json", Reply::Answer(200, "stored".into()), "its answer 200 cannot be read: "),
        (
            "other bytes",
            stored(b"other"),
            "it has stored something else: SHA-256 d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, and ",
        ),
    ] {
        let place = Place::new();
        let put = std::sync::Mutex::new(put);
        let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), move |asked, _| {
            match (asked.line.as_str(), &*put.lock().unwrap()) {
                ("GET /", _) => honest(asked),
                (_, Reply::Answer(status, body)) => Reply::Answer(*status, body.clone()),
                (_, Reply::Refuse(status, sentence)) => Reply::Refuse(*status, sentence),
                (_, Reply::HangUp | Reply::HangUpFirst) => Reply::HangUp,
            }
        });
        let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{}", vm.port));
        let want = format!("dock0: web1 at 127.0.0.1:{}: {why}", vm.port);
        assert!(complaint.contains(&want), "{case}: {complaint}");
        assert_eq!(vm.lines(), ["GET /", "PUT /config"], "{case}: once is enough");
    }
}

#[test]
fn what_changed_nothing_is_tried_again() {
    for first in [409, 0] {
        let place = Place::new();
        let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), move |asked, count| match (count, first) {
            (1, 409) => Reply::Refuse(409, "another push is under way"),
            (1, _) => Reply::HangUpFirst,
            _ => honest(asked),
        });
        place.must(&format!("$0 push web1=127.0.0.1:{}", vm.port));
        assert_eq!(vm.lines(), ["GET /", "PUT /config", "GET /", "PUT /config"]);
    }
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, _| match asked.line.as_str() {
        "GET /" => honest(asked),
        _ => Reply::Refuse(409, "another push is under way"),
    });
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{} --timeout 3", vm.port));
    assert!(complaint.ends_with(": another push is under way\n"), "{complaint}");
}

#[test]
fn many_vms_are_pushed_to_and_each_has_its_line() {
    let place = Place::new();
    for name in ["web2", "web3"] {
        place.must(&format!("$0 keygen vm {name} -o keys"));
    }
    std::fs::create_dir(place.at("build")).unwrap();
    let vms: Vec<Vm> = ["web1", "web2", "web3"]
        .into_iter()
        .map(|name| {
            place.put(&format!("build/{name}.tar.gz"), bundle(name.as_bytes()));
            Vm::start(&Papers::of(&place.at("keys"), name), move |asked, _| match (name, asked.line.as_str()) {
                ("web2", "PUT /config") => Reply::Answer(422, "{\"error\":\"it is no bundle\"}".into()),
                _ => honest(asked),
            })
        })
        .collect();
    let host = |place: usize| format!("web{}=127.0.0.1:{}", place + 1, vms[place].port);
    let push = "$0 push --bundle 'build/{host}.tar.gz'";
    let said = place.run(&format!("{push} --jobs 2 {} {} {}", host(0), host(1), host(2)));
    assert_eq!(said.code, Some(1));
    let mut lines: Vec<&str> = said.out.lines().map(|line| &line[..12]).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web1: stored", "web3: stored"], "{said:?}");
    let (first, last) = said.err.split_once('\n').unwrap();
    assert!(first.ends_with(": it answers 422: it is no bundle"), "{said:?}");
    assert_eq!(last, "dock0: 1 of 3 VMs failed: web2\n");
    for (vm, name) in vms.iter().zip(["web1", "web2", "web3"]) {
        assert_eq!(vm.asked()[1].body, bundle(name.as_bytes()), "each its own");
    }
    let said = place.must(&format!("{push} {} {}", host(0), host(2)));
    assert!(said.ends_with("\npushed to 2 VMs\n"), "{said}");

    let said = place.run(&format!("{push} --json {} {}", host(1), host(0)));
    let all: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let want = serde_json::json!([
        {"host": "web2", "address": format!("127.0.0.1:{}", vms[1].port), "ok": false,
         "error": format!("web2 at 127.0.0.1:{}: it answers 422: it is no bundle", vms[1].port)},
        {"host": "web1", "address": format!("127.0.0.1:{}", vms[0].port), "ok": true,
         "sha256": sha256(&bundle(b"web1")), "files": 3, "bytes": bundle(b"web1").len()},
    ]);
    assert_eq!((all, said.code), (want, Some(1)));
}

#[test]
fn what_is_pushed_can_be_built_first_for_each_vm() {
    let place = Place::new();
    place.must("$0 keygen vm web2 -o keys && mkdir -p configs templates/etc");
    place.put("config.yaml", "domain: example.org\n");
    place.put("templates/etc/hostname", "{{ hostname }}.{{ domain }}\n");
    let vms = ["web1", "web2"].map(|name| {
        place.put(&format!("configs/{name}.yaml"), format!("hostname: {name}\n"));
        Vm::start(&Papers::of(&place.at("keys"), name), |asked, _| honest(asked))
    });
    let hosts = format!("web1=127.0.0.1:{} web2=127.0.0.1:{}", vms[0].port, vms[1].port);
    place.must(&format!("$0 push --build config.yaml --build 'configs/{{host}}.yaml' {hosts}"));
    for (vm, name) in vms.iter().zip(["web1", "web2"]) {
        place.put("got.tar.gz", &vm.asked()[1].body);
        let hostname = place.must("tar -xzOf got.tar.gz config/templates/etc/hostname");
        assert_eq!(hostname, format!("{name}.example.org\n"));
    }
    let complaint = place.fails(&format!("$0 push --build nowhere.yaml {hosts}"));
    assert!(complaint.contains("nowhere.yaml") && vms[0].lines().len() == 2, "{complaint}");
}

#[test]
fn a_release_is_pushed_behind_its_signature() {
    let place = Place::new();
    place.put("release.json", "the manifest");
    place.put("release.json.minisig", "the signature");
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, count| match (asked.line.as_str(), count) {
        ("PUT /release.minisig", _) => Reply::Answer(200, "{\"kept\":true}".into()),
        ("PUT /release", 5) => Reply::HangUp,
        ("PUT /release", 8) => Reply::Answer(422, "{\"error\":\"refusing the manifest\"}".into()),
        ("PUT /release", _) => Reply::Answer(202, "{\"release\":\"kernel/6.13 vm_root/2\"}".into()),
        _ => honest(asked),
    });
    let push = format!("$0 push --release release.json web1=127.0.0.1:{}", vm.port);
    let said = place.must(&push);
    let want = "web1: installs kernel/6.13 vm_root/2 now, and boots from it next; dock0 status shows how far\n";
    assert_eq!(
        (said.as_str(), vm.lines()),
        (want, ["GET /", "PUT /release.minisig", "PUT /release"].map(String::from).to_vec())
    );
    let bodies: Vec<Vec<u8>> = vm.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [&b""[..], b"the signature", b"the manifest"]);
    let complaint = place.fails(&push);
    let want = "its answer was lost (it closed the connection); dock0 status shows what it does now\n";
    assert!(complaint.ends_with(want), "{complaint}");
    let complaint = place.fails(&push);
    assert!(complaint.ends_with(": it answers 422: refusing the manifest\n"), "{complaint}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_any_vm_hears_of_it() {
    let place = Place::new();
    place.put("no.gz", "text");
    place.put("keys/half.key", "");
    for (words, why) in [
        ("push", "which VM? NAME or NAME=ADDRESS[:PORT]"),
        ("push web1 web1=192.0.2.7", "web1 is named twice"),
        ("push web1 --timeout 0", "--timeout 0: must be 1 to 86400 seconds"),
        ("push web1 --jobs 0", "--jobs 0: must be 1 or more"),
        ("push web1 --bundle a --release b", "--release, --bundle, --build: one of them at a time"),
        ("push web1 --bundle no.gz", "no.gz: a VM would refuse it: the bundle is no gzip file"),
        ("push web1 web2 --bundle '{host}.gz'", "reading web1.gz: No such file or directory (os error 2)"),
        ("push web1 --release no.gz", "reading no.gz.minisig: No such file or directory (os error 2)"),
        ("push web1 --fingerprint x", "must be sha256// and 44 characters of base64"),
        (
            "push web1 web2 --fingerprint sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "--fingerprint is one VM's: push to it alone",
        ),
        ("push web1 --identity keys/nobody", "keys/nobody: is no directory, and there is no keys/nobody.pem either"),
        ("status web1 --identity nowhere/", "nowhere/: is no directory, and there is no nowhere.pem either"),
        ("push web1 --identity keys/..", "keys/../operators.pem"),
        ("push web1 --identity keys/half", "reading keys/half.pem (dock0 keygen operator makes it): "),
        ("push web_1=x/y", "\"x/y\" is neither a name of DNS nor an address"),
        ("status", "which VM? NAME or NAME=ADDRESS[:PORT]"),
    ] {
        let complaint = place.fails(&format!("$0 {words}"));
        assert!(complaint.contains(why), "{words}: {complaint}");
    }
    place.must("$0 keygen operator -o keys --name alice && cp keys/operator.key keys/alice.key");
    let complaint = place.fails("$0 push web1 --identity keys/alice");
    assert_eq!(complaint, "dock0: keys/alice.key and keys/alice.pem: they do not belong together\n");
}
