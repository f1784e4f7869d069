# What a person types. `./justw RECIPE` installs what is missing first; `./justw --list` shows the recipes.

# The target init is built for; x86_64-unknown-linux-musl works where that target is installed.
TARGET := "x86_64-unknown-linux-gnu"
# What the linker that Rust brings for GNU targets can do: put code and data that resemble each other side by side, for zstd.
layout := if TARGET =~ "-gnu$" { ",-O2,--bp-compression-sort=both" } else { "" }
# Where crates lie on this machine is in no program: elsewhere the same bytes come out, and the names are shorter.
crates := env("CARGO_HOME", env("HOME") / ".cargo") / "registry/src/"
remap := "--remap-path-prefix=" + crates + "= --remap-path-prefix=" + crates + "index.crates.io-1949cf8c6b5b557f/="
# How static programs are built: relocations in their short form; all with the same C flags, or each would have ring built anew.
static := 'CFLAGS=-DOPENSSL_SMALL DOCK0_BUILT=$(git log -1 --format=%ct) RUSTFLAGS="' + remap + ' -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs' + layout + '"'
profile := "--profile init --target " + TARGET
# ring without its tables of multiples of the curves' base points: 175 KB of noise, which no compressor shortens, and which make a
# handshake 0.3 ms faster. Two functions that ring then lacks, since x86-64 alone asks for them, are its general ones. An update
# of ring changes the prefix; the linker says so.
ring := "ring_core_0_17_14__"
small_ring := "-Wl,--defsym=" + ring + "p256_point_mul_base_vartime=" + ring + "p256_point_mul_base,--defsym=" + ring + "x25519_scalar_mult_adx=" + ring + "x25519_scalar_mult_generic_masked"
# How code is built that libFuzzer watches: each edge between its instructions is counted.
counted := "-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1"
# Where static programs are then, and the tool that builds with them.
built := "target" / TARGET / "init"
dock0 := "target/debug/dock0"
# What writes the bill of materials, and how it and this just are found in the copies of the repository that a release is built in.
cyclonedx_version := "0.5.9"
tools_path := 'PATH="' + justfile_directory() / "build/tools/bin" + ":" + parent_directory(just_executable()) + ':$PATH"'
# The client of Linode's API that tests drive the stand-in with.
linode_cli_version := "5.69.0"
# The most bytes an initrd may have; the build fails above it.
initrd_budget := "1150000"

# What can be done
default:
    @{{just_executable()}} --list --unsorted

# Boot the demo VM through GRUB 2, as Linode does, to a login on the console (vm boot --help for more)
[positional-arguments]
boot *ARGS: disk
    @target/debug/vm boot "$@"

# Run every check and every test, unit and boot
test: lint kernel (kernel "microvm") initrd probe root debian disk publish linode-cli
    cargo test --workspace
    @{{just_executable()}} fuzz 10

