//! dock0 install as it is typed: onto directories and small file systems, from a web server that does what each test wants,
//! and read back by menagerie.

mod web;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};
use web::Server;

const INSTALL: &str = "\"$0\" install recipe.yaml --to disk";

/// A directory with an empty `disk`, and a server of artifacts.
struct Place {
    directory: tempfile::TempDir,
    server: Server,
}

impl Place {
    fn new() -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap(), server: Server::start() };
        fs::create_dir(place.at("disk")).unwrap();
        place
    }

    /// The server has a kernel and two roots, and the recipe wants the kernel and this root.
    fn with_root(version: u32) -> Place {
        let place = Place::new();
        place.server.file("/kernel", b"the kernel");
        place.server.file("/root-1", &[1; 300_000]);
        place.server.file("/root-2", &[2; 300_000]);
        place.wants_root(version);
        place
    }

    fn wants_root(&self, version: u32) {
        let base = &self.server.base;
        self.put(
            "recipe.yaml",
            &format!(
                "artifacts:\n- {{name: kernel, version: 1, url: {base}/kernel}}\n\
                 - {{name: vm_root, version: {version}, url: {base}/root-{version}}}\n"
            ),
        );
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// Runs `script`, where `$0` is dock0.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_dock0")]).current_dir(self.directory.path());
        command
    }

    fn run(&self, script: &str) -> Output {
        self.command(script).output().unwrap()
    }

    /// It must end well; what it said, on standard output and on standard error.
    fn must(&self, script: &str) -> (String, String) {
        let Output { status, stdout, stderr } = self.run(script);
        let said = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{script}: {said}");
        (String::from_utf8(stdout).unwrap(), said)
    }

    /// The last line of what it complains of.
    fn fails(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{script}: {said}");
        said.lines().last().unwrap_or_default().to_string()
    }

    /// Each file and link on the disk, sorted.
    fn tree(&self) -> Vec<String> {
        let mut all = Vec::new();
        collect(&self.at("disk"), &self.at("disk"), &mut all);
        all.sort();
        all
    }

    /// What `menagerie verify` finds.
    fn verified(&self) -> String {
        let disk = self.at("disk");
        format!("{:?}", init::command::run(&["--root", disk.to_str().unwrap(), "verify"]))
    }

    fn is_sound(&self) {
        assert_eq!(self.verified(), format!("{:?}", ExitCode::SUCCESS));
    }
}

fn collect(root: &Path, directory: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        match fs::symlink_metadata(&path).unwrap() {
            meta if meta.is_dir() => collect(root, &path, all),
            meta if meta.is_symlink() => all.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display())),
            meta => all.push(format!("{name} {:o} {}", meta.permissions().mode() & 0o7777, meta.len())),
        }
    }
}

/// Kernel and root 1.
const FIRST: [&str; 5] = [
    "artifacts/kernel/1 644 10",
    "artifacts/vm_root/1 644 300000",
    "latest -> releases/0",
    "releases/0/kernel -> ../../artifacts/kernel/1",
    "releases/0/vm_root -> ../../artifacts/vm_root/1",
];

