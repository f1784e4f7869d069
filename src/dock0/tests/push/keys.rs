//! The keys: their files, and openssl and curl with them.

use crate::place::Place;
use crate::vm::{Papers, Vm, honest, sha256};
use std::os::unix::fs::PermissionsExt;

fn mode(place: &Place, name: &str) -> u32 {
    std::fs::metadata(place.at(name)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn keys_are_their_owners_and_are_not_replaced_unasked() {
    let place = Place::new();
    for (name, want) in [("operators", 0o644), ("operator", 0o644), ("web1", 0o644)] {
        assert_eq!(
            (mode(&place, &format!("keys/{name}.key")), mode(&place, &format!("keys/{name}.pem"))),
            (0o600, want)
        );
    }
    let (ca, before) = (place.read("keys/operators.key"), place.read("keys/web1.key"));
    for verb in ["operator", "vm web1"] {
        let complaint = place.fails(&format!("$0 keygen {verb} -o keys"));
        assert!(complaint.ends_with(".pem: exists, and was not touched (--force replaces it)\n"), "{complaint}");
    }
    assert_eq!(place.read("keys/web1.key"), before);
    place.must("$0 keygen vm web1 -o keys --force && $0 keygen operator -o keys --force");
    assert_ne!(place.read("keys/web1.key"), before);
    assert_eq!(place.read("keys/operators.key"), ca, "the CA stays");
    assert_eq!(mode(&place, "keys/web1.key"), 0o600);
    let complaint = place.fails("$0 keygen vm web1 -o empty");
    assert_eq!(complaint, "dock0: empty/operators.key is missing: dock0 keygen operator -o empty makes it\n");
    assert_eq!(std::fs::read_dir(place.at("keys")).unwrap().count(), 6, "no temporary file is left");
}

#[test]
fn what_cannot_be_made_leaves_no_ca_behind() {
    let place = Place::new();
    place.must("mkdir -p old && touch old/operator.pem");
    for (words, why) in [
        ("-o new --name 'bad name'", "\"bad name\" cannot be a name here: "),
        ("-o new --name operators", "operators is the name of the CA itself"),
        ("-o new --days 0", "--days 0: must be 1 to 36500"),
        ("-o old", "old/operator.pem: exists, and was not touched (--force replaces it)"),
    ] {
        let complaint = place.fails(&format!("$0 keygen operator {words}"));
        assert!(complaint.starts_with(&format!("dock0: {why}")), "{complaint}");
    }
    assert!(!place.at("new").exists() && !place.at("old/operators.key").exists());
}

#[test]
fn openssl_takes_them_each_for_its_purpose() {
    let place = Place::new();
    place.must("$0 keygen vm web2 -o keys --name 192.0.2.7 --name 2001:db8::7 --name web2.example.org --days 30");
    let verify = "openssl verify -CAfile keys/operators.pem -purpose";
    place.must(&format!("{verify} sslserver -verify_hostname web1 keys/web1.pem"));
    place.must(&format!("{verify} sslserver -verify_ip 192.0.2.7 keys/web2.pem"));
    place.must(&format!("{verify} sslclient keys/operator.pem"));
    for (purpose, name) in [("sslclient", "web1"), ("sslserver", "operator")] {
        assert_ne!(place.run(&format!("{verify} {purpose} keys/{name}.pem")).code, Some(0), "{name} as {purpose}");
    }
    let text = place.must("openssl x509 -noout -text -in keys/web2.pem");
    for part in [
        "DNS:web2, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7, DNS:web2.example.org",
        "Not Before: Jan  1 00:00:00 2024 GMT",
        "NIST CURVE: P-256",
        "CA:FALSE",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    place.must("openssl x509 -noout -checkend 2500000 -in keys/web2.pem"); // 29 days
    place.fails("openssl x509 -noout -checkend 2700000 -in keys/web2.pem"); // 31 days
    place.must("openssl pkey -check -noout -in keys/web2.key && grep -q 'BEGIN PRIVATE KEY' keys/web2.key");
    // A CA that openssl made serves as well.
    place.must(
        "mkdir own && cd own && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/O=us/CN=ours' \
         -days 400 -keyout operators.key -out operators.pem 2>&1 && $0 keygen vm web1 && \
         openssl verify -CAfile operators.pem -purpose sslserver web1.pem",
    );
}

#[test]
fn curl_pushes_with_them() {
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, _| honest(asked));
    let answer = place.must(&format!(
        "curl -sS --noproxy '*' --max-time 30 --cacert keys/operators.pem --cert keys/operator.pem --key keys/operator.key \
         --connect-to web1:1002:127.0.0.1:{} -T build.tar.gz https://web1:1002/config",
        vm.port
    ));
    assert!(answer.contains(&sha256(&place.bundle)), "{answer}");
    assert_eq!(vm.asked()[0].body, place.bundle);
}

#[test]
fn a_disk_has_them_where_the_machine_looks_and_only_root_reads_the_key() {
    let place = Place::new();
    for name in ["kernel", "initrd"] {
        place.put(name, "text");
    }
    place.must("$0 disk -o disk.img --size 16M --trust keys/operators.pem --identity keys/web1 kernel=1@kernel initrd=1@initrd");
    let debugfs =
        |request: &str| place.must(&format!("PATH=$PATH:/usr/sbin:/sbin; debugfs -R '{request}' disk.img 2>&1"));
    assert!(debugfs("cat dock0/trust/operators.pem").contains(&place.read("keys/operators.pem")));
    assert!(debugfs("cat dock0/identity/vm.pem").contains(&place.read("keys/web1.pem")));
    for (path, mode) in [("", "0700"), ("/vm.key", "0600"), ("/vm.pem", "0600")] {
        let shown = debugfs(&format!("stat dock0/identity{path}"));
        assert!(shown.contains(&format!("Mode:  {mode}")) && shown.contains("User:     0 "), "{path}: {shown}");
    }
    let complaint = place.fails(
        "cp keys/operator.key keys/web1.key; $0 disk -o b.img --size 16M --identity keys/web1 kernel=1@kernel initrd=1@initrd",
    );
    assert_eq!(complaint, "dock0: keys/web1.key and keys/web1.pem: they do not belong together\n");
}
