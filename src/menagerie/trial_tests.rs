//! A row each: what stands there and what is remembered of it, what was started, and what the boot does.

extern crate std;

use super::*;
use crate::state::{Mark, TRIES};
use std::string::String;
use std::vec::Vec;
use std::{boxed::Box, format};

/// Releases from 0, each a letter: upper case has a root, lower case has none.
fn listing(letters: &str) -> Box<Listing> {
    let mut listing = Box::<Listing>::default();
    listing.latest = Some(0);
    for (number, letter) in (0..).zip(letters.chars()) {
        listing.insert(release(number, letter)).unwrap();
    }
    listing
}

fn release(number: u32, letter: char) -> Release {
    let name = if letter.is_uppercase() { "vm_root" } else { "kernel" };
    let version = std::string::ToString::to_string(&letter);
    let artifact = crate::Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() };
    Release { number, artifacts: [artifact].into_iter().collect() }
}

/// `A good, B bad, C 2`
fn marks(text: &str) -> Marks {
    let mut marks = Marks::default();
    for part in text.split(", ").filter(|part| !part.is_empty()) {
        let (letter, what) = part.split_once(' ').unwrap();
        let id = release(0, letter.chars().next().unwrap()).id();
        match what {
            "good" => marks.insert(Mark::Good, id),
            "bad" => marks.insert(Mark::Bad, id),
            left => marks.trials.push(Trial { id, left: left.parse().unwrap() }).unwrap(),
        }
    }
    marks
}

fn letter(release: &Release) -> &str {
    release.artifacts[0].version.as_str()
}

/// What is done, in a few words; `broken` are the letters of releases that are not whole.
fn verdict(letters: &str, known: &str, entry: Entry, tries: u8, broken: &str) -> String {
    let (listing, marks) = (listing(letters), marks(known));
    match judge(&listing, &marks, entry, tries, &mut |release| !broken.contains(letter(release))) {
        Err(why) => format!("{why}"),
        Ok(Verdict::Boot(release)) => format!("boot {}", letter(release)),
        Ok(Verdict::Try { release, spent: Trial { id, left }, cost }) => {
            assert_eq!(id, release.id());
            format!("try {}, then {left}, {cost:?}", letter(release))
        }
        Ok(Verdict::FallBack { from, to, why }) => format!("{} is {why:?}: {}", letter(from), letter(to)),
        Ok(Verdict::BeginAnew(release)) => format!("anew {}", letter(release)),
        Ok(Verdict::Stuck(release)) => format!("stuck with {}", letter(release)),
    }
}

const LATEST: Entry = Entry::Asked(Selection::Latest);

#[test]
fn what_the_newest_release_costs() {
    for (letters, known, want) in [
        ("BA", "A good", "try B, then 2, EveryBoot"),
        ("BA", "A good, B 2", "try B, then 1, EveryBoot"),
        ("BA", "A good, B 1", "try B, then 0, EveryBoot"),
        ("BA", "A good, B 0", "B is OutOfTries: A"),
        ("BA", "A good, B 9", "try B, then 2, EveryBoot"),
        ("BA", "A good, B good", "boot B"),
        ("BA", "A good, B good, B 0", "boot B"),
        ("BA", "", "try B, then 2, EveryFailure"),
        ("BA", "B 0", "B is OutOfTries: A"),
        ("B", "", "boot B"),
        ("Ba", "", "boot B"),
        ("BA", "A bad", "boot B"),
        ("B", "B 0", "anew B"),
        ("BA", "A good, B bad", "B is Bad: A"),
        ("BA", "A bad, B bad", "anew B"),
        ("BA", "A bad, B 0", "anew B"),
    ] {
        assert_eq!(verdict(letters, known, LATEST, TRIES, ""), want, "{letters} {known}");
    }
}

#[test]
fn the_way_back_leads_to_the_last_good_one_that_is_whole() {
    for (letters, known, broken, want) in [
        ("DCBA", "D 0, B good, A good", "", "D is OutOfTries: B"),
        ("DCBA", "D 0, B good, A good", "B", "D is OutOfTries: A"),
        ("DCBA", "D 0, B good", "B", "D is OutOfTries: C"),
        ("DCBA", "D 0, C bad", "", "D is OutOfTries: B"),
        ("DCBA", "D 0, C bad, B good", "BA", "anew D"),
        ("DCBA", "D bad, C bad, B bad, A bad", "D", "anew C"),
        ("DCBA", "D bad, C bad, B bad, A bad", "DCBA", "anew D"),
        ("DcbA", "D 0", "", "D is OutOfTries: A"),
    ] {
        assert_eq!(verdict(letters, known, LATEST, TRIES, broken), want, "{letters} {known}, {broken} broken");
    }
}

