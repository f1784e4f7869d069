//! What would be in a bundle, and what changed since another: nothing is written.

use crate::place::{BUILD, Place};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

/// With a file of each kind.
fn place() -> Place {
    let place = Place::new();
    place.put("templates/gone", "1\n");
    place.put("templates/key", "the key: {{ key }}\n");
    place.put("templates/long", "a\nb\n");
    place.put("templates/private", "a\n");
    place.put("templates/zeros", "\0a");
    symlink("long", place.at("templates/link")).unwrap();
    fs::set_permissions(place.at("templates/private"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(place.at("templates/etc"), Permissions::from_mode(0o755)).unwrap();
    place
}

#[test]
fn a_bundle_is_listed_without_being_written() {
    let place = place();
    let want = "\
0755        - config/
0755        - config/templates/
0755        - config/templates/etc/
0644        5 config/templates/etc/hostname
0644        2 config/templates/gone
0644       25 config/templates/key
0777        - config/templates/link -> long
0644        4 config/templates/long
0600        2 config/templates/private
0644        2 config/templates/zeros
";
    assert_eq!(place.must(&format!("{BUILD} --list")), want);
    assert!(!place.at("build.tar.gz").exists());
}

#[test]
fn a_bundle_is_compared_without_being_written() {
    let place = place();
    place.must(BUILD);
    let before = fs::read(place.at("build.tar.gz")).unwrap();
    assert_eq!(place.must(&format!("{BUILD} --diff build.tar.gz")), "nothing changed since build.tar.gz\n");
    fs::remove_file(place.at("templates/gone")).unwrap();
    place.put("templates/key", "another key: {{ key }}\n");
    place.put("templates/long", "a\nc\n");
    place.put("templates/private", "b\n");
    fs::set_permissions(place.at("templates/private"), Permissions::from_mode(0o600)).unwrap();
    place.put("templates/new", "");
    place.put("templates/zeros", "\0b");
    let want = "\
- 0644        2 config/templates/gone
- 0644       25 config/templates/key
+ 0644       29 config/templates/key
- 0644        4 config/templates/long
+ 0644        4 config/templates/long
+ 0644        0 config/templates/new
- 0600        2 config/templates/private
+ 0600        2 config/templates/private
- 0644        2 config/templates/zeros
+ 0644        2 config/templates/zeros
";
    assert_eq!(place.must(&format!("{BUILD} --diff build.tar.gz")), want);
    let shown = place.must(&format!("{BUILD} --text --diff build.tar.gz"));
    let hidden = "    (may hold a secret: not shown)\n";
    for (path, lines) in
        [("key", hidden), ("private", hidden), ("long", "    @@ -1,2 +1,2 @@\n     a\n    -b\n    +c\n")]
    {
        let at = shown.rfind(&format!("config/templates/{path}\n")).unwrap();
        assert!(shown[at..].starts_with(&format!("config/templates/{path}\n{lines}")), "{path}: {shown}");
    }
    assert_eq!(fs::read(place.at("build.tar.gz")).unwrap(), before);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let place = Place::new();
    place.put("other.gz", "no bundle");
    for (words, sentence) in [
        ("--diff none", "dock0: reading the old bundle none: No such file or directory (os error 2)"),
        ("--diff other.gz", "dock0: reading the old bundle other.gz: the bundle is no gzip file"),
        ("--text", "dock0: --text: shows the lines of what --diff finds, and there is no --diff"),
    ] {
        assert_eq!(place.fails(&format!("{BUILD} {words}")), sentence);
    }
    assert_eq!(place.fails("\"$0\" config"), "dock0: no file is given to build from");
}
