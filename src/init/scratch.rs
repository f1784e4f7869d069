//! The scratch layer: where everything goes that the VM writes to its root, in memory or on a disk of its own.

use crate::device::{Content, Device};
use crate::failure::{Doing, Failure};
use crate::kernel_fs::c_string;
use crate::log::say;
use crate::places::Places;
use crate::sys;
use rustix::mount::{MountFlags, mount};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use wire::superblock::Kind;

/// The blocks of a small empty ext4, in the initrd: what a blank scratch disk begins as.
const SEED: &str = "/scratch.seed";
/// How much of a disk must be zeros for it to count as blank: partition tables, LUKS, LVM and every file system in use
/// leave traces in it.
const BLANK: usize = 1 << 20;

/// A tmpfs, of at most half the memory; gone with the VM.
pub fn in_memory(places: &Places) -> Result<(), Failure> {
    let target = &places.cowspace;
    say!("writes go to memory");
    mount("tmpfs", target, "tmpfs", MountFlags::NODEV, Some(&*c_string("mode=0755")))
        .doing(|| format!("mounting tmpfs on {target}"))
}

/// A disk: what is on it stays; a blank one is formatted; one that holds anything else is left alone.
pub fn on_device(device: &Device, places: &Places) -> Result<(), Failure> {
    let (path, target) = (&device.path, &places.cowspace);
    let blank = match &device.content {
        Content::Fs(fs) if fs.kind == Kind::Ext4 => false,
        Content::Unknown if is_blank(path)? => true,
        Content::Fs(_) | Content::Unknown | Content::Unreadable(_) => return Err(foreign(path)),
    };
    if blank {
        format(path)?;
    }
    say!("writes go to {path}");
    let flags = MountFlags::NODEV | MountFlags::NOATIME;
    mount(path, target, "ext4", flags, Some(&*c_string("errors=remount-ro")))
        .doing(|| format!("mounting {path} on {target} as ext4"))?;
    if blank { grow(path, target) } else { Ok(()) }
}

fn foreign(path: &str) -> Failure {
    Failure::new(format!(
        "cowspace={path}: it holds something other than ext4 and was not touched; erase its first megabyte to have it \
         formatted"
    ))
}

fn is_blank(path: &str) -> Result<bool, Failure> {
    let mut start = vec![0; BLANK];
    let read = File::open(path).and_then(|mut device| device.read_exact(&mut start));
    read.doing(|| format!("reading the first megabyte of {path}"))?;
    Ok(start.iter().all(|&byte| byte == 0))
}

/// Writes the seed's blocks; the rest of a blank disk is zeros already, as ext4 wants them.
fn format(path: &str) -> Result<(), Failure> {
    const LEAST: u64 = wire::seed::SIZE;
    let doing = || format!("formatting {path}");
    let size = device_size(path).doing(doing)?;
    if size < LEAST {
        return Err(Failure::new(format!("{}: it has {size} bytes, and {LEAST} are the least", doing())));
    }
    say!("formatting {path}, which is blank");
    let seed = std::fs::read(SEED).doing(|| format!("reading {SEED} to format {path}"))?;
    let device = OpenOptions::new().write(true).open(path).doing(doing)?;
    for block in wire::seed::blocks(&seed) {
        let block = block.ok_or_else(|| Failure::new(format!("{}: {SEED} is cut off", doing())))?;
        device.write_all_at(block.bytes, block.offset).doing(doing)?;
    }
    device.sync_all().doing(doing)
}

/// Grows the mounted file system to the size of its device.
fn grow(path: &str, target: &str) -> Result<(), Failure> {
    let doing = || format!("growing the file system on {path}");
    let blocks = device_size(path).doing(doing)? / wire::seed::BLOCK;
    sys::resize_ext4(&File::open(target).doing(doing)?, blocks).doing(doing)
}

/// In bytes.
fn device_size(path: &str) -> std::io::Result<u64> {
    File::open(path)?.seek(SeekFrom::End(0))
}
