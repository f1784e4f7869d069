//! The command as it is typed: modes, exit codes, and what only a plain user meets.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory with `root/` (a file), `config/`, `kernel` and `initrd`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        for directory in ["root", "config/etc"] {
            fs::create_dir_all(place.at(directory)).unwrap();
        }
        for file in ["root/file", "config/etc/file", "kernel", "initrd"] {
            fs::write(place.at(file), "text").unwrap();
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `script` in it, where `$0` is dock0.
    fn run(&self, script: &str) -> Output {
        self.run_as(Command::new("sh"), env!("CARGO_BIN_EXE_dock0").as_ref(), script)
    }

    fn run_as(&self, mut shell: Command, dock0: &Path, script: &str) -> Output {
        shell.arg("-c").arg(script).arg(dock0).current_dir(self.0.path()).output().unwrap()
    }

    /// The same, and it must end well; returns what it said.
    fn must(&self, script: &str) -> String {
        said(self.run(script), script)
    }
}

fn said(output: Output, script: &str) -> String {
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

const DISK: &str = "\"$0\" disk -o new/disk.img --size 16M --config config kernel=1@kernel initrd=1@initrd";

#[test]
fn the_umask_says_who_may_read_an_image_and_nobody_else_reads_a_disk() {
    for (umask, image, disk) in [("022", 0o644, 0o600), ("077", 0o600, 0o600), ("002", 0o664, 0o600)] {
        let place = Place::new();
        place.must(&format!("umask {umask}; \"$0\" image -o new/image root && {DISK}"));
        assert_eq!(mode(&place.at("new/image")), image, "umask {umask}");
        assert_eq!(mode(&place.at("new/disk.img")), disk, "umask {umask}");
    }
}

#[test]
fn the_exit_code_is_0_or_1_wherever_it_speaks_to() {
    for (words, code, complaint) in [
        ("--help", 0, ""),
        ("--help >/dev/full", 1, "dock0: writing to standard output: No space left on device (os error 28)\n"),
        ("image -o a root >/dev/full", 1, "dock0: writing to standard output: No space left on device (os error 28)\n"),
        ("image -o b root >&-", 0, ""),
        ("image -o c nowhere", 1, "dock0: nowhere: is not a directory\n"),
        ("image -o d nowhere 2>/dev/full", 1, ""),
        ("image -o e nowhere 2>&-", 1, ""),
        ("$(printf '\\351')", 1, "dock0: \"\\xE9\" is not UTF-8\n"),
    ] {
        let output = Place::new().run(&format!("\"$0\" {words}"));
        assert_eq!(String::from_utf8_lossy(&output.stderr), complaint, "{words}");
        assert_eq!(output.status.code(), Some(code), "{words}");
    }
}

#[test]
fn a_listener_who_is_gone_is_an_error() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut dock0 = Command::new(env!("CARGO_BIN_EXE_dock0"));
    let output =
        dock0.args(["image", "-o", "out", "root"]).current_dir(place.0.path()).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = "dock0: writing to standard output: Broken pipe (os error 32)\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), complaint);
}

#[test]
fn a_directory_may_begin_with_a_dash() {
    let place = Place::new();
    fs::rename(place.at("root"), place.at("-root")).unwrap();
    for format in ["erofs", "squashfs", "ext4"] {
        place.must(&format!("\"$0\" image --fs {format} -o -{format} -- -root"));
        assert!(place.at(&format!("-{format}")).is_file());
    }
}

#[test]
fn what_did_not_change_is_not_made_again() {
    let place = Place::new();
    let disk = format!("{DISK} --if-changed");
    for (name, change, disk, made) in [
        ("the first time", "", disk.as_str(), true),
        ("nothing changed", "", &disk, false),
        ("another label", "", &format!("{disk} --label web1"), true),
        ("the same label", "", &format!("{disk} --label web1"), false),
        ("other configuration", "echo more >config/etc/file", &format!("{disk} --label web1"), true),
        ("another version", "", &disk.replace("kernel=1", "kernel=2"), true),
        ("the disk was written to", "echo >>new/disk.img", &disk.replace("kernel=1", "kernel=2"), false),
    ] {
        place.must(change);
        let said = place.must(disk);
        assert_eq!(
            said,
            if made { "boot disk new/disk.img: 17 MB\n" } else { "new/disk.img is up to date\n" },
            "{name}"
        );
    }
    assert_eq!(fs::read_dir(place.at("new")).unwrap().count(), 2, "the disk and its stamp");
}

