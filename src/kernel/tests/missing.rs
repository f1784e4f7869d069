//! The operator's program on a machine that lacks what it runs: each sentence names what is missing and what brings it.

use std::path::Path;
use std::process::Command;

/// Runs the program with this as the only folder of programs, and returns what it says when it fails.
fn fail(path: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kernel")).args(words).env("PATH", path).output().unwrap();
    assert!(!output.status.success(), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_is_missing_is_said_before_anything_is_done() {
    let place = tempfile::tempdir().unwrap();
    let folder = |name: &str, programs: &[&str]| {
        let folder = place.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for program in programs {
            std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), folder.join(program)).unwrap();
        }
        folder
    };
    let (bare, fetching) = (folder("bare", &[]), folder("fetching", &["curl"]));
    // Nobody listens there: whatever is fetched first would fail with other words.
    let mirror = ["--mirror", "http://127.0.0.1:9"];
    let update = ["update", "6.99.1", mirror[0], mirror[1]];
    let signed = ["update", "6.99.1", mirror[0], mirror[1], "--keyring", "/dev/null"];
    let rows: [(&Path, &[&str], &str); 6] = [
        (&bare, &["latest", "--releases", mirror[1]], "curl"),
        (&bare, &update, "curl"),
        (&fetching, &signed, "gpgv"),
        (&bare, &["menuconfig"], "gcc"),
        (&bare, &["build"], "gcc, ld"),
        (&bare, &["build-again"], "gcc, ld"),
    ];
    for (path, words, missing) in rows {
        let packages = missing.replace("ld", "binutils").replace(',', "");
        let wanted = format!("kernel: install what is missing ({missing}): apt-get install {packages}\n");
        assert_eq!(fail(path, words), wanted, "{words:?}");
    }
}
