//! Trees on a real disk, and what is read of them.

use super::*;
use crate::store::Disk;
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

fn read(root: &tempfile::TempDir) -> (Box<Inventory>, Vec<String>) {
    inventory(&disk(root), &Layout::default(), None).unwrap()
}

#[test]
fn a_tree_of_the_predecessor_is_listed_gaps_and_all() {
    let root = tree(&[
        ("latest", "releases/0"),
        ("releases/0/kernel", "../../artifacts/kernel/2"),
        ("releases/0/vm_root", "../../artifacts/vm_root/b"),
        ("releases/12/vm_root", "../../artifacts/vm_root/a"),
    ]);
    let (inventory, oddities) = read(&root);
    assert_eq!((inventory.listing.latest, inventory.foreign, oddities.len()), (Some(0), 0, 0));
    let shown: Vec<String> = inventory.listing.releases().iter().map(|r| format!("{}: {r}", r.number)).collect();
    assert_eq!(shown, ["0: kernel 2, vm_root b", "12: vm_root a"]);
}

#[test]
fn artifacts_marks_and_leftovers_are_read() {
    let root = tree(&[("releases.new/0/x", "../../artifacts/x/1"), ("latest.new", "releases/0")]);
    for (path, content) in [
        ("artifacts/kernel/1", "four"),
        ("artifacts/kernel/.2.part", "half"),
        ("config.new/templates/etc/hostname", "web1"),
        ("dock0/state/pinned-0123456789abcdef", ""),
        ("dock0/state/good-fedcba9876543210", ""),
        ("dock0/state/last-failure", "something else"),
    ] {
        fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
        fs::write(root.path().join(path), content).unwrap();
    }
    let (inventory, oddities) = read(&root);
    assert_eq!(oddities, [""; 0]);
    let artifact = |version: &str| Artifact { name: "kernel".parse().unwrap(), version: version.parse().unwrap() };
    assert_eq!(inventory.stored[..], [Stored { artifact: artifact("1"), size: 4 }]);
    assert_eq!(
        inventory.leftovers[..],
        [Leftover::Releases, Leftover::Latest, Leftover::Config, Leftover::Part(artifact("2"))]
    );
    let protected = |id: &str| inventory.marks.protect(id.parse().unwrap());
    assert!(protected("0123456789abcdef") && protected("fedcba9876543210") && !protected("0000000000000000"));
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
    let (inventory, oddities) = read(&root);
    assert_eq!((inventory.listing.latest, inventory.foreign), (None, 6));
    assert_eq!(inventory.listing.releases().len(), 1);
    assert_eq!(inventory.listing.releases()[0].to_string(), "nothing");
    let shown = root.path().display();
    assert_eq!(
        oddities,
        [
            format!("{shown}/releases: left out 2 that are no releases: x"),
            format!("{shown}/releases/0: left out 3 that are no links to an artifact of that name: README"),
            format!("release 7 left out: listing {shown}/releases/7: not a directory"),
            format!("{shown}/artifacts/kernel/link left out: it is no artifact"),
        ]
    );
}

#[test]
fn of_too_many_releases_and_artifacts_the_last_are_left_out() {
    let root = tree(&[]);
    (0..70).for_each(|number| fs::create_dir_all(root.path().join(format!("releases/{number}"))).unwrap());
    for number in 0..17 {
        symlink(format!("../../artifacts/a{number}/1"), root.path().join(format!("releases/0/a{number}"))).unwrap();
    }
    let (inventory, oddities) = read(&root);
    let numbers: Vec<u32> = inventory.listing.releases().iter().map(|release| release.number).collect();
    assert_eq!(numbers, (0..64).collect::<Vec<_>>());
    assert_eq!((inventory.foreign, oddities.len()), (7, 7));
    assert!(oddities.contains(&"release 64 left out: there are more than 64".into()), "{oddities:?}");
}

#[test]
fn a_directory_without_end_is_not_read_to_its_end() {
    let root = tree(&[]);
    (0..1100).for_each(|number| fs::create_dir_all(root.path().join(format!("releases/x{number}"))).unwrap());
    let (inventory, oddities) = read(&root);
    assert_eq!(inventory.foreign, 1025, "at least one was not looked at, and counts too");
    let first = format!("{}/releases: only the first 1024 names were looked at", root.path().display());
    assert_eq!(oddities[0], first);
}

#[test]
fn an_empty_disk_is_an_empty_inventory() {
    assert_eq!(read(&tree(&[])), (Box::default(), Vec::new()));
}

#[test]
fn what_cannot_be_read_is_a_failure() {
    for (path, sentence) in [("releases", "/releases: not a directory"), ("artifacts", "/artifacts: not a directory")] {
        let root = tree(&[]);
        fs::write(root.path().join(path), "").unwrap();
        let failure = inventory(&disk(&root), &Layout::default(), None).unwrap_err().to_string();
        assert!(failure.ends_with(sentence), "{failure}");
    }
    let root = tree(&[("releases", "/etc"), ("elsewhere/0/kernel", "x")]);
    let failure = inventory(&disk(&root), &Layout::default(), None).unwrap_err().to_string();
    assert!(failure.ends_with("/releases: too many levels of symbolic links"), "no link is followed: {failure}");
}
