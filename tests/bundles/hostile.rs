//! Bundles that must be refused, a row each.

use crate::gzip::{compress, member, pack, stored, trailer};
use crate::tar::{Archive, Header};
use crate::{FILE_LIMIT, LIMIT, good, good_archive, of_length};

/// A bundle and what must be said of it.
pub struct Row {
    /// What is wrong with it, for whoever reads the test's output.
    pub name: &'static str,
    /// The bundle.
    pub bytes: Vec<u8>,
    /// The sentence that it is refused with.
    pub sentence: String,
}

/// All of them.
pub fn hostile() -> Vec<Row> {
    [in_gzip(), in_archive(), in_type(), in_path(), in_number(), in_tree(), in_link()].into_iter().flatten().collect()
}

fn row(name: &'static str, bytes: Vec<u8>, sentence: &str) -> Row {
    Row { name, bytes, sentence: format!("the bundle {sentence}") }
}

/// A bundle of one entry too many.
fn entry(name: &'static str, header: Header, sentence: &str) -> Row {
    entries(name, &[(header, b"")], sentence)
}

fn entries(name: &'static str, more: &[(Header, &[u8])], sentence: &str) -> Row {
    let directory = Archive::default().add(Header::directory("config/"), b"");
    let archive = more.iter().fold(directory, |archive, (header, content)| archive.add(header.clone(), content));
    Row { name, bytes: pack(&archive.end()), sentence: format!("in the bundle {sentence}") }
}

fn file(path: &str) -> Header {
    Header::file(path, 0)
}

fn in_gzip() -> Vec<Row> {
    let (good, archive) = (good(), good_archive());
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let body = &good[10..good.len() - 8];
    let wrong_length = [&good[..10], body, &trailer(crate::gzip::crc32(&archive), archive.len() + 512)].concat();
    let wrong_crc = [&good[..10], body, &trailer(!crate::gzip::crc32(&archive), archive.len())].concat();
    let longer = [stored(&vec![0; LIMIT]), stored(b"x")].concat();
    vec![
        row("nothing", vec![], "is no gzip file"),
        row("half a gzip header", good[..5].to_vec(), "is no gzip file"),
        row("not packed", archive.clone(), "is no gzip file"),
        row("zip", b"PK\x03\x04 and so on, and so on".to_vec(), "is no gzip file"),
        row("another method than deflate", changed(2, 7), "is no gzip file"),
        row("an extra field", changed(3, 4), "has a gzip header with more in it than a file name"),
        row("a header checksum", changed(3, 2), "has a gzip header with more in it than a file name"),
        row("a reserved flag", changed(3, 0x80), "has a gzip header with more in it than a file name"),
        row("a file name without an end", [&good[..3], &[8; 99]].concat(), "is cut off: the gzip file ends too early"),
        row("cut off behind the header", good[..10].to_vec(), "is cut off: the gzip file ends too early"),
        row("cut off in the middle", good[..good.len() / 2].to_vec(), "is cut off: the gzip file ends too early"),
        row("cut off in the trailer", good[..good.len() - 1].to_vec(), "is cut off: the gzip file ends too early"),
        row("a block of a reserved type", changed(10, 7), "is damaged: it cannot be unpacked"),
        row("lengths that differ", changed(13, 0), "is damaged: it cannot be unpacked"),
        row("a changed byte", changed(700, 1), "is damaged: its CRC-32 is wrong"),
        row("a wrong CRC-32", wrong_crc, "is damaged: its CRC-32 is wrong"),
        row("a wrong length", wrong_length, "is damaged: it unpacks to another length than its trailer says"),
        row(
            "two members",
            [good.clone(), good.clone()].concat(),
            "has something behind the gzip file, which must be one and alone",
        ),
        row(
            "one byte behind it",
            [&good[..], &[0]].concat(),
            "has something behind the gzip file, which must be one and alone",
        ),
        row("a block more than the limit", of_length(LIMIT + 512), "unpacks to more than 16 MiB"),
        row("a byte more than the limit", compress(&vec![0; LIMIT + 1]), "unpacks to more than 16 MiB"),
        row("a zip bomb", compress(&vec![0; 64 << 20]), "unpacks to more than 16 MiB"),
        row("a bomb with a small trailer", member(&unended(&longer), b"x"), "unpacks to more than 16 MiB"),
    ]
}

