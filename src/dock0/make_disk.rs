//! disk: boot disks.

use super::{When, complain, make, megabytes};
use anyhow::Result;
use argh::FromArgs;
use dock0::disk::Disk;
use dock0::menu::Menu;
use dock0::origin::Origin;
use dock0::release::ArtifactFile;
use std::path::{Path, PathBuf};

/// The second disk of a Linode.
const SCRATCH: &str = "cowspace=/dev/sdb";

/// Makes a boot disk: an ext4 file system with these artifacts as release 0, and boot menus for GRUB 2 and GRUB Legacy.
#[derive(FromArgs)]
#[argh(subcommand, name = "disk")]
pub struct DiskArguments {
    /// the disk image to make
    #[argh(option, short = 'o')]
    output: PathBuf,
    /// its size: a number of bytes, or of K, M or G (512M)
    #[argh(option, default = "Size(512 << 20)")]
    size: Size,
    /// a directory that is laid over the VM's root
    #[argh(option)]
    config: Option<PathBuf>,
    /// its settings.json: with a manifest's address a disk without vm_root installs itself
    #[argh(option)]
    settings: Option<PathBuf>,
    /// whom it trusts: minisign public keys (*.pub, at most two), who may push (operators.pem), a CA of web servers (ca.pem)
    #[argh(option)]
    trust: Vec<PathBuf>,
    /// BASE: who it is, BASE.pem and BASE.key of dock0 keygen vm; without, it makes its own at its first boot
    #[argh(option)]
    identity: Option<PathBuf>,
    /// its label (dock0)
    #[argh(option, default = "Menu::default().label")]
    label: String,
    /// how many seconds the boot menu waits for a key (3)
    #[argh(option, default = "Menu::default().timeout")]
    timeout: u32,
    /// more words for the kernel command line
    #[argh(option, default = "String::new()")]
    cmdline: String,
    /// make it a boot image for Linode: in gzip, at most 6 GB unpacked, with all writes of the VM going to a second disk
    /// (cowspace=/dev/sdb, unless --cmdline has another)
    #[argh(switch)]
    linode: bool,
    /// replace the disk if it exists
    #[argh(switch)]
    force: bool,
    /// replace the disk, but only if it, this command or anything it is made of changed
    #[argh(switch)]
    if_changed: bool,
    /// NAME=VERSION@FILE: kernel, initrd and vm_root
    #[argh(positional)]
    artifacts: Vec<ArtifactFile>,
}

/// Makes what is asked for, and says so.
pub fn disk(arguments: DiskArguments) -> Result<()> {
    let DiskArguments {
        output,
        size,
        config,
        settings,
        trust,
        identity,
        label,
        timeout,
        cmdline,
        linode,
        force,
        if_changed,
        artifacts,
    } = arguments;
    let menu =
        Menu { label, timeout, extra: if linode { with_scratch_disk(cmdline) } else { cmdline }, ..Menu::default() };
    let disk = Disk { artifacts, config, origin: Origin { settings, trust, identity }, size: size.0, menu };
    let files = disk.artifacts.iter().map(|artifact| artifact.file.as_path());
    let origin = disk.origin.files();
    let inputs: Vec<&Path> = files.chain(disk.config.as_deref()).chain(origin.iter().map(PathBuf::as_path)).collect();
    make(&output, When::asked(force, if_changed), &inputs, |existing| {
        let made = if linode {
            let image = disk.write_image(&output, existing)?;
            let (packed, unpacked) = (megabytes(image.packed()), megabytes(image.unpacked()));
            format!("boot image {}: {packed:.1} MB, unpacked {unpacked:.0} MB, {}", output.display(), image.label())
        } else {
            disk.write(&output, existing)?;
            format!("boot disk {}: {:.0} MB", output.display(), megabytes(size.0))
        };
        for warning in disk.warnings()? {
            complain(&format!("warning: {warning}"));
        }
        Ok(made)
    })
}

/// A Linode gets a second disk for its writes, which PID 1 formats.
fn with_scratch_disk(cmdline: String) -> String {
    match cmdline.split(' ').any(|word| word.starts_with("cowspace=")) {
        true => cmdline,
        false => [SCRATCH, &cmdline].join(" ").trim_end().into(),
    }
}

/// A size in bytes, written with a unit: 512M is 512 × 2²⁰.
struct Size(u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
            Some(digits) if text.ends_with('K') => (digits, 10),
            Some(digits) if text.ends_with('M') => (digits, 20),
            Some(digits) => (digits, 30),
            None => (text, 0),
        };
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        number.map(Size).ok_or_else(|| "must be a number of bytes, or of K, M or G".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linode_writes_to_its_second_disk_unless_it_is_told_another() {
        for (given, want) in [
            ("", "cowspace=/dev/sdb"),
            ("quiet", "cowspace=/dev/sdb quiet"),
            ("cowspace=/dev/sdc", "cowspace=/dev/sdc"),
            ("quiet cowspace=LABEL=mine", "quiet cowspace=LABEL=mine"),
            ("notcowspace=x", "cowspace=/dev/sdb notcowspace=x"),
        ] {
            assert_eq!(with_scratch_disk(given.into()), want, "{given:?}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, want) in [
            ("4096", Some(4096)),
            ("8K", Some(8192)),
            ("512M", Some(512 << 20)),
            ("3G", Some(3 << 30)),
            ("", None),
            ("M", None),
            ("-1", None),
            ("1T", None),
            ("99999999999999G", None),
        ] {
            assert_eq!(text.parse::<Size>().ok().map(|size| size.0), want, "{text:?}");
        }
    }
}
