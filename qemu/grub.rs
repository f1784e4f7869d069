//! The two GRUBs of a Linode, made here from the distribution's packages when they are first asked for.

use crate::machine::Boot;
use crate::whole::write_whole;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::NamedTempFile;

/// What `grub-pc-bin` installs.
const GRUB2_FILES: &str = "/usr/lib/grub/i386-pc";
/// Where `grub-legacy` puts its stages, whatever the name of the folder says.
const LEGACY_FILES: &str = "/usr/lib/grub/x86_64-pc";
/// Reading an unpartitioned ext4, a menu on a serial line, and the commands a boot menu is written with.
const MODULES: [&str; 19] = [
    "biosdisk",
    "ext2",
    "linux",
    "normal",
    "configfile",
    "serial",
    "terminal",
    "echo",
    "test",
    "true",
    "search",
    "search_label",
    "loadenv",
    "legacycfg",
    "reboot",
    "halt",
    "minicmd",
    "sleep",
    "ls",
];
/// Says nothing on the serial line itself as long as there is a `grub.cfg`: that one must do so without our help.
const EARLY_CONFIG: &str = "set root=hd0
set prefix=(hd0)/boot/grub
configfile (hd0)/boot/grub/grub.cfg
serial --unit=0 --speed=19200
terminal_input serial
terminal_output serial
echo GRUB 2 found no /boot/grub/grub.cfg on the first disk.
";

impl Boot {
    /// GRUB 2 as Linode starts it: a core image behind `lnxboot.img`, handed over like a kernel; `root` is the whole
    /// first disk. An error names the missing Debian package.
    pub fn grub2() -> Result<Boot> {
        Ok(Boot::Grub2 { image: build_grub2(&images())? })
    }

    /// GRUB Legacy 0.97 on a floppy, reading `/boot/grub/menu.lst` from the unpartitioned first disk. An error names the
    /// missing Debian package.
    pub fn grub_legacy() -> Result<Boot> {
        Ok(Boot::GrubLegacy { floppy: build_legacy(&images())? })
    }
}

fn images() -> PathBuf {
    crate::repository().join("build/grub")
}

/// Makes the image below `folder` unless the same recipe has made it before.
fn build_grub2(folder: &Path) -> Result<PathBuf> {
    let files = Path::new(GRUB2_FILES);
    let loader = read(&files.join("lnxboot.img"), "grub-pc-bin")?;
    // Has the package's version in it, which stands for all the other modules.
    let version = read(&files.join("normal.mod"), "grub-pc-bin")?;
    let recipe = [&loader, &version, MODULES.join(" ").as_bytes(), EARLY_CONFIG.as_bytes()].concat();
    build_once(folder, "grub2", &recipe, || {
        let mut early = NamedTempFile::new()?;
        early.write_all(EARLY_CONFIG.as_bytes())?;
        let core = make_core(files, early.path())?;
        Ok([loader, core].concat())
    })
}

fn make_core(files: &Path, early: &Path) -> Result<Vec<u8>> {
    let core = NamedTempFile::new()?;
    let mut command = Command::new("grub-mkimage");
    command.args(["-O", "i386-pc", "-p", "(hd0)/boot/grub", "-d"]).arg(files);
    command.arg("-c").arg(early).arg("-o").arg(core.path()).args(MODULES);
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("grub-mkimage is not installed: apt-get install grub-common")
        }
        result => result.context("starting grub-mkimage")?,
    };
    if !output.status.success() {
        bail!("grub-mkimage failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    fs::read(core.path()).context("reading what grub-mkimage made")
}

/// Makes the floppy below `folder` unless the same recipe has made it before.
fn build_legacy(folder: &Path) -> Result<PathBuf> {
    let files = Path::new(LEGACY_FILES);
    let stage1 = read(&files.join("stage1"), "grub-legacy")?;
    let stage2 = patch_stage2(read(&files.join("stage2"), "grub-legacy")?)?;
    let mut floppy = [stage1, stage2].concat();
    // The size tells the firmware the floppy's geometry: 1.44 MB.
    floppy.resize(80 * 2 * 18 * 512, 0);
    build_once(folder, "legacy", &floppy.clone(), || Ok(floppy))
}

/// Makes stage2 read its menu from the first hard disk, and accept a file system on a hard disk without partitions.
fn patch_stage2(mut stage2: Vec<u8>) -> Result<Vec<u8>> {
    /// Where the menu's path must end: behind it stage2's code begins (its `EXT_C(codestart)`).
    const CODE: usize = 0x270;
    const HERE: &[u8] = b"/boot/grub/menu.lst\0";
    const THERE: &[u8] = b"(hd0)/boot/grub/menu.lst\0";
    let at = find(&stage2, HERE).context("stage2 of grub-legacy does not hold the path of its menu")?;
    let room = stage2.get(at + HERE.len()..at + THERE.len()).unwrap_or(&[1]);
    if at + THERE.len() > CODE || room.iter().any(|&byte| byte != 0) {
        bail!("stage2 of grub-legacy has no room for the path (hd0)/boot/grub/menu.lst");
    }
    overwrite(&mut stage2, at, THERE);
    // ext2fs_mount() wants a partition table on drives that have bit 0x80, so that bit is masked out:
    // and $0x80, %edx; or %eax, %edx; mov %esp, %ebp; push %esi; push %ebx; je …; cmp $0x83, %eax
    const CHECK: &[u8] = b"\x81\xe2\x80\0\0\0\x09\xc2\x89\xe5\x56\x53\x74\x36\x3d\x83\0\0\0";
    let at = find(&stage2, CHECK).context("stage2 of grub-legacy is not the build 0.97-80 that dock0 can patch")?;
    overwrite(&mut stage2, at + 2, &[0]);
    Ok(stage2)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn overwrite(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (old, new) in bytes.iter_mut().skip(at).zip(new) {
        *old = *new;
    }
}

fn read(path: &Path, package: &str) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}: apt-get install {package}", path.display()))
}

