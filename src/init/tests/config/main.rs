//! Configurations on a disk: the shipped child unpacks them, and they change places. A directory is the disk; root is needed,
//! since the child is somebody else.

use bundles::tar::{Archive, Header};
use bundles::{GOOD, Row, gzip};
use init::config::{self, Configuration, Stored, Undone};
use init::places::{BOOTMNT, RUNNING_CONFIG};
use init::store::Disk;
use init::sys;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Place {
    directory: tempfile::TempDir,
    disk: Disk,
}

impl Place {
    fn new() -> Place {
        assert!(rustix::process::geteuid().is_root(), "these tests need root: run them with sudo");
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join(BOOTMNT);
        fs::create_dir(&root).unwrap();
        let disk = Disk::open(root.to_str().unwrap()).unwrap();
        Place { directory, disk }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(BOOTMNT).join(path)
    }

    fn take(&self, bundle: &[u8]) -> Result<Stored, Undone> {
        self.take_with(bundle, Path::new(env!("CARGO_BIN_EXE_init")))
    }

    fn take_with(&self, bundle: &[u8], program: &Path) -> Result<Stored, Undone> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bundle).unwrap();
        file.rewind().unwrap();
        config::take(&self.disk, file, program)
    }

    /// What comes of a child that does this in the directory that it is given, and says that it is done.
    fn taken_over(&self, script: &str) -> Result<Stored, String> {
        let program = self.directory.path().join("child");
        fs::write(&program, format!("#!/bin/sh\ncd /proc/self/fd/4 || exit\n{script}\necho done\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self.take_with(b"", &program).map_err(|undone| match undone {
            Undone::Refused(failure) => format!("refused: {failure}"),
            Undone::Failed(failure) => failure.to_string().replace(self.path("").to_str().unwrap(), ""),
        })
    }

    fn hostname(&self, of: &str) -> Option<String> {
        fs::read_to_string(self.path(&format!("{of}/templates/etc/hostname"))).ok()
    }

    /// Everything on the disk: its mode, its owner, and what is in it.
    fn all(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let root = self.path("");
        let mut left = vec![root.clone()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let content = match meta.file_type() {
                    kind if kind.is_dir() => String::new(),
                    kind if kind.is_symlink() => format!("-> {}", fs::read_link(&path).unwrap().display()),
                    _ => fs::read_to_string(&path).unwrap(),
                };
                if meta.is_dir() {
                    left.push(path.clone());
                }
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
                all.insert(name, format!("{:o} {}:{} {content}", meta.mode() & 0o7777, meta.uid(), meta.gid()));
            }
        }
        all
    }
}

fn named(hostname: &str) -> Vec<u8> {
    let header = Header::file("config/templates/etc/hostname", hostname.len());
    gzip::pack(&Archive::default().add(header, hostname.as_bytes()).end())
}

#[test]
fn what_is_in_a_bundle_is_what_is_on_the_disk() {
    let place = Place::new();
    let bundle = bundles::good();
    let stored = place.take(&bundle).unwrap();
    let sha256: String = Sha256::digest(&bundle).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((stored.sha256.as_str(), stored.files), (sha256.as_str(), 5));
    assert_eq!(config::present(&place.disk).unwrap(), Configuration::Bundle(sha256));
    let all = place.all();
    for (path, mode, content) in GOOD {
        let want = format!("{mode:o} 0:0 {}", content.unwrap_or_default());
        assert_eq!(all.get(path), Some(&want), "{path}");
    }
    let others: Vec<&String> = all.keys().filter(|path| !path.starts_with("config")).collect();
    assert_eq!(others, [""; 0]);
}

#[test]
fn each_hostile_bundle_is_refused_with_its_sentence_and_changes_nothing() {
    let place = Place::new();
    place.take(&named("good")).unwrap();
    let before = place.all();
    for Row { name, bytes, sentence, .. } in bundles::hostile() {
        match place.take(&bytes) {
            Err(Undone::Refused(failure)) => assert_eq!(failure.to_string(), sentence.to_string(), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(place.all(), before, "{name}");
    }
    place.take(&named("next")).unwrap();
    assert_eq!(place.hostname("config").as_deref(), Some("next"));
}

#[test]
fn the_one_before_stays_and_comes_back() {
    let place = Place::new();
    let failure = config::rollback(&place.disk).unwrap_err().to_string();
    assert!(failure.ends_with("config.prev: there is no configuration before this one"), "{failure}");
    let stands = |place: &Place| (place.hostname("config"), place.hostname("config.prev"));
    let some = |name: &str| Some(name.to_string());
    place.take(&named("a")).unwrap();
    assert_eq!(stands(&place), (some("a"), None));
    place.take(&named("b")).unwrap();
    assert_eq!(stands(&place), (some("b"), some("a")));
    place.take(&named("c")).unwrap();
    assert_eq!(stands(&place), (some("c"), some("b")));
    config::rollback(&place.disk).unwrap();
    assert_eq!(stands(&place), (some("b"), some("c")));
    config::rollback(&place.disk).unwrap();
    assert_eq!(stands(&place), (some("c"), some("b")));
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 2);
}

/// What the root is laid over stays where it is, however many come after it, until a boot tidies up.
#[test]
fn what_runs_is_not_removed() {
    let place = Place::new();
    place.take(&named("runs")).unwrap();
    config::note_running(&place.disk, place.directory.path().join(RUNNING_CONFIG).to_str().unwrap()).unwrap();
    let number = fs::metadata(place.path("config")).unwrap().ino();
    for name in ["a", "b", "c"] {
        place.take(&named(name)).unwrap();
    }
    assert_eq!(place.hostname("config.running").as_deref(), Some("runs"));
    assert_eq!(fs::metadata(place.path("config.running")).unwrap().ino(), number);
    assert_eq!((place.hostname("config").as_deref(), place.hostname("config.prev").as_deref()), (Some("c"), Some("b")));
    config::tidy(&place.disk).unwrap();
    assert!(!place.path("config.running").exists());
}

/// Nobody knows then what the root is laid over, and it might be what would be removed.
#[test]
fn a_note_that_cannot_be_read_keeps_what_it_may_be_about() {
    let place = Place::new();
    place.take(&named("a")).unwrap();
    place.take(&named("b")).unwrap();
    fs::create_dir(place.directory.path().join(RUNNING_CONFIG)).unwrap();
    let Err(Undone::Failed(failure)) = place.take(&named("c")) else { panic!("it was taken") };
    let failure = failure.to_string();
    assert!(failure.starts_with("reading ") && failure.ends_with(": is a directory"), "{failure}");
    assert_eq!((place.hostname("config").as_deref(), place.hostname("config.prev").as_deref()), (Some("b"), Some("a")));
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 2);
}