#[test]
fn the_boot_loader_has_its_say() {
    for (letters, known, number, want) in [
        ("CBA", "B good", 1, "C is NeverStarted: B"),
        ("CBA", "A good", 1, "C is NeverStarted: A"),
        ("CBA", "", 1, "C is NeverStarted: B"),
        ("CBA", "C good", 1, "boot B"),
        ("CBA", "C bad, B good", 1, "C is Bad: B"),
        ("CBA", "C good, B bad", 1, "boot C"),
        ("Cba", "C good", 1, "boot C"),
        // What never came up is not started from here, where it may hang and nobody counts.
        ("CBA", "B bad, A bad", 2, "C is NeverStarted: A"),
        ("CBA", "C bad, B bad, A bad", 2, "C is Bad: A"),
        ("Cb", "", 1, "stuck with C"),
        ("CbA", "A bad", 1, "stuck with C"),
        ("CbA", "A good", 1, "C is NeverStarted: A"),
        ("CBA", "B good, C 2", 0, "try C, then 1, EveryBoot"),
        ("CBA", "B good, C 0", 0, "C is OutOfTries: B"),
        ("CBA", "", 7, "release 7 does not exist; the boot partition holds 0 1 2"),
    ] {
        assert_eq!(verdict(letters, known, Entry::Instead(number), TRIES, ""), want, "{letters} {known}, {number}");
    }
    assert_eq!(verdict("BA", "A good", Entry::Instead(1), 0, ""), "boot A", "without tries nothing falls back");
    for (broken, want) in [("", "boot C"), ("C", "boot A"), ("CA", "boot B")] {
        assert_eq!(verdict("CBA", "C good, B bad", Entry::Instead(1), TRIES, broken), want, "{broken} broken");
    }
}

/// Whatever is known of two releases and whichever the boot loader has started in the place of the newest: what it could not start is
/// only started from here if it once was good, and a bad one is only booted where nothing else is.
#[test]
fn nothing_is_started_that_never_came_up() {
    let known = ["", "good", "bad", "0", "1"];
    let (mut falls, mut boots) = (0, 0);
    for (new, old) in known.iter().flat_map(|new| known.iter().map(move |old| (*new, *old))) {
        for broken in ["", "A", "B", "BA"] {
            let marked = [("B", new), ("A", old)].into_iter().filter(|(_, what)| !what.is_empty());
            let marked = marked.map(|(letter, what)| format!("{letter} {what}")).collect::<Vec<_>>().join(", ");
            let verdict = verdict("BA", &marked, Entry::Instead(1), TRIES, broken);
            let what = format!("{marked}, {broken} broken: {verdict}");
            match verdict.as_str() {
                "boot A" => assert!(new == "good" && (old != "bad" || broken.contains('B')), "{what}"),
                "boot B" => assert!(new == "good" && old == "bad" && !broken.contains('B'), "{what}"),
                "stuck with B" => assert!(new != "good" && broken.contains('A'), "{what}"),
                "B is Bad: A" => assert!(new == "bad" && !broken.contains('A'), "{what}"),
                "B is NeverStarted: A" => assert!(!["good", "bad"].contains(&new) && !broken.contains('A'), "{what}"),
                _ => panic!("{what}"),
            }
            match verdict.contains("boot") {
                true => boots += 1,
                false => falls += 1,
            }
        }
    }
    assert_eq!((falls, boots), (80, 20));
}

#[test]
fn where_nothing_else_helps_another_one_boots() {
    for (known, without, broken, want) in [
        ("B good", "", "", Some("B")),
        ("B good", "B", "", Some("D")),
        ("D bad, B good", "B", "", Some("C")),
        ("D bad, C bad, B bad, A bad", "D", "C", Some("B")),
        ("", "DCBA", "", None),
        ("", "DC", "BA", None),
    ] {
        let (listing, marks) = (listing("DCBA"), marks(known));
        let ids: Vec<ReleaseId> = without.chars().map(|letter| release(0, letter).id()).collect();
        let found = another(&listing, &marks, &ids, &mut |release| !broken.contains(letter(release))).map(letter);
        assert_eq!(found, want, "{known}, without {without}, {broken} broken");
    }
    let (listing, marks) = (listing("cB"), Marks::default());
    assert_eq!(
        another(&listing, &marks, &[], &mut |_| true).map(letter),
        Some("B"),
        "one without a root boots nothing"
    );
}

