//! A small system of our own: a disk with a kernel and an initrd of busybox, that tells on its console what machine it is on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it does first: the same as any other.
const START: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
dmi=/sys/class/dmi/id
echo "guest: $(cat $dmi/sys_vendor)/$(cat $dmi/product_name)/$(cat $dmi/product_serial)"
for disk in /sys/block/sd*; do echo "guest: ${disk##*/} $(cat $disk/size)"; done
cat > /dhcp <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev eth0
ip route add default via $router
END
chmod +x /dhcp
ip link set eth0 up
udhcpc -q -n -i eth0 -s /dhcp >/dev/null 2>&1 || echo "guest: no address"
"#;

/// A disk of 32 MB whose system does this, and then waits.
pub fn disk(folder: &Path, script: &str) -> PathBuf {
    let (root, tree) = (folder.join("initrd"), folder.join("tree"));
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::create_dir_all(tree.join("boot/grub")).unwrap();
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    fs::write(root.join("init"), format!("{START}{script}\necho 'guest: done'\nwhile :; do sleep 60; done\n")).unwrap();
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755)).unwrap();
    let kernel = qemu::repository().join("build/kernel/linode/vmlinuz");
    assert!(kernel.exists(), "there is no {}: ./justw kernel makes it", kernel.display());
    fs::copy(kernel, tree.join("kernel")).unwrap();
    fs::write(tree.join("boot/grub/grub.cfg"), "linux /kernel console=ttyS0 quiet\ninitrd /initrd\nboot\n").unwrap();
    let disk = folder.join("guest.img");
    let script = "set -e
        (cd \"$1\" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) > \"$2/initrd\"
        truncate -s 32M \"$3\"
        PATH=$PATH:/sbin mke2fs -q -t ext4 -d \"$2\" \"$3\"";
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(&root).arg(&tree).arg(&disk).status().unwrap();
    assert!(status.success(), "{status}");
    disk
}
