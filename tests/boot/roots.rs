//! The roots that the recipes of examples/vm_root build, and one of a container image, as real boots find them: up to a login over
//! SSH, with a key that came with the configuration.

use crate::lab::{Lab, path};
use anyhow::{Context, Result, bail, ensure};
use boot_tests::boot::DEADLINE;
use boot_tests::{Boot, Partition, built};
use dock0::output::Existing;
use dock0::root::Recipe;
use dock0::tool::{SHELL, SKOPEO, Tool, UMOCI};
use qemu::{Forward, Network, Vm};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SSH: Tool = Tool { program: "ssh", package: "openssh-client" };
const SSH_KEYGEN: Tool = Tool { program: "ssh-keygen", package: "openssh-client" };

/// Boots a VM with this root, pushes a configuration with a name and a key, and runs this over SSH, once that is answered. The VM becomes
/// good by itself, and says so.
fn over_ssh(root: &Path, command: &str) -> Result<String> {
    let lab = Lab::new()?;
    let key = lab.place.path().join("key");
    SSH_KEYGEN.run(SSH_KEYGEN.command().args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
    let image = fs::read(root).with_context(|| format!("reading {}", root.display()))?;
    let size = u64::try_from(image.len())? + (32 << 20);
    let partition = lab.trusted_by(Partition::empty()?.latest()?.artifact(0, "vm_root", "1", &image)?)?;
    let disk = partition.disk_of(size.next_multiple_of(1 << 20), "dock0")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut boot = Boot::kernel("").scsi(&disk).memory(512);
    let forwards = vec![Forward { host: lab.port, guest: 1002 }, Forward { host: port, guest: 22 }];
    (boot.machine.network, boot.machine.cpus) = (Network::User { forwards }, 2);
    let mut vm = boot.start()?;
    lab.push(&mut vm, &bundle(&fs::read(key.with_extension("pub"))?))?;
    vm.wait_for("dock0: handing over to /sbin/init", DEADLINE)?;
    let since = Instant::now();
    loop {
        match run_over_ssh(port, &key, command) {
            Ok(said) => {
                becomes_good(&lab, &mut vm)?;
                return Ok(said);
            }
            Err(error) if since.elapsed() > DEADLINE => return Err(error.context(vm.console())),
            Err(_) => sleep(Duration::from_millis(500)),
        }
    }
}

/// As an operator sees it from outside, on the port on which the VM took its configuration.
fn becomes_good(lab: &Lab, vm: &mut Vm) -> Result<()> {
    let since = Instant::now();
    loop {
        let state = lab.curl(vm, &[&lab.url("/")]).and_then(|state| Ok(serde_json::from_str::<Value>(&state)?));
        match state {
            Ok(state) if state["standing"] == "good" => return Ok(()),
            state if since.elapsed() > DEADLINE => bail!("it is not good: {state:?}\n{}", vm.console()),
            _ => sleep(Duration::from_millis(500)),
        }
    }
}

fn run_over_ssh(port: u16, key: &Path, command: &str) -> Result<String> {
    let mut ssh = SSH.command();
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
    ssh.args(["-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", "-p", &port.to_string(), "-i"]).arg(key);
    SSH.run(ssh.arg("root@127.0.0.1").arg(command))
}

/// A name, and who may log in.
fn bundle(key: &[u8]) -> Vec<u8> {
    let archive = bundles::tar::Archive::default()
        .add(bundles::tar::Header::file("config/templates/etc/hostname", 5), b"web1\n")
        .add(bundles::tar::Header::file("config/templates/root/.ssh/authorized_keys", key.len()).mode(0o600), key);
    bundles::gzip::pack(&archive.end())
}

#[test]
fn a_debian_boots_to_a_login_over_ssh() -> Result<()> {
    let command = "hostname; cat /proc/1/comm; menagerie status | head -1; systemctl is-enabled menagerie-good; \
                   stat -c %U /var/cache/man /run/systemd; systemctl --failed --plain --no-legend";
    let said = over_ssh(&built("build/debian.erofs"), command)?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.starts_with(&["web1", "systemd"]), "{said}");
    ensure!(said.contains("running        release 0, ") && said.contains("\nenabled\n"), "{said}");
    ensure!(!said.contains(".service"), "a unit has failed: {said}");
    Ok(())
}

#[test]
fn the_tiny_root_boots_to_a_login_over_ssh() -> Result<()> {
    let said = over_ssh(&built("build/vm_root.erofs"), "hostname; menagerie status")?;
    ensure!(said.starts_with("web1\n") && said.contains("running        release 0, "), "{said}");
    Ok(())
}

