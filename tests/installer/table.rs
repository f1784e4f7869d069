//! What an installer must refuse, by the names that The Update Framework's specification gives it (section 1.5.2).

use crate::attacks::{Scene, bytes};
use anyhow::Result;
use boot_tests::publisher::{Release, Signed};
use fetch_tests::hostile::Wire;
use std::time::Duration;

/// One way to attack.
pub struct Attack {
    /// The framework's name.
    pub name: &'static str,
    /// What is done under it here.
    pub way: &'static str,
    /// Prepares it; what is installed then comes from the address that it returns.
    pub prepare: fn(&mut Scene) -> Result<String>,
    /// What the refusal says.
    pub sentence: &'static str,
    /// Who is attacked.
    pub program: Program,
    /// What it leaves behind.
    pub leaves: Leaves,
}

/// What installs.
#[derive(Clone, Copy)]
pub enum Program {
    /// The program as it is shipped.
    Shipped,
    /// The same with a test's patience: where a mirror is at fault, the shipped one asks for a quarter of a minute or more.
    Hasty,
}

/// What may be different on the disk afterwards.
#[derive(Clone, Copy)]
pub enum Leaves {
    /// Nothing at all.
    Nothing,
    /// The manifest was good, so nothing older is installed from then on, and what came of its artifact may be gone on with.
    SerialAndPart,
}

use Leaves::{Nothing, SerialAndPart};
use Program::{Hasty, Shipped};

