//! What stops a build: what is said of it, and that the bundle of the build before stays.

use crate::place::{BUILD, Place, SECRET};
use std::fs;
use std::os::unix::fs::symlink;

/// What it is called, what is done to the place, and what dock0 config says then.
type Row<'r> = (&'r str, &'r dyn Fn(&Place), &'r str);

/// Each spoils a place of its own, in which a bundle was built before.
fn check(rows: &[Row]) {
    for (name, spoil, sentence) in rows {
        let place = Place::new();
        place.must(BUILD);
        let before = fs::read(place.at("build.tar.gz")).unwrap();
        spoil(&place);
        let why = place.fails("\"$0\" config --timeout 2 config.yaml");
        assert!(why.starts_with("dock0: ") && why.contains(sentence), "{name}: {why}");
        assert_eq!(fs::read(place.at("build.tar.gz")).unwrap(), before, "{name}");
        let left: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{name}: {left:?}");
    }
}

#[test]
fn files_that_cannot_be_meant() {
    let failing = "a: !env SECRET\nb: !command [sh, -c, 'echo $SECRET; echo no $SECRET >&2; exit 1']";
    check(&[
        (
            "no file",
            &|p| fs::remove_file(p.at("config.yaml")).unwrap(),
            "reading config.yaml: No such file or directory (os error 2)",
        ),
        ("not YAML", &|p| p.put("config.yaml", "a: 1\nb: ]"), "config.yaml: "),
        (
            "no secret",
            &|p| p.put("config.yaml", "a: 1\nb: !env NOT_SET"),
            "config.yaml line 2: !env NOT_SET: the variable is not set",
        ),
        (
            "a failing command",
            &|p| p.put("config.yaml", failing),
            "config.yaml line 2: !command sh: it failed (exit status: 1):\nno ***",
        ),
        (
            "a slow command",
            &|p| p.put("config.yaml", "a: !command [sleep, '60']"),
            "config.yaml line 1: !command sleep: it did not end within 2 s (--timeout)",
        ),
        ("paths", &|p| p.put("config.yaml", "paths: x"), "paths: a map is wanted (templates, scripts, build, output)"),
    ]);
}

#[test]
fn templates_that_cannot_be_rendered() {
    let sum = "invalid operation: tried to use + operator on unsupported types string and number";
    check(&[
        (
            "no templates",
            &|p| p.put("config.yaml", "paths: {templates: none}"),
            "looking at none: No such file or directory (os error 2)",
        ),
        (
            "templates that are a file",
            &|p| p.put("config.yaml", "paths: {templates: config.yaml}"),
            "reading the templates config.yaml: is not a directory",
        ),
        (
            "an undefined name",
            &|p| p.put("templates/etc/x", "\n{{ nope }} {{ key }}"),
            "templates/etc/x line 2: `nope` is undefined",
        ),
        (
            "a secret in a wrong place",
            &|p| p.put("templates/etc/x", "{{ key + 1 }}"),
            &format!("templates/etc/x line 1: {sum}"),
        ),
        (
            "a pipe",
            &|p| drop(p.must("mkfifo templates/pipe")),
            "templates/pipe: is neither a file, a directory nor a symbolic link",
        ),
        (
            "a long file",
            &|p| p.put("templates/big", vec![b'x'; 5 << 20]),
            "templates/big has 5242880 bytes; at most 4 MiB can be",
        ),
        (
            "nothing",
            &|p| fs::remove_dir_all(p.at("templates")).unwrap(),
            "the bundle would be empty: there are no templates, and no script made anything",
        ),
    ]);
}

#[test]
fn scripts_that_fail() {
    check(&[
        (
            "a failing script",
            &|p| p.script("x", &format!("printf 'cannot open {SECRET}\\n'; cat; exit 7")),
            "scripts/x failed (exit status: 7):\ncannot open ***\n{\"key\":\"***\",\"name\":\"web1\"}",
        ),
        (
            "a failing script that writes to the terminal",
            &|p| p.script("x", "printf '\\033[2Jgone'; exit 1"),
            "scripts/x failed (exit status: 1):\n\\u{1b}[2Jgone",
        ),
        (
            "a failing command that writes to the terminal",
            &|p| p.put("config.yaml", "a: !command [sh, -c, \"printf '\\\\033[2Jgone' >&2; exit 1\"]"),
            "!command sh: it failed (exit status: 1):\n\\u{1b}[2Jgone",
        ),
        ("a slow script", &|p| p.script("x", "exec sleep 60"), "scripts/x did not end within 2 s (--timeout)"),
        (
            "a script that cannot be started",
            &|p| drop(p.must("mkdir scripts; printf '#!/nowhere\\n' >scripts/x; chmod +x scripts/x")),
            "scripts/x failed (exit status: 127):\n",
        ),
        (
            "a script that makes a pipe",
            &|p| p.script("x", "mkfifo templates/pipe"),
            "build/config/templates/pipe: is neither a file, a directory nor a symbolic link",
        ),
        (
            "a script that makes a long file",
            &|p| p.script("x", "head -c 5242880 /dev/zero >templates/big"),
            "config/templates/big has 5242880 bytes; at most 4 MiB can be",
        ),
        (
            "a script that makes too much",
            &|p| p.script("x", "for x in 1 2 3 4 5; do head -c 4194304 /dev/zero >templates/$x; done"),
            "the bundle unpacks to more than 16 MiB",
        ),
    ]);
}

#[test]
fn bundles_that_a_vm_would_refuse() {
    let deep = vec!["d"; 15].join("/");
    check(&[
        (
            "too many",
            &|p| p.script("x", "seq 1100 | (cd templates; xargs touch)"),
            "a VM would refuse it: the bundle has more than 1024 files, directories and links",
        ),
        (
            "an absolute link",
            &|p| symlink("/etc/passwd", p.at("templates/link")).unwrap(),
            "a VM would refuse it: in the bundle config/templates/link is a link to an absolute path; a relative one can be",
        ),
        (
            "a link out",
            &|p| symlink("../../x", p.at("templates/etc/link")).unwrap(),
            "a VM would refuse it: in the bundle config/templates/etc/link is a link that may lead out of the bundle",
        ),
        (
            "setuid",
            &|p| p.script("x", "chmod 4755 templates/etc/hostname"),
            "a VM would refuse it: in the bundle config/templates/etc/hostname has the mode 4755; at most 777 can be",
        ),
        ("too deep", &|p| p.put(&format!("templates/{deep}"), ""), "has a path of more than 16 components"),
    ]);
    let (place, far) = (Place::new(), "x".repeat(200));
    place.put(&format!("templates/{far}"), "");
    assert!(place.fails(BUILD).contains(&format!("packing config/templates/{far}: ")));
}