/// Wherever it is built, and whenever.
#[test]
fn a_root_built_elsewhere_has_the_same_bytes() -> Result<()> {
    let place = tempfile::Builder::new().prefix("a-much-longer-name-of-a-directory").tempdir()?;
    let at = |name: &str| place.path().join(name);
    let copied = |from: &str, to: &str| {
        let mut cp = SHELL.command();
        SHELL.run(cp.args(["-c", "mkdir -p \"$2\" && cp -r \"$1\" \"$2\"", "sh"]).arg(built(from)).arg(at(to)))
    };
    copied("examples/vm_root/tiny", "examples/vm_root")?;
    copied("build/init", "build")?;
    let recipe = Recipe::read(&at("examples/vm_root/tiny/config.yaml"))?;
    recipe.build(&at("root.erofs"), Existing::Refuse)?;
    ensure!(fs::read(at("root.erofs"))? == fs::read(built("build/vm_root.erofs"))?, "the bytes differ");
    Ok(())
}

/// Any container image becomes a root: this one comes as `docker save` writes it, and its second layer has taken a file away.
#[test]
fn a_container_image_boots_to_a_login_over_ssh() -> Result<()> {
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    let tiny = Recipe::read(&qemu::repository().join("examples/vm_root/tiny/config.yaml"))?;
    let kept = Recipe { build: Some(at("tiny")), ..tiny };
    kept.build(&at("tiny.erofs"), Existing::Refuse)?;
    // Container images have a shell before they are booted.
    std::os::unix::fs::symlink("busybox", at("tiny/root/bin/sh"))?;
    let layout = path(&at("layout"))?.to_string();
    let umoci = |words: &[&str]| UMOCI.run(UMOCI.command().args(words));
    umoci(&["init", "--layout", &layout])?;
    let image = format!("{layout}:root");
    umoci(&["new", "--image", &image])?;
    umoci(&["insert", "--image", &image, path(&at("tiny/root"))?, "/"])?;
    umoci(&["insert", "--image", &image, "--whiteout", "/etc/motd"])?;
    fs::write(at("empty"), "")?;
    umoci(&["insert", "--image", &image, path(&at("empty"))?, "/etc/resolv.conf"])?;
    let saved = format!("docker-archive:{}:root:latest", at("saved.tar").display());
    SKOPEO.run(SKOPEO.command().args(["copy", "--quiet", "--insecure-policy", &format!("oci:{image}"), &saved]))?;
    fs::create_dir_all(at("overlay/etc"))?;
    fs::write(at("overlay/etc/issue"), "laid over\n")?;
    // Where programs give up root's rights to fetch something, they have names and a place for it, as apt wants them.
    let ran = "busybox stat -c %a /tmp > /etc/ran && busybox test -s /etc/resolv.conf && echo names >> /etc/ran";
    let paths = "paths: {overlay: overlay, output: root.erofs}";
    fs::write(at("root.yaml"), format!("base: {{oci: saved.tar}}\n{paths}\ncommands: {{chroot: ['{ran}']}}\n"))?;
    let recipe = Recipe::read(&at("root.yaml"))?;
    recipe.build(&at("root.erofs"), Existing::Refuse)?;
    let said = over_ssh(&at("root.erofs"), "hostname; cat /etc/issue /etc/ran; ls /etc/motd || true")?;
    assert_eq!(said, "web1\nlaid over\n1777\nnames\n");
    Ok(())
}

/// Whoever has no base for what he wants is told so, and what stood there stays.
#[test]
fn a_root_that_would_not_boot_is_not_made() -> Result<()> {
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("overlay/sbin"))?;
    fs::write(at("old"), "old")?;
    for (recipe, why) in [
        ("base: empty", "the root has no /sbin/init: install one (systemd-sysv, busybox), or put one into the overlay"),
        (
            "base: empty\npaths: {overlay: overlay}",
            "/sbin/init of the root is no program: it must be a file that can be executed",
        ),
        ("base: empty\ncommands: {host: ['echo why >&2; exit 3']}", "/bin/sh failed (exit status: 3):\nwhy"),
        (
            "base: empty\ncommands: {chroot: ['true']}",
            "bwrap failed (exit status: 1):\nbwrap: execvp /bin/sh: No such file or directory",
        ),
        ("base: {oci: overlay}", "overlay is no OCI layout: it has no file oci-layout"),
    ] {
        fs::write(at("root.yaml"), recipe)?;
        fs::write(at("overlay/sbin/init"), "")?;
        let error = Recipe::read(&at("root.yaml"))?.build(&at("old"), Existing::Replace).expect_err(recipe);
        ensure!(format!("{error:#}").ends_with(why), "{recipe}: {error:#}");
        assert_eq!(fs::read_to_string(at("old"))?, "old");
    }
    Ok(())
}
