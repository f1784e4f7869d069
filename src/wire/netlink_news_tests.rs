//! News of a real kernel: the bytes are those of Linux 6.18 on a veth pair in a network namespace, with dnsmasq as router;
//! of the links, statistics are left out.

extern crate std;
use super::*;
use std::string::ToString;
use std::vec::Vec as List;

/// `lo`, down.
const LOOPBACK: &str =
    "50010000 10000200 07000000 7a790000 00000403 01000000 08000000 00000000 07000300 6c6f0000 08000d00 e8030000
    05001000 02000000 05001100 00000000 05004300 01000000 08000400 00000100 08003200 00000000 08003300 00000000
    08001b00 00000000 08001e00 00000000 08003d00 00000000 08001f00 01000000 08002800 ffff0000 08002900 00000100
    08003a00 00000100 08003f00 00000100 08004000 00000100 08003b00 f8ff0700 08003c00 ffff0000 08004200 00000000
    08002000 01000000 05002100 01000000 08002300 00000000 08002f00 00000000 08003000 00000000 06004400 00000000
    06004500 00000000 05002700 00000000 0a000100 00000000 00000000 0a000200 00000000 00000000 09000600 6e6f6f70
    00000000 24000e00 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 04003e80 04004180";

/// `eth0`, up.
const ETH0: &str =
    "6c010000 10000200 07000000 7a790000 00000100 03000000 43100100 00000000 09000300 65746830 00000000 08000d00
    e8030000 05001000 06000000 05001100 00000000 05004300 00000000 08000400 dc050000 08003200 44000000 08003300
    ffff0000 08001b00 00000000 08001e00 00000000 08003d00 00000000 08001f00 02000000 08002800 ffff0000 08002900
    00000100 08003a00 00000100 08003f00 00000100 08004000 00000100 08003b00 f8ff0700 08003c00 ffff0000 08004200
    00000000 08002000 02000000 05002100 01000000 08002300 02000000 08002f00 01000000 08003000 01000000 06004400
    00000000 06004500 00000000 05002700 00000000 0a000100 52540012 34560000 0a000200 ffffffff ffff0000 10001200
    09000100 76657468 00000000 08000500 02000000 0c000600 6e6f7175 65756500 24000e00 00000000 00000000 00000000
    00000000 00000000 00000000 00000000 00000000 04003e80 04004180";

/// 192.0.2.5/24.
const ADDRESS4: &str =
    "50000000 14000200 07000000 7a790000 02188000 03000000 08000100 c0000205 08000200 c0000205 09000300 65746830
    00000000 08000800 80000000 14000600 ffffffff ffffffff fbf00600 fbf00600";

/// 2001:db8::5/64, added with nodad.
const ADDRESS6: &str =
    "48000000 14000200 07000000 7a790000 0a408200 03000000 14000100 20010db8 00000000 00000000 00000005 14000600
    ffffffff ffffffff fcf00600 fcf00600 08000800 82000000";

/// The link-local address in its first second.
const TENTATIVE: &str =
    "50000000 14000200 07000000 7a790000 0a40c0fd 03000000 14000100 fe800000 00000000 505400ff fe123456 14000600
    ffffffff ffffffff faf00600 faf00600 08000800 c0000000 05000b00 03000000";

/// default via 192.0.2.1.
const DEFAULT4: &str =
    "34000000 18000200 07000000 7a790000 02000000 fe030001 00000000 08000f00 fe000000 08000500 c0000201 08000400
    03000000";

/// 192.0.2.0/24 on the link.
const NETWORK4: &str =
    "3c000000 18000200 07000000 7a790000 02180000 fe02fd01 00000000 08000f00 fe000000 08000100 c0000200 08000700
    c0000205 08000400 03000000";

/// A route of the local table.
const LOCAL4: &str =
    "3c000000 18000200 07000000 7a790000 02200000 ff02fe02 00000000 08000f00 ff000000 08000100 c0000205 08000700
    c0000205 08000400 03000000";

/// default via fe80::1.
const DEFAULT6: &str =
    "74000000 18000200 07000000 7a790000 0a000000 fe030001 00000000 08000f00 fe000000 08000600 00040000 14000500
    fe800000 00000000 00000000 00000001 08000400 03000000 24000c00 00000000 00000000 00000000 00000000 00000000
    00000000 00000000 00000000 05001400 00000000";

/// Two name servers for 1,800 s.
const RDNSS: &str =
    "5c000000 44000000 00000000 00000000 0a002800 02000000 86000000 00000000 19050000 00000708 20010db8 00000000
    00000000 00000053 fe800000 00000000 2ce726ff fe24eb93 14000100 fe800000 00000000 2ce726ff fe24eb93";

/// A prefix, which is another option.
const PREFIX: &str =
    "54000000 44000000 00000000 00000000 0a002000 02000000 86000000 00000000 030440c0 00000708 00000708 00000000
    20010db8 00000000 00000000 00000000 14000100 fe800000 00000000 2ce726ff fe24eb93";

/// The end of a list.
const DONE: &str = "14000000 03000200 07000000 7a790000 00000000";

