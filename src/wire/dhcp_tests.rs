//! DHCP messages, row by row: what is written, what is read, what is not heeded.

extern crate std;
use super::*;
use std::string::ToString;
use std::vec;
use std::vec::Vec as List;

pub(crate) const MAC_A: Mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
pub(crate) const XID: u32 = 0x1234_5678;

/// A server's answer, with these options behind the magic number.
pub(crate) fn answer(transaction: u32, yours: [u8; 4], options: &[&[u8]]) -> List<u8> {
    let mut message = vec![0; 236];
    message[..4].copy_from_slice(&[BOOTREPLY, ETHERNET, 6, 0]);
    message[4..8].copy_from_slice(&transaction.to_be_bytes());
    message[16..20].copy_from_slice(&yours);
    message[28..34].copy_from_slice(&MAC_A);
    message.extend(MAGIC);
    message.extend(options.concat());
    message.push(END);
    message
}

const IS_OFFER: &[u8] = &[53, 1, 2];
const FROM: &[u8] = &[54, 4, 192, 0, 2, 1];
const AN_HOUR: &[u8] = &[51, 4, 0, 0, 14, 16];
const MASK_24: &[u8] = &[1, 4, 255, 255, 255, 0];
const YOURS: [u8; 4] = [192, 0, 2, 5];

fn read(options: &[&[u8]]) -> Result<Reply, Ignored> {
    parse(&answer(XID, YOURS, options), XID, MAC_A)
}

