//! The rules, a row each: what stands there, what is wished for, and the steps, or the sentence, that must come of it.

extern crate std;

use crate::Which::{self, Number};
use crate::plan::{Bad, Orphans};
use crate::state::{Mark, Trial};
use crate::{
    Artifact, Inventory, Layout, Leftover, Loader, NewRelease, Plan, Policy, Release, ReleaseId, Source, Step, Stored,
    Wish, plan,
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
    assert!(!text.contains(BUILD) || text.starts_with("checkpoint the journal\n"), "{text}");
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
    let removing = Policy { retain: 0, ..Policy::default() };
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

/// Three releases of which B was called good, with a boot loader that can count.
fn on_trial(known: &[(Mark, &str)], trials: &[(&str, u8)]) -> Box<Inventory> {
    let mut inventory = inventory(&["v/C", "v/B", "v/A"], 7);
    inventory.loader = Loader::Counting;
    known.iter().for_each(|(mark, text)| inventory.marks.insert(*mark, id(text)));
    trials.iter().for_each(|(text, left)| inventory.marks.trials.push(Trial { id: id(text), left: *left }).unwrap());
    inventory
}

const ARM: &str = "let the boot loader start release 0 3 times on trial";
const DISARM: &str = "let the boot loader start release 0 without counting";

fn forget(text: &str) -> String {
    format!("forget the tries of release {}", id(text))
}

#[test]
fn a_new_release_is_on_trial_and_a_good_one_is_not() {
    let inventory = on_trial(&[(Mark::Good, "v/B")], &[]);
    let wish = new(&["v/D"], 9);
    assert_eq!(
        lines(&plan_of(&inventory, Wish::Install(&wish))),
        ["write v D (9 bytes)", ARM, BUILD, "  0: v D", "  1: v C", "  2: v B", "  3: v A", TURN, DISCARD]
    );
    let untried = plan(&inventory, Wish::Install(&wish), Policy { tries: 0, ..Policy::default() }).unwrap();
    assert!(!lines(&untried).contains(&ARM.into()));
    assert_eq!(
        lines(&plan_of(&inventory, Wish::Rollback(Number(1)))),
        [ARM, BUILD, "  0: v B", "  1: v C", "  2: v A", TURN, DISARM, DISCARD],
        "a count that has come to its end must not outlast the turn"
    );
    let alone = Inventory { loader: Loader::Idle, ..Inventory::default() };
    let first = lines(&plan_of(&alone, Wish::Install(&wish)));
    assert!(!first.contains(&ARM.into()), "there is nothing to go back to");
}

#[test]
fn a_boot_loader_that_does_not_count_is_left_alone_where_a_good_release_comes_back() {
    let mut inventory = on_trial(&[(Mark::Good, "v/B")], &[]);
    inventory.loader = Loader::Idle;
    let steps = lines(&plan_of(&inventory, Wish::Rollback(Number(1))));
    assert!(!steps.contains(&ARM.into()) && !steps.contains(&DISARM.into()), "{steps:?}");
}

#[test]
fn what_begins_again_has_all_its_tries() {
    let inventory = on_trial(&[(Mark::Good, "v/C")], &[("v/A", 1), ("v/C", 2)]);
    assert_eq!(
        lines(&plan_of(&inventory, Wish::Rollback(Number(2)))),
        [&forget("v/A"), ARM, BUILD, "  0: v A", "  1: v C", "  2: v B", TURN, DISCARD]
    );
    assert_eq!(lines(&plan_of(&inventory, Wish::Renew(Number(2)))), [forget("v/A")]);
    assert_eq!(lines(&plan_of(&inventory, Wish::Renew(Number(1)))), ["nothing to do"]);
}

#[test]
fn a_good_release_is_on_trial_no_more() {
    let inventory = on_trial(&[(Mark::Bad, "v/C")], &[("v/C", 1)]);
    let (good, forgiven) =
        (format!("mark release {} as good", id("v/C")), format!("take the mark bad off release {}", id("v/C")));
    assert_eq!(lines(&plan_of(&inventory, Wish::Approve(Number(0)))), [&good, &forgiven, &forget("v/C"), DISARM]);
    assert_eq!(lines(&plan_of(&inventory, Wish::Approve(Number(1)))), [format!("mark release {} as good", id("v/B"))]);
    let missing = plan(&inventory, Wish::Approve(Number(7)), Policy::default()).unwrap_err().to_string();
    assert_eq!(missing, "release 7 does not exist; there are 0 1 2");
}

#[test]
fn a_way_back_marks_what_is_bad_before_anything_turns() {
    let inventory = on_trial(&[(Mark::Good, "v/B")], &[("v/C", 0)]);
    let bad = format!("mark release {} as bad", id("v/C"));
    let turned = ["  0: v B", "  1: v C", "  2: v A"];
    assert_eq!(
        lines(&plan_of(&inventory, Wish::FallBack(Some(id("v/C")), id("v/B")))),
        [&[bad.as_str(), ARM, BUILD], &turned[..], &[TURN, DISARM, DISCARD]].concat()
    );
    // Nobody has called the other one good: it has to prove itself too.
    let inventory = on_trial(&[(Mark::Bad, "v/C")], &[("v/B", 0)]);
    assert_eq!(
        lines(&plan_of(&inventory, Wish::FallBack(Some(id("v/C")), id("v/B")))),
        [&[&*forget("v/B"), ARM, BUILD], &turned[..], &[TURN, DISCARD]].concat()
    );
    // The power went after the turn.
    assert_eq!(lines(&plan_of(&inventory, Wish::FallBack(None, id("v/C")))), ["nothing to do"]);
}

#[test]
fn what_is_bad_is_refused_unless_it_is_forgiven() {
    let mut inventory = on_trial(&[(Mark::Bad, "v/A"), (Mark::Bad, "v/D"), (Mark::Good, "v/C")], &[("v/A", 0)]);
    inventory.loader = Loader::Simple;
    let sentence =
        |text| format!("release {} is bad: it was tried and failed; --force takes it all the same", id(text));
    let install = new(&["v/D"], 9);
    for (wish, text) in [(Wish::Install(&install), "v/D"), (Wish::Rollback(Number(2)), "v/A")] {
        assert_eq!(plan(&inventory, wish, Policy::default()).unwrap_err().to_string(), sentence(text));
        let forced = Policy { bad: Bad::Forgive, ..Policy::default() };
        let forced = lines(&plan(&inventory, wish, forced).unwrap());
        assert!(forced.contains(&format!("take the mark bad off release {}", id(text))), "{forced:?}");
    }
}

#[test]
fn what_goes_is_forgotten_but_not_that_it_was_bad() {
    let known = [(Mark::Good, "v/A"), (Mark::Good, "v/B"), (Mark::Bad, "v/A")];
    let inventory = on_trial(&known, &[("v/A", 1)]);
    let reaped = lines(&plan(&inventory, Wish::Reap, Policy { retain: 0, ..Policy::default() }).unwrap());
    let good = format!("take the mark good off release {}", id("v/A"));
    assert_eq!(
        reaped,
        [BUILD, "  0: v C", "  1: v B", TURN, DISCARD, "remove v A (7 bytes)", &good, &forget("v/A")],
        "the last good one stays"
    );
}

/// So many that were bad and are gone would soon leave no room for what must be known.
#[test]
fn of_bad_releases_that_are_gone_so_many_are_remembered() {
    let mut inventory = inventory(&["v/B", "v/A"], 7);
    for number in 0..40 {
        inventory.marks.insert(Mark::Bad, format!("{number:016}").parse().unwrap());
    }
    inventory.marks.insert(Mark::Bad, id("v/A"));
    let steps = lines(&plan_of(&inventory, Wish::Reap));
    let forgotten: Vec<_> = steps.iter().filter(|line| line.starts_with("take the mark bad off release")).collect();
    assert_eq!(forgotten.len(), 8, "{steps:?}");
    assert!(!forgotten.iter().any(|line| line.contains(&id("v/A").to_string())), "{steps:?}");
}
