//! The command as it is called: the real binary on real directories, every exit code and what it says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A boot partition, a place for files that are not on it, and the binary under its second name.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("disk")).unwrap();
        symlink(env!("CARGO_BIN_EXE_init"), directory.path().join("menagerie")).unwrap();
        Place { directory }
    }

    fn disk(&self, path: &str) -> PathBuf {
        self.directory.path().join("disk").join(path)
    }

    /// Makes a file outside of the disk.
    fn file(&self, name: &str, content: &str) {
        fs::write(self.directory.path().join(name), content).unwrap();
    }

    /// Makes a file on the disk.
    fn put(&self, path: &str, content: &str) {
        fs::create_dir_all(self.disk(path).parent().unwrap()).unwrap();
        fs::write(self.disk(path), content).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        fs::create_dir_all(self.disk(path).parent().unwrap()).unwrap();
        symlink(target, self.disk(path)).unwrap();
    }

    fn call(&self, words: &str) -> Output {
        let mut command = Command::new(self.directory.path().join("menagerie"));
        command.current_dir(self.directory.path()).args(words.split_whitespace());
        if !words.contains("--root") {
            command.args(["--root", "disk"]);
        }
        command.output().unwrap()
    }

    /// What it prints when all goes well.
    fn done(&self, words: &str) -> String {
        let output = self.call(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says on standard error when it ends with this exit code.
    fn fails(&self, words: &str, code: i32) -> String {
        let output = self.call(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words}: {said}");
        said
    }

    /// Every path on the disk with what it is, sorted.
    fn tree(&self) -> Vec<String> {
        let mut all = Vec::new();
        collect(&self.disk(""), &self.disk(""), &mut all);
        all.sort();
        all
    }
}

fn collect(root: &Path, directory: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        match fs::symlink_metadata(&path).unwrap() {
            meta if meta.is_dir() => collect(root, &path, all),
            meta if meta.is_symlink() => all.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display())),
            meta => all.push(format!(
                "{name} {:o} {:?}",
                meta.permissions().mode() & 0o7777,
                fs::read_to_string(&path).unwrap()
            )),
        }
    }
}

/// Releases 0 and 1, as two calls of `add` make them.
fn two_releases() -> Place {
    let place = Place::new();
    place.file("k", "a kernel");
    place.file("old", "old root");
    place.file("new", "new root");
    place.done("add kernel=6.12@k vm_root=1@old");
    place.done("add kernel=6.12 vm_root=2@new");
    place
}

#[test]
fn a_release_becomes_0_and_the_others_move_up() {
    let place = two_releases();
    assert_eq!(
        place.tree(),
        [
            "artifacts/kernel/6.12 644 \"a kernel\"",
            "artifacts/vm_root/1 644 \"old root\"",
            "artifacts/vm_root/2 644 \"new root\"",
            "latest -> releases/0",
            "releases/0/kernel -> ../../artifacts/kernel/6.12",
            "releases/0/vm_root -> ../../artifacts/vm_root/2",
            "releases/1/kernel -> ../../artifacts/kernel/6.12",
            "releases/1/vm_root -> ../../artifacts/vm_root/1",
        ]
    );
    assert_eq!(place.done(""), "Release: 0\n  kernel: 6.12\n  vm_root: 2\nRelease: 1\n  kernel: 6.12\n  vm_root: 1\n");
    let before = place.tree();
    assert_eq!(place.done("add vm_root=2@new kernel=6.12@k").lines().count(), 1);
    assert_eq!(place.tree(), before, "the same release twice is no rotation");
}

#[test]
fn it_goes_back_and_forth_by_number_and_by_id() {
    let place = two_releases();
    assert_eq!(place.done("rollback"), "release 0 is 51e4a8e46761a96d: kernel 6.12, vm_root 1\n");
    assert_eq!(place.done("rollback 1"), "release 0 is a820d65ffe981f54: kernel 6.12, vm_root 2\n");
    assert_eq!(place.done("rollback 51e4a8e46761a96d"), "release 0 is 51e4a8e46761a96d: kernel 6.12, vm_root 1\n");
    assert_eq!(place.done("rollback 51e4a8e46761a96d"), "release 0 is 51e4a8e46761a96d: kernel 6.12, vm_root 1\n");
}