#[test]
fn what_was_left_half_made_is_in_nobodys_way() {
    let place = Place::new();
    fs::create_dir_all(place.path("config.new/config/templates")).unwrap();
    fs::write(place.path("config.new/config/templates/half"), "").unwrap();
    place.take(&named("a")).unwrap();
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 1);
    fs::create_dir_all(place.path("config.new")).unwrap();
    config::tidy(&place.disk).unwrap();
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 1);
}

/// Whatever a child leaves that was taken over, the next one has the place for itself.
#[test]
fn what_a_child_leaves_that_was_taken_over_is_removed() {
    let place = Place::new();
    for (case, script) in [
        ("two hundred levels", "n=0; while [ $n -lt 200 ]; do mkdir d && cd -P d && n=$((n + 1)) || exit; done; : > f"),
        (
            "names as long as can be",
            "name=$(printf %0250d 0); n=0; while [ $n -lt 40 ]; do mkdir $name && cd -P $name && n=$((n + 1)) || exit; done",
        ),
        ("names that are not UTF-8", "n=$(printf '\\377'); mkdir -p $n/$n/$n renamed-0 && : > $n/f && : > $n/$n/$n/$n"),
        ("a directory that is closed", "mkdir -p a/b && chmod 0 a/b a"),
        ("a few thousand files", "n=0; while [ $n -lt 3000 ]; do : > $n; n=$((n + 1)); done"),
    ] {
        let failure = place.taken_over(script).unwrap_err();
        assert!(failure.starts_with("unpacking the bundle: config.new"), "{case}: {failure}");
        assert_eq!(place.all().keys().next(), None, "{case}");
    }
    place.take(&named("next")).unwrap();
    assert_eq!(place.hostname("config").as_deref(), Some("next"));
}

/// The kernel is asked what the child that unpacks may still do while it waits for the rest of its bundle.
#[test]
fn who_unpacks_is_locked_up() {
    let place = Place::new();
    let (bundle, rest) = std::io::pipe().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_init"));
    command.arg0("dock0-unpack").arg(std::process::id().to_string()).stdout(Stdio::null());
    let directory = File::open(place.path("")).unwrap();
    sys::hand_over(&mut command, vec![bundle.into(), directory.into()], 3);
    let mut child = command.spawn().unwrap();
    drop(command);
    let (status, until) = (format!("/proc/{}/status", child.id()), Instant::now() + Duration::from_secs(20));
    let wanted = ["Uid:\t65531\t65531\t65531\t65531", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"];
    loop {
        let status = fs::read_to_string(&status).unwrap();
        if wanted.iter().all(|line| status.lines().any(|found| found == *line)) {
            break;
        }
        assert!(Instant::now() < until, "{wanted:?}: {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(rest);
    assert_eq!(child.wait().unwrap().code(), Some(1), "an empty bundle is none");
}

#[test]
fn nobody_looks_into_what_is_being_unpacked() {
    let place = Place::new();
    let seen = place.directory.path().join("seen");
    let script = format!("mkdir -p config/templates; stat -L -c '%a %u' . > {}", seen.display());
    place.taken_over(&script).unwrap();
    assert_eq!(fs::read_to_string(seen).unwrap(), "700 65531\n");
    assert_eq!(fs::metadata(place.path("config")).unwrap().mode() & 0o777, 0o755);
}

#[test]
fn a_config_made_by_others_has_no_digest() {
    let place = Place::new();
    assert_eq!(config::present(&place.disk).unwrap(), Configuration::Missing);
    fs::create_dir_all(place.path("config/templates")).unwrap();
    assert_eq!(config::present(&place.disk).unwrap(), Configuration::Unrecorded);
    assert!(config::is_there(&place.disk).unwrap());
    place.take(&named("a")).unwrap();
    assert!(place.path("config.prev/templates").is_dir());
    assert_eq!(config::before(&place.disk).unwrap(), Configuration::Unrecorded);
    drop(File::open(place.path("config")).unwrap());
}
