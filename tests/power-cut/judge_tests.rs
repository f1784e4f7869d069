//! Disks made without a VM, one for each thing that a judgement can say.

use super::*;
use power_cut_guest::state::{CONFIG, CONFIG_BEFORE, Promise};
use power_cut_guest::{Kind, Line};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const SIZE: u64 = 8 << 20;
/// `bg_free_blocks_count_lo` of the first group: its descriptor is at the start of block 1.
const FREE_BLOCKS: u64 = 4096 + 0x0c;

/// What stands below `config` and below `config.prev` of a disk: names of files and what is in them.
type Pair<'p> = [Option<&'p [(&'p str, &'p str)]>; 2];

const OLDER: &[(&str, &str)] = &[("name", "older"), ("etc/other", "older")];
const OLD: &[(&str, &str)] = &[("name", "old"), ("etc/other", "old")];
const NEW: &[(&str, &str)] = &[("name", "new"), ("etc/other", "new")];

/// Two disks, before and after an operation that changes release and configuration, and what is expected of them.
struct Place {
    directory: tempfile::TempDir,
    expected: Expected,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a directory");
        let mut lines = Vec::new();
        for (operation, name, config) in [(0, "old", [Some(OLD), Some(OLDER)]), (1, "new", [Some(NEW), Some(OLD)])] {
            let path = directory.path().join(name);
            make_disk(&path, name, &config);
            // Nothing is expected yet, and nothing needs to be to read what is there.
            let none = Expected::from_lines(&[after(0, State::default())], Promise::Every).expect("a state");
            let library = Library::new(&none, directory.path());
            let view = View::raw(&File::open(&path).expect("there"), &library).expect("an ext4");
            lines.push(after(operation, state::read(&view, Promise::Every).expect("a state")));
        }
        Place { directory, expected: Expected::from_lines(&lines, Promise::Every).expect("states") }
    }

    /// A judgement on a copy of a disk, with this marker and after this damage.
    fn judge(&self, name: &str, done: &[u8], damage: impl FnOnce(&File)) -> Result<Judgement> {
        let path: PathBuf = self.directory.path().join("judged");
        fs::copy(self.directory.path().join(name), &path)?;
        let file = File::options().read(true).write(true).open(&path)?;
        file.write_all_at(done, SIZE - marker::SIZE)?;
        damage(&file);
        let laid_out = tempfile::tempdir()?;
        Judge::new(&self.expected, laid_out.path()).judge(&file, &path, 0)
    }
}

fn after(operation: u32, state: State) -> Line {
    Line::After { operation, kind: (operation > 0).then_some(Kind::Configure), state }
}

/// A release whose `vm_root` holds the disk's name.
fn make_disk(path: &Path, name: &str, config: &Pair) {
    let staging = tempfile::tempdir().expect("a directory");
    let at = |path: &str| staging.path().join(path);
    for directory in ["releases/0", "artifacts/kernel", "artifacts/vm_root"] {
        fs::create_dir_all(at(directory)).expect("made");
    }
    for (artifact, version, text) in [("kernel", "1", "the kernel\n"), ("vm_root", name, name)] {
        fs::write(at(&format!("artifacts/{artifact}/{version}")), text.repeat(1000)).expect("written");
        symlink(format!("../../artifacts/{artifact}/{version}"), at(&format!("releases/0/{artifact}")))
            .expect("linked");
    }
    symlink("releases/0", at("latest")).expect("linked");
    for (place, files) in [CONFIG, CONFIG_BEFORE].iter().zip(config) {
        for (file, text) in files.iter().copied().flatten() {
            let file = at(&format!("{place}/{file}"));
            fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            fs::write(file, text).expect("written");
        }
    }
    dock0::ext4::make_file_system(staging.path(), path, SIZE - marker::SIZE, "dock0").expect("made");
    File::options().write(true).open(path).and_then(|file| file.set_len(SIZE)).expect("made longer");
}

/// Changes a byte of the kernel, which no other file looks like.
fn spoil_kernel(disk: &File) {
    let mut bytes = vec![0; SIZE as usize];
    disk.read_exact_at(&mut bytes, 0).expect("read");
    let kernel = b"the kernel\nthe kernel\n";
    let place = bytes.windows(kernel.len()).position(|window| window == kernel).expect("it is there");
    disk.write_all_at(b"T", place as u64).expect("written");
}

