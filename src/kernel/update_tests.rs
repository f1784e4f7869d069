//! Updates to made-up kernels: what is written, and every sentence that an operator can meet, each with nothing changed.

use super::*;
use crate::lab::{KNOWN, Kernel, Lab, PATCH, run};

/// A release with one option less, one more, and another default.
const NEWER: &str = "CONFIG_DISK n\nCONFIG_CPUS 64\nCONFIG_NEW y\n";

fn wish(lab: &Lab, version: &str) -> Wish {
    Wish { version: version.parse().unwrap(), mirror: lab.server.url(""), sha256: None, keyring: None }
}

/// Asks for an update that must be refused, and returns the sentence; nothing of the repository is another than before.
fn refusal(lab: &Lab, wish: &Wish) -> String {
    let before = lab.files();
    let error = update(lab.root(), wish).expect_err("an update that cannot be");
    assert_eq!(lab.files(), before, "a failed update changes nothing");
    format!("{error:#}")
}

#[test]
fn a_good_one_moves_everything_and_says_what_differs() {
    let lab = Lab::new();
    let tarball = lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    let report = update(lab.root(), &wish(&lab, "6.99.1")).unwrap();
    let missing = lab.root().join("kernel-configs/released/6.12.117-tiny.config");
    let wanted = format!(
        "kernel 6.12.117 → 6.99.1; all 1 patches apply\nlinode: 3 options differ from those of 6.12.117\n  \
         changed   CONFIG_CPUS=8, now CONFIG_CPUS=64\n  appeared  CONFIG_NEW=y\n  vanished  CONFIG_OLD=y\n\
         tiny: there is no {} to compare with\n",
        missing.display()
    );
    assert_eq!(report, wanted);
    let released = |name: &str| lab.read(&format!("kernel-configs/released/6.99.1-{name}.config"));
    assert_eq!(released("linode"), "CONFIG_DISK=y\nCONFIG_CPUS=64\nCONFIG_NEW=y\n");
    assert_eq!(released("tiny"), "CONFIG_DISK=y\nCONFIG_CPUS=1\nCONFIG_NEW=y\n");
    assert_eq!(lab.read("patches/released/6.99.1/series"), lab.read("patches/series"));
    assert_eq!(lab.read("patches/released/6.99.1/count.patch"), lab.read("patches/count.patch"));
    let toml = lab.read("kernel-configs/kernel.toml");
    let sum = source::sum_of(&tarball).unwrap();
    for line in [
        "# Why.\ntimestamp = \"Tue Nov 14 22:13:20 UTC 2023\"\nsource = \"upstream\"\n\n# Theirs.",
        "version = \"6.12.117\"",
        "version = \"6.99.1\"",
        "linux-6.99.1.tar.xz\"",
        &format!("sha256 = \"{sum}\""),
        "# Small.\n[configurations.tiny]",
    ] {
        assert!(toml.contains(line), "{line:?} in {toml}");
    }
}

/// What is updated is built, though the distribution's older tarball is still there; with nothing of this machine in it.
#[test]
fn the_next_build_is_of_the_new_version() {
    let lab = Lab::new();
    crate::build_kernel(lab.root(), "tiny").unwrap();
    assert!(lab.read("build/kernel/tiny/stamp.toml").contains("version = \"6.12.117\""));
    lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    update(lab.root(), &wish(&lab, "6.99.1")).unwrap();
    crate::build_kernel(lab.root(), "tiny").unwrap();
    assert!(lab.read("build/kernel/tiny/stamp.toml").contains("version = \"6.99.1\""));
    assert_eq!(lab.read("build/kernel/tiny/config"), lab.read("kernel-configs/released/6.99.1-tiny.config"));
    assert_eq!(
        lab.read("build/kernel/tiny/vmlinuz"),
        "KBUILD_BUILD_HOST=dock0\nKBUILD_BUILD_TIMESTAMP=Tue Nov 14 22:13:20 UTC 2023\nKBUILD_BUILD_USER=dock0\n\
         KBUILD_BUILD_VERSION=1\n"
    );
}

