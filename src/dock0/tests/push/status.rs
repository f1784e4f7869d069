//! How a VM is, and who learns how much of it.

use crate::place::Place;
use crate::vm::{Papers, Reply, Vm, honest};

#[test]
fn anybody_may_ask_how_it_is_and_operators_read_its_log() {
    let place = Place::new();
    let vm = Vm::start(&Papers::of(&place.at("keys"), "web1"), |asked, _| match asked.line.as_str() {
        "GET /log" => Reply::Answer(200, "one\n\x1b[2Jtwo\n".into()),
        _ => honest(asked),
    });
    let host = format!("web1=127.0.0.1:{}", vm.port);
    let want = |config: &str| {
        format!(
            "web1 at 127.0.0.1:{}: waiting: waiting for a configuration\n    release       kernel/6.12\n    standing      on trial\n\
             {config}    addresses     192.0.2.7\n    up for        12 s\n    dock0         0.1.0\n",
            vm.port
        )
    };
    assert_eq!(place.must(&format!("$0 status {host}")), want("    config        none\n"));
    let complaint = place.fails(&format!("$0 status {host} --identity keys/web1"));
    assert!(complaint.contains("it refuses our certificate keys/web1.pem: it is not for operators"), "{complaint}");
    // Who has no operator's certificate does not learn whether there is one.
    place.must("mkdir away && mv keys/operator.key keys/operator.pem away");
    assert_eq!(place.must(&format!("$0 status {host}")), want(""));
    let all: serde_json::Value = serde_json::from_str(&place.must(&format!("$0 status --json {host}"))).unwrap();
    assert_eq!((&all[0]["host"], &all[0]["state"], &all[0]["uptime"]), (&"web1".into(), &"waiting".into(), &12.into()));
    assert_eq!(all[0]["standing"], "on trial");
    let complaint = place.fails(&format!("$0 status --log {host}"));
    assert!(complaint.contains("reading keys/operator.pem (dock0 keygen operator makes it): "), "{complaint}");
    place.must("mv away/* keys");
    let log = place.must(&format!("$0 status --log {host}"));
    assert_eq!(log, format!("web1 at 127.0.0.1:{}:\none\n?[2Jtwo\n", vm.port));
    assert_eq!(vm.lines(), ["GET /", "GET /", "GET /", "GET /log"]);
}