#[test]
fn old_or_new_is_sound_and_what_was_done_is_not_undone() {
    let place = Place::new();
    for (disk, done, sound) in [("old", 0, true), ("new", 0, true), ("new", 1, true), ("old", 1, false)] {
        let judgement = place.judge(disk, &marker::block(done), |_| {}).expect("judged");
        assert_eq!(judgement.is_sound(), sound, "{disk}, {done} done: {judgement:?}");
        let older = |why: Option<String>| why.is_some_and(|why| why.contains("is older than after 1 operations"));
        assert_eq!((older(judgement.stale), older(judgement.init)), (!sound, !sound), "{disk}, {done} done");
        assert_eq!((judgement.grub, judgement.unclean), (None, None), "{disk}, {done} done");
    }
}

#[test]
fn configurations_are_whole_and_in_their_places() {
    let place = Place::new();
    let never = "config is neither as after";
    let mixed = &[("name", "new"), ("etc/other", "old")][..];
    let rows: [(&str, u32, Pair, &str); 14] = [
        ("as before", 0, [Some(OLD), Some(OLDER)], ""),
        ("the new one waits as the one before", 0, [Some(OLD), Some(NEW)], ""),
        ("as afterwards", 0, [Some(NEW), Some(OLD)], ""),
        ("as afterwards, and done", 1, [Some(NEW), Some(OLD)], ""),
        ("as before, and done", 1, [Some(OLD), Some(OLDER)], "config is older than after 1"),
        ("the new one still waits, and done", 1, [Some(OLD), Some(NEW)], "config is older than after 1"),
        ("none is in force", 0, [None, Some(OLD)], "listing config: "),
        ("one of two in force", 0, [Some(mixed), Some(OLD)], never),
        ("half of one in force", 0, [NEW.get(..1), Some(OLD)], never),
        ("the one before is gone", 0, [Some(OLD), None], never),
        ("half of the one before", 0, [Some(OLD), OLDER.get(1..)], never),
        ("one of two before", 0, [Some(OLD), Some(mixed)], never),
        ("in force and before", 0, [Some(NEW), Some(NEW)], never),
        ("the one before stayed", 1, [Some(NEW), Some(OLDER)], never),
    ];
    for (name, done, config, wanted) in rows {
        // The release is as it should be.
        make_disk(&place.directory.path().join("row"), ["old", "new"][done as usize], &config);
        let judgement = place.judge("row", &marker::block(done), |_| {}).expect("judged");
        for why in [judgement.init, judgement.grub.or(judgement.stale)] {
            let why = why.unwrap_or_default();
            assert!(if wanted.is_empty() { why.is_empty() } else { why.contains(wanted) }, "{name}: {why}");
        }
        assert_eq!(judgement.unclean, None, "{name}");
    }
}

#[test]
fn another_byte_is_seen_by_both() {
    let judgement = Place::new().judge("new", &marker::block(1), spoil_kernel).expect("judged");
    for why in [judgement.init, judgement.grub] {
        assert!(why.as_ref().is_some_and(|why| why.contains("latest is neither as after 1 operations")), "{why:?}");
    }
    assert_eq!((judgement.stale, judgement.unclean), (None, None));
}

#[test]
fn a_wrong_count_is_unclean_and_nothing_else() {
    let damage = |disk: &File| disk.write_all_at(&[1, 0], FREE_BLOCKS).expect("written");
    let judgement = Place::new().judge("new", &marker::block(1), damage).expect("judged");
    let unclean = judgement.unclean.clone().unwrap_or_default();
    assert!(unclean.contains("e2fsck: ") && unclean.contains("Free blocks count wrong"), "{unclean}");
    assert_eq!(Judgement { unclean: None, ..judgement }, Judgement::default());
}

#[test]
fn without_a_file_system_there_is_nothing_to_see() {
    let damage = |disk: &File| disk.write_all_at(&[0; 1024], 1024).expect("written");
    let judgement = Place::new().judge("new", &marker::block(1), damage).expect("judged");
    assert!(judgement.init.is_some() && judgement.grub.is_some() && judgement.unclean.is_some(), "{judgement:?}");
}

#[test]
fn without_a_marker_there_is_no_judgement() {
    let error = Place::new().judge("new", b"down 1\n", |_| {}).expect_err("no marker").to_string();
    assert!(error.starts_with("the marker is no marker: down 1"), "{error}");
}
