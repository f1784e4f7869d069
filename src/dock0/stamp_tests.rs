//! Stamps: everything that makes an output out of date, a row each.

use super::*;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

/// A program, a file, a tree with a link in it, a link to that tree, and an output with its stamp.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.at("tree/etc")).unwrap();
        for name in ["program", "file", "tree/etc/hosts", "other", "output"] {
            fs::write(place.at(name), "text").unwrap();
        }
        symlink("hosts", place.at("tree/etc/link")).unwrap();
        symlink("tree", place.at("named")).unwrap();
        place.stamp("--size 1G").put_on(&place.at("output")).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn stamp(&self, words: &str) -> Stamp {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        Stamp::of(&self.at("program"), &words, &[&self.at("file"), &self.at("named")]).unwrap()
    }

    fn is_up_to_date(&self) -> bool {
        self.stamp("--size 1G").is_on(&self.at("output")).unwrap()
    }

    fn set_time(&self, name: &str, time: SystemTime) {
        fs::File::open(self.at(name)).unwrap().set_modified(time).unwrap();
    }

    /// Moves `link`, which may be there, to `target`.
    fn relink(&self, link: &str, target: &str) {
        fs::remove_file(self.at(link)).unwrap();
        symlink(target, self.at(link)).unwrap();
    }
}

/// The modification time and the size of a file tell nothing when they were set back; its change time does.
fn rewrite_in_secret(place: &Place) {
    let time = fs::metadata(place.at("file")).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(30)); // the file system's clock ticks every 1 to 10 ms
    fs::write(place.at("file"), "TEXT").unwrap();
    place.set_time("file", time);
}

#[test]
fn whatever_changes_makes_the_output_out_of_date() {
    let mode =
        |place: &Place, name: &str, mode| fs::set_permissions(place.at(name), Permissions::from_mode(mode)).unwrap();
    let day = Duration::from_secs(86400);
    type Change<'c> = &'c dyn Fn(&Place);
    let changes: [(&str, Change); 15] = [
        ("an input is older", &|p| p.set_time("file", SystemTime::now() - day)),
        ("an input is newer", &|p| p.set_time("file", SystemTime::now() + day)),
        ("an input is rewritten, its time set back", &|p| rewrite_in_secret(p)),
        ("an input is another size", &|p| fs::write(p.at("file"), "longer text").unwrap()),
        ("an input has another mode", &|p| mode(p, "tree/etc/hosts", 0o600)),
        ("an input is replaced by an older file", &|p| {
            p.set_time("other", SystemTime::now() - day);
            fs::rename(p.at("other"), p.at("file")).unwrap();
        }),
        ("a file more in the tree", &|p| fs::write(p.at("tree/new"), "").unwrap()),
        ("a file less in the tree", &|p| fs::remove_file(p.at("tree/etc/hosts")).unwrap()),
        ("a file in the tree has another name", &|p| {
            fs::rename(p.at("tree/etc/hosts"), p.at("tree/etc/HOSTS")).unwrap()
        }),
        ("a link in the tree leads elsewhere", &|p| p.relink("tree/etc/link", "HOSTS")),
        ("the link that is an input leads elsewhere", &|p| p.relink("named", "tree/etc")),
        ("dock0 itself is another", &|p| p.set_time("program", SystemTime::now() + day)),
        ("the output is gone", &|p| fs::remove_file(p.at("output")).unwrap()),
        ("the output is a link to it", &|p| {
            fs::rename(p.at("output"), p.at("moved")).unwrap();
            symlink("moved", p.at("output")).unwrap();
        }),
        ("the stamp is gone", &|p| fs::remove_file(p.at(".output.made-of")).unwrap()),
    ];
    for (name, change) in changes {
        let place = Place::new();
        assert!(place.is_up_to_date(), "before: {name}");
        change(&place);
        assert!(!place.is_up_to_date(), "{name}");
    }
}

#[test]
fn every_word_of_the_command_counts_and_where_it_ends() {
    let place = Place::new();
    for (words, want) in [("--size 1G", true), ("--size 2G", false), ("--size1 G", false), ("--size 1G -x", false)] {
        assert_eq!(place.stamp(words).is_on(&place.at("output")).unwrap(), want, "{words}");
    }
}

#[test]
fn a_directory_is_never_up_to_date() {
    let place = Place::new();
    fs::remove_file(place.at("output")).unwrap();
    fs::create_dir(place.at("output")).unwrap();
    place.stamp("--size 1G").put_on(&place.at("output")).unwrap();
    assert!(!place.is_up_to_date());
}

#[test]
fn links_inside_of_a_tree_are_not_followed() {
    let place = Place::new();
    for (link, target) in [("tree/a", "."), ("tree/b", "."), ("tree/host", "/proc"), ("tree/dangling", "nowhere")] {
        symlink(target, place.at(link)).unwrap();
    }
    let stamp = place.stamp(""); // with both loops followed, 2⁴⁰ paths
    fs::create_dir(place.at("far")).unwrap();
    place.relink("tree/host", &place.at("far").to_string_lossy());
    let near = place.stamp("");
    fs::write(place.at("far/file"), "").unwrap();
    assert_ne!(stamp.digest, near.digest);
    assert_eq!(near.digest, place.stamp("").digest, "what a link leads to is not in the tree");
}

#[test]
fn what_cannot_be_looked_at_is_an_error() {
    let place = Place::new();
    let missing = place.at("missing");
    for (program, input) in [(&missing, &place.at("file")), (&place.at("program"), &missing)] {
        let error = Stamp::of(program, &[], &[input]).err().unwrap();
        assert_eq!(
            format!("{error:#}"),
            format!("looking at {}: No such file or directory (os error 2)", missing.display())
        );
    }
}