/// The same blocks, none of which is the last.
fn unended(blocks: &[u8]) -> Vec<u8> {
    let mut blocks = blocks.to_vec();
    let mut at = 0;
    while at < blocks.len() {
        let length = usize::from(u16::from_le_bytes([blocks[at + 1], blocks[at + 2]]));
        blocks[at] = 0;
        at += 5 + length;
    }
    blocks
}

fn in_archive() -> Vec<Row> {
    let archive = || Archive::default().add(Header::directory("config/"), b"");
    let behind_one_block = [&archive().unended()[..], &[0; 512], &[1; 512]].concat();
    let behind_the_end = [&archive().end()[..], &[0; 512], &file("config/hidden").bytes(), &[0; 1024]].concat();
    let many = (0..1024).fold(archive(), |all, number| all.add(file(&format!("config/{number}")), b""));
    let named = (0..350).fold(Archive::default(), |all, number| all.add(file(&format!("config/{number}/a/b")), b""));
    let cut = |length: usize| archive().add(Header::file("config/a", 2000), &[b'x'; 2000]).end()[..length].to_vec();
    vec![
        row("an empty archive", pack(b""), "has nothing in it"),
        row("config alone", pack(&archive().end()), "has no config/templates/, which is what lies over the VM's root"),
        row(
            "the templates by another name",
            pack(&archive().add(file("config/template/etc/hostname"), b"").end()),
            "has no config/templates/, which is what lies over the VM's root",
        ),
        row(
            "the root's files without the directory",
            pack(&archive().add(file("config/etc/hostname"), b"").end()),
            "has no config/templates/, which is what lies over the VM's root",
        ),
        row("two blocks of zeros", pack(&[0; 1024]), "has nothing in it"),
        row("twenty blocks of zeros", pack(&[0; 10240]), "has nothing in it"),
        row("half a block", pack(&[0; 700]), "is no archive: its length is no multiple of 512 bytes"),
        row("cut off in a file", pack(&cut(1024 + 512 + 100)), "is no archive: its length is no multiple of 512 bytes"),
        row("no end", pack(&cut(3072)), "is cut off: the archive does not end with two blocks of zeros"),
        row("half an end", pack(&cut(3584)), "is cut off: the archive does not end with two blocks of zeros"),
        row(
            "a short one without an end",
            pack(&cut(512)),
            "is cut off: the archive does not end with two blocks of zeros",
        ),
        row(
            "one block of zeros, then more",
            pack(&behind_one_block),
            "is cut off: the archive does not end with two blocks of zeros",
        ),
        row("an entry behind the end", pack(&behind_the_end), "has something behind the end of the archive"),
        row("too many entries", pack(&many.end()), "has more than 1024 files, directories and links"),
        row("too many that are only named", pack(&named.end()), "has more than 1024 files, directories and links"),
        Row {
            name: "a file longer than the archive",
            bytes: pack(&cut(2048)),
            sentence: "in the bundle config/a is cut off: the archive ends before it".into(),
        },
        Row {
            name: "noise instead of a header",
            bytes: pack(&[b'n'; 1536]),
            sentence: format!("in the bundle {} has a damaged header: its checksum is wrong", "n".repeat(100)),
        },
    ]
}

fn in_type() -> Vec<Row> {
    const ONLY: &str = "; only files, directories and symbolic links can be";
    let typed = |name, kind: u8, is: &str| entry(name, file("config/a").kind(kind), &format!("config/a {is}{ONLY}"));
    let pax = b"30 path=config/../../etc/evil\n";
    let ustar = "(tar --format=ustar writes none)";
    let long = ("config/".to_string() + &"a".repeat(200)).into_bytes();
    vec![
        entry("a hard link", Header::link("config/a", "config").kind(b'1'), &format!("config/a is a hard link{ONLY}")),
        typed("a character device", b'3', "is a character device"),
        typed("a block device", b'4', "is a block device"),
        typed("a pipe", b'6', "is a pipe"),
        typed("a contiguous file", b'7', "is a contiguous file"),
        typed("a type of the future", b'?', "is of the unknown type '?'"),
        typed("a type that no terminal prints", 0xff, "is of the unknown type '\\xff'"),
        typed("a socket, as some write it", b's', "is of the unknown type 's'"),
        typed("a sparse file", b'S', "is a sparse file"),
        entries(
            "a PAX header with another path",
            &[(Header::file("PaxHeaders/a", pax.len()).kind(b'x'), pax), (file("config/safe"), b"")],
            &format!("PaxHeaders/a is a PAX header {ustar}{ONLY}"),
        ),
        entries(
            "a PAX header for all",
            &[(Header::file("pax_global_header", pax.len()).kind(b'g'), pax)],
            &format!("pax_global_header is a PAX header for all that follows {ustar}{ONLY}"),
        ),
        entries(
            "a GNU long name",
            &[(Header::file("././@LongLink", long.len()).kind(b'L'), &long), (file("config/safe"), b"")],
            &format!("././@LongLink is a long name of GNU tar's {ustar}{ONLY}"),
        ),
        entries(
            "a GNU long link",
            &[(Header::file("././@LongLink", long.len()).kind(b'K'), &long), (Header::link("config/l", "a"), b"")],
            &format!("././@LongLink is a long link of GNU tar's {ustar}{ONLY}"),
        ),
    ]
}

