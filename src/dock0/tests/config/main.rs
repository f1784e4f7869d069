//! `dock0 config` as it is typed. Whatever it prints, a secret is never in it: each run is looked through.

mod failures;
mod listing;
mod place;
mod scripts;

use place::{BUILD, Place, is};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

#[test]
fn the_example_is_what_it_says() {
    let place = Place(tempfile::tempdir().unwrap());
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    // As git checks it out under the usual umask.
    let copy = "umask 022 && cp -r \"$EXAMPLES\" examples && chmod -R u=rwX,go=rX examples";
    place.must(&copy.replace("$EXAMPLES", examples.to_str().unwrap()));
    let said = place.must("\"$0\" config examples/config.yaml examples/configs/web1.yaml");
    assert!(said.starts_with("bundle examples/../build/web1.tar.gz: 14 entries, "), "{said}");
    let found = place.read("build/web1.tar.gz");
    let motd = fs::read_to_string(examples.join("templates/etc/motd")).unwrap();
    let network = "#!/bin/sh\n# The static network of web1.\nip link set dev eth0 up\n\
        ip address replace 192.0.2.10/24 dev eth0\nip address replace 192.0.2.11/24 dev eth0\n\
        ip address replace 2001:db8::10/64 dev eth0\n\
        ip -4 route replace default via 192.0.2.1 dev eth0\nip -6 route replace default via fe80::1 dev eth0\n";
    let run = "docker run --detach --restart always --env-file /etc/containers/env --name";
    let containers = format!(
        "#!/bin/sh\n# The containers of web1.\n{run} web \\\n    --publish 80:8080 \\\n    --publish 443:8443 \\\n    \
         registry.example.org/web:1.4\n{run} cache \\\n    registry.example.org/cache:7\n"
    );
    let hosts =
        "127.0.0.1 localhost\n127.0.1.1 web1.example.org web1\n::1 localhost\n192.0.2.1 router\n192.0.2.20 db1 db\n";
    is(
        &found,
        &[
            ("755 etc", "/"),
            ("755 etc/containers", "/"),
            ("600 etc/containers/env", "API_KEY=an-example-and-no-secret\n"),
            ("644 etc/hostname", "web1\n"),
            ("644 etc/hosts", hosts),
            ("777 etc/localtime", "-> ../usr/share/zoneinfo/UTC"),
            ("644 etc/motd", &motd),
            ("755 etc/rc.network", network),
            ("755 usr", "/"),
            ("755 usr/local", "/"),
            ("755 usr/local/sbin", "/"),
            ("755 usr/local/sbin/containers", &containers),
        ],
    );
}

#[test]
fn files_are_stacked_and_say_where_things_are() {
    let place = Place::new();
    place.put("templates/list", "{{ list | join(' ') }} {{ map.a }} {{ map.b }}\n");
    place.put("config.yaml", "name: all\nlist: [1, 2]\nmap: {a: 1, b: 2}\n");
    place.put("configs/web1.yaml", "name: web1\nlist: [3]\nmap: {b: 3}\npaths: {output: new/web1.tar.gz}\n");
    for (words, output, list) in [
        ("config.yaml configs/web1.yaml", "new/web1.tar.gz", "3 1 3\n"),
        ("--append-lists config.yaml configs/web1.yaml", "new/web1.tar.gz", "1 2 3 1 3\n"),
        ("config.yaml configs/web1.yaml -o here.tar.gz", "here.tar.gz", "3 1 3\n"),
        ("config.yaml", "build.tar.gz", "1 2 1 2\n"),
        ("\"$PWD/config.yaml\"", "build.tar.gz", "1 2 1 2\n"),
    ] {
        let said = place.must(&format!("\"$0\" config {words}"));
        assert_eq!(place.read(output).last().unwrap().1, list, "{words}");
        let sum = place.must(&format!("sha256sum {output}"));
        assert!(said.contains(output) && said.trim_end().ends_with(&sum[..64]), "{words}: {said}");
        fs::remove_file(place.at(output)).unwrap();
    }
}

#[test]
fn the_same_files_are_the_same_bundle_wherever_whenever_and_by_whomever() {
    let (one, other) = (Place::new(), Place::new());
    for (place, umask) in [(&one, "022"), (&other, "077")] {
        place.put("templates/etc/key", "{{ key }}\n");
        place.put("templates/etc-more", "x");
        place.put("templates/b", "x");
        place.script("make", "mkdir -p templates/var/lib; echo $(umask) >templates/var/lib/file");
        fs::create_dir(place.at("templates/a")).unwrap();
        for directory in ["templates", "templates/etc", "templates/a"] {
            fs::set_permissions(place.at(directory), Permissions::from_mode(0o755)).unwrap();
        }
        place.must(&format!("umask {umask}; {BUILD}"));
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let first = fs::read(one.at("build.tar.gz")).unwrap();
    assert_eq!(first, fs::read(other.at("build.tar.gz")).unwrap());
    // Left alone, it says when it last changed.
    let inode = |place: &Place| fs::metadata(place.at("build.tar.gz")).unwrap().ino();
    let before = inode(&one);
    one.must(BUILD);
    assert_eq!(inode(&one), before);
    one.must(&format!("{BUILD} -o again"));
    assert_eq!(first, fs::read(one.at("again")).unwrap());
    assert_eq!(first[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255], "no name, no time");
    let shown = one.must("tar --numeric-owner -tvzf build.tar.gz | grep -v ' 0/0 .* 1970-01-01 '; :");
    assert_eq!(shown, "");
}

#[test]
fn modes_links_and_bytes_are_kept() {
    let place = Place::new();
    let (zeros, latin) = (b"\0{{ name }}".as_slice(), b"caf\xe9 {{ name }}".as_slice());
    place.put("templates/bin/zeros", zeros);
    place.put("templates/bin/latin", latin);
    place.put("templates/bin/start", "#!/bin/sh\necho {{ name }}");
    place.put("templates/ssh/key", "");
    symlink("start", place.at("templates/bin/link")).unwrap();
    symlink("../bin", place.at("templates/ssh/up")).unwrap();
    let modes = [("bin/start", 0o755), ("bin/zeros", 0o400), ("ssh/key", 0o640), ("ssh", 0o2500), ("bin", 0o755)];
    for (path, mode) in modes {
        fs::set_permissions(place.at("templates").join(path), Permissions::from_mode(mode)).unwrap();
    }
    fs::remove_dir_all(place.at("templates/etc")).unwrap();
    place.must(BUILD);
    is(
        &place.read("build.tar.gz"),
        &[
            ("755 bin", "/"),
            ("644 bin/latin", "caf\u{fffd} {{ name }}"),
            ("777 bin/link", "-> start"),
            ("755 bin/start", "#!/bin/sh\necho web1"),
            ("400 bin/zeros", "\0{{ name }}"),
            ("500 ssh", "/"),
            ("640 ssh/key", ""),
            ("777 ssh/up", "-> ../bin"),
        ],
    );
    let mode = |path: &str| fs::metadata(place.at(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("build.tar.gz"), mode("build/config")), (0o600, 0o700));
    fs::set_permissions(place.at("build.tar.gz"), Permissions::from_mode(0o644)).unwrap();
    place.must(BUILD);
    assert_eq!(mode("build.tar.gz"), 0o600, "whatever it was");
}
