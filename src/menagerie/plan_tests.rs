//! The rules, a row each: what stands there, what is wished for, and the steps, or the sentence, that must come of it.

extern crate std;

use crate::Which::{self, Number};
use crate::plan::Orphans;
use crate::state::Mark;
use crate::{
    Artifact, Inventory, Layout, Leftover, NewRelease, Plan, Policy, Release, ReleaseId, Source, Step, Stored, Wish,
    plan,
};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{boxed::Box, format};

/// `name/version`
pub fn artifact(text: &str) -> Artifact {
    let (name, version) = text.split_once('/').unwrap();
    Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() }
}

/// An artifact that stands.
pub fn stored(artifact: Artifact, size: u64) -> Stored {
    Stored { artifact, size, takes: size.next_multiple_of(4096), mode: 0o644 }
}

fn artifacts(text: &str) -> heapless::Vec<Artifact, 16> {
    text.split_whitespace().map(artifact).collect()
}

/// Numbered releases, each written as `name/version name/version`, and all their artifacts of this size.
fn numbered(releases: &[(u32, &str)], size: u64) -> Box<Inventory> {
    let mut inventory = Box::new(Inventory { has_releases: true, ..Inventory::default() });
    inventory.listing.latest = Some(0);
    for (number, text) in releases {
        let artifacts = artifacts(text);
        for artifact in &artifacts {
            if inventory.stored(artifact).is_none() {
                inventory.stored.push(stored(artifact.clone(), size)).unwrap();
            }
        }
        inventory.listing.insert(Release { number: *number, artifacts }).unwrap();
    }
    inventory
}

/// The same, numbered from 0.
pub fn inventory(releases: &[&str], size: u64) -> Box<Inventory> {
    numbered(&(0..).zip(releases.iter().copied()).collect::<Vec<_>>(), size)
}

/// A new release of files that stand nowhere yet.
pub fn new(texts: &[&str], size: u64) -> NewRelease {
    from(texts, Source::File { size: Some(size), mode: None, alike: false })
}

fn from(texts: &[&str], source: Source) -> NewRelease {
    let mut new = NewRelease::default();
    texts.iter().for_each(|text| new.add(&Layout::default(), artifact(text), source).unwrap());
    new
}

/// The plan under the default policy.
pub fn plan_of<'a>(inventory: &'a Inventory, wish: Wish<'a>) -> Plan<'a> {
    plan(inventory, wish, Policy::default()).unwrap()
}

/// The lines of a plan, without the checkpoint that begins each.
fn lines(plan: &Plan) -> Vec<String> {
    let text = plan.to_string();
    assert!(plan.steps.is_empty() || text.starts_with("checkpoint the journal\n") || plan.steps.len() == 1, "{text}");
    text.lines().filter(|line| *line != "checkpoint the journal").map(String::from).collect()
}

fn id(text: &str) -> ReleaseId {
    ReleaseId::of(&artifacts(text))
}

const BUILD: &str = "build the next tree of releases";
const TURN: &str = "exchange the next tree of releases and the present one";
const DISCARD: &str = "remove the old tree of releases";

#[test]
fn a_new_release_turns_the_others_one_place() {
    let inventory = inventory(&["kernel/1 vm_root/b", "kernel/1 vm_root/a"], 7);
    let wish = new(&["kernel/1", "vm_root/c"], 9);
    let mut wish = wish;
    wish.sources[0] = Source::Standing;
    assert_eq!(
        lines(&plan_of(&inventory, Wish::Install(&wish))),
        [
            "write vm_root c (9 bytes)",
            BUILD,
            "  0: kernel 1, vm_root c",
            "  1: kernel 1, vm_root b",
            "  2: kernel 1, vm_root a",
            TURN,
            DISCARD,
        ]
    );
}

#[test]
fn the_first_release_of_an_empty_disk() {
    let empty = Inventory::default();
    let wish = new(&["vm_root/1"], 9);
    assert_eq!(
        lines(&plan_of(&empty, Wish::Install(&wish))),
        ["write vm_root 1 (9 bytes)", BUILD, "  0: vm_root 1", TURN, "point latest at release 0"]
    );
    assert_eq!(lines(&plan_of(&empty, Wish::Reap)), ["nothing to do"]);
    let unknown = from(&["vm_root/1"], Source::File { size: None, mode: None, alike: false });
    assert_eq!(lines(&plan_of(&empty, Wish::Install(&unknown)))[0], "write vm_root 1 (nobody says how many bytes)");
}