#[test]
fn a_tree_of_the_predecessor_is_carried_on_and_ours_can_be_carried_on_by_it() {
    let place = Place::new();
    for (number, kernel, root) in
        [(0, "3.19-rc7_1", "0.0.73"), (1, "3.19-rc7_1", "0.0.71"), (4, "3.19-rc6_1", "0.0.69")]
    {
        for (name, version) in [("kernel", kernel), ("vm_root", root)] {
            place.put(&format!("artifacts/{name}/{version}"), version);
            place.link(&format!("releases/{number}/{name}"), &format!("../../artifacts/{name}/{version}"));
        }
    }
    place.link("latest", "releases/0");
    place.put("artifacts/kernel/3.19-rc5_1", "");
    assert_eq!(
        place.done(""),
        "Release: 0\n  kernel: 3.19-rc7_1\n  vm_root: 0.0.73\n\
         Release: 1\n  kernel: 3.19-rc7_1\n  vm_root: 0.0.71\n\
         Release: 4\n  kernel: 3.19-rc6_1\n  vm_root: 0.0.69\n\n\
         Orphans:\n  kernel\n    3.19-rc5_1\n"
    );
    place.file("new", "new root");
    place.done("add kernel=3.19-rc7_1 vm_root=0.0.74@new --retain 2");
    assert_eq!(
        place.done(""),
        "Release: 0\n  kernel: 3.19-rc7_1\n  vm_root: 0.0.74\n\
         Release: 1\n  kernel: 3.19-rc7_1\n  vm_root: 0.0.73\n\
         Release: 2\n  kernel: 3.19-rc7_1\n  vm_root: 0.0.71\n"
    );
    let tree = place.tree();
    let releases: Vec<&String> = tree.iter().filter(|path| path.starts_with("releases")).collect();
    assert_eq!(releases.len(), 6);
    assert!(releases.iter().all(|path| path.contains(" -> ../../artifacts/")), "nothing but links: {releases:?}");
    assert!(tree.contains(&"latest -> releases/0".into()), "{tree:?}");
    assert!(!tree.iter().any(|path| path.contains("rc6") || path.contains("rc5")), "they were pruned: {tree:?}");
}

/// What the predecessor, a cut, or a full disk can leave behind.
#[test]
fn half_states_are_finished_by_the_next_change_without_a_hand() {
    let place = two_releases();
    let whole = place.tree();
    place.put("artifacts/vm_root/.3.part", "half a ro");
    place.link("releases.new/0/vm_root", "../../artifacts/vm_root/3");
    place.link("latest.new", "releases/0");
    assert_eq!(place.done("status").matches("left half done").count(), 3);
    place.done("reap");
    assert_eq!(place.tree(), whole);

    // It moved everything up and was stopped; then before it made `latest`; then while it wrote an artifact.
    fs::rename(place.disk("releases/1"), place.disk("releases/2")).unwrap();
    fs::rename(place.disk("releases/0"), place.disk("releases/1")).unwrap();
    fs::remove_file(place.disk("latest")).unwrap();
    place.put("artifacts/vm_root/3", "half a ro");
    place.file("third", "third root");
    place.done("add kernel=6.12 vm_root=3@third");
    let tree = place.tree();
    assert!(tree.contains(&"artifacts/vm_root/3 644 \"third root\"".into()), "{tree:?}");
    assert!(tree.contains(&"latest -> releases/0".into()), "{tree:?}");
    assert_eq!(tree.iter().filter(|path| path.starts_with("releases/")).count(), 6, "{tree:?}");
    assert_eq!(place.done("verify").lines().last(), Some("4 artifacts read, 0 faults"));
}

