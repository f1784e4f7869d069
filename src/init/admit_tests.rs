use super::*;
use crate::store::Disk;
use menagerie::Name;
use std::fs;
use std::process::{Command, Stdio};

/// A boot partition with one pinned key, and a publisher with three.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.0.path().join("disk/dock0/trust")).unwrap();
        for key in ["first", "second", "stranger"] {
            place.minisign(&format!("-G -W -p {key}.pub -s {key}.key"));
        }
        place.pin("first");
        place
    }

    fn minisign(&self, words: &str) {
        let mut command = Command::new("minisign");
        command.args(words.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("minisign: {error}; apt-get install minisign"));
        assert!(output.status.success(), "minisign {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn pin(&self, key: &str) {
        let path = |name: &str| self.0.path().join(name);
        fs::copy(path(&format!("{key}.pub")), path(&format!("disk/dock0/trust/{key}.pub"))).unwrap();
    }

    fn unpin(&self, key: &str) {
        fs::remove_file(self.0.path().join(format!("disk/dock0/trust/{key}.pub"))).unwrap();
    }

    fn sign(&self, key: &str, manifest: &str) -> Vec<u8> {
        fs::write(self.0.path().join("release.json"), manifest).unwrap();
        self.minisign(&format!("-S -s {key}.key -m release.json -x signature"));
        fs::read(self.0.path().join("signature")).unwrap()
    }

    fn disk(&self) -> Disk {
        Disk::open(&self.0.path().join("disk").display().to_string()).unwrap()
    }

    /// Everything below `dock0`, which is all that could change.
    fn files(&self) -> Vec<String> {
        let list = |name: &str| match fs::read_dir(self.0.path().join("disk/dock0").join(name)) {
            Ok(entries) => entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(),
            Err(_) => Vec::new(),
        };
        let mut files: Vec<String> = list("trust").into_iter().chain(list("state")).collect();
        files.sort();
        files
    }

    /// Admits and remembers.
    fn take(&self, now: &str, manifest: &str, minisig: &[u8]) -> Result<u64, String> {
        let disk = self.disk();
        let admitted = admit_at(&disk, now, manifest.as_bytes(), minisig)?;
        admitted.remember(&disk).unwrap();
        Ok(admitted.manifest.serial)
    }
}

/// Admits at this time.
fn admit_at<'m>(disk: &Disk, now: &str, manifest: &'m [u8], minisig: &[u8]) -> Result<Admitted<'m>, String> {
    let word = |text: &str| text.parse::<Name>().unwrap();
    let (product, channel, arch) = (word("dock0"), word("stable"), word("x86_64"));
    let expected = Expected { product: &product, channel: &channel, arch: &arch };
    let times = Times { system: now.parse().unwrap(), built: "2026-11-01T00:00:00Z".parse().unwrap() };
    admit(disk, &expected, times, manifest, minisig).map_err(|why| why.to_string())
}

/// A manifest that was issued in an hour of November 25 and expires three months later.
fn manifest(serial: u64, hour: u32) -> String {
    let digest = "00".repeat(32);
    format!(
        r#"{{"product":"dock0","channel":"stable","arch":"x86_64","serial":{serial},
        "issued":"2026-11-25T{hour:02}:00:00Z","expires":"2027-02-25T10:00:00Z","artifacts":[
        {{"name":"kernel","version":"1","size":5,"sha256":"{digest}","verity":"{digest}","urls":["http://h/k"]}}]}}"#
    )
}

const NOW: &str = "2026-12-01T00:00:00Z";

