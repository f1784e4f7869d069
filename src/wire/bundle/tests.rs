//! Bundles that are taken, and every hostile one.

extern crate std;
use super::gzip::{Unpacker, crc32};
use super::*;
use ::bundles::tar::{Archive, Header};
use std::collections::BTreeSet;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

/// What is in a bundle, a line each, or the sentence.
fn read(packed: &[u8]) -> Result<Vec<String>, String> {
    let mut room = vec![0; MAX_UNPACKED];
    let bundle = Bundle::unpack(packed, &mut room).map_err(|why| why.to_string())?;
    Ok(bundle.entries().iter().map(show).collect())
}

fn show(entry: &Entry) -> String {
    let Entry { path, mode, what } = entry;
    match what {
        What::Directory => format!("{path}/ {mode:o}"),
        What::File(content) => format!("{path} {mode:o} {}", content.escape_ascii()),
        What::Link(target) => format!("{path} -> {target}"),
    }
}

fn packed(entries: &[(Header, &[u8])]) -> Vec<u8> {
    let add = |archive: Archive, (header, content): &(Header, &[u8])| archive.add(header.clone(), content);
    ::bundles::gzip::pack(&entries.iter().fold(Archive::default(), add).end())
}

#[test]
fn a_good_bundle_is_taken_in_order() {
    let want = [
        "config/ 755",
        "config/templates/ 755",
        "config/templates/etc/ 755",
        "config/templates/etc/hostname 644 web1\\n",
        "config/templates/etc/keys/ 700",
        "config/templates/etc/keys/tls.key 600 a secret\\n",
        "config/templates/etc/localtime -> ../usr/share/zoneinfo/UTC",
        // Shown as a terminal may be told; see what lies on the disk in init's tests.
        r"config/templates/etc/systemd/system/cafe\u{301}\u{200b}.d/ 750",
        r"config/templates/etc/systemd/system/mnt-my\\x2ddisk.mount 644 [Mount]\n",
        "config/templates/usr/local/bin/start 755 #!/bin/sh\\nexec true\\n",
    ];
    assert_eq!(read(&::bundles::good()).unwrap(), want);
    assert_eq!(read(&::bundles::gzip::compress(&::bundles::good_archive())).unwrap(), want);
}

#[test]
fn every_hostile_bundle_is_refused_with_its_sentence() {
    let rows = ::bundles::hostile();
    assert!(rows.len() >= 40, "{}", rows.len());
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
    for row in rows {
        assert_eq!(read(&row.bytes).err().as_deref(), Some(row.sentence.as_str()), "{}", row.name);
    }
}

#[test]
fn what_is_allowed_is_taken() {
    let long = "config/".to_string() + &"p".repeat(148);
    let name = "n".repeat(100);
    let (head, tail) = ("config/templates/a/b", "c");
    for (case, header, want) in [
        ("no type is a file", Header::file("config/a", 0).kind(0), "config/a 644 "),
        ("a prefix", Header::file(tail, 0).prefix(head), "config/templates/a/b/c 644 "),
        ("the longest path", Header::file(&name, 0).prefix(&long), &format!("{long}/{name} 644 ")),
        ("a directory that is all prefix", Header::directory("").prefix("config/d"), "config/d/ 755"),
        ("a directory without a slash", Header::directory("config/d"), "config/d/ 755"),
        ("spaces behind a number", Header::file("config/a", 0).put(124, b"00000000000 "), "config/a 644 "),
        ("no end behind a number", Header::file("config/a", 0).put(136, &[b'1'; 12]), "config/a 644 "),
        ("any mode", Header::file("config/a", 0).mode(0), "config/a 0 "),
        ("a name with dots", Header::file("config/..a/...", 0), "config/..a/... 644 "),
        ("more than ASCII", Header::file("config/häuser", 0), "config/häuser 644 "),
        ("names of people are of no account", Header::file("config/a", 0).put(265, b"www-data"), "config/a 644 "),
        (
            "sixteen components",
            Header::file("config/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g", 0),
            "config/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g 644 ",
        ),
        ("a link beside it", Header::link("config/templates/etc/a", "b"), "config/templates/etc/a -> b"),
        ("a link to the root", Header::link("config/templates/etc/a", ".."), "config/templates/etc/a -> .."),
        ("up as far as can be", Header::link("config/templates/a/b/c", "../../d"), "config/templates/a/b/c -> ../../d"),
        ("through here", Header::link("config/templates/a/b", "./.././d"), "config/templates/a/b -> ./.././d"),
        ("beside the templates", Header::link("config/a/b", "../c"), "config/a/b -> ../c"),
    ] {
        let mut found = read(&packed(&[(header, b""), (Header::directory("config/templates"), b"")])).unwrap();
        found.retain(|line| line != "config/templates/ 755");
        assert_eq!(found, [want], "{case}");
    }
}

