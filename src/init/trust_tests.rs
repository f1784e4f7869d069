use super::*;
use crate::store::Disk;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const MANIFEST: &[u8] = b"{\"product\":\"dock0\",\"serial\":42}\n";

/// A directory with a boot partition, and minisign at work in it.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.0.path().join("disk/dock0/trust")).unwrap();
        fs::write(place.0.path().join("release.json"), MANIFEST).unwrap();
        place
    }

    fn minisign(&self, words: &str) {
        let mut command = Command::new("minisign");
        command.args(words.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("minisign: {error}; apt-get install minisign"));
        assert!(output.status.success(), "minisign {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes a key pair without a password, `<name>.pub` and `<name>.key`.
    fn make_key(&self, name: &str) -> &Self {
        self.minisign(&format!("-G -W -p {name}.pub -s {name}.key"));
        self
    }

    /// Signs the manifest; the signature.
    fn sign(&self, name: &str, more: &str) -> Vec<u8> {
        self.minisign(&format!("-S{more} -s {name}.key -m release.json -x {name}.minisig -t serial:42"));
        self.read(&format!("{name}.minisig"))
    }

    fn pin(&self, name: &str) -> &Self {
        fs::copy(self.0.path().join(format!("{name}.pub")), self.trust().join(format!("{name}.pub"))).unwrap();
        self
    }

    fn trust(&self) -> std::path::PathBuf {
        self.0.path().join("disk/dock0/trust")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    fn keys(&self) -> Result<Vec<Key>, String> {
        let root = self.0.path().join("disk").display().to_string();
        let disk = Disk::open(&root).unwrap();
        read_keys(&disk).map_err(|failure| failure.to_string().replace(&root, "/disk"))
    }
}

fn refusal(keys: &[Key], manifest: &[u8], minisig: &[u8]) -> String {
    verify(keys, manifest, minisig).unwrap_err().to_string()
}

#[test]
fn what_a_pinned_key_signed_is_believed() {
    let place = Place::new();
    let (old, new) = (place.make_key("old").sign("old", ""), place.make_key("new").sign("new", ""));
    for (case, pinned, signature) in
        [("one key", &["old"][..], &old), ("the first of two", &["new"], &old), ("the second of two", &[], &new)]
    {
        for name in pinned {
            place.pin(name);
        }
        let keys = place.keys().unwrap();
        let signer = verify(&keys, MANIFEST, signature).unwrap_or_else(|why| panic!("{case}: {why}"));
        let comment = String::from_utf8(place.read(if signature == &old { "old.pub" } else { "new.pub" })).unwrap();
        let printed = comment.lines().next().unwrap().rsplit(' ').next().unwrap();
        // minisign leaves out the zeros that an id begins with.
        assert_eq!(signer.to_string(), format!("{printed:0>16}"), "{case}: as minisign prints it");
    }
}

#[test]
fn every_byte_of_manifest_and_signature_counts() {
    let place = Place::new();
    let signature = place.make_key("key").pin("key").sign("key", "");
    let keys = place.keys().unwrap();
    let untrusted = "untrusted comment: ".len()..signature.iter().position(|&byte| byte == b'\n').unwrap();
    let damaged = |bytes: &[u8], at: usize, bit: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << bit;
        bytes
    };
    for bit in 0..8 {
        for at in 0..MANIFEST.len() {
            let why = refusal(&keys, &damaged(MANIFEST, at, bit), &signature);
            assert!(why.ends_with("does not fit: one of them was changed"), "byte {at}, bit {bit}: {why}");
        }
        for at in (0..signature.len()).filter(|at| !untrusted.contains(at)) {
            let damaged = damaged(&signature, at, bit);
            let why = refusal(&keys, MANIFEST, &damaged);
            assert!(why.starts_with("refusing the manifest: "), "byte {at}, bit {bit}: {why}");
        }
    }
    // Nobody signed the untrusted comment, and nobody reads it: of its bytes only control characters and what is no
    // UTF-8 are refused, whoever verifies.
    for at in untrusted {
        verify(&keys, MANIFEST, &damaged(&signature, at, 0)).unwrap();
    }
    for length in 0..signature.len() - 1 {
        refusal(&keys, MANIFEST, &signature[..length]);
    }
    for length in 0..MANIFEST.len() {
        refusal(&keys, &MANIFEST[..length], &signature);
    }
    verify(&keys, MANIFEST, &signature).unwrap();
}

#[test]
fn each_refusal_is_a_sentence() {
    let place = Place::new();
    let (old, legacy) = (place.make_key("old").pin("old").sign("old", ""), place.sign("old", "l"));
    let stranger = place.make_key("stranger").sign("stranger", "");
    place.make_key("new").pin("new");
    let keys = place.keys().unwrap();
    let (second, first) = (keys[1].id, keys[0].id); // in the order of their names
    let strange = Key::parse(&place.read("stranger.pub")).unwrap().id;
    let moved = String::from_utf8(old.clone()).unwrap().replace("serial:42", "serial:43");
    for (case, manifest, minisig, sentence) in [
        (
            "another key",
            MANIFEST,
            &stranger[..],
            format!("the key {strange} signed it, and trusted are {first} and {second}"),
        ),
        (
            "the old kind",
            MANIFEST,
            &legacy,
            "its signature is of minisign's old kind: sign it again, without -l".into(),
        ),
        ("nothing", MANIFEST, b"", "its signature is malformed: it has not 4 lines".into()),
        ("a page of HTML", MANIFEST, b"<html>", "its signature is malformed: it has not 4 lines".into()),
        ("endless data", MANIFEST, &[b'x'; 4097], "its signature is malformed: it has more than 4096 bytes".into()),
        ("endless manifest", &[b' '; 65_537], &old, "it has 65537 bytes, at most 65536 can be".into()),
        (
            "the comment",
            MANIFEST,
            moved.as_bytes(),
            format!("its signature by the key {second} does not fit: one of them was changed"),
        ),
        (
            "another manifest",
            b"{}",
            &old,
            format!("its signature by the key {second} does not fit: one of them was changed"),
        ),
    ] {
        assert_eq!(refusal(&keys, manifest, minisig), format!("refusing the manifest: {sentence}"), "{case}");
    }
    verify(&keys, MANIFEST, &old).unwrap();
}

#[test]
fn a_stranger_with_the_id_of_a_pinned_key_is_refused() {
    let place = Place::new();
    let signature = place.make_key("stranger").sign("stranger", "");
    place.make_key("key");
    let line = |name: &str| String::from_utf8(place.read(name)).unwrap().lines().nth(1).unwrap().to_string();
    let (id, key) = (line("stranger.pub"), line("key.pub"));
    // Algorithm and id are 80 bits: 13 digits and the upper two bits of the next.
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |line: &str| digits.find(&line[13..14]).unwrap();
    let shared = value(&id) & 0b11_0000 | value(&key) & 0b00_1111;
    let forged = format!("untrusted comment: \n{}{}{}", &id[..13], &digits[shared..=shared], &key[14..]);
    fs::write(place.trust().join("key.pub"), forged).unwrap();
    let keys = place.keys().unwrap();
    let sentence = format!("its signature by the key {} does not fit: one of them was changed", keys[0].id);
    assert_eq!(refusal(&keys, MANIFEST, &signature), format!("refusing the manifest: {sentence}"));
    // The two of one id are tried in turn.
    place.pin("stranger");
    verify(&place.keys().unwrap(), MANIFEST, &signature).unwrap();
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let good = "untrusted comment: a\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";
    let none = "no manifest can be believed: no key is pinned, /disk/dock0/trust has no *.pub of minisign";
    type Files<'a> = &'a [(&'a str, &'a str)];
    for (case, files, sentence) in [
        ("none", &[][..], none),
        ("a certificate", &[("ca.pem", "")], none),
        (
            "three",
            &[("c.pub", good), ("a.pub", good), ("b.pub", good)],
            "/disk/dock0/trust has 3 keys (a.pub, b.pub, c.pub), at most 2 can be pinned",
        ),
        ("empty", &[("a.pub", "")], "reading the key /disk/dock0/trust/a.pub: it has not 2 lines"),
        (
            "half",
            &[("a.pub", good), ("b.pub", &good[..50])],
            "reading the key /disk/dock0/trust/b.pub: its line 2 is no base64 of 42 bytes",
        ),
    ] as [(&str, Files, &str); 5]
    {
        let place = Place::new();
        files.iter().for_each(|(name, text)| fs::write(place.trust().join(name), text).unwrap());
        assert_eq!(place.keys().map(|_| ()).unwrap_err(), sentence, "{case}");
    }
    let place = Place::new();
    fs::remove_dir(place.trust()).unwrap();
    assert_eq!(place.keys().map(|_| ()).unwrap_err(), none);
    fs::write(place.trust(), "").unwrap();
    assert_eq!(place.keys().map(|_| ()).unwrap_err(), "listing /disk/dock0/trust: not a directory");
    let place = Place::new();
    std::os::unix::fs::symlink(Path::new("/etc/passwd"), place.trust().join("a.pub")).unwrap();
    let sentence = "reading the key /disk/dock0/trust/a.pub: too many levels of symbolic links";
    assert_eq!(place.keys().map(|_| ()).unwrap_err(), sentence);
    let place = Place::new();
    fs::write(place.trust().join("a.pub"), "x".repeat(5000)).unwrap();
    let sentence = "reading the key /disk/dock0/trust/a.pub: it has more than 4096 bytes";
    assert_eq!(place.keys().map(|_| ()).unwrap_err(), sentence);
    let place = Place::new();
    for number in 0..1024 {
        fs::write(place.trust().join(number.to_string()), "").unwrap();
    }
    let sentence = "/disk/dock0/trust holds too much to be looked through";
    assert_eq!(place.keys().map(|_| ()).unwrap_err(), sentence);
}