#[test]
fn a_boot_image_for_linode_is_packed_and_writes_to_a_second_disk() {
    let place = Place::new();
    let image = DISK.replace("new/disk.img", "new/boot.img.gz --linode");
    let said = place.must(&format!("{image} --if-changed"));
    let [size, unpacked, label] = said.trim_end().split(", ").collect::<Vec<_>>().try_into().unwrap();
    assert!(size.starts_with("boot image new/boot.img.gz: 0.") && size.ends_with(" MB"), "{said}");
    assert_eq!((unpacked, mode(&place.at("new/boot.img.gz"))), ("unpacked 17 MB", 0o600));
    let digest = place.must("sha256sum new/boot.img.gz");
    assert_eq!(label, format!("dock0-{}", &digest[..16]));
    assert_eq!(place.must(&format!("{image} --if-changed")), "new/boot.img.gz is up to date\n");

    place.must("gzip --test new/boot.img.gz && gzip --decompress --stdout new/boot.img.gz >raw");
    let menu = place.must("PATH=$PATH:/sbin; debugfs -R 'cat /boot/grub/grub.cfg' raw");
    assert!(menu.contains("console=ttyS0,19200n8 ") && menu.contains(" cowspace=/dev/sdb\n"), "{menu}");
    let before = fs::read(place.at("new/boot.img.gz")).unwrap();
    for (words, why) in [
        (image.as_str(), "new/boot.img.gz: exists, and was not touched (--force replaces it)"),
        (
            &format!("{image} --force --cmdline 'a=$b'"),
            "the kernel command line has '$', which a boot menu cannot hold",
        ),
        (&image.replace("16M", "6G"), "the disk has more than 6000000000 bytes, the most that Linode takes unpacked"),
    ] {
        let output = place.run(words);
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("dock0: {why}\n"), "{words}");
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(before == fs::read(place.at("new/boot.img.gz")).unwrap(), "{words}");
    }
    assert_eq!(fs::read_dir(place.at("new")).unwrap().count(), 2, "the image and its stamp");
    assert_eq!(place.must(&format!("{image} --force --timeout 1")).matches("dock0-").count(), 1);
    assert!(before != fs::read(place.at("new/boot.img.gz")).unwrap(), "it was replaced");
}

/// Root may write everywhere, and would see nothing of this.
#[test]
fn a_plain_user_copies_directories_that_are_read_only_and_leaves_nothing_behind() {
    let place = Place::new();
    fs::create_dir(place.at("tmp")).unwrap();
    let dock0 = place.at("dock0"); // where a plain user can start it
    fs::copy(env!("CARGO_BIN_EXE_dock0"), &dock0).unwrap();
    let mut shell = Command::new("sh");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        for directory in ["", "tmp"] {
            fs::set_permissions(place.at(directory), Permissions::from_mode(0o777)).unwrap();
        }
        shell = Command::new("setpriv"); // of util-linux, which every Debian has
        shell.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
    }
    fs::set_permissions(place.at("config/etc"), Permissions::from_mode(0o555)).unwrap();
    let output = place.run_as(shell, &dock0, &format!("export TMPDIR=\"$PWD/tmp\"; {DISK}"));
    fs::set_permissions(place.at("config/etc"), Permissions::from_mode(0o755)).unwrap(); // so that it can be removed
    said(output, "as a plain user");
    assert_eq!(fs::read_dir(place.at("tmp")).unwrap().count(), 0, "a copy of the configuration was left");
    let debugfs = dock0::tool::DEBUGFS;
    let shown = debugfs.run(debugfs.command().args(["-R", "stat /config/templates/etc"]).arg(place.at("new/disk.img")));
    assert!(shown.unwrap().contains("Mode:  0555"));
}
