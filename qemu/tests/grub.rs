//! Both GRUBs start from an unpartitioned ext4 as dock0 writes it, follow its links, and fall back.

mod guest;

use qemu::{Board, Boot, Disk, Machine, Vm, Writes};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// The features of a boot disk as `dock0 disk` makes it; both GRUBs must be able to read it.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,\
                        large_file,huge_file,dir_nlink,extra_isize,verity";

const GRUB_CFG: &str = "serial --unit=0 --speed=19200
terminal_input serial
terminal_output serial
set timeout=0
set default=0
";

/// GRUB 2 boots a kernel without the initrd it did not find, so both are looked for first.
const ENTRY: &str = "if [ -s /releases/@/kernel -a -s /releases/@/initrd ]; then
    linux /releases/@/kernel console=ttyS0 release=@
    initrd /releases/@/initrd
  else
    echo \"release @ is not complete\"
  fi";

const MENU_LST: &str = "serial --unit=0 --speed=19200
terminal --timeout=0 serial
timeout 0
default 0
";

/// How much of a release is on the disk.
#[derive(Clone, Copy)]
enum Release {
    Whole,
    NoKernel,
    NoInitrd,
}

/// Writes a boot disk with these releases, 0 first, and a menu for each GRUB that tries them in order.
fn boot_disk(folder: &Path, releases: &[Release]) -> PathBuf {
    let tree = folder.join("tree");
    let make = |path: &str| fs::create_dir_all(tree.join(path)).expect("a folder");
    ["boot/grub", "artifacts/kernel", "artifacts/initrd"].into_iter().for_each(make);
    fs::copy(guest::kernel(folder), tree.join("artifacts/kernel/1.0")).expect("a kernel");
    fs::write(tree.join("artifacts/initrd/1.0"), "an initrd").expect("an initrd");
    symlink("releases/0", tree.join("latest")).expect("a link");
    for (number, release) in releases.iter().enumerate() {
        make(&format!("releases/{number}"));
        let (kernel, initrd) = match release {
            Release::Whole => ("1.0", "1.0"),
            Release::NoKernel => ("gone", "1.0"),
            Release::NoInitrd => ("1.0", "gone"),
        };
        for (name, version) in [("kernel", kernel), ("initrd", initrd)] {
            let link = tree.join(format!("releases/{number}/{name}"));
            symlink(format!("../../artifacts/{name}/{version}"), link).expect("a link");
        }
    }
    write_menus(&tree.join("boot/grub"), releases.len());
    make_ext4(folder, &tree)
}

fn write_menus(folder: &Path, releases: usize) {
    let fallback: Vec<String> = (1..releases).map(|number| number.to_string()).collect();
    let fallback = fallback.join(" ");
    let mut grub_cfg = format!("{GRUB_CFG}set fallback=\"{fallback}\"\n");
    let mut menu_lst = format!("{MENU_LST}fallback {fallback}\n");
    for number in 0..releases {
        // The first entry goes the long way round, over `latest`.
        let path = if number == 0 { "latest".to_string() } else { format!("releases/{number}") };
        let entry = ENTRY.replace("releases/@", &path).replace('@', &number.to_string());
        grub_cfg.push_str(&format!("menuentry \"release {number}\" {{\n  {entry}\n}}\n"));
        menu_lst.push_str(&format!("title release {number}\nroot (hd0)\n"));
        menu_lst.push_str(&format!("kernel /{path}/kernel console=ttyS0 release={number}\ninitrd /{path}/initrd\n"));
    }
    fs::write(folder.join("grub.cfg"), grub_cfg).expect("grub.cfg");
    fs::write(folder.join("menu.lst"), menu_lst).expect("menu.lst");
}

