//! dock0, the operator's command: what is asked for, said as it is done, and the exit code.
//!
//! Exit codes: 0 done; 1 not done, and standard error says why.

#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use argh::FromArgs;
use dock0::disk::Disk;
use dock0::image::{self, Format};
use dock0::initrd::Initrd;
use dock0::menu::Menu;
use dock0::output::{self, Existing};
use dock0::release::ArtifactFile;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Builds what a dock0 VM boots from.
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Verb {
    Disk(DiskArguments),
    Initrd(InitrdArguments),
    Image(ImageArguments),
}

/// Makes a boot disk: an ext4 file system with these artifacts as release 0, and boot menus for GRUB 2 and GRUB Legacy.
#[derive(FromArgs)]
#[argh(subcommand, name = "disk")]
struct DiskArguments {
    /// the disk image to make
    #[argh(option, short = 'o')]
    output: PathBuf,
    /// its size: a number with K, M or G (512M)
    #[argh(option, default = "Size(512 << 20)")]
    size: Size,
    /// a directory that is laid over the VM's root
    #[argh(option)]
    config: Option<PathBuf>,
    /// its label (dock0)
    #[argh(option, default = "Menu::default().label")]
    label: String,
    /// how many seconds the boot menu waits for a key (3)
    #[argh(option, default = "Menu::default().timeout")]
    timeout: u32,
    /// more words for the kernel command line
    #[argh(option, default = "String::new()")]
    cmdline: String,
    /// replace the disk if it exists
    #[argh(switch)]
    force: bool,
    /// leave a disk that is newer than everything it is made of
    #[argh(switch)]
    if_older: bool,
    /// NAME=VERSION@FILE: kernel, initrd and, unless the VM is to fetch it, vm_root
    #[argh(positional)]
    artifacts: Vec<ArtifactFile>,
}

/// Makes the initrd around a static init binary.
#[derive(FromArgs)]
#[argh(subcommand, name = "initrd")]
struct InitrdArguments {
    /// the initrd to make
    #[argh(option, short = 'o')]
    output: PathBuf,
    /// the static init binary
    #[argh(option)]
    init: PathBuf,
    /// a static shell to put into it as /bin/sh, for fancy and dock0.rescue=shell
    #[argh(option)]
    shell: Option<PathBuf>,
    /// fail if it has more bytes than this
    #[argh(option)]
    max_size: Option<u64>,
    /// replace the initrd if it exists
    #[argh(switch)]
    force: bool,
    /// leave an initrd that is newer than everything it is made of
    #[argh(switch)]
    if_older: bool,
}

/// Packs a directory into the image of a VM's root.
#[derive(FromArgs)]
#[argh(subcommand, name = "image")]
struct ImageArguments {
    /// the image to make
    #[argh(option, short = 'o')]
    output: PathBuf,
    /// erofs, squashfs or ext4 (erofs)
    #[argh(option, default = "Format::Erofs")]
    fs: Format,
    /// replace the image if it exists
    #[argh(switch)]
    force: bool,
    /// leave an image that is newer than everything it is made of
    #[argh(switch)]
    if_older: bool,
    /// the directory
    #[argh(positional)]
    directory: PathBuf,
}

fn main() -> ExitCode {
    let done = match argh::from_env::<Arguments>().verb {
        Verb::Disk(arguments) => disk(arguments),
        Verb::Initrd(arguments) => initrd(arguments),
        Verb::Image(arguments) => image(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dock0: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn disk(arguments: DiskArguments) -> Result<()> {
    let DiskArguments { output, size, config, label, timeout, cmdline, force, if_older, artifacts } = arguments;
    let inputs: Vec<PathBuf> = artifacts.iter().map(|artifact| artifact.file.clone()).chain(config.clone()).collect();
    if if_older && is_up_to_date(&output, &inputs)? {
        return Ok(());
    }
    let menu = Menu { label, timeout, extra: cmdline, ..Menu::default() };
    let disk = Disk { artifacts, config, size: size.0, menu };
    disk.write(&output, existing(force || if_older))?;
    for warning in disk.warnings()? {
        eprintln!("dock0: warning: {warning}");
    }
    println!("boot disk {}: {:.0} MB", output.display(), megabytes(size.0));
    Ok(())
}

fn initrd(arguments: InitrdArguments) -> Result<()> {
    let InitrdArguments { output, init, shell, max_size, force, if_older } = arguments;
    let inputs: Vec<PathBuf> =
        [Some(init.clone()), shell.clone(), std::env::current_exe().ok()].into_iter().flatten().collect();
    if if_older && is_up_to_date(&output, &inputs)? {
        return Ok(());
    }
    let size = Initrd { init, shell, max_size }.write(&output, existing(force || if_older))?;
    println!("initrd {}: {size} bytes", output.display());
    Ok(())
}

fn image(arguments: ImageArguments) -> Result<()> {
    let ImageArguments { output, fs, force, if_older, directory } = arguments;
    if if_older && is_up_to_date(&output, std::slice::from_ref(&directory))? {
        return Ok(());
    }
    image::pack(&directory, fs, &output, existing(force || if_older))?;
    let size = std::fs::metadata(&output).with_context(|| format!("looking at {}", output.display()))?.len();
    println!("image {}: {:.1} MB", output.display(), megabytes(size));
    Ok(())
}

fn is_up_to_date(output: &Path, inputs: &[PathBuf]) -> Result<bool> {
    let newer = output::is_newer(output, inputs)?;
    if newer {
        println!("{} is up to date", output.display());
    }
    Ok(newer)
}

fn existing(replace: bool) -> Existing {
    if replace { Existing::Replace } else { Existing::Refuse }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
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