#[test]
fn what_is_refused_is_said_and_changes_nothing() {
    let place = two_releases();
    place.file("other", "other bytes");
    fs::create_dir(place.directory.path().join("folder")).unwrap();
    let before = place.tree();
    for (words, code, sentence) in [
        ("rollback 7", 1, "release 7 does not exist; there are 0 1"),
        (
            "add vm_root=3@new",
            1,
            "the release has no kernel, and release 0 has one: name it too (kernel=VERSION takes one that is there)",
        ),
        ("add kernel=7 vm_root=2", 1, "kernel 7 is not there: say which file it is, kernel=7@FILE"),
        (
            "add kernel=6.12@other vm_root=2",
            1,
            "kernel 6.12 is there with other bytes, and a release needs it: give the new one another version",
        ),
        ("add kernel=7@nowhere vm_root=2", 1, "opening nowhere for kernel: no such file or directory"),
        ("add kernel=7@folder vm_root=2", 1, "opening folder for kernel: it is not a file"),
        ("add kernel=6.12 kernel=6.12", 1, "kernel 6.12 is given twice"),
        ("add kernel=../1@new", 2, "kernel=../1@new: the version \"../1\" begins with a dot"),
        ("add", 2, "add needs at least one NAME=VERSION@FILE"),
        ("frobnicate", 2, "Unrecognized argument: frobnicate"),
        ("pin 9", 1, "release 9 does not exist; there are 0 1"),
        ("--root nowhere", 1, "opening nowhere: no such file or directory"),
    ] {
        let said = place.fails(words, code);
        assert!(said.starts_with(&format!("menagerie: {sentence}")), "{words}: {said}");
        assert_eq!(place.tree(), before, "{words}");
    }
}

#[test]
fn what_is_none_of_ours_stops_a_rotation_and_is_named() {
    let place = two_releases();
    place.put("releases/1/notes", "mine");
    let before = place.tree();
    let said = place.fails("rollback", 1);
    assert!(
        said.contains("one thing below the releases is none of ours, and would be lost or lose what it needs"),
        "{said}"
    );
    assert!(said.contains("disk/releases/1: left out notes, which is no link to an artifact of that name"), "{said}");
    assert_eq!(place.tree(), before);
    fs::remove_file(place.disk("releases/1/notes")).unwrap();
    fs::remove_file(place.disk("latest")).unwrap();
    place.link("latest", "releases/1");
    let said = place.fails("rollback", 1);
    assert!(said.contains("latest points at release 1, and dock0 keeps it at release 0"), "{said}");
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let place = two_releases();
    place.file("third", "third root");
    let before = place.tree();
    assert_eq!(
        place.done("add kernel=6.12 vm_root=3@third --retain 1 --dry-run"),
        "checkpoint the journal\nwrite vm_root 3 (10 bytes)\nbuild the next tree of releases\n  0: kernel 6.12, vm_root 3\n  \
         1: kernel 6.12, vm_root 2\nexchange the next tree of releases and the present one\nremove the old tree of releases\nremove vm_root 1 \
         (8 bytes)\n"
    );
    assert_eq!(place.done("reap --dry-run"), "nothing to do\n");
    assert_eq!(place.tree(), before);
}

#[test]
fn pinned_releases_and_orphans_can_be_kept() {
    let place = two_releases();
    assert!(place.done("pin 1").ends_with(": kernel 6.12, vm_root 1 is pinned\n"));
    assert!(place.done("status").contains("pinned         release 1, 51e4a8e46761a96d: kernel 6.12, vm_root 1\n"));
    place.done("reap --retain 0");
    assert_eq!(place.done("").matches("Release").count(), 2);
    assert!(place.done("unpin 1").ends_with(": kernel 6.12, vm_root 1 is not pinned\n"));
    place.put("dock0/state/pinned-0123456789abcdef", "");
    assert!(place.done("status").contains("pinned         0123456789abcdef, which is not on the disk"));
    place.done("unpin 0123456789abcdef");
    assert!(!place.disk("dock0/state/pinned-0123456789abcdef").exists());
    place.done("reap --retain 0 --keep-orphans");
    assert_eq!(place.done(""), "Release: 0\n  kernel: 6.12\n  vm_root: 2\n\nOrphans:\n  vm_root\n    1\n");
    place.done("reap");
    assert!(!place.disk("artifacts/vm_root/1").exists());
}

#[test]
fn modes_and_places_are_the_callers() {
    let place = Place::new();
    place.file("f", "x");
    place.done("add key=1@f --mode key=0600 --artifacts m/files --releases m/numbers --latest m/newest");
    assert_eq!(
        place.tree(),
        ["m/files/key/1 600 \"x\"", "m/newest -> numbers/0", "m/numbers/0/key -> ../../files/key/1"]
    );
    assert_eq!(fs::read_to_string(place.disk("m/newest/key")).unwrap(), "x");
}