/// All ten, the serial before being 10, and the next good one 12.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "arbitrary installation",
        way: "a stranger's signature",
        prepare: |scene| scene.offer(&scene.release(11)?.sign(&scene.stranger)?),
        sentence: "refusing the manifest: the key STRANGER signed it, and trusted are ",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "arbitrary installation",
        way: "no signature",
        prepare: |scene| {
            let signed = scene.signed(11)?;
            scene.offer(&Signed { minisig: b"<html>not found</html>".into(), ..signed })
        },
        sentence: "refusing the manifest: its signature is malformed: it has not 4 lines",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "endless data",
        way: "a manifest without end",
        prepare: |scene| scene.hostile(|wire| wire.say_for_ever([b' '; 4096])),
        sentence: "fetching the manifest: HOSTILE sends more than the 65536 bytes that may come",
        program: Hasty,
        leaves: Nothing,
    },
    Attack {
        name: "endless data",
        way: "a signed manifest of 64 KiB and a byte",
        prepare: |scene| {
            let mut signed = scene.signed(11)?;
            signed.manifest.resize(65_537, b' ');
            scene.offer(&signed)
        },
        sentence: "fetching the manifest: NGINX announces 65537 bytes, and at most 65536 may come",
        program: Hasty,
        leaves: Nothing,
    },
    Attack {
        name: "endless data",
        way: "an artifact without end",
        prepare: |scene| scene.artifact_from(|wire| wire.say_for_ever([b'x'; 4096])),
        sentence: "fetching vm_root s11: HOSTILE sends more than the 1000000 bytes that may come",
        program: Hasty,
        leaves: SerialAndPart,
    },
    Attack {
        name: "slow retrieval",
        way: "a manifest a byte at a time",
        prepare: |scene| scene.hostile(|wire| wire.trickle([b' '; 1000], TRICKLE)),
        sentence: "fetching the manifest: HOSTILE is too slow: ",
        program: Hasty,
        leaves: Nothing,
    },
    Attack {
        name: "slow retrieval",
        way: "an artifact a byte at a time",
        prepare: |scene| scene.artifact_from(|wire| wire.trickle([b'x'; 1000], TRICKLE)),
        sentence: "fetching vm_root s11: HOSTILE is too slow: ",
        program: Hasty,
        leaves: SerialAndPart,
    },
    Attack {
        name: "slow retrieval",
        way: "an answer that never comes",
        prepare: |scene| scene.artifact_from(Wire::stay_silent),
        sentence: "fetching vm_root s11: HOSTILE was silent for 0.6 s",
        program: Hasty,
        leaves: SerialAndPart,
    },
    Attack {
        name: "indefinite freeze",
        way: "a manifest whose time is over",
        prepare: |scene| {
            let release =
                Release { issued: "2026-01-01T00:00:00Z", expires: "2026-02-01T00:00:00Z", ..scene.release(11)? };
            scene.offer(&release.sign(&scene.publisher.keys)?)
        },
        sentence: "refusing the manifest: it expired 2026-02-01T00:00:00Z, and the clock says ",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "rollback",
        way: "the manifest before, as it was signed",
        prepare: |scene| scene.offer(&scene.before.clone()),
        sentence: "refusing the manifest: its serial is 9, and 10 was accepted from the same key (rollback)",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "fast-forward",
        way: "the last serial there is, from the future",
        prepare: |scene| {
            let release = Release { serial: u64::MAX, issued: "2125-01-01T00:00:00Z", ..scene.release(11)? };
            scene.offer(&release.sign(&scene.publisher.keys)?)
        },
        sentence: "refusing the manifest: it was issued 2125-01-01T00:00:00Z, and the clock says ",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "mix-and-match",
        way: "one manifest with the signature of another",
        prepare: |scene| {
            let (signed, minisig) = (scene.signed(11)?, scene.present.minisig.clone());
            scene.offer(&Signed { minisig, ..signed })
        },
        sentence: "refusing the manifest: its signature by the key GOOD does not fit: one of them was changed",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "mix-and-match",
        way: "two manifests with one serial",
        prepare: |scene| {
            let release = Release { serial: 10, ..scene.release(11)? };
            scene.offer(&release.sign(&scene.publisher.keys)?)
        },
        sentence: "refusing the manifest: its serial 10 is that of another manifest, which was accepted from the same key",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "mix-and-match",
        way: "one release's manifest with the artifact of another",
        prepare: |scene| {
            let signed = scene.signed(11)?;
            scene.publisher.nginx.put("s11", &bytes(9))?;
            scene.offer(&signed)
        },
        sentence: "fetching vm_root s11: NGINX sent other bytes than were signed",
        program: Shipped,
        leaves: SerialAndPart,
    },
    Attack {
        name: "wrong software",
        way: "another product",
        prepare: |scene| scene.offer_of(Release { product: "dock1", ..scene.release(11)? }),
        sentence: "refusing the manifest: its product is dock1, and this machine takes dock0 alone (wrong software)",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "wrong software",
        way: "another channel",
        prepare: |scene| scene.offer_of(Release { channel: "edge", ..scene.release(11)? }),
        sentence: "refusing the manifest: its channel is edge, and this machine takes stable alone (wrong software)",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "wrong software",
        way: "another processor",
        prepare: |scene| scene.offer_of(Release { arch: "riscv64", ..scene.release(11)? }),
        sentence: "refusing the manifest: its arch is riscv64, and this machine takes x86_64 alone (wrong software)",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "malicious mirror",
        way: "a manifest with a byte changed",
        prepare: |scene| {
            let mut signed = scene.signed(11)?;
            let text = String::from_utf8(signed.manifest)?;
            signed.manifest = text.replace("\"version\":\"s11\"", "\"version\":\"s77\"").into_bytes();
            scene.offer(&signed)
        },
        sentence: "refusing the manifest: its signature by the key GOOD does not fit: one of them was changed",
        program: Shipped,
        leaves: Nothing,
    },
    Attack {
        name: "malicious mirror",
        way: "an artifact with its last byte changed",
        prepare: |scene| {
            let (signed, mut changed) = (scene.signed(11)?, bytes(11));
            changed.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            scene.publisher.nginx.put("s11", &changed)?;
            scene.offer(&signed)
        },
        sentence: "fetching vm_root s11: NGINX sent other bytes than were signed",
        program: Shipped,
        leaves: SerialAndPart,
    },
    Attack {
        name: "malicious mirror",
        way: "somebody else's server",
        prepare: |scene| Ok(scene.impostor.https("release.json")),
        sentence: "fetching the manifest: IMPOSTOR has no certificate that we trust: UnknownIssuer",
        program: Hasty,
        leaves: Nothing,
    },
    Attack {
        name: "key compromise",
        way: "a stolen key that spent its serials, and was removed since",
        prepare: |scene| {
            let evil = Release { serial: u64::MAX, issued: "2026-11-25T11:00:00Z", ..scene.release(11)? };
            let url = scene.offer(&evil.sign(&scene.stolen)?)?;
            scene.install_well(&url)?;
            scene.unpin_stolen()?;
            let again = Release { serial: u64::MAX, issued: "2026-11-25T12:00:00Z", ..scene.release(13)? };
            scene.offer(&again.sign(&scene.stolen)?)
        },
        sentence: "refusing the manifest: the key STOLEN signed it, and trusted are GOOD",
        program: Shipped,
        leaves: Nothing,
    },
];

/// Between two bytes: a tenth of a twentieth of what has to come at the least.
const TRICKLE: Duration = Duration::from_millis(20);