fn in_path() -> Vec<Row> {
    let component =
        |name, path: &str| entry(name, file(path), &format!("{path} has a path with an empty, . or .. component"));
    let deep = "config/".to_string() + &"d/".repeat(15) + "f";
    vec![
        component("up and away", "config/../../etc/passwd"),
        component("up from the start", "../etc/passwd"),
        component("up at the end", "config/templates/.."),
        component("up and back", "config/a/../b"),
        component("here", "./config/a"),
        component("here in the middle", "config/./a"),
        component("an empty component", "config//a"),
        component("a file with a slash behind it", "config/a/"),
        component("no name", ""),
        entry(
            "a directory with two slashes",
            Header::directory("config/a//"),
            "config/a// has a path with an empty, . or .. component",
        ),
        entry(
            "up through the prefix",
            file("etc/passwd").prefix("config/.."),
            "config/../etc/passwd has a path with an empty, . or .. component",
        ),
        entry("absolute", file("/etc/passwd"), "/etc/passwd has an absolute path"),
        entry("absolute by its prefix", file("a").prefix("/config"), "/config/a has an absolute path"),
        entry("absolute and below config", file("/config/a"), "/config/a has an absolute path"),
        entry("too deep", file(&deep), &format!("{deep} has a path of more than 16 components")),
        entry("outside", file("boot/grub/grub.cfg"), "boot/grub/grub.cfg is not below config/"),
        entry("outside by a letter", file("configs/a"), "configs/a is not below config/"),
        entry("outside, what is laid over the root", file("templates/etc/a"), "templates/etc/a is not below config/"),
        entry("not UTF-8", file("config/").put(7, b"\xff\xfe"), r"config/\xff\xfe has a path that is not UTF-8"),
        entry(
            "not UTF-8 in the prefix",
            file("a").put(345, b"config/\xc3"),
            r"config/\xc3/a has a path that is not UTF-8",
        ),
        entry(
            "an order to a terminal",
            file("config/\x1b[2J").kind(b'6'),
            r"config/\u{1b}[2J is a pipe; only files, directories and symbolic links can be",
        ),
    ]
}

fn in_number() -> Vec<Row> {
    let number = |name, at: usize, bytes: &[u8], field: &str| {
        entry(name, file("config/a").put(at, bytes), &format!("config/a has a {field} that is no octal number"))
    };
    let mode = |name, mode: u32| {
        let sentence = format!("config/a has the mode {mode:o}; at most 777 can be");
        entry(name, file("config/a").mode(mode), &sentence)
    };
    let owner = |name, at: usize, user, group| {
        let only = "both must be 0 (tar --owner=0 --group=0)";
        let sentence = format!("config/a belongs to user {user} and group {group}; {only}");
        entry(name, file("config/a").put(at, b"0001750\0"), &sentence)
    };
    let long = vec![b'x'; FILE_LIMIT + 1];
    vec![
        number("a size in base 256", 124, b"\x80\0\0\0\0\0\0\0\0\0\0\x01", "size"),
        number("a negative size in base 256", 124, &[0xff; 12], "size"),
        number("a negative size", 124, b"-0000000001\0", "size"),
        number("a size with a sign", 124, b"+0000000000\0", "size"),
        number("a decimal size", 124, b"00000000009\0", "size"),
        number("no size", 124, &[0; 12], "size"),
        number("a size with more behind it", 124, b"0000000 001\0", "size"),
        number("a size with more behind its end", 124, b"000000\x00001\0\0", "size"),
        number("a mode in base 256", 100, b"\x80\0\0\0\0\0\x01\xa4", "mode"),
        number("no mode", 100, b"\0\0\0\0\0\0\0\0", "mode"),
        number("a user in base 256", 108, b"\x80\0\0\0\0\0\x03\xe8", "user"),
        number("a negative group in base 256", 116, &[0xff; 8], "group"),
        number("a time before 1970", 136, &[0xff; 12], "time"),
        entry(
            "a size beyond everything",
            file("config/a").put(124, &[b'7'; 12]),
            "config/a is cut off: the archive ends before it",
        ),
        mode("setuid", 0o4755),
        mode("setgid", 0o2755),
        mode("sticky", 0o1777),
        mode("a mode with a type in it", 0o100644),
        owner("another user", 108, 1000, 0),
        owner("another group", 116, 0, 1000),
        entry(
            "a wrong checksum",
            file("config/a").checksum(b"000001\0 "),
            "config/a has a damaged header: its checksum is wrong",
        ),
        entries(
            "a file of one byte too many",
            &[(Header::file("config/a", long.len()), &long)],
            "config/a has 4194305 bytes; at most 4 MiB can be",
        ),
        entry(
            "a directory with content",
            Header::directory("config/a").size(512),
            "config/a has content, and is no file",
        ),
        entry("a link with content", Header::link("config/a", "b").size(1), "config/a has content, and is no file"),
        entry(
            "GNU tar's own format",
            file("config/a").put(257, b"ustar  \0"),
            "config/a is no ustar entry (tar --format=ustar writes them)",
        ),
        entry(
            "the oldest format",
            file("config/a").put(257, &[0; 8]),
            "config/a is no ustar entry (tar --format=ustar writes them)",
        ),
        entry(
            "another version",
            file("config/a").put(257, b"ustar\x0001"),
            "config/a is no ustar entry (tar --format=ustar writes them)",
        ),
    ]
}

