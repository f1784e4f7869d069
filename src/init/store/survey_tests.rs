//! Trees on a real disk, and what is read of them.

use super::*;
use crate::store::Disk;
use menagerie::state::Trial;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

fn tree(links: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (link, target) in links {
        let link = root.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    root
}

fn disk(root: &tempfile::TempDir) -> Disk {
    Disk::open(root.path().to_str().unwrap()).unwrap()
}

fn read(root: &tempfile::TempDir) -> (Box<Inventory>, Remarks) {
    inventory(&disk(root), &Layout::default(), None)
}

#[test]
fn a_tree_of_the_predecessor_is_listed_gaps_and_all() {
    let root = tree(&[
        ("latest", "releases/0"),
        ("releases/0/kernel", "../../artifacts/kernel/2"),
        ("releases/0/vm_root", "../../artifacts/vm_root/b"),
        ("releases/12/vm_root", "../../artifacts/vm_root/a"),
    ]);
    let (inventory, remarks) = read(&root);
    assert_eq!((inventory.listing.latest, inventory.foreign, remarks), (Some(0), 0, Remarks::default()));
    let shown: Vec<String> = inventory.listing.releases().iter().map(|r| format!("{}: {r}", r.number)).collect();
    assert_eq!(shown, ["0: kernel 2, vm_root b", "12: vm_root a"]);
}

#[test]
fn artifacts_marks_and_leftovers_are_read() {
    const GOOD: &str = "fedcba9876543210";
    const BAD: &str = "0000000000000bad";
    let root = tree(&[("releases.new/0/x", "../../artifacts/x/1"), ("latest.new", "releases/0")]);
    for (path, content) in [
        ("artifacts/kernel/1", "four"),
        ("artifacts/kernel/.2.part", "half"),
        ("config.new/templates/etc/hostname", "web1"),
        ("dock0/state/pinned-0123456789abcdef", ""),
        ("dock0/state/good-fedcba9876543210", ""),
        ("dock0/state/bad-0000000000000bad", ""),
        ("dock0/state/trial-0000000000000bad-2", ""),
        ("dock0/state/last-failure", "something else"),
    ] {
        fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
        fs::write(root.path().join(path), content).unwrap();
    }
    let (inventory, remarks) = read(&root);
    assert_eq!(remarks, Remarks::default());
    let artifact = |version: &str| Artifact { name: "kernel".parse().unwrap(), version: version.parse().unwrap() };
    assert_eq!(inventory.stored[..], [Stored { artifact: artifact("1"), size: 4, takes: 4096, mode: 0o644 }]);
    assert_eq!(inventory.leftovers[..], [Leftover::Releases, Leftover::Latest, Leftover::Part(artifact("2"), 4096)]);
    let protected = |id: &str| inventory.protects(id.parse().unwrap());
    assert!(protected("0123456789abcdef") && !protected("0000000000000000"));
    let known = |ids: &[ReleaseId]| ids.iter().map(ReleaseId::to_string).collect::<Vec<_>>();
    assert_eq!((known(&inventory.marks.good), known(&inventory.marks.bad)), (vec![GOOD.into()], vec![BAD.into()]));
    assert_eq!(inventory.marks.trials[..], [Trial { id: BAD.parse().unwrap(), left: 2 }]);
    assert!(!inventory.has_releases);
}

#[test]
fn what_is_not_ours_is_counted_and_left_out() {
    let root = tree(&[
        ("latest", "/etc"),
        ("releases/x/vm_root", "../../artifacts/vm_root/a"),
        ("releases/0/vm_root", "../../artifacts/other/a"),
        ("releases/0/kernel", "/vmlinuz"),
        ("artifacts/kernel/link", "elsewhere"),
    ]);
    fs::write(root.path().join("releases/0/README"), "").unwrap();
    fs::write(root.path().join("releases/7"), "a file where a release should be").unwrap();
    fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"releases/\xff")), "").unwrap();
    fs::write(root.path().join("artifacts/\u{1b}[2J"), "").unwrap();
    fs::create_dir(root.path().join("artifacts/kernel/2")).unwrap();
    let (inventory, remarks) = read(&root);
    assert_eq!((inventory.listing.latest, inventory.odd_latest, inventory.foreign), (None, true, 6));
    assert_eq!(
        inventory.taken.iter().map(|artifact| artifact.to_string()).collect::<Vec<_>>(),
        ["kernel 2", "kernel link"]
    );
    assert_eq!(inventory.listing.releases().len(), 1);
    assert_eq!(inventory.listing.releases()[0].to_string(), "nothing");
    let shown = root.path().display();
    assert_eq!(
        remarks.foreign,
        [
            format!("{shown}/releases: left out 3 that are no directories of releases, the first is 7"),
            format!(
                "{shown}/releases/0: left out 3 that are no links to an artifact of that name, the first is README"
            ),
        ]
    );
    assert_eq!(
        remarks.oddities,
        [
            format!("{shown}/artifacts/\\u{{1b}}[2J left out: it is no directory of an artifact"),
            format!("{shown}/artifacts/kernel/2 left out: it is no file"),
            format!("{shown}/artifacts/kernel/link left out: it is no file"),
        ]
    );
    assert_eq!(remarks.unread, [""; 0]);
}