fn offered(options: &[&[u8]]) -> Lease {
    let base: &[&[u8]] = &[IS_OFFER, FROM, AN_HOUR];
    match read(&[base, options].concat()) {
        Ok(Reply::Offer(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_sent_is_what_the_standard_says() {
    let (address, server) = (Ipv4Addr::from(YOURS), Ipv4Addr::new(192, 0, 2, 1));
    let asked = "3902 05dc 3709 01 79 03 06 1a 33 36 3a 3b ff";
    for (ask, flags, own, options) in [
        (Ask::Discover, 0x80, [0; 4], "350101".to_string() + asked),
        (Ask::Select { address, server }, 0x80, [0; 4], "350103 3204c0000205 3604c0000201".to_string() + asked),
        (Ask::Keep { address }, 0, YOURS, "350103".to_string() + asked),
        (Ask::Release { address, server }, 0, YOURS, "350107 3604c0000201 ff".to_string()),
    ] {
        let message = build(ask, XID, MAC_A, 0x0102);
        assert_eq!(message[..12], [1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 1, 2, flags, 0], "{ask:?}");
        assert_eq!(message[12..16], own, "{ask:?}");
        assert_eq!(message[28..34], MAC_A, "{ask:?}");
        assert!(message[34..236].iter().all(|&byte| byte == 0), "{ask:?}");
        let hex: std::string::String = message[240..].iter().map(|byte| std::format!("{byte:02x}")).collect();
        assert_eq!(hex.trim_end_matches('0'), options.replace(' ', ""), "{ask:?}");
        assert_eq!(message.len(), 300, "{ask:?}");
    }
}

#[test]
fn a_full_offer() {
    let lease = offered(&[
        MASK_24,
        &[3, 8, 192, 0, 2, 254, 192, 0, 2, 253],
        &[6, 16, 1, 1, 1, 1, 8, 8, 8, 8, 9, 9, 9, 9, 4, 4, 4, 4],
        &[26, 2, 5, 120],
        &[58, 4, 0, 0, 3, 0],
        &[59, 4, 0, 0, 12, 0],
    ]);
    assert_eq!(lease.address.to_string(), "192.0.2.5/24");
    assert_eq!(lease.routes.as_slice(), [Route::default_via("192.0.2.254".parse().unwrap())]);
    let dns: List<_> = lease.dns.iter().map(ToString::to_string).collect();
    assert_eq!(dns, ["1.1.1.1", "8.8.8.8", "9.9.9.9"]);
    assert_eq!((lease.mtu, lease.seconds, lease.renew_after, lease.rebind_after), (Some(1400), 3600, 768, 3072));
    assert_eq!(lease.server.to_string(), "192.0.2.1");
}

#[test]
fn what_an_offer_leaves_out_has_a_default() {
    let lease = offered(&[]);
    assert_eq!(lease.address.to_string(), "192.0.2.5/24", "class C");
    assert_eq!((lease.routes.len(), lease.dns.len(), lease.mtu), (0, 0, None));
    assert_eq!((lease.renew_after, lease.rebind_after), (1800, 3150));
    for (first, prefix) in [(10, 8), (172, 16), (192, 24)] {
        assert_eq!(class_prefix(Ipv4Addr::new(first, 16, 0, 1)), prefix, "{first}");
    }
}

#[test]
fn times_are_always_in_order() {
    for (case, seconds, renew, rebind, want) in [
        ("none", 3600, None, None, (1800, 3150)),
        ("both", 3600, Some(600), Some(900), (600, 900)),
        ("renewing after rebinding", 3600, Some(1000), Some(900), (899, 900)),
        ("rebinding after the end", 3600, Some(600), Some(4000), (600, 3150)),
        ("zero", 3600, Some(0), Some(0), (1800, 3150)),
        ("for ever", u32::MAX, None, None, (u32::MAX / 2, u32::MAX - u32::MAX / 8)),
        ("the shortest", SHORTEST_LEASE, None, None, (5, 9)),
    ] {
        assert_eq!(times(seconds, renew, rebind), want, "{case}");
    }
}

#[test]
fn classless_routes_beat_routers() {
    let (routers, to) = (&[3, 4, 192, 0, 2, 254][..], |text: &str| text.parse::<Cidr>().unwrap());
    let via = |text: &str| Some(text.parse().unwrap());
    for (case, option, want) in [
        ("the default", &[121, 5, 0, 192, 0, 2, 9][..], vec![(to("0.0.0.0/0"), via("192.0.2.9"))]),
        (
            "a network, a host, and one on the link",
            &[121, 24, 24, 10, 1, 2, 192, 0, 2, 9, 32, 10, 9, 9, 9, 192, 0, 2, 8, 9, 10, 128, 0, 0, 0, 0],
            vec![
                (to("10.1.2.0/24"), via("192.0.2.9")),
                (to("10.9.9.9/32"), via("192.0.2.8")),
                (to("10.128.0.0/9"), None),
            ],
        ),
        ("none at all", &[121, 0], vec![]),
    ] {
        let lease = offered(&[routers, option]);
        let got: List<_> = lease.routes.iter().map(|route| (route.to, route.via)).collect();
        assert_eq!(got, want, "{case}");
    }
}

#[test]
fn options_may_be_split_and_may_stand_in_sname_and_file() {
    let mut message = answer(XID, YOURS, &[IS_OFFER, FROM, &[52, 1, 3], &[51, 2, 0, 0], &[6, 2, 1, 2]]);
    message[108..118].copy_from_slice(&[51, 2, 14, 16, 1, 4, 255, 255, 0, 0]);
    message[118] = END;
    message[44..48].copy_from_slice(&[6, 2, 3, 4]);
    let Ok(Reply::Offer(lease)) = parse(&message, XID, MAC_A) else { panic!("{:?}", parse(&message, XID, MAC_A)) };
    assert_eq!((lease.seconds, lease.address.prefix), (3600, 16));
    assert_eq!(lease.dns.as_slice(), [Ipv4Addr::new(1, 2, 3, 4)]);
}

#[test]
fn acknowledged_and_refused() {
    assert!(matches!(read(&[&[53, 1, 5], FROM, AN_HOUR]), Ok(Reply::Ack(lease)) if lease.seconds == 3600));
    assert_eq!(read(&[&[53, 1, 6], FROM]), Ok(Reply::Nak { server: Ipv4Addr::new(192, 0, 2, 1) }));
}

#[test]
fn what_is_not_heeded() {
    let good: &[&[u8]] = &[IS_OFFER, FROM, AN_HOUR];
    let mangled = |at: usize, to: u8| {
        let mut message = answer(XID, YOURS, good);
        message[at] = to;
        message
    };
    let with = |more: &[u8]| answer(XID, YOURS, &[good, &[more]].concat());
    let without_end = |more: &[u8]| {
        let mut message = with(more);
        message.pop();
        message
    };
    for (case, message, want) in [
        ("nothing", vec![], "it is malformed: it is too short"),
        ("cut off", answer(XID, YOURS, good)[..239].to_vec(), "it is malformed: it is too short"),
        ("a request", mangled(0, 1), "it is not for us"),
        ("another hardware", mangled(1, 6), "it is not for us"),
        ("another transaction", mangled(7, 0), "it is not for us"),
        ("another client", mangled(33, 0), "it is not for us"),
        ("another magic", mangled(236, 0), "it is malformed: its magic number is another"),
        ("a discover", answer(XID, YOURS, &[&[53, 1, 1], FROM]), "it is not for us"),
        ("no type", answer(XID, YOURS, &[FROM, AN_HOUR]), "it is malformed: it does not say what it is"),
        ("no server", answer(XID, YOURS, &[IS_OFFER, AN_HOUR]), "it is malformed: it does not say who its server is"),
        ("two servers", with(FROM), "it is malformed: an option has not its length"),
        ("a long lease", with(&[51, 1, 0]), "it is malformed: an option has not its length"),
        ("half a name server", with(&[6, 3, 1, 1, 1]), "it is malformed: an option has not its length"),
        ("overload 4", with(&[52, 1, 4]), "it is malformed: its option overload is none of 1, 2 and 3"),
        ("an option past the end", without_end(&[60, 9, 1]), "it is malformed: an option is cut off"),
        ("no length", without_end(&[60]), "it is malformed: an option is cut off"),
        ("routes cut off", with(&[121, 2, 24, 10]), "it is malformed: its classless routes are cut off, or too many"),
        (
            "a route of 33 bits",
            with(&[121, 9, 33, 1, 1, 1, 1, 1, 9, 9, 9]),
            "it is malformed: its classless routes are cut off, or too many",
        ),
        (
            "17 routes",
            with(&[&[121, 85][..], &[0, 1, 1, 1, 1].repeat(17)].concat()),
            "it is malformed: its classless routes are cut off, or too many",
        ),
        ("no lease time", answer(XID, YOURS, &[IS_OFFER, FROM]), "it cannot be used: it does not say for how long"),
        (
            "a lease of 9 s",
            answer(XID, YOURS, &[IS_OFFER, FROM, &[51, 4, 0, 0, 0, 9]]),
            "it cannot be used: it ends before it begins to be of use",
        ),
        ("no address", answer(XID, [0; 4], good), "it cannot be used: the address is nobody's"),
        ("a group's address", answer(XID, [224, 0, 0, 1], good), "it cannot be used: the address is nobody's"),
        ("a mask with a hole", with(&[1, 4, 255, 0, 255, 0]), "it cannot be used: the mask is none"),
        ("an empty mask", with(&[1, 4, 0, 0, 0, 0]), "it cannot be used: the mask is none"),
    ] {
        assert_eq!(parse(&message, XID, MAC_A).unwrap_err().to_string(), want, "{case}");
    }
}

#[test]
fn an_mtu_that_would_take_ipv6_away_is_not_heeded() {
    for (mtu, want) in [(576, None), (1279, None), (1280, Some(1280)), (9000, Some(9000))] {
        let [high, low] = u16::to_be_bytes(mtu);
        assert_eq!(offered(&[&[26, 2, high, low]]).mtu, want, "{mtu}");
    }
}