#[test]
fn verify_says_what_is_wrong_with_which_file() {
    let place = two_releases();
    assert_eq!(place.done("verify").lines().last(), Some("3 artifacts read, 0 faults"));
    place.put("artifacts/vm_root/2", "bad root");
    place.put("artifacts/kernel/6.12", "short");
    place.put("artifacts/cat/1", "of somebody else");
    fs::remove_file(place.disk("artifacts/vm_root/1")).unwrap();
    place.put("releases/0/notes", "mine");
    fs::remove_file(place.disk("latest")).unwrap();
    let output = place.call("verify");
    let (said, remarks) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(3));
    for fault in [
        "disk/releases/0: left out notes, which is no link to an artifact of that name",
        "disk/latest is missing or does not point at releases/0",
        "disk/releases/1/vm_root points at disk/artifacts/vm_root/1, which is not there",
        "disk/artifacts/kernel/6.12 has 5 bytes, and had 8 when it came",
        "disk/artifacts/vm_root/2 has the SHA-256 ",
    ] {
        assert!(said.contains(&format!("FAULT: {fault}")), "{fault:?} in {said}");
    }
    assert!(said.ends_with("3 artifacts read, 5 faults\n"), "{said}");
    assert!(remarks.contains("disk/artifacts/cat/1: nothing was written down when it came"), "{remarks}");
}

