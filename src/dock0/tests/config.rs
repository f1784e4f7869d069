//! `dock0 config` as it is typed. Whatever it prints, a secret is never in it: each run is looked through.

use dock0::config::check;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use wire::bundle::What;

/// The value of every secret in these tests.
const SECRET: &str = "hunter2-hunter2";
/// The commonest call.
const BUILD: &str = "\"$0\" config config.yaml";

/// A directory to work in.
struct Place(tempfile::TempDir);

impl Place {
    /// With config.yaml and templates/etc/hostname.
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.put("config.yaml", "name: web1\nkey: !env SECRET\n");
        place.put("templates/etc/hostname", "{{ name }}\n");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; everybody may read it, whatever the umask is.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    /// Writes an executable. Another program does it: one that this one has open for writing, in whatever thread, cannot be
    /// started.
    fn script(&self, name: &str, body: &str) {
        fs::create_dir_all(self.at("scripts")).unwrap();
        let mut install = Command::new("install");
        install.args(["-m", "755", "/dev/stdin"]).arg(self.at("scripts").join(name)).stdin(Stdio::piped());
        let mut child = install.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("#!/bin/sh -e\n{body}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn run(&self, script: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_dock0")]).current_dir(self.0.path()).env("SECRET", SECRET);
        let output = command.output().unwrap();
        for said in [&output.stdout, &output.stderr] {
            let said = String::from_utf8_lossy(said);
            assert!(!said.contains(SECRET), "{script} tells the secret: {said}");
        }
        output
    }

    /// Runs `script`, where `$0` is dock0; it must end well and complain of nothing.
    fn must(&self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
        assert!(output.status.success(), "{script}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it complains of.
    fn fails(&self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{script}");
        String::from_utf8(output.stderr).unwrap().trim_end().to_string()
    }

    /// What a VM finds below config/templates: mode, path, and content or target.
    fn read(&self, bundle: &str) -> Vec<(String, String)> {
        read(&self.at(bundle))
    }
}

fn read(bundle: &Path) -> Vec<(String, String)> {
    let entries = check(&fs::read(bundle).unwrap(), |bundle| {
        let entry = |entry: &wire::bundle::Entry| {
            let content = match entry.what {
                What::Directory => "/".into(),
                What::Link(target) => format!("-> {target}"),
                What::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            };
            (format!("{:o} {}", entry.mode, entry.path), content)
        };
        bundle.entries().iter().map(entry).collect::<Vec<_>>()
    });
    let shorten = |(path, content): (String, String)| Some((path.replacen("config/templates/", "", 1), content));
    entries.unwrap().into_iter().filter(|(path, _)| path.contains("templates/")).filter_map(shorten).collect()
}

fn is(found: &[(String, String)], want: &[(&str, &str)]) {
    let found: Vec<(&str, &str)> = found.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    assert_eq!(found, want);
}

#[test]
fn the_example_is_what_it_says() {
    let place = Place(tempfile::tempdir().unwrap());
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    // As git checks it out under the usual umask.
    let copy = "umask 022 && cp -r \"$EXAMPLES\" examples && chmod -R u=rwX,go=rX examples";
    place.must(&copy.replace("$EXAMPLES", examples.to_str().unwrap()));
    let said = place.must("\"$0\" config examples/config.yaml examples/configs/web1.yaml");
    assert!(said.starts_with("bundle examples/../build/web1.tar.gz: 14 entries, "), "{said}");
    let found = place.read("build/web1.tar.gz");
    let motd = fs::read_to_string(examples.join("templates/etc/motd")).unwrap();
    let network = "#!/bin/sh\n# The static network of web1.\nip link set dev eth0 up\n\
        ip address replace 192.0.2.10/24 dev eth0\nip address replace 192.0.2.11/24 dev eth0\n\
        ip address replace 2001:db8::10/64 dev eth0\n\
        ip -4 route replace default via 192.0.2.1 dev eth0\nip -6 route replace default via fe80::1 dev eth0\n";
    let run = "docker run --detach --restart always --env-file /etc/containers/env --name";
    let containers = format!(
        "#!/bin/sh\n# The containers of web1.\n{run} web \\\n    --publish 80:8080 \\\n    --publish 443:8443 \\\n    \
         registry.example.org/web:1.4\n{run} cache \\\n    registry.example.org/cache:7\n"
    );
    let hosts =
        "127.0.0.1 localhost\n127.0.1.1 web1.example.org web1\n::1 localhost\n192.0.2.1 router\n192.0.2.20 db1 db\n";
    is(
        &found,
        &[
            ("755 etc", "/"),
            ("755 etc/containers", "/"),
            ("600 etc/containers/env", "API_KEY=an-example-and-no-secret\n"),
            ("644 etc/hostname", "web1\n"),
            ("644 etc/hosts", hosts),
            ("777 etc/localtime", "-> ../usr/share/zoneinfo/UTC"),
            ("644 etc/motd", &motd),
            ("755 etc/rc.network", network),
            ("755 usr", "/"),
            ("755 usr/local", "/"),
            ("755 usr/local/sbin", "/"),
            ("755 usr/local/sbin/containers", &containers),
        ],
    );
}

#[test]
fn files_are_stacked_and_say_where_things_are() {
    let place = Place::new();
    place.put("templates/list", "{{ list | join(' ') }} {{ map.a }} {{ map.b }}\n");
    place.put("config.yaml", "name: all\nlist: [1, 2]\nmap: {a: 1, b: 2}\n");
    place.put("configs/web1.yaml", "name: web1\nlist: [3]\nmap: {b: 3}\npaths: {output: new/web1.tar.gz}\n");
    for (words, output, list) in [
        ("config.yaml configs/web1.yaml", "new/web1.tar.gz", "3 1 3\n"),
        ("--append-lists config.yaml configs/web1.yaml", "new/web1.tar.gz", "1 2 3 1 3\n"),
        ("config.yaml configs/web1.yaml -o here.tar.gz", "here.tar.gz", "3 1 3\n"),
        ("config.yaml", "build.tar.gz", "1 2 1 2\n"),
        ("\"$PWD/config.yaml\"", "build.tar.gz", "1 2 1 2\n"),
    ] {
        let said = place.must(&format!("\"$0\" config {words}"));
        assert_eq!(place.read(output).last().unwrap().1, list, "{words}");
        let sum = place.must(&format!("sha256sum {output}"));
        assert!(said.contains(output) && said.trim_end().ends_with(&sum[..64]), "{words}: {said}");
        fs::remove_file(place.at(output)).unwrap();
    }
}

#[test]
fn the_same_files_are_the_same_bundle_wherever_whenever_and_by_whomever() {
    let (one, other) = (Place::new(), Place::new());
    for (place, umask) in [(&one, "022"), (&other, "077")] {
        place.put("templates/etc/key", "{{ key }}\n");
        place.put("templates/etc-more", "x");
        place.put("templates/b", "x");
        place.script("make", "mkdir -p templates/var/lib; echo $(umask) >templates/var/lib/file");
        fs::create_dir(place.at("templates/a")).unwrap();
        for directory in ["templates", "templates/etc", "templates/a"] {
            fs::set_permissions(place.at(directory), Permissions::from_mode(0o755)).unwrap();
        }
        place.must(&format!("umask {umask}; {BUILD}"));
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let first = fs::read(one.at("build.tar.gz")).unwrap();
    assert_eq!(first, fs::read(other.at("build.tar.gz")).unwrap());
    // Left alone, it says when it last changed.
    let inode = |place: &Place| fs::metadata(place.at("build.tar.gz")).unwrap().ino();
    let before = inode(&one);
    one.must(BUILD);
    assert_eq!(inode(&one), before);
    one.must(&format!("{BUILD} -o again"));
    assert_eq!(first, fs::read(one.at("again")).unwrap());
    assert_eq!(first[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255], "no name, no time");
    let shown = one.must("tar --numeric-owner -tvzf build.tar.gz | grep -v ' 0/0 .* 1970-01-01 '; :");
    assert_eq!(shown, "");
}

#[test]
fn modes_links_and_bytes_are_kept() {
    let place = Place::new();
    let (zeros, latin) = (b"\0{{ name }}".as_slice(), b"caf\xe9 {{ name }}".as_slice());
    place.put("templates/bin/zeros", zeros);
    place.put("templates/bin/latin", latin);
    place.put("templates/bin/start", "#!/bin/sh\necho {{ name }}");
    place.put("templates/ssh/key", "");
    symlink("start", place.at("templates/bin/link")).unwrap();
    symlink("../bin", place.at("templates/ssh/up")).unwrap();
    let modes = [("bin/start", 0o755), ("bin/zeros", 0o400), ("ssh/key", 0o640), ("ssh", 0o2500), ("bin", 0o755)];
    for (path, mode) in modes {
        fs::set_permissions(place.at("templates").join(path), Permissions::from_mode(mode)).unwrap();
    }
    fs::remove_dir_all(place.at("templates/etc")).unwrap();
    place.must(BUILD);
    is(
        &place.read("build.tar.gz"),
        &[
            ("755 bin", "/"),
            ("644 bin/latin", "caf\u{fffd} {{ name }}"),
            ("777 bin/link", "-> start"),
            ("755 bin/start", "#!/bin/sh\necho web1"),
            ("400 bin/zeros", "\0{{ name }}"),
            ("500 ssh", "/"),
            ("640 ssh/key", ""),
            ("777 ssh/up", "-> ../bin"),
        ],
    );
    let mode = |path: &str| fs::metadata(place.at(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("build.tar.gz"), mode("build/config")), (0o600, 0o700));
    fs::set_permissions(place.at("build.tar.gz"), Permissions::from_mode(0o644)).unwrap();
    place.must(BUILD);
    assert_eq!(mode("build.tar.gz"), 0o600, "whatever it was");
}

#[test]
fn scripts_run_in_name_order_with_the_configuration() {
    let place = Place::new();
    place.put("config.yaml", "name: web1\nkey: !env SECRET\nlist: [1, yes, ~]\n");
    place.put("scripts/README", "not run");
    place.script("20-b", "cat >>templates/input; echo b >>templates/order");
    place.script(
        "10-a",
        "[ \"$DOCK0_BUILD\" = \"$(pwd -P)\" ]; cat templates/etc/hostname >templates/order; echo $KEPT",
    );
    place.script("9-c", "echo c >>templates/order; echo \"$SECRET\"; echo \"$SECRET\" >&2; mkdir ../more");
    place.must(&format!("export KEPT=1; {BUILD}"));
    let input = format!("{{\"key\":\"{SECRET}\",\"list\":[1,\"yes\",null],\"name\":\"web1\"}}\n");
    let found = place.read("build.tar.gz");
    is(&found[1..], &[("644 etc/hostname", "web1\n"), ("644 input", &input), ("644 order", "web1\nb\nc\n")]);
}

#[test]
fn failures_say_where_and_leave_the_old_bundle() {
    let far = "x".repeat(200);
    let secret_words = format!("cannot open {SECRET}\\n");
    let deep = vec!["d"; 15].join("/");
    type Spoil<'s> = Box<dyn Fn(&Place) + 's>;
    let rows: [(&str, Spoil, &str); 24] = [
        (
            "no file",
            Box::new(|p| fs::remove_file(p.at("config.yaml")).unwrap()),
            "reading config.yaml: No such file or directory (os error 2)",
        ),
        ("not YAML", Box::new(|p| p.put("config.yaml", "a: 1\nb: ]")), "config.yaml: "),
        (
            "no secret",
            Box::new(|p| p.put("config.yaml", "a: 1\nb: !env NOT_SET")),
            "config.yaml line 2: !env NOT_SET: the variable is not set",
        ),
        (
            "a failing command",
            Box::new(|p| {
                p.put(
                    "config.yaml",
                    "a: !env SECRET\nb: !command [sh, -c, 'echo $SECRET; echo no $SECRET >&2; exit 1']",
                )
            }),
            "config.yaml line 2: !command sh: it failed (exit status: 1):\nno ***",
        ),
        (
            "a slow command",
            Box::new(|p| p.put("config.yaml", "a: !command [sleep, '60']")),
            "config.yaml line 1: !command sleep: it did not end within 2 s (--timeout)",
        ),
        (
            "paths",
            Box::new(|p| p.put("config.yaml", "paths: x")),
            "paths: a map is wanted (templates, scripts, build, output)",
        ),
        (
            "no templates",
            Box::new(|p| p.put("config.yaml", "paths: {templates: none}")),
            "looking at none: No such file or directory (os error 2)",
        ),
        (
            "templates that are a file",
            Box::new(|p| p.put("config.yaml", "paths: {templates: config.yaml}")),
            "reading the templates config.yaml: is not a directory",
        ),
        (
            "an undefined name",
            Box::new(|p| p.put("templates/etc/x", "\n{{ nope }} {{ key }}")),
            "templates/etc/x line 2: `nope` is undefined",
        ),
        (
            "a secret in a wrong place",
            Box::new(|p| p.put("templates/etc/x", "{{ key + 1 }}")),
            "templates/etc/x line 1: invalid operation: tried to use + operator on unsupported types string and number",
        ),
        (
            "a pipe",
            Box::new(|p| drop(p.must("mkfifo templates/pipe"))),
            "templates/pipe: is neither a file, a directory nor a symbolic link",
        ),
        (
            "a failing script",
            Box::new(move |p| p.script("x", &format!("printf '{secret_words}'; cat; exit 7"))),
            "scripts/x failed (exit status: 7):\ncannot open ***\n{\"key\":\"***\",\"name\":\"web1\"}",
        ),
        ("a slow script", Box::new(|p| p.script("x", "exec sleep 60")), "scripts/x did not end within 2 s (--timeout)"),
        (
            "a script that cannot be started",
            Box::new(|p| drop(p.must("mkdir scripts; printf '#!/nowhere\\n' >scripts/x; chmod +x scripts/x"))),
            "scripts/x failed (exit status: 127):\n",
        ),
        (
            "a script that makes a pipe",
            Box::new(|p| p.script("x", "mkfifo templates/pipe")),
            "build/config/templates/pipe: is neither a file, a directory nor a symbolic link",
        ),
        (
            "nothing",
            Box::new(|p| fs::remove_dir_all(p.at("templates")).unwrap()),
            "the bundle would be empty: there are no templates, and no script made anything",
        ),
        (
            "a long file",
            Box::new(|p| p.put("templates/big", vec![b'x'; 5 << 20])),
            "templates/big has 5242880 bytes; at most 4 MiB can be",
        ),
        (
            "a long file of a script's",
            Box::new(|p| p.script("x", "head -c 5242880 /dev/zero >templates/big")),
            "config/templates/big has 5242880 bytes; at most 4 MiB can be",
        ),
        (
            "too much",
            Box::new(|p| p.script("x", "for x in 1 2 3 4 5; do head -c 4194304 /dev/zero >templates/$x; done")),
            "the bundle unpacks to more than 16 MiB",
        ),
        (
            "too many",
            Box::new(|p| p.script("x", "seq 1100 | (cd templates; xargs touch)")),
            "a VM would refuse it: the bundle has more than 1024 files, directories and links",
        ),
        (
            "an absolute link",
            Box::new(|p| symlink("/etc/passwd", p.at("templates/link")).unwrap()),
            "a VM would refuse it: in the bundle config/templates/link is a link to an absolute path; a relative one can be",
        ),
        (
            "a link out",
            Box::new(|p| symlink("../../x", p.at("templates/etc/link")).unwrap()),
            "a VM would refuse it: in the bundle config/templates/etc/link is a link that may lead out of the bundle",
        ),
        (
            "setuid",
            Box::new(|p| p.script("x", "chmod 4755 templates/etc/hostname")),
            "a VM would refuse it: in the bundle config/templates/etc/hostname has the mode 4755; at most 777 can be",
        ),
        (
            "too deep",
            Box::new(move |p| p.put(&format!("templates/{deep}"), "")),
            "has a path of more than 16 components",
        ),
    ];
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
    let place = Place::new();
    place.put(&format!("templates/{far}"), "");
    assert!(place.fails(BUILD).contains(&format!("packing config/templates/{far}: ")));
}

#[test]
fn a_build_directory_is_ours_alone() {
    let place = Place::new();
    place.put("build/config/precious", "");
    let why = place.fails(BUILD);
    let want =
        "dock0: the build directory build/config: has things in it, and no .dock0-build says that they may be removed";
    assert_eq!(why, want);
    assert!(place.at("build/config/precious").exists());
    fs::remove_file(place.at("build/config/precious")).unwrap();
    place.script(
        "x",
        "[ -e ../again ] || { touch ../again; \"$DOCK0\" config ../../config.yaml -o ../../second || exit 5; }",
    );
    let canonical = place.0.path().canonicalize().unwrap();
    let why = place.fails(&format!("export DOCK0=\"$0\"; {BUILD}")).replace(canonical.to_str().unwrap(), "PLACE");
    assert!(
        why.contains("failed (exit status: 5):\ndock0: the build directory PLACE/build/config: another build is in it"),
        "{why}"
    );
    assert!(!place.at("second").exists());
    place.must(BUILD);
    let why = place.fails(&format!("{BUILD} -o build/config/out"));
    assert!(why.contains("build/config/out: the output lies inside "), "{why}");
    place.put("config.yaml", "paths: {build: .}\n");
    assert!(place.fails(BUILD).contains("the build directory .: has things in it"));
}

#[test]
fn a_bundle_is_listed_and_compared_without_being_written() {
    let place = Place::new();
    place.put("templates/gone", "1\n");
    place.put("templates/key", "the key: {{ key }}\n");
    place.put("templates/long", "a\nb\n");
    place.put("templates/private", "a\n");
    place.put("templates/zeros", "\0a");
    symlink("long", place.at("templates/link")).unwrap();
    fs::set_permissions(place.at("templates/private"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(place.at("templates/etc"), Permissions::from_mode(0o755)).unwrap();
    let list = place.must(&format!("{BUILD} --list"));
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
    assert_eq!(list, want);
    assert!(!place.at("build.tar.gz").exists());
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
    let changed = place.must(&format!("{BUILD} --diff build.tar.gz"));
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
    assert_eq!(changed, want);
    let shown = place.must(&format!("{BUILD} --text --diff build.tar.gz"));
    let hidden = "    (may hold a secret: not shown)\n";
    for (path, lines) in
        [("key", hidden), ("private", hidden), ("long", "    @@ -1,2 +1,2 @@\n     a\n    -b\n    +c\n")]
    {
        let at = shown.rfind(&format!("config/templates/{path}\n")).unwrap();
        assert!(shown[at..].starts_with(&format!("config/templates/{path}\n{lines}")), "{path}: {shown}");
    }
    assert_eq!(fs::read(place.at("build.tar.gz")).unwrap(), before);
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