/// The set that a version was moved to with stays as it was when another version needs another patch.
#[test]
fn going_back_has_the_earlier_patches_at_hand() {
    let lab = Lab::new();
    lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    update(lab.root(), &wish(&lab, "6.99.1")).unwrap();
    lab.publish("6.99.2", &Kernel { readme: "one\nTWO\nthree\n", ..Kernel::new([6, 99, 2], NEWER) });
    lab.put("patches/count.patch", &PATCH.replace("-two", "-TWO"));
    update(lab.root(), &wish(&lab, "6.99.2")).unwrap();
    assert_eq!(lab.read("patches/released/6.99.2/count.patch"), PATCH.replace("-two", "-TWO"));

    lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.starts_with("patch count.patch does not apply"), "{words}");
    lab.put("patches/count.patch", &lab.read("patches/released/6.99.1/count.patch"));
    update(lab.root(), &wish(&lab, "6.99.1")).unwrap();
    assert_eq!(lab.read("patches/released/6.99.1/count.patch"), PATCH);
}

#[test]
fn the_first_of_a_series_and_an_update_done_twice() {
    let lab = Lab::new();
    lab.publish("6.99", &Kernel::new([6, 99, 0], KNOWN));
    update(lab.root(), &wish(&lab, "6.99")).unwrap();
    let files = lab.files();
    let report = update(lab.root(), &wish(&lab, "6.99")).unwrap();
    assert!(report.contains("kernel 6.99 → 6.99;") && report.contains("tiny: 0 options differ"), "{report}");
    assert_eq!(lab.files(), files);
}

#[test]
fn a_wrong_checksum_is_refused() {
    let lab = Lab::new();
    lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    let none = "0".repeat(64);
    let given = Wish { sha256: Some(none.clone()), ..wish(&lab, "6.99.1") };
    let words = refusal(&lab, &given);
    assert!(words.contains("linux-6.99.1.tar.xz is not what was expected: its SHA-256 is "), "{words}");
    lab.server.put("v6.x/sha256sums.asc", format!("{none}  linux-6.99.1.tar.xz\n").as_bytes());
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.contains(&format!("expected {none}")), "{words}");
    let short = Wish { sha256: Some("5a".into()), ..wish(&lab, "6.99.1") };
    assert_eq!(refusal(&lab, &short), "--sha256 \"5a\": that is not 64 lower-case hexadecimal digits");
}

#[test]
fn a_version_that_is_not_there_is_said() {
    let lab = Lab::new();
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.contains("sha256sums.asc: curl failed"), "{words}");
    let tarball = lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    let words = refusal(&lab, &wish(&lab, "6.99.2"));
    assert!(words.ends_with("has no sum of linux-6.99.2.tar.xz: is there such a version?"), "{words}");
    std::fs::remove_file(tarball).unwrap();
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.contains("linux-6.99.1.tar.xz: curl failed"), "{words}");
}

#[test]
fn another_version_in_the_tarball_is_refused() {
    let lab = Lab::new();
    lab.publish("6.99.1", &Kernel::new([6, 99, 2], NEWER));
    assert_eq!(refusal(&lab, &wish(&lab, "6.99.1")), "the tarball of 6.99.1 holds Linux 6.99.2");
}

#[test]
fn a_patch_that_does_not_apply_is_named() {
    let lab = Lab::new();
    lab.publish("6.99.1", &Kernel { readme: "one\nTWO\nthree\n", ..Kernel::new([6, 99, 1], NEWER) });
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.starts_with("patch count.patch does not apply to the kernel's source"), "{words}");
    // What it is to become is in there already.
    lab.publish("6.99.1", &Kernel { readme: "one\n2\nthree\n", ..Kernel::new([6, 99, 1], NEWER) });
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.contains("count.patch") && words.contains("previously applied"), "{words}");
}

