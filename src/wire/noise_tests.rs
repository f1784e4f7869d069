//! Noise for every parser: twenty thousand inputs of random length that begin like the real thing, the same at every run.
//! Nothing is asserted but that they return, with overflow checks on, and that what they return lies in the input.

extern crate std;

use crate::bundle::{Bundle, MAX_ENTRIES, What, gzip::Unpacker};
use crate::dhcp::{self, Reply};
use crate::{
    dns, enrolment, ip_param, json, json_shape, manifest, minisig, netlink_news, network::Network, network_report,
};
use crate::{program, seed, superblock, uevent};
use std::vec::Vec;

/// A linear congruential generator (Knuth's MMIX constants).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap()
    }

    /// Up to `longest` bytes, half of them zeros as in real superblocks, with some of these pieces written over them.
    fn input(&mut self, longest: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = std::vec![0; self.next() % longest];
        for byte in &mut bytes {
            let noise = self.next();
            *byte = if noise.is_multiple_of(2) { 0 } else { u8::try_from(noise >> 8 & 0xff).unwrap() };
        }
        for (offset, piece) in pieces {
            if !self.next().is_multiple_of(4) && offset + piece.len() <= bytes.len() {
                bytes[*offset..offset + piece.len()].copy_from_slice(piece);
            }
        }
        bytes
    }
}