fn make_ext4(folder: &Path, tree: &Path) -> PathBuf {
    let image = folder.join("boot.img");
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-t", "ext4", "-F", "-L", "dock0", "-b", "4096", "-I", "256", "-O", FEATURES, "-d"]);
    let output = command.arg(tree).arg(&image).arg("64M").output().expect("mke2fs: apt-get install e2fsprogs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    image
}

fn boot(boot: &Boot, image: &Path) -> Vm {
    let disk = Disk { writes: Writes::Dropped, ..Disk::scsi(image) };
    Vm::start(&Machine { disks: vec![disk], ..Machine::new(boot.clone()) }).expect("QEMU")
}

fn both() -> [Boot; 2] {
    [Boot::grub2().expect("GRUB 2"), Boot::grub_legacy().expect("GRUB Legacy")]
}

#[test]
fn latest_is_found_through_its_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = boot_disk(folder.path(), &[Release::Whole]);
    for grub in both() {
        let console = boot(&grub, &image).run_to_end(LONG).expect("the kernel powers off");
        assert!(console.ends_with("console=ttyS0 release=0+\n"), "{console}");
    }
}

#[test]
fn incomplete_releases_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = boot_disk(folder.path(), &[Release::NoKernel, Release::NoInitrd, Release::Whole]);
    for grub in both() {
        let console = boot(&grub, &image).run_to_end(LONG).expect("the kernel powers off");
        assert!(console.ends_with("console=ttyS0 release=2+\n"), "{console}");
        assert!(!console.contains("release=0-") && !console.contains("release=1-"), "{console}");
    }
}

#[test]
fn grub_2_says_what_it_passes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = boot_disk(folder.path(), &[Release::NoInitrd, Release::Whole]);
    let mut vm = boot(&Boot::grub2().expect("GRUB 2"), &image);
    vm.wait_for("release 0 is not complete\n", LONG).expect("the reason");
    vm.wait_for("Falling back to `release 1'\n", LONG).expect("the next one");
}

#[test]
fn the_first_disk_is_the_one_that_is_booted_whatever_it_hangs_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = boot_disk(folder.path(), &[Release::Whole]);
    let empty = folder.path().join("empty.img");
    fs::write(&empty, vec![0; 1 << 20]).expect("a disk");
    for grub in both() {
        for disks in [[Disk::scsi(&image), Disk::blk(&empty)], [Disk::blk(&image), Disk::scsi(&empty)]] {
            for board in [Board::Q35, Board::Pc] {
                let machine = Machine { board, disks: disks.to_vec(), ..Machine::new(grub.clone()) };
                let console = Vm::start(&machine).expect("QEMU").run_to_end(LONG).expect("the kernel powers off");
                assert!(console.ends_with("release=0+\n"), "{console}");
            }
        }
    }
}

/// What the menus must respect: GRUB Legacy cuts in silence.
#[test]
fn a_command_line_reaches_the_kernel_whole_up_to_255_bytes_in_both() {
    let folder = tempfile::tempdir().expect("a folder");
    for (length, whole_in) in [(255, [true, true]), (256, [true, false])] {
        let place = folder.path().join(length.to_string());
        fs::create_dir_all(place.join("boot/grub")).expect("a folder");
        let words = format!("a={}Z", "x".repeat(length - 3));
        guest::kernel(&place);
        let grub_cfg = format!("{GRUB_CFG}menuentry \"x\" {{\nlinux /kernel {words}\n}}\n");
        fs::write(place.join("boot/grub/grub.cfg"), grub_cfg).expect("grub.cfg");
        let menu_lst = format!("{MENU_LST}title x\nroot (hd0)\nkernel /kernel {words}\n");
        fs::write(place.join("boot/grub/menu.lst"), menu_lst).expect("menu.lst");
        let image = make_ext4(folder.path(), &place);
        for (grub, whole) in both().iter().zip(whole_in) {
            let console = boot(grub, &image).run_to_end(LONG).expect("the kernel powers off");
            assert_eq!(console.ends_with("xZ-\n"), whole, "{length} bytes: {console}");
        }
        fs::remove_file(image).expect("removed");
    }
}

#[test]
fn a_disk_without_a_menu_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("empty");
    fs::create_dir(&tree).expect("a folder");
    let mut vm = boot(&Boot::grub2().expect("GRUB 2"), &make_ext4(folder.path(), &tree));
    vm.wait_for("GRUB 2 found no /boot/grub/grub.cfg on the first disk.", LONG).expect("the reason");
    vm.wait_for("grub> ", LONG).expect("a prompt");
}
