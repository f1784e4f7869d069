//! The parsers of bytes from outside, as a fuzzer drives them: a table of names, what is called, and what to begin with.

use wire::bundle::{Bundle, Entry, MAX_ENTRIES, MAX_UNPACKED};
use wire::http_request::{self, Head};
use wire::manifest::Manifest;
use wire::network::Network;
use wire::{
    base64, cmdline, dhcp, dns, enrolment, ip_param, json, minisig, netlink_news, network_report, settings, superblock,
};

/// The variable that says which target is fuzzed.
pub const VARIABLE: &str = "DOCK0_FUZZ";

/// A parser.
pub struct Target {
    /// Its name, and that of the directory of its inputs.
    pub name: &'static str,
    /// Hands it any bytes. It must return, and what it returns must be what it promises.
    pub run: fn(&[u8]),
    /// Inputs that lead far into it.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "cmdline",
        run: |bytes| {
            if let Ok(orders) = cmdline::parse(bytes) {
                assert!(orders.basepath.starts_with("/run/") && orders.init.starts_with('/'));
            }
            ignore(&cmdline::rescue_policy(bytes));
            ignore(&ip_param::apply(bytes, &mut Network::default()));
        },
        seeds: || {
            seeds(&[
                b"root=LABEL=a basepath=/run/x dock0.config=wait:5 dock0.release=1 dock0.rescue=reboot:1 -- x",
                b"ip=192.0.2.5::192.0.2.1:255.255.255.0:host:eth0:off:192.0.2.53",
                b"ip=[2001:db8::5]::[fe80::1]:64::eth0:off",
            ])
        },
    },
    Target {
        name: "settings",
        run: |bytes| ignore(&settings::parse(bytes)),
        seeds: || {
            seeds(&[
            br#"{"manifest":{"url":"https://x/"},"network":{"vlan":5,"ipv4":{"method":"off"},"dns":["::1"]},"check":"boot","config":{"port":7,"store":"memory"}}"#,
        ])
        },
    },
    Target {
        name: "manifest",
        run: |bytes| {
            let is_json = json::check(bytes).is_ok();
            if Manifest::parse(bytes).is_ok() {
                assert!(is_json, "a manifest that is no JSON");
            }
        },
        seeds: || {
            seeds(&[
            br#"{"product":"dock0","channel":"stable","arch":"x86_64","serial":7,"issued":"2026-11-25T10:00:00Z","expires":"2027-02-23T10:00:00Z","artifacts":[{"name":"vm_root","version":"1","size":4,"sha256":"0000000000000000000000000000000000000000000000000000000000000000","verity":"0000000000000000000000000000000000000000000000000000000000000000","urls":["https://example.org/a"]}]}"#,
        ])
        },
    },
    Target {
        name: "enrolment",
        run: |bytes| {
            if let Ok(Some(enrolment)) = enrolment::parse(bytes) {
                assert!(json::check(bytes).is_ok(), "an enrolment that is no JSON");
                assert!(!enrolment.operators.is_empty());
            }
            let mut room = vec![0; bytes.len()];
            if let Some(decoded) = base64::decode(bytes, &mut room) {
                assert_eq!(Some(decoded.len()), base64::length(bytes));
            }
        },
        seeds: || {
            seeds(&[
            br#"{"dock0":{"token":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","operators":["MAA=","MAEA"],"settings":"eyJjaGVjayI6ImJvb3QifQ=="}}"#,
            b"Zm9vYmE=",
        ])
        },
    },
    Target {
        name: "minisign",
        run: |bytes| {
            ignore(&minisig::PublicKey::parse(bytes));
            if let Ok(signature) = minisig::Signature::parse(bytes) {
                assert!(signature.trusted_comment.len() <= bytes.len());
            }
        },
        seeds: || {
            seeds(&[
            b"untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n",
            b"untrusted comment: x\nRUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\ntrusted comment: y\n4nJlhcPZkEjIF+hXmVmIS7ZC6iO6vDGYXV6hdBLeNd1ctpUT7P8ZGLVSEFuyRj4Fe8W9BhzEpwZ1e0RrnaS0Bg==\n",
        ])
        },
    },
    Target {
        name: "http",
        run: |bytes| {
            if let Ok(Head::Whole(request, length)) = http_request::read(bytes) {
                assert!(length <= bytes.len() && length <= http_request::MAX_HEAD);
                assert!(request.path.len() < length);
            }
        },
        seeds: || {
            seeds(&[
            b"PUT /config HTTP/1.1\r\nHost: web1:1002\r\nAccept: text/html\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n",
        ])
        },
    },
    Target {
        name: "dhcp",
        run: |bytes| {
            if let Ok(dhcp::Reply::Offer(lease) | dhcp::Reply::Ack(lease)) = dhcp::parse(bytes, 1, [2, 0, 0, 0, 0, 1]) {
                assert!(lease.renew_after < lease.rebind_after && lease.rebind_after < lease.seconds);
                assert!((1..=32).contains(&lease.address.prefix));
            }
        },
        seeds: || seeds(&[DHCP_OFFER]),
    },
    Target {
        name: "dns",
        run: |bytes| ignore(&dns::answer(bytes, 1, "a", dns::Kind::V4)),
        seeds: || {
            seeds(&[
            b"\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\xc0\x00\x02\x01",
        ])
        },
    },
    Target {
        name: "netlink",
        run: |bytes| ignore(&netlink_news::read(bytes).count()),
        seeds: || {
            seeds(&[
            b"\x28\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x18\x80\x00\x02\x00\x00\x00\x08\x00\x01\x00\xc0\x00\x02\x05\x08\x00\x02\x00\xc0\x00\x02\x05",
        ])
        },
    },
    Target {
        name: "report",
        run: |bytes| {
            ignore(&network_report::Report::parse(bytes));
        },
        seeds: || seeds(&[b"up interface=eth0 mtu=1500 address=192.0.2.5/24 gateway=192.0.2.1 dns=::1"]),
    },
    Target {
        name: "bundle",
        run: |bytes| {
            let mut room = vec![0; MAX_UNPACKED];
            if let Ok(bundle) = Bundle::unpack(bytes, &mut room) {
                assert!(bundle.entries().len() <= MAX_ENTRIES);
            }
            if let Ok(bundle) = Bundle::read(bytes) {
                let inside = |entry: &Entry| entry.path.components().next() == Some(b"config");
                assert!(bundle.entries().iter().all(inside));
            }
        },
        seeds: || vec![bundles::good(), bundles::good_archive()],
    },
    Target {
        name: "superblock",
        run: |bytes| ignore(&superblock::identify(bytes)),
        seeds: || seeds(&[b"hsqs\x00\x00", b"\x7fELF"]),
    },
];

fn seeds(all: &[&[u8]]) -> Vec<Vec<u8>> {
    all.iter().map(|seed| seed.to_vec()).collect()
}

/// What matters is that it returns.
fn ignore<T>(value: &T) {
    std::hint::black_box(value);
}

/// From a server of this world, for the transaction and the address that the target asks for.
const DHCP_OFFER: &[u8] = &{
    let mut offer = [0; 270];
    let pieces: [(usize, &[u8]); 4] = [
        (0, &[2, 1, 6, 0, 0, 0, 0, 1]),
        (16, &[192, 0, 2, 5]),
        (28, &[2, 0, 0, 0, 0, 1]),
        (
            236,
            &[
                99, 130, 83, 99, 53, 1, 2, 54, 4, 192, 0, 2, 1, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4, 192,
                0, 2, 1, 255,
            ],
        ),
    ];
    let mut piece = 0;
    while piece < pieces.len() {
        let (at, bytes) = pieces[piece];
        let mut byte = 0;
        while byte < bytes.len() {
            offer[at + byte] = bytes[byte];
            byte += 1;
        }
        piece += 1;
    }
    offer
};