#[test]
fn programs_read_json() {
    let place = two_releases();
    place.put("artifacts/cat/1", "an orphan");
    place.put("dock0/state/good-51e4a8e46761a96d", "");
    let read = |words: &str| -> serde_json::Value { serde_json::from_str(&place.done(words)).unwrap() };
    let list = read("--json");
    assert_eq!(list["latest"], 0);
    assert_eq!(list["orphans"], serde_json::json!([{"name": "cat", "version": "1", "size": 9}]));
    assert_eq!(
        list["releases"][1],
        serde_json::json!({
            "number": 1, "id": "51e4a8e46761a96d", "complete": true, "running": false, "pinned": false, "good": true,
            "bad": false,
            "artifacts": [
                {"name": "kernel", "version": "6.12", "size": 8}, {"name": "vm_root", "version": "1", "size": 8}
            ],
        })
    );
    let status = read("status --json");
    assert_eq!((&status["next"]["number"], &status["good"][0]), (&0.into(), &"51e4a8e46761a96d".into()));
    assert!(status["free"].as_u64().unwrap() > 0);
    assert_eq!(read("rollback --json")["releases"][0]["id"], "51e4a8e46761a96d");
    let verified = read("verify --json");
    assert_eq!(verified["faults"], serde_json::json!([]));
    let named = |name: &str| verified["artifacts"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(named("cat")["whole"], serde_json::Value::Null, "nobody wrote down what the orphan was");
    let root = named("vm_root");
    assert_eq!((&root["name"], &root["size"], &root["whole"]), (&"vm_root".into(), &8.into(), &true.into()));
    assert_eq!(root["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn two_at_once_do_not_meet() {
    let place = two_releases();
    let held = rustix::fs::open(place.disk(""), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let said = place.fails("rollback", 1);
    assert_eq!(said, "menagerie: disk: another menagerie is changing it; try again when that is done\n");
    assert_eq!(place.done("rollback --dry-run").lines().count(), 6, "looking is allowed");
}

#[test]
fn what_runs_is_never_pruned() {
    let place = Place::new();
    fs::rename(place.disk(""), place.directory.path().join("bootmnt")).unwrap();
    let call = |words: &str| place.done(&format!("--root bootmnt {words}"));
    place.file("f", "x");
    call("add v=1@f");
    call("add v=2@f");
    let listed: serde_json::Value = serde_json::from_str(&call("--json")).unwrap();
    let id = listed["releases"][1]["id"].as_str().unwrap();
    let device = fs::metadata(place.directory.path().join("bootmnt")).unwrap().dev();
    place.file("release", &format!("{id} {device}\n"));
    assert!(call("status").starts_with(&format!("running        release 1, {id}: v 1\n")));
    // However the directory is called.
    symlink("bootmnt", place.directory.path().join("link")).unwrap();
    for root in ["bootmnt", "bootmnt/.", "./link"] {
        place.done(&format!("--root {root} reap --retain 0"));
        assert_eq!(call("").matches("Release").count(), 2, "{root}");
    }
    place.file("release", &format!("{id} {}\n", device + 1));
    assert!(call("status").starts_with("running        no release of this disk\n"), "another disk's");
    place.file("release", "nonsense");
    call("reap --retain 0");
    assert_eq!(call("").matches("Release").count(), 1);
}

#[test]
fn init_has_it_as_its_first_word_and_a_closed_output_is_an_error() {
    let place = two_releases();
    let init = || Command::new(env!("CARGO_BIN_EXE_init"));
    let root = place.disk("");
    let listed = init().args(["menagerie", "--root"]).arg(&root).output().unwrap();
    assert!(listed.status.success());
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), place.done(""));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = init().args(["menagerie", "--root"]).arg(&root).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "menagerie: writing to standard output: no space left on device\n");
    assert_eq!(init().output().unwrap().status.code(), Some(2), "init by hand is for nobody");
}

/// A wrong word must not cost anything.
#[test]
fn artifacts_without_any_release_are_not_orphans() {
    let place = two_releases();
    let before = place.tree();
    for words in ["reap --releases rels", "add x=1@new --releases rels"] {
        let said = place.fails(words, 1);
        assert!(said.contains("there is no release, but there are 3 artifacts, which would all be removed"), "{said}");
        assert_eq!(place.tree(), before);
    }
    for words in ["reap --artifacts releases.new", "reap --releases dock0/state", "add v=1@new --latest config"] {
        assert!(place.fails(words, 2).contains("must lie outside of one another"), "{words}");
    }
}

#[test]
fn what_stands_in_the_place_of_latest_is_not_removed() {
    let place = two_releases();
    fs::remove_file(place.disk("latest")).unwrap();
    place.put("latest/precious", "mine");
    assert!(place.fails("rollback", 1).contains("latest is no link to a release: move it away first"));
    assert!(place.disk("latest/precious").exists());
    assert_eq!(place.call("verify").status.code(), Some(3));
}

#[test]
fn an_artifact_can_be_made_from_one_that_is_removed() {
    let place = two_releases();
    place.put("artifacts/vm_root/9", "an orphan");
    place.done("add kernel=6.12 vm_root=10@disk/artifacts/vm_root/9");
    assert_eq!(fs::read_to_string(place.disk("artifacts/vm_root/10")).unwrap(), "an orphan");
    assert!(!place.disk("artifacts/vm_root/9").exists());
}

#[test]
fn a_mode_that_would_not_be_is_refused() {
    let place = two_releases();
    let said = place.fails("add kernel=6.12@k vm_root=1 --mode kernel=0600", 1);
    assert!(said.contains("kernel 6.12 is there with the mode 0644: give the new one another version"), "{said}");
    let said = place.fails("add kernel=6.12 vm_root=1 --mode kernel=0600", 2);
    assert!(said.contains("--mode kernel=0600: no new artifact with a file has this name"), "{said}");
    place.done("add kernel=7@k vm_root=1 --mode kernel=0400");
    assert_eq!(fs::metadata(place.disk("artifacts/kernel/7")).unwrap().permissions().mode() & 0o777, 0o400);
}

#[test]
fn a_change_that_is_made_is_never_called_undone() {
    let place = two_releases();
    let newest = || place.done("").lines().nth(2).unwrap().to_string();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(place.directory.path().join("menagerie"));
    let output = command.args(["rollback", "--root"]).arg(place.disk("")).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("menagerie: done, but: writing to standard output: no space left on device\n"), "{said}");
    assert_eq!(newest(), "  vm_root: 1");
    // Nothing is changed where something cannot be read, and the way to go on does not depend on numbers.
    fs::create_dir(place.disk("dock0")).unwrap();
    fs::write(place.disk("dock0/state"), "a file").unwrap();
    let said = place.fails("rollback", 1);
    assert!(said.contains("disk/dock0/state: not a directory; nothing is changed on such grounds"), "{said}");
    assert_eq!(newest(), "  vm_root: 1");
}