# Measure: bytes, seconds to the demo's login, init's steps and menagerie's changes in milliseconds, pushing, fetching on the host and in a VM
bench: disk probe
    @wc -c build/kernel/*/vmlinuz build/initrd.img build/init | grep -v total
    @for grub in 2 legacy; do echo "GRUB $grub:"; target/debug/vm boot --snapshot --grub $grub --until login: --show "handing over"; done
    @echo "counting instructions, thrice; a wait for the disk lets this clock jump, so take the lowest:"
    @for run in 1 2 3; do target/debug/vm boot --snapshot --instructions --until login: --show "handing over"; done
    @cargo run --quiet -p boot-tests --bin bench
    @cargo run --quiet -p fetch-tests --bin fetch-bench

# Cut the power at every write of a changing boot partition (half an hour; --short: two minutes; --help for more)
[positional-arguments]
power-cut *ARGS: kernel initrd probe
    @cargo run -q -p power-cut -- "$@"

# Fuzz every parser of bytes from outside for so many seconds in all, with libFuzzer; what it found stays in build/fuzz
[positional-arguments]
fuzz SECONDS="300" *ARGS:
    RUSTFLAGS="{{counted}}" cargo build -q --profile fuzz --target {{TARGET}} --target-dir target/fuzz -p fuzz --bin fuzz-target
    @cargo run -q -p fuzz --bin fuzz -- --program target/fuzz/{{TARGET}}/fuzz/fuzz-target "$@"

# Formatting and lints; warnings are errors
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings

# The programs that build and boot the rest
tools:
    cargo build -p dock0 -p kernel -p qemu

# Build the kernel from source into build/kernel/CONFIG (linode: ten minutes or more on two cores, microvm: five; nothing is built twice)
kernel CONFIG="linode": tools
    @target/debug/kernel build {{CONFIG}}

# Build that kernel once more, from nothing and in another folder: the bytes must be the same (as long as the first time)
kernel-again CONFIG="linode": (kernel CONFIG)
    @target/debug/kernel build-again {{CONFIG}}

# Name the newest upstream kernels: stable, longterm (--releases URL for another list)
[positional-arguments]
kernel-latest *ARGS: tools
    @target/debug/kernel latest "$@"

# Move kernel-configs/ to another upstream version, all or nothing, and say what differs (--help for sums, keys and mirrors)
[positional-arguments]
kernel-update *ARGS: tools
    @target/debug/kernel update "$@"

# Record what the present version is released with: each whole configuration, and the patches (after a fragment or a patch was changed)
kernel-record: tools
    @target/debug/kernel record

# Change a configuration in the kernel's own menu; what was changed is shown as a fragment
kernel-menuconfig CONFIG="linode": tools
    @target/debug/kernel menuconfig {{CONFIG}}

# Build the static init, and build/init: the same without the tables for unwinding, which a program that aborts never reads
init:
    @mkdir -p build
    {{static}} cargo rustc {{profile}} -p init --bin init -- -C link-arg={{small_ring}}
    @[ build/init -nt {{built}}/init ] || objcopy -R .eh_frame -R .eh_frame_hdr -R .gcc_except_table {{built}}/init build/init

# Build the static probe that the boot tests run as /sbin/init, and the guest of the power-cut rig
probe:
    {{static}} cargo build {{profile}} -p probe -p power-cut-guest

# Build the initrd around init
initrd: tools init
    @{{dock0}} initrd --if-changed --output build/initrd.img --init build/init --max-size {{initrd_budget}}

# Build the demo's root image by the recipe examples/vm_root/tiny
root: tools init
    @{{dock0}} image --if-changed --output build/vm_root.erofs examples/vm_root/tiny/config.yaml

# Build the root image of a Debian with systemd, by the recipe examples/vm_root/debian
debian: tools init
    @{{dock0}} image --if-changed --output build/debian.erofs examples/vm_root/debian/config.yaml

# Build the demo's config bundle of examples/, and unpack it for the disk if it changed
config: tools
    @{{dock0}} config examples/config.yaml examples/configs/web1.yaml
    @[ build/web1/unpacked -nt build/web1.tar.gz ] || { rm -rf build/web1 && mkdir build/web1 \
        && tar -xzf build/web1.tar.gz -C build/web1 && touch build/web1/unpacked; }

# Build the demo's boot disk: kernel, initrd, root image and configuration
disk: kernel initrd root config
    @{{dock0}} disk --if-changed --output build/disk.img --config build/web1/config/templates \
        kernel=$(sed -n 's/^version = "\(.*\)"/\1/p' build/kernel/linode/stamp.toml)@build/kernel/linode/vmlinuz \
        initrd=demo@build/initrd.img vm_root=demo@build/vm_root.erofs

# What just release publishes, of what is here, into FOLDER: kernels and their configurations, initrd, programs, tiny root, what is in them
assets FOLDER: kernel (kernel "microvm") initrd root cyclonedx publish
    RUSTFLAGS="{{remap}}" CARGO_PROFILE_RELEASE_STRIP=true cargo build --release --target {{TARGET}} -p dock0
    mkdir -p {{quote(FOLDER)}}
    cp build/kernel/linode/vmlinuz {{quote(FOLDER)}}/vmlinuz-linode
    cp build/kernel/linode/config {{quote(FOLDER)}}/config-linode
    cp build/kernel/microvm/vmlinuz {{quote(FOLDER)}}/vmlinuz-microvm
    cp build/kernel/microvm/config {{quote(FOLDER)}}/config-microvm
    cp build/init build/initrd.img target/{{TARGET}}/release/dock0 {{quote(FOLDER)}}
    cp build/init {{quote(FOLDER)}}/menagerie
    cp build/vm_root.erofs {{quote(FOLDER)}}/vm_root-tiny
    {{tools_path}} target/debug/publish sbom --target {{TARGET}} --output {{quote(FOLDER / "sbom.cdx.json")}}

# Publish this commit at GitHub: built twice and compared, signed, with sums and notes (--dry-run: all but the upload; --help for more)
[positional-arguments]
release *ARGS: cyclonedx publish
    @{{tools_path}} target/debug/publish release "$@"

# Fetch a published version, check signatures and sums, build its commit again and compare (--trust FILE: the key that signed it)
[positional-arguments]
verify *ARGS: cyclonedx publish
    @{{tools_path}} target/debug/publish verify "$@"

# The publisher's program
publish:
    cargo build -p publish

# What writes the bill of materials, once in build/tools
cyclonedx:
    @{{tools_path}} cargo cyclonedx --version 2>/dev/null | grep -q '{{cyclonedx_version}}$' || \
        cargo install --quiet --debug --locked --root build/tools cargo-cyclonedx --version {{cyclonedx_version}}

# A stand-in for Linode on loopback, whose machines boot here; prints the environment in which linode-cli and dock0 go there (--help for more)
[positional-arguments]
fake-linode *ARGS: linode-cli
    @cargo run -q -p fake-linode -- "$@"

# Deploy a VM with the Debian root at the stand-in for Linode, whose machine boots here, and log in over SSH (WORDS: run this there)
[positional-arguments]
deploy *WORDS: kernel initrd debian
    @cargo run -q -p fake-linode -- --forward web1=2201:1102 \
        sh -c 'examples/linode/deploy.sh web1=127.0.0.1:1102 && examples/linode/login.sh 2201 "$@"' sh "$@"

# The real client of Linode's API, once in build/tools
linode-cli:
    @ls build/tools/linode-cli/lib/python3*/site-packages/linode_cli-{{linode_cli_version}}.dist-info >/dev/null 2>&1 || \
        { python3 -m venv --clear build/tools/linode-cli && \
        build/tools/linode-cli/bin/pip install --quiet linode-cli=={{linode_cli_version}}; }

# Check licences and sources of all dependencies (needs cargo-deny)
deny:
    cargo deny check bans licenses sources
