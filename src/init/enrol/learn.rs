//! When a machine asks, and over which network: PID 1's part of it.

use super::keep::keep;
use super::parent::{Terms, ask};
use crate::failure::Failure;
use crate::install::settings_or_default;
use crate::log::{note, say};
use crate::net::parent::{Network, wanted_here};
use crate::receive::identity;
use crate::store::Disk;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};
use wire::network::Names;

/// Where the kernel shows what the firmware says of the machine.
const DMI: &str = "/sys/class/dmi/id";
/// The longest name of a maker that is read, in bytes.
const MAX_VENDOR: u64 = 256;
/// Linode's metadata service.
const ADDRESSES: &[&str] = &["http://169.254.169.254", "http://[fd00:a9fe:a9fe::1]"];
/// The first pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the network and the service have, together: a service that fills in while the machine boots takes seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// Whether this machine can be told who may push, and has to be: it is a Linode, and knows nobody.
pub fn is_wanted(disk: &Disk) -> Result<bool, Failure> {
    Ok(!identity::operators_are_known(disk)? && is_linode(Path::new(DMI)))
}

/// Whether the firmware says that this machine is a Linode. One that says nothing is none.
fn is_linode(dmi: &Path) -> bool {
    let mut vendor = String::new();
    let read = File::open(dmi.join("sys_vendor")).and_then(|file| file.take(MAX_VENDOR).read_to_string(&mut vendor));
    let vendor = vendor.trim();
    read.is_ok() && (vendor == "Linode" || vendor.starts_with("Akamai"))
}

/// Asks, and keeps what it is told. Whatever comes of it is said, and the boot goes on: as one that knows its operators, or as it
/// would have without.
pub fn from_metadata(disk: &Disk) {
    match learn(disk) {
        Ok(()) => say!("Linode's metadata service has told who may push"),
        Err(failure) => note!("asking Linode's metadata service: {failure}; going on without"),
    }
}

fn learn(disk: &Disk) -> Result<(), Failure> {
    let until = Instant::now() + WITHIN;
    let fingerprint = identity::find_or_make(disk)?.fingerprint()?;
    let mut wanted = wanted_here(&settings_or_default(disk))?;
    // Who is asked is asked by number.
    wanted.names = Names::Unneeded;
    let network = Network::bring_up(&wanted, "/", WITHIN)?;
    say!("asking Linode's metadata service who may push");
    let patience = until.saturating_duration_since(Instant::now());
    let terms = Terms { program: None, addresses: ADDRESSES, pause: PAUSE, patience };
    let told = ask(&fingerprint, &terms, &mut |line| say!("{line}"));
    network.take_down_and_go_on();
    keep(disk, &told?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linode_is_told_by_its_firmware() {
        for (vendor, want) in [
            (Some("Linode\n"), true),
            (Some("Akamai Technologies\n"), true),
            (Some("Linode Ltd\n"), false),
            (Some("QEMU\n"), false),
            (Some(""), false),
            (Some(&*"x".repeat(5000)), false),
            (None, false),
        ] {
            let dmi = tempfile::tempdir().unwrap();
            if let Some(vendor) = vendor {
                std::fs::write(dmi.path().join("sys_vendor"), vendor).unwrap();
            }
            assert_eq!(is_linode(dmi.path()), want, "{vendor:?}");
        }
    }
}