#[test]
fn names_from_the_disk_are_no_orders_to_a_terminal() {
    let place = two_releases();
    place.put("releases/0/\u{1b}[2J", "");
    place.put("artifacts/\u{1b}[31m", "");
    let output = place.call("verify");
    let said = [output.stdout, output.stderr].concat();
    assert!(!said.contains(&0x1b), "{}", String::from_utf8_lossy(&said));
    assert!(String::from_utf8_lossy(&said).contains("\\u{1b}[2J"));
}

#[test]
fn what_lacks_an_artifact_is_said_before_it_boots() {
    let place = two_releases();
    fs::remove_file(place.disk("artifacts/vm_root/2")).unwrap();
    let status = place.done("status");
    assert!(status.contains("kernel 6.12, vm_root 2 (incomplete: vm_root 2 is missing)"), "{status}");
    fs::remove_dir_all(place.disk("releases/0")).unwrap();
    let output = place.call("verify");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("FAULT: disk/latest points at releases/0, which is not there"), "{said}");
}

#[test]
fn a_release_is_called_good_and_has_its_trial_behind_it() {
    let place = two_releases();
    place.put("dock0/settings.json", "{\"tries\": 5}");
    place.put("dock0/state/trial-51e4a8e46761a96d-1", "");
    let status = || -> serde_json::Value { serde_json::from_str(&place.done("status --json")).unwrap() };
    assert_eq!(status()["tries_left"], 5);
    place.done("rollback");
    assert_eq!(status()["tries_left"], 5, "whoever becomes 0 has all its tries");
    assert!(place.done("status").contains("on trial       the next one has 5 of 5 tries left\n"));
    assert_eq!(place.done("good 0"), "release 0, 51e4a8e46761a96d: kernel 6.12, vm_root 1 is good\n");
    assert_eq!((&status()["tries_left"], &status()["good"][0]), (&serde_json::Value::Null, &"51e4a8e46761a96d".into()));
    let nobody = "menagerie: this machine runs from no release of this disk: name the one that is good\n";
    assert_eq!(place.fails("good", 1), nobody);
    assert!(place.fails("good 7", 1).contains("release 7 does not exist; there are 0 1\n"));
    assert_eq!(place.done("good 0 --after 0"), "release 0, 51e4a8e46761a96d: kernel 6.12, vm_root 1 is good\n");
}

#[test]
fn a_bad_release_is_taken_by_force_alone() {
    let place = two_releases();
    place.put("dock0/state/bad-51e4a8e46761a96d", "");
    assert!(place.done("status").contains("bad            release 1, 51e4a8e46761a96d: kernel 6.12, vm_root 1\n"));
    let refused =
        "menagerie: release 51e4a8e46761a96d is bad: it was tried and failed; --force takes it all the same\n";
    for words in ["add kernel=6.12 vm_root=1", "rollback", "rollback 51e4a8e46761a96d"] {
        assert!(place.fails(words, 1).starts_with(refused), "{words}");
    }
    place.done("rollback --force");
    assert!(!place.disk("dock0/state/bad-51e4a8e46761a96d").exists());
    assert!(place.done("list").starts_with("Release: 0\n  kernel: 6.12\n  vm_root: 1\n"));
}

#[test]
fn the_last_boots_are_told() {
    let place = two_releases();
    assert_eq!((place.done("boots").as_str(), place.done("boots --json").as_str()), ("", "[]\n"));
    let boots = "{\"time\":1795658138,\"release\":null,\"kexec\":false,\"result\":\"failed\",\"milliseconds\":12,\"steps\":\"orders 1.0\",\"sentence\":\"no disk\"}\n\
         {\"time\":1795658200,\"release\":\"51e4a8e46761a96d\",\"kexec\":true,\"result\":\"handed over\",\"milliseconds\":7,\"steps\":\"\",\"sentence\":null}\n";
    place.put("dock0/state/boots", boots);
    assert_eq!(
        place.done("boots"),
        "2026-11-26T01:55:38Z  no release        failed after 12 ms: no disk\n\
         2026-11-26T01:56:40Z  51e4a8e46761a96d  its root took over after 7 ms, by kexec\n"
    );
    let json: serde_json::Value = serde_json::from_str(&place.done("boots --json")).unwrap();
    assert_eq!((&json[0]["sentence"], &json[1]["result"]), (&"no disk".into(), &"handed over".into()));
}
