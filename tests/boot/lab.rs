//! An operator with a VM that trusts him, curl, and what he pushes.

use anyhow::{Context, Error, Result, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::partition::DiskFile;
use boot_tests::{Boot, Partition, Root};
use dock0::disk::Disk;
use dock0::image::Format;
use dock0::menu::Menu;
use dock0::origin::Origin;
use dock0::output::Existing;
use dock0::release::ArtifactFile;
use fetch_tests::operators::{Operators, Paper};
use probe::Facts;
use qemu::{Forward, Network, Vm};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An operator with a VM.
pub struct Lab {
    /// Where his files are.
    pub place: tempfile::TempDir,
    /// He and the others.
    pub operators: Operators,
    /// His certificate and its key.
    pub client: PathBuf,
    /// Where his VM is reached on this machine.
    pub port: u16,
}

impl Lab {
    /// A new one.
    pub fn new() -> Result<Lab> {
        let (place, operators) = (tempfile::tempdir()?, Operators::new()?);
        let client = operators.issue(Paper::Client, place.path())?;
        // Free a moment ago; nobody else here takes ports by number.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Lab { place, operators, client, port })
    }

    /// A partition of this one's VMs, with something to boot.
    pub fn partition(&self) -> Result<Partition> {
        let root = Root::with_menagerie("release 0")?;
        self.trusted_by(Partition::with_root(&root, Format::Erofs)?)
    }

    /// The partition of a VM that takes what he pushes.
    pub fn trusted_by(&self, partition: Partition) -> Result<Partition> {
        partition.file("dock0/trust/operators.pem", self.operators.pem.as_bytes())
    }

    /// A boot of such a VM, which tells what it finds in three files of its root.
    pub fn boot<'d>(&self, disk: &'d DiskFile, words: &str) -> Boot<'d> {
        let words = format!("probe.read=/etc/hostname,/etc/secret,/etc/name {words}");
        self.reachable(Boot::kernel(&words).scsi(disk))
    }

    /// A boot that listens where he calls.
    pub fn reachable<'d>(&self, mut boot: Boot<'d>) -> Boot<'d> {
        boot.machine.network = Network::User { forwards: vec![Forward { host: self.port, guest: 1002 }] };
        boot
    }

    /// Once the VM waits: curl, with these words behind those of an operator who knows the VM by what its console shows.
    pub fn curl(&self, vm: &mut Vm, words: &[&str]) -> Result<String> {
        const SHOWN: &str = "dock0: push it with: dock0 push --fingerprint sha256//";
        if !vm.console().contains(SHOWN) {
            vm.wait_for(SHOWN, DEADLINE)?;
            vm.wait_for("=10.0.2.15", DEADLINE)?;
        }
        let console = vm.console();
        let shown = console.rsplit("--fingerprint ").next().and_then(|rest| rest.split_whitespace().next());
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "-k",
            "--noproxy",
            "*",
            "--max-time",
            "60",
            "--pinnedpubkey",
            shown.context("a fingerprint")?,
        ]);
        curl.arg("--cert").arg(&self.client).args(words);
        let ran = curl.output().context("running curl")?;
        ensure!(ran.status.success(), "{ran:?}");
        Ok(String::from_utf8(ran.stdout)?)
    }

    /// An address of the VM.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// Pushes a bundle.
    pub fn push(&self, vm: &mut Vm, bundle: &[u8]) -> Result<Value> {
        let file = self.place.path().join("bundle");
        std::fs::write(&file, bundle)?;
        let said = self.curl(vm, &["-T", path(&file)?, &self.url("/config")])?;
        Ok(serde_json::from_str(&said)?)
    }
}

/// A disk as `dock0 disk` makes it: without a configuration, trusting these.
pub fn made(trust: Vec<PathBuf>) -> Result<DiskFile> {
    let root = Root::with_menagerie("made")?.pack(Format::Erofs)?;
    let files = [("kernel", boot_tests::kernel()), ("initrd", boot_tests::initrd()), ("vm_root", root.path.clone())];
    let artifact = |(name, file): (&str, PathBuf)| format!("{name}=1@{}", file.display()).parse().map_err(Error::msg);
    let artifacts = files.into_iter().map(artifact).collect::<Result<Vec<ArtifactFile>>>()?;
    let origin = Origin { trust, ..Origin::default() };
    let disk = DiskFile::blank(0)?;
    let made = Disk { artifacts, config: None, origin, size: 64 << 20, menu: Menu::default() };
    made.write(&disk.path, Existing::Replace)?;
    Ok(disk)
}

/// A path as text.
pub fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

/// What the probe of a VM that runs has found.
pub fn facts(vm: Vm) -> Result<Facts> {
    let report = { vm }.run_to_done(DEADLINE)?;
    Ok(serde_json::from_str(report.probe.last().context("the probe said nothing")?)?)
}

/// What lies in the root that the bundle laid there: text, mode and owner.
pub fn laid<'f>(facts: &'f Facts, path: &str) -> (&'f str, &'f str) {
    facts.read.get(path).map_or(("", ""), |answer| (answer.text.as_str(), answer.meta.as_str()))
}

/// A bundle that names the VM, and has a secret.
pub fn bundle(hostname: &str) -> Vec<u8> {
    let archive = bundles::tar::Archive::default()
        .add(bundles::tar::Header::file("config/templates/etc/hostname", hostname.len()), hostname.as_bytes())
        .add(bundles::tar::Header::file("config/templates/etc/secret", 6).mode(0o600), b"secret");
    bundles::gzip::pack(&archive.end())
}
