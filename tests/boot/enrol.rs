//! A Linode learns from its metadata service whom it may believe, and proves its key to them.

use crate::lab::{Lab, bundle, facts, laid, made, path};
use anyhow::{Context, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition};
use init::receive::certificate::base64;
use plain_http::{Answer, Request, Server, Service};
use qemu::{Forward, Network, Vm};
use serde_json::{Value, json};
use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ASKS: &str = "dock0: asking Linode's metadata service who may push";

/// A metadata service that says nothing at first.
struct Metadata {
    /// What it says then, in base64; never, if there is nothing.
    data: Option<String>,
    asked: AtomicUsize,
}

impl Service for Metadata {
    fn answer(&self, request: Request, _: &mut dyn Read) -> Option<Answer> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let has_token = request.field("Metadata-Token") == Some("t0ken");
        Some(match (request.method.as_str(), request.path()) {
            ("PUT", "/v1/token") => Answer::text(200, "t0ken"),
            ("GET", "/v1/user-data") if has_token && number > 2 => {
                self.data.as_ref().map_or(Answer::empty(204), |data| Answer::text(200, data))
            }
            ("GET", "/v1/user-data") if has_token => Answer::empty(204),
            _ => Answer::text(401, "no"),
        })
    }
}

/// A Linode with its operator.
struct Linode {
    lab: Lab,
    metadata: Arc<Metadata>,
    server: Server,
}

impl Linode {
    fn saying(data: impl FnOnce(&Lab) -> Option<String>) -> Result<Linode> {
        // First: the lab's port is free, and would be given away.
        let listener = Server::bind()?;
        let lab = Lab::new()?;
        let metadata = Arc::new(Metadata { data: data(&lab), asked: AtomicUsize::new(0) });
        let server = Server::start(listener, metadata.clone())?;
        Ok(Linode { lab, metadata, server })
    }

    /// Of which the service says what a deploy wrote.
    fn of_a_deploy(settings: &Value) -> Result<Linode> {
        Linode::saying(|lab| {
            let pem = lab.operators.pem.replace('\r', "");
            let operator: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            let settings = base64(settings.to_string().as_bytes());
            let dock0 = json!({"token": TOKEN, "operators": [operator], "settings": settings});
            Some(base64(json!({"dock0": dock0}).to_string().as_bytes()))
        })
    }

    /// A machine at the same network whose firmware says nothing of Linode.
    fn elsewhere<'d>(&self, disk: &'d DiskFile, words: &str, port: u16) -> Boot<'d> {
        let words = format!("probe.read=/etc/hostname {words}");
        let mut boot = Boot::kernel(&words).scsi(disk);
        let forwards = vec![Forward { host: self.lab.port, guest: port }];
        boot.machine.network = Network::Metadata { forwards, service: self.server.address().port() };
        boot
    }

    /// Its machine, reached where it listens at this port.
    fn boot<'d>(&self, disk: &'d DiskFile, words: &str, port: u16) -> Boot<'d> {
        let mut boot = self.elsewhere(disk, words, port);
        boot.machine.extra = vec!["-smbios".into(), "type=1,manufacturer=Linode,product=Compute Instance".into()];
        boot
    }

    fn asked(&self) -> usize {
        self.metadata.asked.load(Ordering::Relaxed)
    }

    /// curl with these words, for a VM whose key is this one.
    fn curl(&self, fingerprint: &str, words: &[&str]) -> Result<String> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-k", "--noproxy", "*", "--max-time", "60", "--pinnedpubkey", fingerprint]).args(words);
        let ran = curl.output().context("running curl")?;
        ensure!(ran.status.success(), "{ran:?}");
        Ok(String::from_utf8(ran.stdout)?)
    }

    /// The fingerprint and the proof of a VM that waits: the former is that of the key which its connection shows.
    fn believe(&self, vm: &mut Vm, waits: &str) -> Result<(String, String)> {
        vm.wait_for(waits, DEADLINE)?;
        let url = self.lab.url("/");
        let unpinned = Command::new("curl").args(["-sSk", "--noproxy", "*", "--max-time", "60", &url]).output()?;
        let state: Value = serde_json::from_slice(&unpinned.stdout)?;
        let fingerprint = state["fingerprint"].as_str().context("a fingerprint")?;
        let pinned: Value = serde_json::from_str(&self.curl(fingerprint, &[&url])?)?;
        let proof = pinned["proof"].as_str().with_context(|| format!("a proof: {pinned}"))?;
        Ok((fingerprint.into(), proof.into()))
    }
}

/// As whoever knows the token computes it.
fn proof_of(fingerprint: &str) -> Result<String> {
    let script = r#"printf 'dock0 enrolment\n%s' "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$2""#;
    let ran = Command::new("sh").args(["-c", script, "sh", fingerprint, TOKEN]).output()?;
    ensure!(ran.status.success(), "openssl: {ran:?}");
    let said = String::from_utf8(ran.stdout)?;
    Ok(said.trim().rsplit(' ').next().unwrap_or_default().into())
}