/// The image's name holds the recipe's hash, so a changed recipe never meets an old image; the rename lets any number
/// of processes make it at once.
fn build_once(folder: &Path, name: &str, recipe: &[u8], make: impl FnOnce() -> Result<Vec<u8>>) -> Result<PathBuf> {
    let hash: String = Sha256::digest(recipe).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(format!("{name}-{hash}.img"));
    if path.exists() {
        return Ok(path);
    }
    write_whole(&path, &make()?)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &[u8] = b"\x81\xe2\x80\0\0\0\x09\xc2\x89\xe5\x56\x53\x74\x36\x3d\x83\0\0\0";

    /// A stage2 with the menu's path and, where the table says so, the check for a partition.
    fn stage2(path: &[u8], check: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x11; 0x217];
        bytes.extend(path);
        bytes.resize(0x270, 0);
        bytes.extend([b"code", check, b"more"].concat());
        bytes
    }

    #[test]
    fn patches_path_and_mask_and_nothing_else() {
        let before = stage2(b"/boot/grub/menu.lst\0", CHECK);
        let after = patch_stage2(before.clone()).expect("a good stage2");
        assert_eq!(after.len(), before.len());
        assert_eq!(&after[0x217..0x230], b"(hd0)/boot/grub/menu.lst\0");
        assert_eq!(after[..0x217], before[..0x217]);
        let changed: Vec<usize> = (0x230..after.len()).filter(|&at| after[at] != before[at]).collect();
        assert_eq!(changed, [0x270 + 4 + 2]);
        assert_eq!(after[0x276], 0);
    }

    #[test]
    fn refuses_a_stage2_it_does_not_know() {
        let table = [
            ("no path", stage2(b"/boot/grub/grub.conf\0", CHECK), "does not hold the path"),
            ("no room", stage2(b"/boot/grub/menu.lst\0x", CHECK), "no room"),
            ("cut off", b"/boot/grub/menu.lst\0".to_vec(), "no room"),
            ("another build", stage2(b"/boot/grub/menu.lst\0", b"\x81\xe2\x80\0\0\0\x0b\xc2"), "0.97-80"),
        ];
        for (name, bytes, wanted) in table {
            let error = patch_stage2(bytes).expect_err(name).to_string();
            assert!(error.contains(wanted), "{name}: {error}");
        }
    }

    #[test]
    fn an_image_is_made_once_per_recipe() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("grub");
        let first = build_once(&inside, "x", b"a", || Ok(vec![1])).expect("made");
        let second = build_once(&inside, "x", b"a", || bail!("made again")).expect("found");
        let third = build_once(&inside, "x", b"b", || Ok(vec![2])).expect("made");
        assert_eq!(first, second);
        assert_ne!(first, third);
        assert_eq!(fs::read(third).expect("there"), [2]);
        assert_eq!(fs::read_dir(inside).expect("a folder").count(), 2, "no part is left behind");
    }

    #[test]
    fn a_missing_file_names_its_package() {
        let error = format!("{:#}", read(Path::new("/nonexistent/stage1"), "grub-legacy").expect_err("absent"));
        assert!(error.contains("/nonexistent/stage1: apt-get install grub-legacy"), "{error}");
    }
}