#[test]
fn the_same_release_twice_is_no_rotation() {
    let inventory = inventory(&["kernel/1 vm_root/b", "kernel/1 vm_root/a"], 7);
    let again = from(&["vm_root/b", "kernel/1"], Source::Standing);
    assert_eq!(lines(&plan_of(&inventory, Wish::Install(&again))), ["nothing to do"]);
    let old = from(&["vm_root/a", "kernel/1"], Source::File { size: Some(1), mode: Some(0o644), alike: true });
    assert_eq!(
        lines(&plan_of(&inventory, Wish::Install(&old))),
        [BUILD, "  0: vm_root a, kernel 1", "  1: kernel 1, vm_root b", TURN, DISCARD],
        "one that is there becomes 0 again"
    );
}

#[test]
fn a_rollback_keeps_the_order_of_the_others_and_removes_nothing() {
    let mut inventory = inventory(&["v/4", "v/3", "v/2", "v/1"], 7);
    inventory.stored.push(stored(artifact("v/orphan"), 1)).unwrap();
    let policy = Policy { retain: 0, ..Policy::default() };
    let steps = plan(&inventory, Wish::Rollback(Number(2)), policy).unwrap();
    assert_eq!(lines(&steps), [BUILD, "  0: v 2", "  1: v 4", "  2: v 3", "  3: v 1", TURN, DISCARD]);
    let by_id = plan_of(&inventory, Wish::Rollback(Which::Id(id("v/2"))));
    assert_eq!(lines(&by_id), lines(&steps));
    assert_eq!(lines(&plan_of(&inventory, Wish::Rollback(Number(0)))), ["nothing to do"]);
}

#[test]
fn what_is_too_old_goes_unless_it_is_protected() {
    let mut inventory = inventory(&["v/7", "v/6", "v/5", "v/4", "v/3", "v/2", "v/1"], 7);
    inventory.marks.running = Some(id("v/4"));
    inventory.marks.insert(Mark::Pinned, id("v/1"));
    inventory.marks.insert(Mark::Good, id("v/3"));
    for (retain, next) in
        [(5, "7 6 5 4 3 2 1"), (4, "7 6 5 4 3 1"), (1, "7 6 4 3 1"), (0, "7 4 3 1"), (63, "7 6 5 4 3 2 1")]
    {
        let plan = plan(&inventory, Wish::Reap, Policy { retain, ..Policy::default() }).unwrap();
        let versions: Vec<&str> = plan.next.iter().map(|artifacts| artifacts[0].version.as_str()).collect();
        assert_eq!(versions.join(" "), next, "retain {retain}");
        let gone = plan.steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        assert_eq!(gone, 7 - plan.next.len(), "retain {retain}");
    }
}

#[test]
fn a_release_to_start_with_goes_once_a_real_one_is_good() {
    let mut inventory = inventory(&["kernel/2 initrd/2 vm_root/2", "kernel/1 initrd/1"], 7);
    assert_eq!(lines(&plan_of(&inventory, Wish::Reap)), ["nothing to do"]);
    inventory.marks.insert(Mark::Good, id("kernel/2 initrd/2 vm_root/2"));
    assert_eq!(plan_of(&inventory, Wish::Reap).next.len(), 1);
}

#[test]
fn artifacts_go_only_after_the_releases_that_had_them() {
    let mut inventory = inventory(&["k/1 v/2", "k/1 v/1"], 7);
    inventory.stored.push(stored(artifact("v/0"), 5)).unwrap();
    let wish = new(&["k/2", "v/2"], 9);
    let mut wish = wish;
    wish.sources[1] = Source::Standing;
    let install = |policy| lines(&plan(&inventory, Wish::Install(&wish), policy).unwrap());
    let turned = [BUILD, "  0: k 2, v 2", TURN, DISCARD];
    let write = "write k 2 (9 bytes)";
    let (first, last) = ("remove v 0 (5 bytes)", ["remove k 1 (7 bytes)", "remove v 1 (7 bytes)"]);
    let removing = Policy { retain: 0, orphans: Orphans::Remove };
    assert_eq!(install(removing), [&[write][..], &turned, &last, &[first]].concat());
    assert_eq!(
        install(Policy { orphans: Orphans::RemoveFirst, ..removing }),
        [&[first, write][..], &turned, &last].concat()
    );
    assert_eq!(install(Policy { orphans: Orphans::Keep, ..removing }), [&[write][..], &turned].concat());
}