/// The image has neither key nor operators; the next boots ask nothing.
#[test]
fn a_linode_that_knows_nobody_is_told_and_proves_itself() -> Result<()> {
    let linode = Linode::of_a_deploy(&json!({"config": {"port": 1003}}))?;
    let disk = made(vec![])?;
    let mut vm = linode.boot(&disk, "", 1003).start()?;
    let (fingerprint, proof) = linode.believe(&mut vm, "waiting for a configuration on port 1003 of 172.31.0.15")?;
    assert_eq!(proof, proof_of(&fingerprint)?);
    let console = vm.console();
    for line in [
        ASKS,
        "dock0: nobody says yet who may push: 169.254.169.254 has no user data yet (status 204)",
        "dock0: Linode's metadata service has told who may push",
    ] {
        ensure!(console.contains(line), "{line:?}: {console}");
    }
    ensure!(!console.contains(TOKEN), "the token is on the console: {console}");
    let file = linode.lab.place.path().join("bundle");
    std::fs::write(&file, bundle("web1"))?;
    let url = linode.lab.url("/config");
    linode.curl(&fingerprint, &["--cert", path(&linode.lab.client)?, "-T", path(&file)?, &url])?;
    assert_eq!(laid(&facts(vm)?, "/etc/hostname").0, "web1");
    assert_eq!(disk.names("/dock0/identity")?, ["proof", "vm.key", "vm.pem"]);
    let asked = linode.asked();
    assert_eq!(asked, 4, "a token and user data, twice");

    let facts = linode.boot(&disk, "", 1003).facts()?;
    assert_eq!(laid(&facts, "/etc/hostname").0, "web1");
    let mut vm = linode.boot(&disk, "dock0.config=wait", 1003).start()?;
    let again = linode.believe(&mut vm, "waiting for a configuration on port 1003")?;
    assert_eq!((again, linode.asked()), ((fingerprint, proof), asked));
    Ok(())
}

/// A boot that has failed asks too, before it calls for help.
#[test]
fn a_linode_that_cannot_boot_is_told_whom_to_call() -> Result<()> {
    let linode = Linode::of_a_deploy(&json!({}))?;
    let disk = Partition::with_probe()?.file("config/templates", b"a file")?.disk()?;
    let mut vm = linode.boot(&disk, "", 1002).and("dock0.rescue=network:600").start()?;
    let (fingerprint, proof) = linode.believe(&mut vm, "waiting for help on port 1002 of 172.31.0.15")?;
    assert_eq!(proof, proof_of(&fingerprint)?);
    Ok(())
}

#[test]
fn whoever_is_no_linode_asks_nobody() -> Result<()> {
    let linode = Linode::of_a_deploy(&json!({}))?;
    let facts = linode.elsewhere(&made(vec![])?, "", 1002).facts()?;
    assert_eq!(linode.asked(), 0);
    ensure!(!facts.log.iter().any(|line| line.contains("network")), "{:?}", facts.log);
    ensure!(facts.log.iter().any(|line| line.starts_with("there is no configuration: ")), "{:?}", facts.log);
    Ok(())
}

#[test]
fn a_linode_that_nobody_tells_anything_goes_on_without() -> Result<()> {
    let linode = Linode::saying(|_| None)?;
    let facts = linode.boot(&made(vec![])?, "", 1002).facts()?;
    let said = |start: &str, end: &str| facts.log.iter().any(|line| line.starts_with(start) && line.ends_with(end));
    let why = "169.254.169.254 has no user data yet (status 204); going on without";
    ensure!(said("asking Linode's metadata service: nobody said who may push within ", why), "{:?}", facts.log);
    ensure!(said("there is no configuration: ", "the root is as its image has it"), "{:?}", facts.log);
    ensure!(linode.asked() > 20, "it asked {} times", linode.asked());
    Ok(())
}

/// Its user data are cloud-init's: it does not wait for what will not come, and calls nobody.
#[test]
fn a_linode_of_somebody_else_calls_nobody() -> Result<()> {
    let linode = Linode::saying(|_| Some(base64(b"#cloud-config\n")))?;
    let disk = Partition::with_probe()?.file("config/templates", b"a file")?.disk()?;
    let mut vm = linode.boot(&disk, "", 1002).and("dock0.rescue=network:600").start()?;
    vm.wait_for("asking Linode's metadata service: its user data say nothing of dock0; going on without", DEADLINE)?;
    vm.wait_for("rebooting in 30 s", DEADLINE)?;
    ensure!(!vm.console().contains("waiting for help"), "{}", vm.console());
    Ok(())
}
