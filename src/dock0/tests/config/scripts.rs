//! Scripts, and the directory they work in.

use crate::place::{BUILD, Place, SECRET, is};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn scripts_run_in_name_order_with_the_configuration() {
    let place = Place::new();
    place.put("config.yaml", "name: web1\nkey: !env SECRET\nlist: [1, yes, ~]\n");
    place.put("scripts/README", "not run");
    symlink("me@host.1234:567", place.at("scripts/.#10-a")).unwrap();
    place.script("20-b", "cat >>templates/input; echo b >>templates/order");
    place.script(
        "10-a",
        "[ \"$DOCK0_BUILD\" = \"$(pwd -P)\" ]; cat templates/etc/hostname >templates/order; echo $KEPT",
    );
    place.script("9-c", "echo c >>templates/order; echo \"$SECRET\"; echo \"$SECRET\" >&2; mkdir ../more");
    place.must(&format!("export KEPT=1; {BUILD}"));
    let input = format!("{{\"key\":\"{SECRET}\",\"list\":[1,\"yes\",null],\"name\":\"web1\"}}\n");
    let found = place.read("build.tar.gz");
    is(&found[1..], &[("644 etc/hostname", "web1\n"), ("644 input", &input), ("644 order", "web1\nb\nc\n")]);
}

#[test]
fn nothing_that_a_script_has_started_writes_into_the_next_bundle() {
    let place = Place::new();
    let last = "[ -e ../again ] && sleep 2";
    place.script("1", "[ -e ../again ] || (sleep 1; echo \"$SECRET\" >templates/late) >/dev/null 2>&1 &");
    place.script("2", &format!("{last} || touch ../again"));
    place.must(BUILD);
    place.must(BUILD);
    is(&place.read("build.tar.gz")[1..], &[("644 etc/hostname", "web1\n")]);
}

/// A session of its own is not ended with its script; then the directory stays its own.
#[test]
fn what_a_script_has_left_running_keeps_the_build_directory() {
    let place = Place::new();
    place.script(
        "x",
        "[ -e ../../left ] && exit\nsetsid sh -c 'touch ../../left; sleep 3' >/dev/null 2>&1 &\n\
         while [ ! -e ../../left ]; do sleep 0.1; done",
    );
    place.must(BUILD);
    let why = place.fails(BUILD);
    let want = "another build is in it, or what a script of one has left running";
    assert!(why.starts_with("dock0: the build directory ") && why.ends_with(want), "{why}");
    std::thread::sleep(std::time::Duration::from_secs(4));
    place.must(BUILD);
}

#[test]
fn a_build_directory_is_ours_alone() {
    let place = Place::new();
    place.put("build/config/precious", "");
    let why = place.fails(BUILD);
    let want =
        "dock0: the build directory build/config: has things in it, and no .dock0-build says that they may be removed";
    assert_eq!(why, want);
    assert!(place.at("build/config/precious").exists());
    fs::remove_file(place.at("build/config/precious")).unwrap();
    place.script(
        "x",
        "[ -e ../again ] || { touch ../again; \"$DOCK0\" config ../../config.yaml -o ../../second || exit 5; }",
    );
    let canonical = place.0.path().canonicalize().unwrap();
    let why = place.fails(&format!("export DOCK0=\"$0\"; {BUILD}")).replace(canonical.to_str().unwrap(), "PLACE");
    assert!(
        why.contains("failed (exit status: 5):\ndock0: the build directory PLACE/build/config: another build is in it"),
        "{why}"
    );
    assert!(!place.at("second").exists());
    place.must(BUILD);
    let why = place.fails(&format!("{BUILD} -o build/config/out"));
    assert!(why.contains("build/config/out: the output lies inside "), "{why}");
    place.put("config.yaml", "paths: {build: .}\n");
    assert!(place.fails(BUILD).contains("the build directory .: has things in it"));
}