#[test]
fn each_attack_is_refused_changes_nothing_and_the_next_good_manifest_is_taken() {
    let place = Place::new();
    let (before, good) = (manifest(41, 9), manifest(42, 10));
    let signed = place.sign("first", &good);
    assert_eq!(place.take(NOW, &before, &place.sign("first", &before)), Ok(41));
    assert_eq!(place.take(NOW, &good, &signed), Ok(42));
    let with = |from: &str, to: &str| good.replace(from, to);
    let endless = format!("{good}{}", " ".repeat(65_536));
    for (attack, now, key, offered, words) in [
        ("arbitrary installation", NOW, "stranger", good.clone(), "signed it, and trusted are"),
        ("endless data", NOW, "first", endless, "at most 65536 can be"),
        ("indefinite freeze", "2027-02-25T10:00:00Z", "first", good.clone(), "it expired 2027-02-25T10:00:00Z"),
        ("rollback", NOW, "first", before.clone(), "its serial is 41, and 42 was accepted"),
        (
            "fast-forward",
            NOW,
            "first",
            manifest(u64::MAX, 10).replace("2026-11-25", "2026-12-09"),
            "more than a day before",
        ),
        ("mix-and-match", NOW, "first", with("\"size\":5", "\"size\":6"), "(mix-and-match)"),
        ("wrong product", NOW, "first", with("dock0", "dock1"), "its product is dock1, and this machine takes dock0"),
        ("wrong channel", NOW, "first", with("stable", "edge"), "its channel is edge, and this machine takes stable"),
        ("wrong arch", NOW, "first", with("x86_64", "riscv64"), "its arch is riscv64, and this machine takes x86_64"),
        ("no manifest", NOW, "first", "[,1]".into(), "it is no JSON at byte 1: no value begins there"),
        ("a clock at 2100", "2100-01-01T00:00:00Z", "first", manifest(99, 23), "the clock says 2100-01-01T00:00:00Z"),
    ] {
        let (files, minisig) = (place.files(), place.sign(key, &offered));
        let why = place.take(now, &offered, &minisig).unwrap_err();
        assert!(why.starts_with("refusing the manifest: ") && why.contains(words), "{attack}: {why}");
        assert_eq!(place.files(), files, "{attack}");
        let next = manifest(43, 11);
        // A mirror that changes a byte of either file.
        for (manifest, minisig) in
            [(next.replace("http://h", "http://x"), place.sign("first", &next)), (next.clone(), signed.clone())]
        {
            let why = place.take(NOW, &manifest, &minisig).unwrap_err();
            assert!(why.ends_with("does not fit: one of them was changed"), "malicious mirror: {why}");
        }
        assert_eq!(place.take(NOW, &next, &place.sign("first", &next)), Ok(43), "after {attack}");
        // Each row begins at serial 42, so that it is refused for what it changes and for nothing else.
        let state = place.0.path().join("disk/dock0/state");
        fs::remove_dir_all(&state).unwrap();
        assert_eq!(place.take(NOW, &good, &signed), Ok(42));
    }
}

/// What a mirror could change in what was signed, a byte at a time, and one bit of it, another for each byte.
#[test]
fn every_byte_of_manifest_and_signature_counts_and_what_is_refused_is_not_remembered() {
    let place = Place::new();
    let good = manifest(42, 10);
    let minisig = place.sign("first", &good);
    let before = place.files();
    let damaged = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    };
    let disk = place.disk();
    for at in 0..good.len() {
        let why = admit_at(&disk, NOW, &damaged(good.as_bytes(), at), &minisig).unwrap_err();
        assert!(why.ends_with("does not fit: one of them was changed"), "byte {at} of the manifest: {why}");
    }
    // Nobody signed the untrusted comment, and nobody reads it.
    let untrusted = "untrusted comment: ".len()..minisig.iter().position(|&byte| byte == b'\n').unwrap();
    for at in (0..minisig.len()).filter(|at| !untrusted.contains(at)) {
        let why = admit_at(&disk, NOW, good.as_bytes(), &damaged(&minisig, at)).unwrap_err();
        assert!(why.starts_with("refusing the manifest: "), "byte {at} of the signature: {why}");
    }
    assert_eq!(place.files(), before);
    assert_eq!(place.take(NOW, &good, &minisig), Ok(42));
}

#[test]
fn a_stolen_key_is_replaced_and_what_it_signed_counts_no_more() {
    let place = Place::new();
    let evil = manifest(u64::MAX, 23);
    assert_eq!(place.take("1970-01-01T00:00:00Z", &evil, &place.sign("first", &evil)), Ok(u64::MAX), "a stolen key");
    let next = manifest(43, 12);
    let why = place.take(NOW, &next, &place.sign("first", &next)).unwrap_err();
    assert!(
        why.ends_with("its serial is 43, and 18446744073709551615 was accepted from the same key (rollback)"),
        "{why}"
    );
    place.pin("second");
    let by_second = place.sign("second", &next);
    let why = place.take(NOW, &next, &by_second).unwrap_err();
    assert!(why.contains("before the one of 2026-11-25T23:00:00Z that was accepted from the key"), "{why}");
    place.unpin("first");
    assert_eq!(place.take(NOW, &next, &by_second), Ok(43));
    assert_eq!(floor(&place.disk(), Timestamp::from_unix(0)).unwrap().to_string(), "2026-11-25T12:00:00Z");
    assert_eq!(place.files().len(), 3, "a key and two serials: {:?}", place.files());
}

#[test]
fn without_a_key_nothing_is_admitted() {
    let place = Place::new();
    let (good, minisig) = (manifest(1, 10), place.sign("first", &manifest(1, 10)));
    place.unpin("first");
    let why = place.take(NOW, &good, &minisig).unwrap_err();
    assert!(why.starts_with("no manifest can be believed: no key is pinned, "), "{why}");
    // A machine that takes no manifests has a clock all the same.
    assert_eq!(floor(&place.disk(), Timestamp::from_unix(7)).unwrap().unix(), 7);
    assert!(system_time().unix() > 0);
}