#[test]
fn numbers_with_gaps_are_closed_up_and_empty_releases_vanish() {
    let mut gaps = numbered(&[(0, "v/3"), (2, ""), (7, "v/2"), (4_294_967_295, "v/1")], 7);
    assert_eq!(lines(&plan_of(&gaps, Wish::Reap)), [BUILD, "  0: v 3", "  1: v 2", "  2: v 1", TURN, DISCARD]);
    // The predecessor was stopped after it had moved everything up and before it wrote the new one.
    gaps = numbered(&[(1, "v/3"), (2, "v/2")], 7);
    let wish = new(&["v/4"], 9);
    assert_eq!(
        lines(&plan_of(&gaps, Wish::Install(&wish))),
        ["write v 4 (9 bytes)", BUILD, "  0: v 4", "  1: v 3", "  2: v 2", TURN, DISCARD]
    );
}

#[test]
fn what_was_left_half_done_is_cleared_away_first() {
    let mut inventory = inventory(&["v/1"], 7);
    for leftover in [Leftover::Releases, Leftover::Latest, Leftover::Part(artifact("v/2"), 4096)] {
        inventory.leftovers.push(leftover).unwrap();
    }
    let swept = [
        "clear away an unused tree of releases",
        "clear away an unused link to the latest release",
        "clear away the unfinished v 2",
    ];
    for wish in [Wish::Reap, Wish::Rollback(Number(0)), Wish::Unpin(Number(0))] {
        assert_eq!(lines(&plan_of(&inventory, wish)), swept, "{wish:?}");
    }
    let pinned = format!("mark release {} as pinned", id("v/1"));
    assert_eq!(lines(&plan_of(&inventory, Wish::Pin(Number(0))))[3..], [pinned]);
}

#[test]
fn an_orphan_with_other_bytes_is_written_anew() {
    let mut inventory = inventory(&["v/1"], 7);
    inventory.stored.push(stored(artifact("v/2"), 3)).unwrap();
    let wish = new(&["v/2"], 9);
    for orphans in [Orphans::Keep, Orphans::Remove] {
        let steps = plan(&inventory, Wish::Install(&wish), Policy { orphans, ..Policy::default() }).unwrap();
        assert_eq!(
            lines(&steps),
            ["remove v 2 (3 bytes)", "write v 2 (9 bytes)", BUILD, "  0: v 2", "  1: v 1", TURN, DISCARD]
        );
    }
}

#[test]
fn pins_come_and_go_once() {
    let mut inventory = inventory(&["v/2", "v/1"], 7);
    let mark = format!("mark release {} as pinned", id("v/1"));
    let unmark = format!("take the mark pinned off release {}", id("v/1"));
    assert_eq!(lines(&plan_of(&inventory, Wish::Pin(Number(1)))), [mark]);
    assert_eq!(lines(&plan_of(&inventory, Wish::Unpin(Number(1)))), ["nothing to do"]);
    inventory.marks.insert(Mark::Pinned, id("v/1"));
    assert_eq!(lines(&plan_of(&inventory, Wish::Pin(Number(1)))), ["nothing to do"]);
    assert_eq!(lines(&plan_of(&inventory, Wish::Unpin(Number(1)))), [unmark]);
    inventory.marks.insert(Mark::Pinned, id("v/gone"));
    let unmark = format!("take the mark pinned off release {}", id("v/gone"));
    assert_eq!(lines(&plan_of(&inventory, Wish::Unpin(Which::Id(id("v/gone"))))), [unmark], "its mark is there");
}

