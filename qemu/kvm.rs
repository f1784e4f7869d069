//! Whether KVM may be used: only after it has booted our kernel on this very boot of the host.
//!
//! A `/dev/kvm` that opens, runs the firmware and then hangs the first kernel exists, so nothing less is a proof.

use crate::machine::{Accel, Boot, Machine};
use crate::vm::Vm;
use crate::whole::write_whole;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Chooses instead of the proof: `tcg` or `kvm`.
const CHOICE: &str = "DOCK0_ACCEL";
/// With a KVM that works the kernel is through in about a second.
const TRIAL: Duration = Duration::from_secs(10);

/// The best accelerator that works here. The first call of a host's boot may take ten seconds; its verdict is kept in
/// `build/kvm-proof`. As long as there is no kernel to try it with, KVM counts as unproven. An error is about the
/// environment variable `DOCK0_ACCEL`, or about a verdict that could not be kept.
pub fn accel() -> Result<Accel> {
    match std::env::var(CHOICE) {
        Ok(choice) => parse_choice(&choice),
        Err(_) => Host::this()?.accel(try_kvm),
    }
}

fn parse_choice(choice: &str) -> Result<Accel> {
    match choice {
        "tcg" => Ok(Accel::Tcg),
        "kvm" => Ok(Accel::Kvm),
        other => bail!("{CHOICE}={other}: it must be tcg or kvm"),
    }
}

/// What the verdict depends on.
struct Host {
    device: PathBuf,
    kernel: PathBuf,
    proof: PathBuf,
    boot_id: String,
}

impl Host {
    fn this() -> Result<Host> {
        let build = crate::repository().join("build");
        let source = "/proc/sys/kernel/random/boot_id";
        let boot_id = fs::read_to_string(source).with_context(|| format!("reading {source}"))?;
        Ok(Host {
            device: "/dev/kvm".into(),
            kernel: build.join("kernel/linode/vmlinuz"),
            proof: build.join("kvm-proof"),
            boot_id: boot_id.trim().to_string(),
        })
    }

    fn accel(&self, trial: impl FnOnce(&Path) -> Result<bool>) -> Result<Accel> {
        /// One trial at a time in a process. Two processes at once each make their own, and agree.
        static TURN: Mutex<()> = Mutex::new(());
        let opens = File::options().read(true).write(true).open(&self.device).is_ok();
        if !opens || !self.kernel.exists() {
            return Ok(Accel::Tcg);
        }
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = self.verdict()? {
            return Ok(verdict);
        }
        let verdict = if trial(&self.kernel)? { Accel::Kvm } else { Accel::Tcg };
        self.keep(verdict)?;
        Ok(verdict)
    }

    /// What an earlier trial on this boot of the host found.
    fn verdict(&self) -> Result<Option<Accel>> {
        match fs::read_to_string(&self.proof) {
            Ok(text) => Ok(parse_proof(&text, &self.boot_id)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", self.proof.display())),
        }
    }

    fn keep(&self, verdict: Accel) -> Result<()> {
        let word = match verdict {
            Accel::Kvm => "works",
            Accel::Tcg => "hangs",
        };
        write_whole(&self.proof, format!("{} {word}\n", self.boot_id).as_bytes())
    }
}

/// Reads `BOOT_ID works` or `BOOT_ID hangs`; a proof from another boot of the host is none.
fn parse_proof(text: &str, boot_id: &str) -> Option<Accel> {
    match text.trim().split_once(' ')? {
        (id, "works") if id == boot_id => Some(Accel::Kvm),
        (id, "hangs") if id == boot_id => Some(Accel::Tcg),
        _ => None,
    }
}

/// Boots the kernel until it finds no root, panics and reboots. QEMU is killed at the deadline.
fn try_kvm(kernel: &Path) -> Result<bool> {
    eprintln!("qemu: trying whether KVM works here, once per boot of this host ({} s at most)", TRIAL.as_secs());
    let cmdline = "console=ttyS0 panic=-1".to_string();
    let boot = Boot::Kernel { kernel: kernel.into(), initrd: None, cmdline };
    let machine = Machine { accel: Accel::Kvm, ..Machine::new(boot) };
    let ended = Vm::start(&machine)?.run_to_end(TRIAL);
    Ok(ended.is_ok_and(|console| console.contains("Unable to mount root fs")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(folder: &Path) -> Host {
        let file = |name: &str| folder.join(name);
        fs::write(file("kvm"), "").expect("a device");
        fs::write(file("vmlinuz"), "").expect("a kernel");
        Host { device: file("kvm"), kernel: file("vmlinuz"), proof: file("kvm-proof"), boot_id: "boot-1".into() }
    }

    #[test]
    fn choices() {
        assert_eq!(parse_choice("tcg").expect("a choice"), Accel::Tcg);
        assert_eq!(parse_choice("kvm").expect("a choice"), Accel::Kvm);
        let error = parse_choice("hax").expect_err("no choice").to_string();
        assert_eq!(error, "DOCK0_ACCEL=hax: it must be tcg or kvm");
    }

    #[test]
    fn proofs() {
        let table = [
            ("works", "boot-1 works\n", Some(Accel::Kvm)),
            ("hangs", "boot-1 hangs\n", Some(Accel::Tcg)),
            ("another boot", "boot-0 works\n", None),
            ("empty", "", None),
            ("garbage", "boot-1 perhaps", None),
        ];
        for (name, text, wanted) in table {
            assert_eq!(parse_proof(text, "boot-1"), wanted, "{name}");
        }
    }

    #[test]
    fn one_trial_a_boot_of_the_host() {
        let folder = tempfile::tempdir().expect("a folder");
        for (works, wanted) in [(true, Accel::Kvm), (false, Accel::Tcg)] {
            let mut host = host(folder.path());
            host.boot_id = format!("boot-{works}");
            assert_eq!(host.accel(|_| Ok(works)).expect("tried"), wanted);
            assert_eq!(host.accel(|_| bail!("tried twice")).expect("remembered"), wanted);
            host.boot_id = "the next boot".into();
            assert!(host.accel(|_| bail!("tried again")).is_err());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3, "no part is left behind");
    }

    #[test]
    fn without_device_or_kernel_there_is_no_trial_and_no_verdict() {
        let folder = tempfile::tempdir().expect("a folder");
        let gone = folder.path().join("gone");
        let table = [
            ("no device", Host { device: gone.clone(), ..host(folder.path()) }),
            ("a device that does not open", Host { device: folder.path().into(), ..host(folder.path()) }),
            ("no kernel", Host { kernel: gone, ..host(folder.path()) }),
        ];
        for (name, host) in table {
            assert_eq!(host.accel(|_| bail!("tried")).expect(name), Accel::Tcg, "{name}");
            assert!(!host.proof.exists(), "{name}");
        }
    }
}