#[test]
fn the_limits_themselves_are_taken() {
    let names = |count: usize| {
        (0..count).map(|number| (Header::file(&format!("config/templates/{number}"), 0), &b""[..])).collect::<Vec<_>>()
    };
    // Both directories above them count too.
    assert_eq!(read(&packed(&names(MAX_ENTRIES - 2))).map(|all| all.len()), Ok(MAX_ENTRIES - 2));
    assert_eq!(
        read(&packed(&names(MAX_ENTRIES - 1))).unwrap_err(),
        "the bundle has more than 1024 files, directories and links"
    );
    let content = vec![b'x'; MAX_FILE];
    let mut room = vec![0; MAX_UNPACKED];
    let file = packed(&[(Header::file("config/templates/a", MAX_FILE), &content)]);
    let bundle = Bundle::unpack(&file, &mut room).unwrap();
    assert!(matches!(bundle.entries(), [Entry { what: What::File(found), .. }] if *found == content));
    assert_eq!(read(&::bundles::of_length(MAX_UNPACKED)).map(|all| all.len()), Ok(4));
    let worst = ::bundles::gzip::pack(&vec![0; MAX_UNPACKED]);
    assert!(worst.len() <= MAX_PACKED, "{}", worst.len());
}

#[test]
fn what_is_fed_in_pieces_is_the_same() {
    for (name, bytes) in
        [("stored", ::bundles::good()), ("compressed", ::bundles::gzip::compress(&::bundles::good_archive()))]
    {
        for piece in 1..40 {
            let mut room = vec![0; MAX_UNPACKED];
            let mut unpacker = Unpacker::new(&mut room);
            bytes.chunks(piece).try_for_each(|bytes| unpacker.feed(bytes)).unwrap();
            assert!(unpacker.finish().unwrap() == ::bundles::good_archive(), "{name} in pieces of {piece}");
        }
    }
    // The file's name, as gzip writes it.
    let named = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], b"build.tar\0", &::bundles::good()[10..]].concat();
    assert_eq!(read(&named), read(&::bundles::good()));
}

#[test]
fn a_small_room_is_never_left() {
    let archive = ::bundles::good_archive();
    for (bytes, room, fits) in
        [(archive.len(), archive.len(), true), (archive.len(), archive.len() - 1, false), (512, 0, false)]
    {
        let packed = ::bundles::gzip::compress(&archive[..bytes]);
        let mut room = vec![0; room];
        let mut unpacker = Unpacker::new(&mut room);
        assert_eq!(unpacker.feed(&packed).err(), (!fits).then_some(NotGzip::TooLong));
    }
}

#[test]
fn the_checksum_is_gzips() {
    assert_eq!((crc32(b""), crc32(b"123456789")), (0, 0xcbf4_3926));
}

/// Every shape that tar and gzip of this machine give what an operator packs by hand.
#[test]
fn what_tar_and_gzip_write_is_taken() {
    let script = "set -e; d=$(mktemp -d); cd $d; mkdir -p config/templates/etc; echo web1 > config/templates/etc/hostname; \
                  ln -s ../usr/share/zoneinfo/UTC config/templates/etc/localtime; chmod -R u=rwX,go=rX config; \
                  tar --format=ustar --owner=0 --group=0 --sort=name -cf build.tar config; gzip build.tar; cat build.tar.gz; rm -r $d";
    let output = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let want = [
        "config/ 755",
        "config/templates/ 755",
        "config/templates/etc/ 755",
        "config/templates/etc/hostname 644 web1\\n",
        "config/templates/etc/localtime -> ../usr/share/zoneinfo/UTC",
    ];
    assert_eq!(read(&output.stdout).unwrap(), want);
}
