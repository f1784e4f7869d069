#!/bin/sh
# From nothing to a VM at Linode: keys, a boot image with the Debian root, the deployment. `./justw deploy` runs it against the stand-in;
# at Linode itself, where the kernel, the initrd and the root are built (./justw deploy does that) and $LINODE_TOKEN is set:
# examples/linode/deploy.sh web1
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/target/debug:$PATH
mkdir -p build/linode
[ -e build/linode/operator.pem ] || dock0 keygen operator -o build/linode
[ -e build/linode/login ] || ssh-keygen -q -t ed25519 -N '' -C demo -f build/linode/login
dock0 disk --linode --if-changed --timeout 1 -o build/linode/boot.img.gz \
    kernel=demo@build/kernel/linode/vmlinuz initrd=demo@build/initrd.img vm_root=demo@build/debian.erofs
dock0 deploy --identity build/linode --build examples/linode/web1.yaml "$@"
