//! Config bundles for tests: good ones, and hostile ones with the sentence that each must be refused with. They are written
//! byte by byte, by code that shares nothing with the code that reads them.

#![forbid(unsafe_code)]

pub mod gzip;
mod hostile;
pub mod tar;

pub use hostile::{Row, hostile};
use tar::{Archive, Header};

/// The longest archive that is taken, in bytes.
pub const LIMIT: usize = 16 << 20;
/// The longest file that is taken, in bytes.
pub const FILE_LIMIT: usize = 4 << 20;

/// What [`good`] holds: directories (`None`) with their modes, files and links (`-> target`). Directories that are not in it
/// have the mode 0755.
pub const GOOD: [(&str, u32, Option<&str>); 10] = [
    ("config", 0o755, None),
    ("config/templates", 0o755, None),
    ("config/templates/etc", 0o755, None),
    ("config/templates/etc/hostname", 0o644, Some("web1\n")),
    ("config/templates/etc/keys", 0o700, None),
    ("config/templates/etc/keys/tls.key", 0o600, Some("a secret\n")),
    ("config/templates/etc/localtime", 0o777, Some("-> ../usr/share/zoneinfo/UTC")),
    // Names that a terminal is shown otherwise than they are.
    ("config/templates/etc/systemd/system/mnt-my\\x2ddisk.mount", 0o644, Some("[Mount]\n")),
    ("config/templates/etc/systemd/system/cafe\u{301}\u{200b}.d", 0o750, None),
    ("config/templates/usr/local/bin/start", 0o755, Some("#!/bin/sh\nexec true\n")),
];

/// A bundle as a good operator makes it.
pub fn good() -> Vec<u8> {
    gzip::pack(&good_archive())
}

/// The same, not packed.
pub fn good_archive() -> Vec<u8> {
    let add = |archive: Archive, (path, mode, content): &(&str, u32, Option<&str>)| {
        let header = match content {
            None => Header::directory(&format!("{path}/")),
            Some(content) => match content.strip_prefix("-> ") {
                Some(target) => Header::link(path, target),
                None => return archive.add(Header::file(path, content.len()).mode(*mode), content.as_bytes()),
            },
        };
        archive.add(header.mode(*mode), b"")
    };
    GOOD.iter().fold(Archive::default(), add).end()
}

/// A bundle that unpacks to exactly so many bytes, a multiple of 512, in files of at most 4 MiB; [`LIMIT`] is taken.
pub fn of_length(bytes: usize) -> Vec<u8> {
    let mut archive = Archive::default();
    let mut number = 0;
    // Two blocks are the end, one the header.
    while let left @ 1536.. = bytes - archive.len() {
        let size = (left - 1536).min(FILE_LIMIT);
        archive = archive.add(Header::file(&format!("config/templates/{number}"), size), &vec![b'x'; size]);
        number += 1;
    }
    let mut bytes_of = archive.end();
    bytes_of.resize(bytes, 0);
    gzip::compress(&bytes_of)
}