#[test]
fn an_option_that_vanished_is_named_with_its_configuration() {
    let lab = Lab::new();
    lab.publish("6.99.1", &Kernel::new([6, 99, 1], "CONFIG_CPUS 8\n"));
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    let gone = "configuration linode: 1 of the options asked for did not survive the merge:\n  \
                CONFIG_DISK=y (kernel-configs/base.config, line 2) is gone";
    assert!(words.starts_with(gone), "{words}");
}

#[test]
fn what_cannot_be_written_down_leaves_all_as_it_was() {
    let lab = Lab::new();
    lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    std::fs::create_dir_all(lab.root().join("kernel-configs/released/6.99.1-tiny.config/in-the-way")).unwrap();
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.contains("6.99.1-tiny.config"), "{words}");
    std::fs::remove_dir_all(lab.root().join("kernel-configs/released/6.99.1-tiny.config")).unwrap();
    lab.put("patches/released", "in the way");
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.contains("patches/released/6.99.1: Not a directory"), "{words}");
    std::fs::remove_file(lab.root().join("patches/released")).unwrap();
    let toml = lab.read("kernel-configs/kernel.toml");
    lab.put("kernel-configs/kernel.toml", &toml.replace("\"Monday\"", "\"\"\"\nMonday\"\"\""));
    let words = refusal(&lab, &wish(&lab, "6.99.1"));
    assert!(words.starts_with("kernel.toml as it would be written: TOML parse error at line 3"), "{words}");
    lab.put("kernel-configs/kernel.toml", &toml);
    let toml = lab.read("kernel-configs/kernel.toml").replace("timestamp = \"Monday\"", "'timestamp' = \"Monday\"");
    lab.put("kernel-configs/kernel.toml", &toml);
    assert_eq!(refusal(&lab, &wish(&lab, "6.99.1")), "kernel.toml has no line for timestamp above its tables");
}

/// With a keyring, the tarball's makers must be in it.
#[test]
fn a_signature_is_checked_where_a_keyring_is_given() {
    let lab = Lab::new();
    let tarball = lab.publish("6.99.1", &Kernel::new([6, 99, 1], NEWER));
    let home = tempfile::tempdir().unwrap();
    let gpg = |words: &[&str]| {
        let mut gpg = Command::new("gpg");
        run(gpg
            .arg("--homedir")
            .arg(home.path())
            .args(["--batch", "--quiet", "--yes", "--passphrase", ""])
            .args(words));
    };
    let place = |name: &str| home.path().join(name).display().to_string();
    for who in ["maker", "stranger"] {
        gpg(&["--quick-gen-key", who, "ed25519", "sign"]);
        gpg(&["--output", &place(&format!("{who}.gpg")), "--export", who]);
    }
    run(Command::new("sh").args(["-c", "xz -dc \"$0\" >\"$1\"", &tarball.display().to_string(), &place("linux.tar")]));
    let signature = lab.server.place("v6.x/linux-6.99.1.tar.sign").display().to_string();
    let trusting = |who: &str| Wish { keyring: Some(place(&format!("{who}.gpg")).into()), ..wish(&lab, "6.99.1") };

    let words = refusal(&lab, &trusting("maker"));
    assert!(words.contains("linux-6.99.1.tar.sign: curl failed"), "unsigned: {words}");
    gpg(&["--local-user", "maker", "--armor", "--output", &signature, "--detach-sign", &place("linux.tar")]);
    let words = refusal(&lab, &trusting("stranger"));
    assert!(words.contains("is no good signature by a key of ") && words.contains("No public key"), "{words}");
    let words = refusal(&lab, &trusting("nobody"));
    assert!(words.starts_with("looking for the keyring "), "{words}");
    update(lab.root(), &trusting("maker")).unwrap();

    // The mirror has another tarball, with a sum of its own, under the same signature.
    lab.publish("6.99.1", &Kernel::new([6, 99, 1], KNOWN));
    let words = refusal(&lab, &trusting("maker"));
    assert!(words.contains("BAD signature"), "{words}");
    // It left a process of its own for this home.
    run(Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "gpg-agent"]));
}