/// One without a kernel, which the predecessor may have left, would strand a VM that boots through a boot loader.
#[test]
fn the_way_back_leads_to_what_the_boot_loader_can_load() {
    let with_kernel = |number, root: char| {
        let mut release = release(number, root);
        let kernel = crate::Artifact { name: "kernel".parse().unwrap(), version: "1".parse().unwrap() };
        release.artifacts.push(kernel).unwrap();
        release
    };
    let mut listing = Box::<Listing>::default();
    listing.latest = Some(0);
    for release in [with_kernel(0, 'C'), release(1, 'B'), with_kernel(2, 'A')] {
        listing.insert(release).unwrap();
    }
    let mut marks = marks("B good");
    marks.trials.push(Trial { id: listing.releases()[0].id(), left: 0 }).unwrap();
    let Ok(Verdict::FallBack { to, .. }) = judge(&listing, &marks, LATEST, TRIES, &mut |_| true) else { panic!() };
    assert_eq!(to.number, 2);
}

#[test]
fn what_somebody_chose_is_booted_and_costs_nothing() {
    for (known, number, want) in [
        ("B good", 0, "boot C"),
        ("C bad, B good", 0, "boot C"),
        ("C 0, B bad", 1, "boot B"),
        ("", 3, "release 3 does not exist; the boot partition holds 0 1 2"),
    ] {
        let entry = Entry::Asked(Selection::Number(number));
        assert_eq!(verdict("CBA", known, entry, TRIES, ""), want, "{known}, {number}");
    }
}

#[test]
fn without_tries_nothing_is_counted() {
    for known in ["A good", "A good, B 0", "A good, B bad"] {
        assert_eq!(verdict("BA", known, LATEST, 0, ""), "boot B", "{known}");
    }
    assert_eq!(verdict("BA", "A good", LATEST, 1, ""), "try B, then 0, EveryBoot");
    assert_eq!(verdict("", "", LATEST, TRIES, ""), "the boot partition holds no releases");
    let (mut listing, marks) = (listing("BA"), Marks::default());
    listing.latest = None;
    assert_eq!(judge(&listing, &marks, LATEST, TRIES, &mut |_| true), Err(Impossible::NoLatest));
}

/// Whatever is known and wherever the power goes, the boots come to a release that works, if one does and is whole, and stay.
#[test]
fn every_way_through_a_trial_ends_with_what_works() {
    let known = ["", "good", "bad", "0", "1"];
    for (new, old) in known.iter().flat_map(|new| known.iter().map(move |old| (new, old))) {
        let mut marks = marks(
            &[("B", new), ("A", old)]
                .into_iter()
                .filter(|(_, what)| !what.is_empty())
                .map(|(letter, what)| format!("{letter} {what}"))
                .collect::<Vec<_>>()
                .join(", "),
        );
        // Only the old one works: the new one fails before its root takes over.
        let (mut order, mut boots) = (String::from("BA"), Vec::new());
        for _ in 0..8 {
            let listing = listing(&order);
            let verdict = judge(&listing, &marks, LATEST, TRIES, &mut |_| true).unwrap();
            match verdict {
                Verdict::Boot(release) | Verdict::BeginAnew(release) => boots.push(format!("{release}")),
                Verdict::Stuck(_) => panic!("the boot loader has started what it was asked for"),
                Verdict::Try { release, spent, .. } => {
                    boots.push(format!("{release}"));
                    marks.trials.retain(|trial| trial.id != spent.id);
                    marks.trials.push(spent).unwrap();
                }
                Verdict::FallBack { from, to, .. } => {
                    boots.push(format!("{to}"));
                    marks.insert(Mark::Bad, from.id());
                    marks.trials.retain(|trial| trial.id != to.id());
                    order = if order == "BA" { "AB".into() } else { "BA".into() };
                }
            }
        }
        let works = "vm_root A";
        let stays = boots.iter().skip_while(|boot| *boot != works).all(|boot| boot == works);
        let last = boots.last().map(String::as_str);
        // A release that was called good is believed, and so is the last one that is not bad.
        let hopeless = *new == "good" || *old == "bad";
        assert_eq!(last == Some(works), !hopeless, "{new:?} {old:?}: {boots:?}");
        assert!(stays, "{new:?} {old:?}: {boots:?}");
    }
}
