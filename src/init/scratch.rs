//! The scratch layer: where everything goes that the VM writes to its root, in memory or on a disk of its own.

use crate::device::{Content, Device};
use crate::failure::{Doing, Failure};
use crate::grow::{device_size, grow};
use crate::kernel_fs::c_string;
use crate::log::say;
use crate::places::Places;
use crate::sys;
use rustix::mount::{MountFlags, mount};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use wire::seed;
use wire::superblock::Kind;

/// The blocks of a small empty ext4, in the initrd: what a blank scratch disk begins as.
const SEED: &str = "/scratch.seed";
/// What stands at the start of a disk while it is being formatted.
const UNFINISHED: &[u8] = b"dock0 is formatting this disk\n";
const BLOCK_LEN: usize = 4096;
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
pub fn on_device(device: &Device, boot_disk: &Device, places: &Places) -> Result<(), Failure> {
    let (path, target) = (&device.path, &places.cowspace);
    if *path == boot_disk.path {
        return Err(Failure::new(format!("cowspace={path} is the boot partition, which takes no scratch layer")));
    }
    let ours = match &device.content {
        Content::Fs(fs) if fs.kind == Kind::Ext4 => fs.label.as_bytes() == seed::LABEL.as_bytes(),
        Content::Unknown if is_blank(path)? => {
            format(path)?;
            true
        }
        Content::Unreadable(why) => return Err(Failure::new(format!("reading cowspace={path}: {why}"))),
        Content::Fs(_) | Content::Unknown => return Err(foreign(path)),
    };
    say!("writes go to {path}");
    let flags = MountFlags::NODEV | MountFlags::NOATIME;
    mount(path, target, "ext4", flags, Some(&*c_string("errors=remount-ro")))
        .doing(|| format!("mounting {path} on {target} as ext4"))?;
    if ours { grow(path, target) } else { Ok(()) }
}

fn foreign(path: &str) -> Failure {
    Failure::new(format!(
        "cowspace={path}: it holds something other than ext4 and was not touched; erase its first megabyte to have it \
         formatted"
    ))
}

/// Whether a disk holds nothing, or what a formatting that was cut short has left.
fn is_blank(path: &str) -> Result<bool, Failure> {
    let start = File::open(path).and_then(|device| sys::read_start(&device, BLANK));
    let start = start.doing(|| format!("reading the first megabyte of {path}"))?;
    Ok(start.starts_with(UNFINISHED) || start.iter().all(|&byte| byte == 0))
}

fn format(path: &str) -> Result<(), Failure> {
    const LEAST: u64 = seed::SIZE;
    let doing = || format!("formatting {path}");
    let size = device_size(path).doing(doing)?;
    if size < LEAST {
        return Err(Failure::new(format!("{}: it has {size} bytes, and {LEAST} are the least", doing())));
    }
    say!("formatting {path}, which is blank");
    let seed = std::fs::read(SEED).doing(|| format!("reading {SEED} to format {path}"))?;
    let zeros = Box::new([0; BLANK]);
    let writes = plan(&seed, &zeros).ok_or_else(|| Failure::new(format!("{}: {SEED} is cut off", doing())))?;
    let device = OpenOptions::new().write(true).open(path).doing(doing)?;
    for Write { offset, bytes } in writes {
        device.write_all_at(bytes, offset).and_then(|()| device.sync_data()).doing(doing)?;
    }
    Ok(())
}

/// One write of a formatting, on the disk before the next one begins.
#[derive(Debug, PartialEq, Eq)]
struct Write<'s> {
    offset: u64,
    bytes: &'s [u8],
}

/// First a mark that says what is going on, then zeros for whatever stood there, then the seed, its first block last:
/// until that one is on the disk, the disk counts as blank, and the next boot starts again.
fn plan<'s>(seed: &'s [u8], zeros: &'s [u8; BLANK]) -> Option<Vec<Write<'s>>> {
    let after_mark = zeros.get(BLOCK_LEN..)?;
    let mut writes = vec![Write { offset: 0, bytes: UNFINISHED }, Write { offset: seed::BLOCK, bytes: after_mark }];
    writes.extend((1 << 20..seed::SIZE).step_by(BLANK).map(|offset| Write { offset, bytes: zeros }));
    let mut first = None;
    for block in seed::blocks(seed) {
        let seed::Block { offset, bytes } = block?;
        match offset {
            0 => first = Some(Write { offset, bytes }),
            _ => writes.push(Write { offset, bytes }),
        }
    }
    writes.push(first?);
    Some(writes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::superblock;

    static ZEROS: [u8; BLANK] = [0; BLANK];

    /// A superblock of ext4 in block 0, and one more block.
    fn seed() -> Vec<u8> {
        let mut first = [0; BLOCK_LEN];
        first[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
        let mut seed = Vec::new();
        for (offset, block) in [(0_u64, first), (5 * seed::BLOCK, [7; BLOCK_LEN])] {
            seed.extend_from_slice(&offset.to_le_bytes());
            seed.extend_from_slice(&block);
        }
        seed
    }

    /// A disk that held something beyond its first megabyte, after so many writes of a formatting.
    fn disk_after(writes: usize) -> tempfile::NamedTempFile {
        let disk = tempfile::NamedTempFile::new().unwrap();
        let old = [vec![0; BLANK], vec![9; 9 << 20]].concat();
        std::fs::write(disk.path(), old).unwrap();
        for Write { offset, bytes } in plan(&seed(), &ZEROS).unwrap().into_iter().take(writes) {
            disk.as_file().write_all_at(bytes, offset).unwrap();
        }
        disk
    }

    #[test]
    fn a_formatting_that_was_cut_short_is_begun_again_and_ends_the_same() {
        let steps = plan(&seed(), &ZEROS).unwrap().len();
        assert_eq!(steps, 2 + 7 + 2);
        let whole = std::fs::read(disk_after(steps).path()).unwrap();
        assert!(superblock::identify(&whole[..4096]).is_some());
        assert!(whole[8 << 20..].iter().all(|&byte| byte == 9), "only the first 8 MiB are ours");
        for done in 0..steps {
            let disk = disk_after(done);
            let path = disk.path().to_str().unwrap();
            assert!(superblock::identify(&std::fs::read(path).unwrap()[..4096]).is_none(), "after {done} writes");
            assert!(is_blank(path).unwrap(), "after {done} writes");
            for Write { offset, bytes } in plan(&seed(), &ZEROS).unwrap() {
                disk.as_file().write_all_at(bytes, offset).unwrap();
            }
            assert!(whole == std::fs::read(path).unwrap(), "after {done} writes and a new beginning");
        }
    }

    #[test]
    fn a_seed_that_is_cut_off_is_no_plan() {
        let seed = seed();
        assert_eq!(plan(&seed[..seed.len() - 1], &ZEROS), None);
        assert_eq!(plan(&[], &ZEROS), None);
    }
}