#[test]
fn each_artifact_is_fetched_once_and_the_releases_turn() {
    let place = Place::with_root(1);
    let (printed, said) = place.must(&format!("umask 077; {INSTALL}"));
    assert_eq!(printed, "release 0 is b0d1bbc81b3a80a7: kernel 1, vm_root 1\n");
    assert!(said.contains("dock0: write vm_root 1 (300000 bytes)\n"), "{said}");
    assert_eq!(place.tree(), FIRST);
    assert_eq!(fs::metadata(place.at("disk/releases/0")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(place.server.asked(), ["HEAD /kernel", "HEAD /root-1", "/kernel", "/root-1"]);
    place.is_sound();

    place.must(INSTALL);
    assert_eq!(place.tree(), FIRST);
    assert_eq!(place.server.asked(), [""; 0], "all of it stands there");

    place.wants_root(2);
    let (printed, _) = place.must(&format!("{INSTALL}/ --json"));
    assert_eq!(place.server.asked(), ["HEAD /root-2", "/root-2"], "only what is new");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let root = |number: usize| json["releases"][number]["artifacts"][1]["version"].as_str();
    assert_eq!((root(0), root(1), json["latest"].as_u64()), (Some("2"), Some("1"), Some(0)));
    assert_eq!(json["releases"][0]["complete"], true);
    place.is_sound();

    place.wants_root(1);
    place.must(INSTALL);
    assert_eq!(place.server.asked(), [""; 0], "an old release becomes 0 again");
    let tree = place.tree();
    assert!(tree.contains(&"releases/0/vm_root -> ../../artifacts/vm_root/1".into()), "{tree:?}");
    place.must(&format!("{INSTALL} --retain 0 --keep-orphans"));
    let tree = place.tree();
    assert!(tree.contains(&"artifacts/vm_root/2 644 300000".into()) && tree.len() == 6, "{tree:?}");
    place.must(&format!("{INSTALL} --retain 0"));
    assert_eq!(place.tree(), FIRST);
}

#[test]
fn a_dry_run_prints_the_plan_and_fetches_nothing() {
    let place = Place::with_root(1);
    let (printed, said) = place.must(&format!("{INSTALL} --dry-run"));
    let plan = "checkpoint the journal\nwrite kernel 1 (10 bytes)\nwrite vm_root 1 (300000 bytes)\nbuild the next tree of releases\n  \
        0: kernel 1, vm_root 1\nexchange the next tree of releases and the present one\npoint latest at release 0\n";
    assert_eq!((printed.as_str(), said.as_str()), (plan, ""));
    assert_eq!(place.tree(), [""; 0]);
    assert_eq!(place.server.asked(), ["HEAD /kernel", "HEAD /root-1"]);
}

#[test]
fn a_manifest_says_what_the_bytes_are() {
    let place = Place::with_root(1);
    place.must("\"$0\" manifest recipe.yaml");
    place.server.asked();
    place.must(INSTALL);
    assert_eq!(place.server.asked(), ["/kernel", "/root-1"], "their sizes are known");
    assert_eq!(place.tree(), FIRST);
    place.must(INSTALL);
    assert_eq!(place.server.asked(), [""; 0]);

    let base = &place.server.base;
    place.wants_root(2);
    let (_, said) = place.must(&format!("{INSTALL} --dry-run"));
    assert_eq!((said.as_str(), place.server.asked()), ("", vec!["HEAD /root-2".to_string()]));
    place.must("\"$0\" manifest recipe.yaml -o two.json");
    let zeros = "0".repeat(64);
    let damaged = fs::read_to_string(place.at("two.json")).unwrap().replace("300000", "299999");
    place.put("size.json", &damaged);
    let sha256 = {
        let text = fs::read_to_string(place.at("two.json")).unwrap();
        text.rsplit("\"sha256\": \"").next().unwrap()[..64].to_string()
    };
    let text = fs::read_to_string(place.at("two.json")).unwrap().replace(&sha256, &zeros);
    place.put("digest.json", &text);
    for (manifest, why) in [
        ("size.json", "it has 300000 bytes, and the manifest says 299999".to_string()),
        ("digest.json", format!("it has the SHA-256 {sha256}, and the manifest says {zeros}")),
    ] {
        let sentence = format!("dock0: vm_root 2: fetching {base}/root-2: {why}");
        assert_eq!(place.fails(&format!("{INSTALL} --manifest {manifest}")), sentence);
        assert_eq!(place.tree(), FIRST, "{manifest}");
    }
    place.must(&format!("{INSTALL} --manifest two.json"));
    // The default one knows the kernel and not this root.
    place.server.file("/root-3", b"root 3");
    place.wants_root(3);
    let (_, said) = place.must(INSTALL);
    assert!(said.contains("dock0: vm_root 3: not in the manifest, so its bytes are taken as they come\n"), "{said}");
}

/// What stands under the name and is not what the manifest says: nobody overwrites what a release needs.
#[test]
fn what_stands_there_is_compared() {
    let place = Place::with_root(1);
    place.must(&format!("\"$0\" manifest recipe.yaml && {INSTALL}"));
    place.server.asked();
    place.must("rm disk/artifacts/vm_root/1; tr '\\0' '\\3' </dev/zero | head -c 300000 >disk/artifacts/vm_root/1");
    let why = "dock0: vm_root 1 is there with other bytes, and a release needs it: give the new one another version";
    assert_eq!(place.fails(INSTALL), why);
    place.must("rm release.json");
    let (_, said) = place.must(INSTALL);
    let taken = "dock0: disk/artifacts/vm_root/1: nothing was written down when it came, so it is taken as it is\n";
    assert_eq!(said, taken, "the predecessor writes nothing down");
    assert_eq!(place.server.asked(), [""; 0]);
    place.must("rm -r disk/releases disk/latest; rm disk/artifacts/vm_root/1; mkdir disk/artifacts/vm_root/1");
    assert_eq!(place.fails(INSTALL), "dock0: in the place of vm_root 1 stands something that is no file");
}

#[test]
fn what_cannot_be_fetched_leaves_the_releases_as_they_were() {
    let place = Place::with_root(1);
    place.must(INSTALL);
    place.wants_root(2);
    place.server.asked();
    let base = &place.server.base;
    let raw = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let half = [&b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n"[..], &[2; 150_000]].concat();
    let chunk = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n5\nhello\nfffffffffffffffff\nx";
    for (case, answer, words, asked) in [
        ("half of it", half, "fetching", 2),
        ("chunks that end nowhere", raw(chunk), "fetching", 2),
        ("nothing", vec![], "asking for", 1),
        ("no body", raw("HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n"), "it is empty", 2),
        (
            "not there",
            raw("HTTP/1.1 404 Not Found\nContent-Length: 0\nConnection: close\n\n"),
            "the server answers 404",
            1,
        ),
    ] {
        place.server.answer("/root-2", &answer);
        let why = place.fails(INSTALL);
        assert!(why.starts_with("dock0: vm_root 2: ") && why.contains(words) && why.contains(base), "{case}: {why}");
        assert_eq!(place.tree(), FIRST, "{case}");
        assert_eq!(place.server.asked().len(), asked, "{case}");
    }
    place.server.file("/root-2", &[2; 300_000]);
    place.must(INSTALL);
    place.is_sound();
    assert_eq!(place.server.asked(), ["HEAD /root-2", "/root-2"]);
}

#[test]
fn a_fetch_that_was_killed_is_finished_by_the_next() {
    let place = Place::with_root(1);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let recipe = fs::read_to_string(place.at("recipe.yaml")).unwrap();
    place.must("\"$0\" manifest recipe.yaml"); // so that nobody asks for sizes
    let stalled = format!("http://{}/root-1", silent.local_addr().unwrap());
    place.put("recipe.yaml", &recipe.replace(&format!("{}/root-1", place.server.base), &stalled));
    let mut child = place.command(&format!("exec {INSTALL}")).stderr(Stdio::null()).spawn().unwrap();
    let (mut client, _) = silent.accept().unwrap();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n12345";
    std::io::Write::write_all(&mut client, head).unwrap();
    let (part, begun) = (place.at("disk/artifacts/vm_root/.1.part"), Instant::now());
    while !part.exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is written");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!place.at("disk/releases").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(part.exists() && !place.at("disk/artifacts/vm_root/1").exists());

    place.put("recipe.yaml", &recipe);
    place.server.asked();
    place.must(INSTALL);
    assert_eq!(place.server.asked(), ["/root-1"], "the kernel came before");
    assert_eq!(place.tree(), FIRST);
    place.is_sound();
}

#[test]
fn a_mirror_helps_out() {
    let place = Place::new();
    let base = &place.server.base;
    place.server.file("/mirror/kernel/1/bzImage", b"the kernel");
    place.put(
        "recipe.yaml",
        &format!(
            "mirrors: ['{base}/mirror']\nartifacts: [{{name: kernel, version: 1, file: bzImage, url: '{base}/gone'}}]"
        ),
    );
    let (_, said) = place.must(INSTALL);
    let next = format!("dock0: kernel 1: asking for {base}/gone: the server answers 404; trying the next place\n");
    assert_eq!(said.matches(&next).count(), 2, "asked for its size, and for its bytes: {said}");
    // Bytes that a manifest does not expect are another reason.
    place.must("rm -r disk/*; cp recipe.yaml good.yaml; sed -i s,gone,mirror/kernel/1/bzImage, good.yaml");
    place.must("\"$0\" manifest good.yaml");
    place.server.file("/gone", b"no kernel!");
    let (_, said) = place.must(INSTALL);
    assert!(said.contains("and the manifest says") && said.contains("; trying the next place"), "{said}");
    assert_eq!(fs::read(place.at("disk/artifacts/kernel/1")).unwrap(), b"the kernel");
}

#[test]
fn local_files_need_no_place_where_others_find_them() {
    let place = Place::new();
    fs::create_dir(place.at("out")).unwrap();
    place.put("out/kernel", "the kernel");
    place.put("recipe.yaml", "artifacts: [{name: kernel, version: 1, url: 'file:out/kernel'}]");
    place.must(&format!("cd out; {}", INSTALL.replace("recipe", "../recipe").replace("disk", "../disk")));
    place.is_sound();
    let (_, said) = place.must(INSTALL);
    assert_eq!(said, "", "the same bytes stand there");
    place.put("out/kernel", "a kernel");
    let why = "dock0: kernel 1 is there with other bytes, and a release needs it: give the new one another version";
    assert_eq!(place.fails(INSTALL), why);
    let recipe = "org: o\nartifacts: [{name: kernel, version: 2, url: 'file:out/kernel'}]";
    place.put("recipe.yaml", recipe);
    place.must("\"$0\" manifest recipe.yaml");
    place.put("out/kernel", "some kernel");
    let why = "dock0: kernel 2: reading out/kernel: it has 11 bytes, and the manifest says 8";
    assert_eq!(place.fails(INSTALL), why);
    place.put("out/kernel", "A kernel");
    let why = place.fails(INSTALL);
    assert!(why.starts_with("dock0: kernel 2: reading out/kernel: it has the SHA-256 "), "{why}");
    place.must("rm out/kernel");
    let why = "dock0: kernel 2: reading out/kernel: No such file or directory (os error 2)";
    assert_eq!(place.fails(INSTALL), why);
    place.must("rm release.json; mkfifo out/kernel");
    assert_eq!(place.fails(INSTALL), "dock0: opening the file for kernel 2: it is not a regular file");
}

/// A file system of 4 MiB in memory, in a mount namespace of its own.
#[test]
fn a_full_disk_is_told_of_before_anything_is_fetched_if_its_size_is_known() {
    let place = Place::new();
    let large = vec![7; 5 << 20];
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    place.server.file("/announced", &large);
    place.server.answer("/chunked", &[&chunks[..], b"500000\r\n", &large, b"\r\n0\r\n\r\n"].concat());
    place.server.answer("/small", &[&chunks[..], b"5\r\nsmall\r\n0\r\n\r\n"].concat());
    let base = &place.server.base;
    let on_tmpfs = |script: &str| {
        let inside =
            format!("mount -t tmpfs -o size=4M none disk && {{ {script}; code=$?; find disk -type f; exit $code; }}");
        place.run(&format!("unshare --map-root-user --mount sh -c '{inside}' \"$0\""))
    };
    for (path, sentence, asked) in [
        (
            "announced",
            "dock0: disk is too full: 1.2 MB of the 5.4 MB that it takes are missing; nothing that may be reaped makes enough \
             room, a larger disk does\n"
                .to_string(),
            &["HEAD /announced"][..],
        ),
        (
            "chunked",
            format!(
                "dock0: fetching {base}/chunked: it has more than the 4.2 MB that are free, and nobody said how much it is\n"
            ),
            &["HEAD /chunked", "/chunked"],
        ),
    ] {
        place.put("recipe.yaml", &format!("artifacts: [{{name: root, version: 1, url: '{base}/{path}'}}]"));
        let output = on_tmpfs(INSTALL);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.ends_with(&sentence), "{path}: {said}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{path}: no file is left");
        assert_eq!(place.server.asked(), asked, "{path}");
    }
    place.put("recipe.yaml", &format!("artifacts: [{{name: root, version: 1, url: '{base}/small'}}]"));
    let output = on_tmpfs(INSTALL);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("dock0: write root 1 (nobody says how many bytes)\n"), "{said}");
}

/// A file that something is mounted on cannot be removed.
#[test]
fn what_is_installed_and_not_cleared_is_done_with_a_warning() {
    let place = Place::with_root(1);
    place.must(INSTALL);
    place.wants_root(2);
    let mount = "mount --bind recipe.yaml disk/artifacts/vm_root/1";
    let script = format!("unshare --map-root-user --mount sh -c '{mount} && {INSTALL} --retain 0' \"$0\"");
    let (printed, said) = place.must(&script);
    assert_eq!(printed, "release 0 is 47f555eacedc46fd: kernel 1, vm_root 2\n");
    let warning = "dock0: warning: installed, but not all of the old was removed, which the next change does: removing \
                   disk/artifacts/vm_root/1: device or resource busy\n";
    assert!(said.ends_with(warning), "{said}");
    place.must(INSTALL);
    assert!(!place.at("disk/artifacts/vm_root/1").exists());
    place.is_sound();
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_asked_for() {
    let place = Place::with_root(1);
    place.put("rotten.yaml", "artifacts: [{name: kernel}]");
    place.put("rotten.json", "{}");
    place.put("foreign.yaml", "artifacts: [{name: kernel, version: 1, url: 'ftp://x/y'}]");
    for (script, words) in [
        ("\"$0\" install rotten.yaml --to disk", "missing field `version`"),
        ("\"$0\" install foreign.yaml --to disk", "begins neither with https:// nor with http://"),
        ("\"$0\" install nowhere.yaml --to disk", "dock0: reading nowhere.yaml: No such file"),
        ("\"$0\" install recipe.yaml --to nowhere", "dock0: opening nowhere: no such file or directory"),
        ("\"$0\" install recipe.yaml --to recipe.yaml", "dock0: opening recipe.yaml: not a directory"),
        ("\"$0\" install recipe.yaml --to disk --manifest nowhere", "dock0: nowhere: there is no such manifest"),
        ("\"$0\" install recipe.yaml --to disk --manifest rotten.json", "dock0: rotten.json: it has no product"),
        ("\"$0\" install recipe.yaml --to disk --retain 64", "--retain 64: at most 63 old releases can be kept"),
        ("\"$0\" install recipe.yaml --to disk --dry-run --json", "--json has nothing to do with --dry-run"),
        (
            "flock disk \"$0\" install recipe.yaml --to disk",
            "dock0: disk: another menagerie is changing it; try again when that is done",
        ),
    ] {
        let output = place.run(script);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(words), "{script}: {said}");
        assert_eq!((place.tree(), place.server.asked()), (vec![], vec![]), "{script}");
    }
}