fn in_tree() -> Vec<Row> {
    let file = |path| (file(path), &b""[..]);
    let directory = |path| (Header::directory(path), &b""[..]);
    let link = |path, target| (Header::link(path, target), &b""[..]);
    vec![
        entries("a file twice", &[file("config/a"), file("config/b"), file("config/a")], "config/a is there twice"),
        entries("a directory twice", &[directory("config/a"), directory("config/a/")], "config/a is there twice"),
        entries("config twice", &[directory("config")], "config is there twice"),
        entries("a file and a directory", &[file("config/a"), directory("config/a/")], "config/a is there twice"),
        entries("a link and a file", &[link("config/a", "b"), file("config/a")], "config/a is there twice"),
        entries(
            "twice, with and without a prefix",
            &[file("config/a/b"), (Header::file("b", 0).prefix("config/a"), b"")],
            "config/a/b is there twice",
        ),
        entries(
            "below a file",
            &[file("config/a"), file("config/a!"), file("config/a/b")],
            "config/a/b lies below what is no directory",
        ),
        entries(
            "below a file, and before it",
            &[file("config/a/b/c"), file("config/a")],
            "config/a/b/c lies below what is no directory",
        ),
        entries(
            "below a link",
            &[link("config/a", "templates"), file("config/a/etc/passwd")],
            "config/a/etc/passwd lies below what is no directory",
        ),
        entries("config a file", &[file("config")], "config must be a directory"),
        entries("config a link", &[link("config", "dock0")], "config must be a directory"),
        entries("templates a link", &[link("config/templates", "other")], "config/templates must be a directory"),
    ]
}

fn in_link() -> Vec<Row> {
    let link = |name, path: &str, target: &str| {
        let may = ".. may stand only at its start, and no oftener than there are directories above it";
        let sentence = format!("{path} is a link that may lead out of the bundle; {may}");
        entry(name, Header::link(path, target), &sentence)
    };
    vec![
        entry(
            "an absolute link",
            Header::link("config/templates/a", "/etc/passwd"),
            "config/templates/a is a link to an absolute path; a relative one can be",
        ),
        entry("a link to nothing", Header::link("config/a", ""), "config/a is a link to nothing that is UTF-8"),
        entry(
            "a link that is not UTF-8",
            Header::link("config/a", "").put(157, b"\xff"),
            "config/a is a link to nothing that is UTF-8",
        ),
        link("a link above what becomes the root", "config/templates/etc/a", "../../secrets"),
        link("a link to what is above the root", "config/templates/a", ".."),
        link("a link far up", "config/templates/a/b/c", "../../../../../../../../etc/passwd"),
        link("a link out of config", "config/a", "../dock0/identity/key"),
        link("a link up, hidden by here", "config/templates/a", "./../x"),
        link("a link down and up", "config/templates/a/b", "c/../../../x"),
        // With another link as c it could lead anywhere.
        link("a link down and up again", "config/templates/a/b", "c/../d"),
    ]
}
