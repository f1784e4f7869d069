use super::*;
extern crate std;
use std::string::{String, ToString};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn key(text: &str) -> KeyId {
    text.repeat(16).parse().unwrap()
}

/// A manifest, a machine that takes it, and a time that fits.
struct Case {
    offered: [Name; 3],
    expected: [Name; 3],
    serial: u64,
    issued: Timestamp,
    expires: Timestamp,
    key: KeyId,
    manifest: ManifestId,
    memory: Memory,
    trusted: [KeyId; 2],
    clock: Clock,
}

impl Case {
    fn good() -> Self {
        let words = [name("dock0"), name("stable"), name("x86_64")];
        Case {
            offered: words.clone(),
            expected: words,
            serial: 42,
            issued: at("2026-11-25T10:00:00Z"),
            expires: at("2027-02-25T10:00:00Z"),
            key: key("A"),
            manifest: ManifestId::of(b"42"),
            memory: Memory::default(),
            trusted: [key("A"), key("B")],
            clock: Clock { system: at("2026-12-01T00:00:00Z"), floor: at("2026-11-01T00:00:00Z") },
        }
    }

    /// After a manifest was accepted: its key, serial, name and when it was issued.
    fn after(mut self, key: KeyId, serial: u64, manifest: &[u8], issued: &str) -> Self {
        let seen =
            Seen { key, serial, manifest: ManifestId::of(manifest), issued: at(issued), channel: name("stable") };
        self.memory.insert(seen).unwrap();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Case)) -> Self {
        change(&mut self);
        self
    }

    fn judge(&self) -> Result<Seen, String> {
        let [product, channel, arch] = &self.expected;
        let expected = Expected { product, channel, arch };
        let judge = Judge { expected, memory: &self.memory, trusted: &self.trusted, clock: self.clock };
        let [product, channel, arch] = &self.offered;
        let &Case { serial, issued, expires, key, manifest, .. } = self;
        let offer = Offer { product, channel, arch, serial, issued, expires, key, manifest };
        judge.accept(&offer).map_err(|why| why.to_string())
    }
}

#[test]
fn what_may_be_installed_is_remembered() {
    let good = Case::good;
    for (case, given) in [
        ("the first ever", good()),
        ("the next serial", good().after(key("A"), 41, b"41", "2026-11-24T10:00:00Z")),
        ("the same manifest again", good().after(key("A"), 42, b"42", "2026-11-25T10:00:00Z")),
        ("a lower serial than another key's", good().after(key("B"), 99, b"99", "2026-11-24T10:00:00Z")),
        ("issued together with another key's", good().after(key("B"), 42, b"42", "2026-11-25T10:00:00Z")),
        (
            "after a fast-forward with a key that is trusted no longer",
            good().after(key("C"), u64::MAX, b"evil", "2099-01-01T00:00:00Z"),
        ),
        (
            "another channel's serials",
            good().after(key("A"), 99, b"99", "2026-11-24T10:00:00Z").with(|case| {
                case.offered[1] = name("edge");
                case.expected[1] = name("edge");
            }),
        ),
        ("the last second", good().with(|case| case.clock.system = at("2027-02-25T09:59:59Z"))),
        ("a day from the future", good().with(|case| case.clock.system = at("2026-11-24T10:00:00Z"))),
        ("a clock at 1970", good().with(|case| case.clock.system = at("1970-01-01T00:00:00Z"))),
    ] {
        let seen = given.judge().unwrap_or_else(|why| panic!("{case}: {why}"));
        let Case { key, serial, manifest, issued, .. } = given;
        assert_eq!(seen, Seen { key, serial, manifest, issued, channel: given.offered[1].clone() }, "{case}");
        let change = given.memory.remember(&seen).unwrap();
        assert_eq!(change.is_none(), case == "the same manifest again", "{case}");
        let renamed = change.is_some_and(|change| change.from.is_some());
        assert_eq!(renamed, case == "the next serial", "{case}");
    }
}

#[test]
fn each_attack_has_its_sentence() {
    let good = Case::good;
    let wrong = |place: usize, word: &str| good().with(|case| case.offered[place] = name(word));
    for (given, sentence) in [
        (wrong(0, "dock1"), "its product is dock1, and this machine takes dock0 alone (wrong software)"),
        (wrong(1, "edge"), "its channel is edge, and this machine takes stable alone (wrong software)"),
        (wrong(2, "riscv64"), "its arch is riscv64, and this machine takes x86_64 alone (wrong software)"),
        (
            good().after(key("A"), 43, b"43", "2026-11-26T10:00:00Z"),
            "its serial is 42, and 43 was accepted from the same key (rollback)",
        ),
        (
            good().after(key("A"), u64::MAX, b"evil", "2026-11-26T10:00:00Z"),
            "its serial is 42, and 18446744073709551615 was accepted from the same key (rollback)",
        ),
        (
            good().after(key("A"), 42, b"another", "2026-11-25T10:00:00Z"),
            "its serial 42 is that of another manifest, which was accepted from the same key: SHA-256 \
             ae448ac86c4e8e4d… then, 73475cb40a568e8d… now (mix-and-match)",
        ),
        (
            good().after(key("B"), 7, b"7", "2026-11-25T10:00:01Z"),
            "it was issued 2026-11-25T10:00:00Z, before the one of 2026-11-25T10:00:01Z that was accepted from the key \
             BBBBBBBBBBBBBBBB (rollback)",
        ),
        (
            good().with(|case| case.clock.system = case.expires),
            "it expired 2027-02-25T10:00:00Z, and the clock says 2027-02-25T10:00:00Z (indefinite freeze)",
        ),
        (
            good().with(|case| case.clock.system = at("2100-01-01T00:00:00Z")),
            "it expired 2027-02-25T10:00:00Z, and the clock says 2100-01-01T00:00:00Z (indefinite freeze)",
        ),
        (
            good().with(|case| {
                case.clock = Clock { system: at("1970-01-01T00:00:05Z"), floor: at("2027-03-01T00:00:00Z") }
            }),
            "it expired 2027-02-25T10:00:00Z, and the clock says 1970-01-01T00:00:05Z and is behind, for it is at least \
             2027-03-01T00:00:00Z (indefinite freeze)",
        ),
        (
            good().with(|case| case.clock.system = at("2026-11-24T09:59:59Z")),
            "it was issued 2026-11-25T10:00:00Z, and the clock says 2026-11-24T09:59:59Z: more than a day before \
             (fast-forward)",
        ),
    ] {
        assert_eq!(given.judge(), Err(sentence.to_string()));
    }
}