#[test]
fn each_refusal_has_its_sentence() {
    let good = || inventory(&["kernel/1 vm_root/2", "kernel/1 vm_root/1", "vm_root/0"], 7);
    let with = |change: fn(&mut Inventory)| {
        let mut inventory = good();
        change(&mut inventory);
        inventory
    };
    let lost = with(|inventory| inventory.stored.retain(|stored| stored.artifact.version.as_str() != "1"));
    let foreign = with(|inventory| inventory.foreign = 2);
    let elsewhere = with(|inventory| inventory.listing.latest = Some(1));
    let odd = with(|inventory| (inventory.listing.latest, inventory.odd_latest) = (None, true));
    let surplus = with(|inventory| inventory.surplus = 6);
    let taken = with(|inventory| inventory.taken.push(artifact("vm_root/4")).unwrap());
    let mut lost_releases = Box::<Inventory>::default();
    lost_releases.stored.push(stored(artifact("vm_root/9"), 1)).unwrap();
    let in_the_way = new(&["kernel/2", "vm_root/4"], 1);
    let one = with(|inventory| inventory.foreign = 1);
    let other_mode = from(&["kernel/1", "vm_root/1"], Source::File { size: Some(7), mode: Some(0o600), alike: true });
    let (whole, standing) = (good(), |texts| from(texts, Source::Standing));
    let [other_bytes, no_kernel] = [new(&["kernel/1", "vm_root/3"], 1), new(&["vm_root/3"], 1)];
    let (not_there, again) = (standing(&["kernel/9", "vm_root/1"]), standing(&["kernel/1", "vm_root/1"]));
    for (inventory, wish, sentence) in [
        (&whole, Wish::Rollback(Number(7)), "release 7 does not exist; there are 0 1 2"),
        (&whole, Wish::Pin(Number(3)), "release 3 does not exist; there are 0 1 2"),
        (&whole, Wish::Unpin(Which::Id(id("v/9"))), "release 90f2e4a8f77f21e2 does not exist; there are 0 1 2"),
        (&Box::default(), Wish::Rollback(Number(1)), "release 1 does not exist; there are none"),
        (&lost, Wish::Rollback(Number(1)), "release 1 is incomplete: its kernel 1 is not there; add that first"),
        (
            &whole,
            Wish::Rollback(Number(2)),
            "release 2 has no kernel, and release 0 has one: it would not boot; add makes one that does",
        ),
        (
            &whole,
            Wish::Install(&no_kernel),
            "the release has no kernel, and release 0 has one: name it too (kernel=VERSION takes one that is there)",
        ),
        (&whole, Wish::Install(&not_there), "kernel 9 is not there: say which file it is, kernel=9@FILE"),
        (
            &whole,
            Wish::Install(&other_bytes),
            "kernel 1 is there with other bytes, and a release needs it: give the new one another version",
        ),
        (
            &foreign,
            Wish::Install(&again),
            "2 things below the releases are none of ours, and would be lost or lose what they need: move them away",
        ),
        (
            &elsewhere,
            Wish::Install(&again),
            "latest points at release 1, and dock0 keeps it at release 0: point it there first (ln -sfn releases/0 latest)",
        ),
        (&odd, Wish::Reap, "latest is no link to a release: move it away first"),
        (
            &surplus,
            Wish::Install(&again),
            "there are 6 releases more than 64: remove the directories of the oldest ones",
        ),
        (&taken, Wish::Install(&in_the_way), "in the place of vm_root 4 stands something that is no file"),
        (
            &lost_releases,
            Wish::Reap,
            "there is no release, but there are 1 artifacts, which would all be removed: is --releases right? With \
             --keep-orphans they stay",
        ),
        (
            &one,
            Wish::Install(&again),
            "one thing below the releases is none of ours, and would be lost or lose what it needs: move it away",
        ),
        (&whole, Wish::Install(&other_mode), "kernel 1 is there with the mode 0644: give the new one another version"),
        (&Box::default(), Wish::Rollback(Which::Older), "there is no older release"),
    ] {
        assert_eq!(plan(inventory, wish, Policy::default()).unwrap_err().to_string(), sentence);
    }
    assert_eq!(lines(&plan_of(&foreign, Wish::Pin(Number(0)))).len(), 1, "what loses nothing is not refused");
    assert_eq!(lines(&plan_of(&foreign, Wish::Reap)), ["nothing to do"]);
    let mut orphaned = foreign.clone();
    orphaned.stored.push(stored(artifact("vm_root/9"), 1)).unwrap();
    let refused = plan(&orphaned, Wish::Reap, Policy::default()).unwrap_err();
    assert_eq!(refused, crate::Refused::Foreign(2), "an orphan may be what the foreign ones need");
}

#[test]
fn sixty_four_are_the_most_even_if_all_are_protected() {
    let texts: Vec<String> = (0..64).map(|number| format!("v/{number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut inventory = inventory(&texts, 7);
    let wish = new(&["v/new"], 1);
    let most = Policy { retain: crate::plan::MAX_RETAIN, ..Policy::default() };
    assert_eq!(plan(&inventory, Wish::Install(&wish), most).unwrap().next.len(), 64);
    inventory.marks.insert(Mark::Pinned, id("v/63"));
    let refused = plan(&inventory, Wish::Install(&wish), most).unwrap_err().to_string();
    assert_eq!(refused, "there would be more than 64 releases: unpin one, or retain fewer");
}