#[test]
fn superblocks() {
    let mut noise = Noise(1);
    let pieces: [(usize, &[u8]); 4] =
        [(1024 + 0x38, &[0x53, 0xef]), (1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (0, b"hsqs"), (28, &[4, 0])];
    let found = (0..20_000).filter(|_| superblock::identify(&noise.input(2000, &pieces)).is_some()).count();
    assert!(found > 1000, "only {found} inputs came past the magic numbers");
}

#[test]
fn answers_of_name_servers() {
    let mut noise = Noise(5);
    let pieces: [(usize, &[u8]); 4] = [
        (0, b"\x00\x01\x81\x80\x00\x01\x00"),
        (12, b"\x01a\x00\x00\x01\x00\x01"),
        (19, b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04"),
        (35, b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c"),
    ];
    let answers =
        (0..20_000).filter(|_| dns::answer(&noise.input(200, &pieces), 1, "a", dns::Kind::V4).is_some()).count();
    assert!(answers > 1000, "only {answers} inputs came past the question");
}

#[test]
fn programs() {
    let mut noise = Noise(2);
    let elf: [(usize, &[u8]); 5] = [
        (0, b"\x7fELF\x02\x01"),
        (18, &[62, 0]),
        (32, &[64, 0, 0, 0, 0, 0, 0, 0]),
        (54, &[56, 0]),
        (64, &[3, 0, 0, 0]),
    ];
    for _ in 0..20_000 {
        for input in [noise.input(300, &elf), noise.input(40, &[(0, b"#!")])] {
            match program::identify(&input) {
                program::Program::Script(path) | program::Program::Elf(Some(path)) => {
                    assert!(path.len() <= input.len())
                }
                program::Program::Elf(None) | program::Program::ForeignElf(_) | program::Program::Unknown => {}
            }
        }
    }
}

#[test]
fn seeds_and_events() {
    let mut noise = Noise(3);
    for _ in 0..2_000 {
        let input = noise.input(9000, &[]);
        let blocks = seed::blocks(&input).flatten().count();
        assert!(blocks * 4104 <= input.len());
        uevent::is_new_block_device(&noise.input(200, &[(0, b"add@"), (20, b"\0SUBSYSTEM=block\0")]));
    }
}

/// What JSON and base64 are made of, and what must not be in them.
const PIECES: &[u8] = b"{}[]\",:\\0-9e.+=\x00\xc3 truefalsn\x1f\n";

/// A good text with a few bytes changed, put in, taken out, or cut off.
fn damage(noise: &mut Noise, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=noise.next() % 4 {
        let at = noise.next() % bytes.len().max(1);
        let byte = PIECES[noise.next() % PIECES.len()];
        match noise.next() % 8 {
            0 => bytes.truncate(at),
            1 | 2 => bytes.insert(at.min(bytes.len()), byte),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = byte,
            _ => {}
        }
    }
    bytes
}

#[test]
fn enrolments() {
    let mut noise = Noise(10);
    let (mut read, mut unusable) = (0, 0);
    for _ in 0..20_000 {
        let input = damage(&mut noise, enrolment::tests::GOOD.as_bytes());
        match enrolment::parse(&input) {
            Ok(Some(enrolment)) => {
                read += 1;
                let lies_within = |text: &&str| input.as_ptr_range().contains(&text.as_ptr());
                assert!(enrolment.operators.iter().chain(&enrolment.settings).all(lies_within));
            }
            Ok(None) => {}
            Err(why) => {
                unusable += 1;
                assert!(!std::string::ToString::to_string(&why).contains(char::is_control), "{why:?}");
            }
        }
    }
    assert!(read > 100 && unusable > 1000, "{read} are read, {unusable} are unusable");
}

#[test]
fn manifests() {
    let mut noise = Noise(4);
    let (mut json_passed, mut read) = (0, 0);
    for _ in 0..20_000 {
        let input = damage(&mut noise, manifest::tests::GOOD.as_bytes());
        json_passed += usize::from(json::check(&input).is_ok());
        read += usize::from(manifest::Manifest::parse(&input).is_ok());
        manifest::Manifest::parse(&noise.input(300, &[(0, b"{\"product\":\"")])).unwrap_err();
    }
    assert!(json_passed > 1000 && read > 100 && read < json_passed, "{json_passed} are JSON, {read} are manifests");
}

#[test]
fn json_that_passes_is_json_to_others_too() {
    let mut noise = Noise(5);
    let good = br#"{"a":[1,-2.5e+3,true,false,null,{}],"b":{"c":"\u00e9\n"},"d":[]}"#;
    let mut passed = 0;
    for _ in 0..50_000 {
        let input = damage(&mut noise, good);
        let ignored = |text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        let others = std::str::from_utf8(&input).is_ok_and(ignored);
        let escaped_key = matches!(json::check(&input), Err(json::NotJson { why: json::Why::EscapedKey, .. }));
        passed += usize::from(others);
        assert_eq!(json::check(&input).is_ok() || escaped_key, others || escaped_key, "{}", input.escape_ascii());
    }
    assert!(passed > 1000, "only {passed} inputs are JSON");
}

#[test]
fn keys_and_signatures() {
    let mut noise = Noise(6);
    for _ in 0..20_000 {
        let key = damage(&mut noise, minisig::tests::KEY.as_bytes());
        minisig::PublicKey::parse(&key).map(|key| assert_eq!(key.base64.len(), 56)).unwrap_or_default();
        let signature = damage(&mut noise, minisig::tests::SIGNATURE.as_bytes());
        let comment = minisig::Signature::parse(&signature).map(|signature| signature.trusted_comment.len());
        assert!(comment.unwrap_or_default() <= signature.len());
    }
}

#[test]
fn dhcp_messages() {
    let mut noise = Noise(4);
    let pieces: [(usize, &[u8]); 6] = [
        (0, &[2, 1, 6, 0, 0, 0, 0, 1]),
        (16, &[192, 0, 2, 5]),
        (28, &[2, 0, 0, 0, 0, 1]),
        (236, &[99, 130, 83, 99, 53, 1, 2, 54, 4, 192, 0, 2, 1, 51, 4, 0, 0, 14, 16]),
        (255, &[121, 8, 24, 10, 0, 0, 192, 0, 2, 1]),
        (265, &[52, 1, 3, 255]),
    ];
    let mut offers = 0;
    for _ in 0..20_000 {
        let message = noise.input(600, &pieces);
        match dhcp::parse(&message, 1, [2, 0, 0, 0, 0, 1]) {
            Ok(Reply::Offer(lease) | Reply::Ack(lease)) => {
                assert!(lease.renew_after < lease.rebind_after && lease.rebind_after < lease.seconds);
                assert!((1..=32).contains(&lease.address.prefix));
                offers += 1;
            }
            Ok(Reply::Nak { .. }) | Err(_) => {}
        }
    }
    assert!(offers > 100, "only {offers} inputs were offers");
}

#[test]
fn netlink_news_of_any_kind() {
    let mut noise = Noise(5);
    let mut news = 0;
    for kind in [2, 3, 16, 20, 24, 68].repeat(4_000) {
        let length = [[64, 0, 0, 0], [120, 0, 0, 0]];
        let pieces: [(usize, &[u8]); 6] = [
            (0, &length[noise.next() % 2]),
            (4, &[kind, 0]),
            (16, &[10, 0, 40, 0]),
            (24, &[8, 0, 1, 0, 192, 0, 2, 5]),
            (32, &[25, 3, 0, 0, 7, 0, 3, 0, b'e', b't', b'h', 0]),
            (44, &[8, 0, 4, 0, 2, 0, 0, 0]),
        ];
        news += netlink_news::read(&noise.input(300, &pieces)).count();
    }
    assert!(news > 2_000, "only {news} inputs were news");
}

#[test]
fn words_of_a_network() {
    let mut noise = Noise(6);
    let mut good = 0;
    for _ in 0..20_000 {
        let line = noise.input(120, &[(0, b"ip=192.0.2.5::192.0.2.1:24:"), (27, b":eth0:off:"), (40, b"[::1]:")]);
        good += usize::from(ip_param::apply(&line, &mut Network::default()).is_ok());
        let report = noise.input(120, &[(0, b"up interface=eth0 address="), (26, b"192.0.2.5/24 "), (39, b"dns=::1")]);
        good += usize::from(network_report::Report::parse(&report).is_ok());
        let json = noise.input(60, &[(0, b"{\"a\":["), (6, b"\"x\\\"y\","), (14, b"\"\"]}")]);
        good += usize::from(json_shape::check(&json, &[("a", json_shape::Kind::Texts)]).is_ok());
    }
    assert!(good > 200, "only {good} inputs were good");
}

/// Fields of a tar header, and what is put into them beside noise.
const TAR_FIELDS: [(usize, &[u8]); 10] = [
    (0, b"config/a/../b"),
    (0, b"config/templates\0"),
    (0, b"config/c/\0"),
    (100, b"0000755\0"),
    (124, b"00000001000\0"),
    (124, b"00000000000\0"),
    (156, b"5"),
    (156, b"2"),
    (157, b"../../x\0"),
    (345, b"config/d\0"),
];

#[test]
fn archives() {
    let mut noise = Noise(8);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut archive = bundles::good_archive();
        for _ in 0..=noise.next() % 3 {
            let header = noise.next() % (archive.len() / 512) * 512;
            let header: &mut [u8; 512] = archive[header..].first_chunk_mut().unwrap();
            let (offset, piece) = TAR_FIELDS[noise.next() % TAR_FIELDS.len()];
            match noise.next() % 4 {
                0 => header[noise.next() % 512] = u8::try_from(noise.next() % 256).unwrap(),
                _ => header[offset..offset + piece.len()].copy_from_slice(piece),
            }
            // A damaged checksum would hide the rest.
            if header.iter().any(|byte| *byte != 0) && !noise.next().is_multiple_of(16) {
                bundles::tar::seal(header);
            }
        }
        archive.truncate(archive.len() - [0, 0, 0, 512, 1][noise.next() % 5]);
        match Bundle::read(&archive) {
            Ok(bundle) => {
                taken += 1;
                assert!(bundle.entries().len() <= MAX_ENTRIES);
                for entry in bundle.entries() {
                    let path = std::string::ToString::to_string(&entry.path);
                    assert!(path == "config" || path.starts_with("config/"), "{path}");
                    assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
                    assert!(entry.mode <= 0o777);
                    if let What::File(content) = entry.what {
                        assert!(content.is_empty() || archive.as_ptr_range().contains(&content.as_ptr()));
                    }
                }
            }
            Err(why) => {
                refused += 1;
                assert!(!std::string::ToString::to_string(&why).contains(char::is_control), "{why:?}");
            }
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} are taken, {refused} are refused");
}

#[test]
fn gzip_files() {
    let mut noise = Noise(9);
    let good = bundles::gzip::compress(&bundles::good_archive());
    let mut room = std::vec![0; 1 << 16];
    let mut unpacked = 0;
    for _ in 0..20_000 {
        let input = damage(&mut noise, &good);
        let mut unpacker = Unpacker::new(&mut room);
        let fed = input.chunks(1 + noise.next() % 64).try_for_each(|bytes| unpacker.feed(bytes));
        unpacked += usize::from(fed.and_then(|()| unpacker.finish()).is_ok());
    }
    assert!(unpacked < 5_000, "{unpacked} damaged files were taken");
}