#[test]
fn of_too_many_releases_and_artifacts_the_last_are_left_out() {
    let root = tree(&[]);
    (0..70).for_each(|number| fs::create_dir_all(root.path().join(format!("releases/{number}"))).unwrap());
    for number in 0..17 {
        symlink(format!("../../artifacts/a{number}/1"), root.path().join(format!("releases/0/a{number}"))).unwrap();
    }
    let (inventory, remarks) = read(&root);
    let numbers: Vec<u32> = inventory.listing.releases().iter().map(|release| release.number).collect();
    assert_eq!(numbers, (0..64).collect::<Vec<_>>());
    assert_eq!((inventory.foreign, inventory.surplus, remarks.foreign.len()), (1, 6, 7));
    assert!(remarks.foreign[0].ends_with("left out a9, which is no link to an artifact of that name"), "{remarks:?}");
    assert_eq!(remarks.foreign[1], "release 64 left out: there are more than 64");
}

#[test]
fn a_directory_without_end_is_not_read_to_its_end() {
    let root = tree(&[]);
    (0..1100).for_each(|number| fs::create_dir_all(root.path().join(format!("releases/x{number}"))).unwrap());
    let (inventory, remarks) = read(&root);
    assert_eq!(inventory.foreign, 1025, "at least one was not looked at, and counts too");
    let first = format!("{}/releases: only the first 1024 names were looked at", root.path().display());
    assert_eq!(remarks.oddities[0], first);
}

#[test]
fn an_empty_disk_is_an_empty_inventory() {
    assert_eq!(read(&tree(&[])), (Box::default(), Remarks::default()));
}

#[test]
fn more_artifacts_than_there_is_room_for_never_hide_those_of_a_release() {
    let root = tree(&[("latest", "releases/0"), ("releases/0/z", "../../artifacts/z/9999")]);
    for number in 0..1100 {
        for name in ["a", "b", "z"] {
            fs::create_dir_all(root.path().join(format!("artifacts/{name}"))).unwrap();
            fs::write(root.path().join(format!("artifacts/{name}/{number}")), "").unwrap();
        }
    }
    fs::write(root.path().join("artifacts/z/9999"), "x").unwrap();
    let (inventory, remarks) = read(&root);
    assert_eq!(inventory.missing(&inventory.listing.releases()[0]), None);
    assert_eq!(inventory.stored.len(), 2048);
    assert!(remarks.oddities.iter().any(|oddity| oddity.ends_with("left out: there are too many")), "they are said");
}

#[test]
fn what_cannot_be_read_is_said_apart() {
    for (path, sentence) in [("releases", "/releases: not a directory"), ("artifacts", "/artifacts: not a directory")] {
        let root = tree(&[]);
        fs::write(root.path().join(path), "").unwrap();
        let (_, remarks) = read(&root);
        assert!(remarks.unread[0].ends_with(sentence), "{remarks:?}");
    }
    let root = tree(&[("releases", "/etc"), ("elsewhere/0/kernel", "x")]);
    let (_, remarks) = read(&root);
    assert!(
        remarks.unread[0].ends_with("/releases: too many levels of symbolic links"),
        "no link is followed: {remarks:?}"
    );
    let failure = listing(&disk(&root), &Layout::default()).unwrap_err().to_string();
    assert!(failure.ends_with("/releases: too many levels of symbolic links"), "{failure}");
}
