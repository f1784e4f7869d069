//! The stand-in as a program.

use crate::place::{complains, fetch, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a shell makes of the lines it prints.
fn start(words: &[&str]) -> (Child, Vec<(String, String)>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-linode"));
    let mut child = command.args(["--pace", "1"]).args(words).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut environment = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.starts_with('#')) {
        match line.strip_prefix("export ").and_then(|pair| pair.split_once('=')) {
            Some((name, value)) => environment.push((name.to_string(), value.to_string())),
            None => assert!(line.starts_with("unset "), "{line}"),
        }
    }
    (child, environment)
}

#[test]
fn it_ends_with_its_machines() {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (ssh, config) = (free(), free());
    let (mut child, environment) = start(&["--forward", "web0=1:2", "--forward", &format!("web1={ssh}:{config}")]);
    let value = |wanted: &str| environment.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
    let address = format!("http://{}", value("LINODE_CLI_API_HOST"));
    assert_eq!(value("LINODE_API_URL"), format!("{address}/v4"));
    assert_eq!(value("LINODE_TOKEN"), value("LINODE_CLI_TOKEN"));
    let token = format!("Authorization: Bearer {}", value("LINODE_CLI_TOKEN"));
    let post = |path: &str, body: &str| -> Value {
        let (status, bytes) = fetch(&["-H", &token, "-d", body, &format!("{address}/v4/linode/instances{path}")]);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap()
    };
    let id = post("", r#"{"region": "us-ord", "type": "g6-nanode-1", "label": "web1"}"#)["id"].clone();
    std::thread::sleep(Duration::from_millis(50));
    let disk = post(&format!("/{id}/disks"), r#"{"size": 1, "label": "x", "filesystem": "raw"}"#)["id"].clone();
    post(&format!("/{id}/configs"), &format!(r#"{{"label": "x", "devices": {{"sda": {{"disk_id": {disk}}}}}}}"#));
    std::thread::sleep(Duration::from_millis(50));
    post(&format!("/{id}/boot"), "{}");
    let (_, fake) = fetch(&[&format!("{address}/fake/linodes/{id}")]);
    let fake = serde_json::from_slice::<Value>(&fake).unwrap();
    assert_eq!(fake["ports"], serde_json::json!({"22": ssh, "1002": config}));
    let process = fake["process"].as_u64().unwrap();
    assert!(fs::exists(format!("/proc/{process}")).unwrap());

    run(Command::new("kill").arg(child.id().to_string()));
    let end = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "QEMU is left");
}

#[test]
fn ports_that_cannot_be_forwarded_are_refused() {
    let no_forward = "must be LABEL=PORT:PORT, like web1=2201:1102";
    for (words, why) in [
        (&["web1"][..], no_forward),
        (&["web1=2201"], no_forward),
        (&["=2201:1102"], no_forward),
        (&["web1=0:1102"], no_forward),
        (&["web1=2201:65536"], no_forward),
        (&["web1=2201:2201"], "--forward: port 2201 is given twice"),
        (&["web1=1:2", "web2=3:2"], "--forward: port 2 is given twice"),
        (&["web1=1:2", "web1=3:4"], "--forward: web1 is given twice"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-linode"));
        let said = complains(command.args(words.iter().flat_map(|word| ["--forward", word])));
        assert!(said.contains(why), "{words:?}: {said}");
    }
}
