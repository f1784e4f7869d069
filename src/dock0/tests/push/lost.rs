//! Answers that do not come: the VM is asked what it has.

use crate::place::Place;
use crate::vm::{Papers, Reply, Vm, honest, sha256, state};

/// The VM hangs up when it has all; what it has then is asked for, and nothing is sent twice.
#[test]
fn an_answer_that_is_lost_is_asked_for() {
    let place = Place::new();
    let papers = Papers::of(&place.at("keys"), "web1");
    let digest = sha256(&place.bundle);
    let ours = digest.clone();
    let vm = Vm::start(&papers, move |asked, count| match (asked.line.as_str(), count) {
        ("PUT /config", _) => Reply::HangUp,
        (_, 0) => honest(asked),
        (_, 2) => state("storing", "storing a configuration", None),
        _ => state("leaving", "booting", Some(&ours)),
    });
    let said = place.must(&format!("$0 push web1=127.0.0.1:{}", vm.port));
    let want = format!("web1: stored {digest} (its answer was lost, and it was asked again); booting\n");
    assert_eq!((said, vm.lines()), (want, ["GET /", "PUT /config", "GET /", "GET /"].map(String::from).to_vec()));

    let vm = Vm::start(&papers, |asked, _| match asked.line.as_str() {
        "PUT /config" => Reply::HangUp,
        _ => honest(asked),
    });
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{}", vm.port));
    let want = "its answer was lost (it closed the connection), and it has not stored the bundle: push again\n";
    assert!(complaint.ends_with(want), "{complaint}");
    assert_eq!(vm.lines(), ["GET /", "PUT /config", "GET /"]);

    let vm = Vm::start(&papers, |asked, count| if count == 0 { honest(asked) } else { Reply::HangUp });
    let complaint = place.fails(&format!("$0 push web1=127.0.0.1:{}", vm.port));
    let want = "and it does not answer any more: if it has the bundle, it boots with it next\n";
    assert!(complaint.ends_with(want), "{complaint}");
    assert_eq!(vm.lines().iter().filter(|line| *line == "PUT /config").count(), 1);
}

/// Storing takes as long as it takes: as long as the VM says so, it is asked on.
#[test]
fn a_vm_that_still_stores_is_asked_until_it_has_done() {
    let place = Place::new();
    place.must("$0 keygen vm web2 -o keys");
    let ours = sha256(&place.bundle);
    let [slow, stuck] = ["web1", "web2"].map(|name| {
        let ours = ours.clone();
        Vm::start(&Papers::of(&place.at("keys"), name), move |asked, count| match (asked.line.as_str(), count) {
            ("PUT /config", _) => Reply::HangUp,
            (_, 0) => honest(asked),
            (_, 14..) if name == "web1" => state("leaving", "booting", Some(&ours)),
            _ => state("storing", "storing a configuration", None),
        })
    });
    let push = format!("$0 push web1=127.0.0.1:{} web2=127.0.0.1:{} --timeout 16", slow.port, stuck.port);
    let said = place.run(&push);
    assert!(said.out.starts_with(&format!("web1: stored {ours} (its answer was lost, ")), "{said:?}");
    let want = "and it still stores the bundle: dock0 status shows what becomes of it\n";
    assert!(said.err.contains(want) && said.err.ends_with("1 of 2 VMs failed: web2\n"), "{said:?}");
    for vm in [slow, stuck] {
        assert_eq!(vm.lines().iter().filter(|line| *line == "PUT /config").count(), 1);
    }
}