fn bytes(hex: &str) -> List<u8> {
    let digits: List<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn only(hex: &str) -> News {
    let mut news = read(&bytes(hex)).collect::<List<_>>();
    assert_eq!(news.len(), 1, "{news:?}");
    news.remove(0)
}

#[test]
fn links() {
    let News::Link(Verb::Add, lo) = only(LOOPBACK) else { panic!() };
    assert_eq!((lo.index, lo.name.as_str(), lo.mtu, lo.state, lo.carrier), (1, "lo", 65536, State::Down, false));
    assert_eq!((lo.mac, lo.ethernet, lo.kind.as_str()), (Some([0; 6]), false, ""));
    let News::Link(Verb::Add, eth0) = only(ETH0) else { panic!() };
    assert_eq!((eth0.name.as_str(), eth0.mtu, eth0.state, eth0.carrier), ("eth0", 1500, State::Up, true));
    assert_eq!((eth0.mac, eth0.ethernet), (Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]), true));
    assert_eq!(eth0.kind.as_str(), "veth");
    assert_eq!(only(&ETH0.replacen("10000200", "11000200", 1)), News::Link(Verb::Delete, eth0));
}

#[test]
fn addresses() {
    for (case, hex, address, usable) in [
        ("IPv4", ADDRESS4, "192.0.2.5/24", true),
        ("IPv6", ADDRESS6, "2001:db8::5/64", true),
        ("not known to be alone, and of the link", TENTATIVE, "fe80::5054:ff:fe12:3456/64", false),
        ("of a site", &ADDRESS6.replacen("0a408200", "0a4082c8", 1), "2001:db8::5/64", true),
        ("not known to be alone", &ADDRESS6.replace("08000800 82000000", "08000800 c2000000"), "2001:db8::5/64", false),
        ("known not to be alone", &ADDRESS6.replace("08000800 82000000", "08000800 88000000"), "2001:db8::5/64", false),
    ] {
        let News::Address(Verb::Add, news) = only(hex) else { panic!("{case}") };
        assert_eq!((news.address.to_string().as_str(), news.usable), (address, usable), "{case}");
        assert_ne!(news.link, 1, "{case}");
    }
}

#[test]
fn routes() {
    for (hex, to, via) in [
        (DEFAULT4, "0.0.0.0/0", Some("192.0.2.1")),
        (NETWORK4, "192.0.2.0/24", None),
        (DEFAULT6, "::/0", Some("fe80::1")),
    ] {
        let News::Route(Verb::Add, link, route) = only(hex) else { panic!("{to}") };
        assert_eq!((route.to, route.via), (to.parse().unwrap(), via.map(|via| via.parse().unwrap())));
        assert_ne!(link, 1, "{to}");
    }
    assert_eq!(read(&bytes(LOCAL4)).count(), 0, "the local table is the kernel's own affair");
}

#[test]
fn name_servers_of_routers() {
    let servers: List<Ipv6Addr> = ["2001:db8::53", "fe80::2ce7:26ff:fe24:eb93"].map(|s| s.parse().unwrap()).into();
    let want =
        |servers: &[Ipv6Addr], seconds| News::Dns(2, Dns { servers: Vec::from_slice(servers).unwrap(), seconds });
    assert_eq!(only(RDNSS), want(&servers, 1800));
    assert_eq!(only(&RDNSS.replace("00000708", "00000000")), want(&servers, 0));
    assert_eq!(only(&RDNSS.replace("20010db8", "ff020db8")), want(&servers[1..], 1800), "a group is no server");
    assert_eq!(read(&bytes(PREFIX)).count(), 0);
    for (case, from, to) in [
        ("shorter than it says", "19050000", "19060000"),
        ("longer than it says", "19050000", "19040000"),
        ("another option", "19050000", "1f050000"),
        ("more options than there are", "0a002800", "0a002900"),
        ("of IPv4", "0a002800", "02002800"),
    ] {
        assert_eq!(read(&bytes(&RDNSS.replace(from, to))).count(), 0, "{case}");
    }
}

#[test]
fn answers_and_ends() {
    assert_eq!(only(DONE), News::Done(7));
    let refused = "24000000 0200 0000 09000000 00000000 edffffff 10000000 1000 0500 09000000 00000000";
    assert_eq!(only(refused), News::Answer(9, 19));
    assert_eq!(only(&refused.replace("edffffff", "00000000")), News::Answer(9, 0));
    assert_eq!(only(&refused.replace("edffffff", "00000080")), News::Answer(9, i32::MAX));
}

#[test]
fn several_in_one_datagram_and_what_is_not_whole_is_left_out() {
    let both = [ADDRESS4, DEFAULT4].concat();
    let bytes = bytes(&both);
    assert_eq!(read(&bytes).count(), 2);
    assert_eq!(read(&bytes[..bytes.len() - 1]).count(), 1);
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).count() <= 1, "{length}");
    }
    assert_eq!(read(&[0; 64]).count(), 0, "a length of 0 ends it");
    assert_eq!(read(&[0xff; 64]).count(), 0);
}
