//! The proofs: random trees and wishes, cut after any step of the plan or of the file system, or failing at one. The
//! releases are the old ones or the new ones, never a third; and the same wish, planned again, comes to the same end.

use super::apply::{self, Event};
use super::change::{Change, Consent, Given, Origin, Terms, Unmade, make};
use super::faults::{Fault, Faulty};
use super::files::Files;
use super::memory::{Memory, Node};
use super::supply::Local;
use super::survey::{self, Remarks};
use fastrand::Rng;
use menagerie::plan::{Bad, Orphans};
use menagerie::state::{Mark, Trial};
use menagerie::{Artifact, Inventory, Layout, Policy, ReleaseId, Which};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use wire::grubenv::{DEFAULT, GRUBENV, empty_grubenv, legacy_default, with_tries};

const ERRORS: [Errno; 5] = [Errno::IO, Errno::NOSPC, Errno::ROFS, Errno::INTR, Errno::DQUOT];

/// A tree, what is wished for, and how.
struct Case {
    disk: Memory,
    layout: Layout,
    change: Change,
    policy: Policy,
    running: Option<ReleaseId>,
}

fn artifact(name: &str, version: &str) -> Artifact {
    Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() }
}

/// What an artifact's file holds; one of them is longer than what is written at once.
fn bytes(artifact: &Artifact) -> Vec<u8> {
    let text = artifact.to_string();
    let times = if text == "cat 0" { 60_000 } else { 1 };
    text.repeat(times).into_bytes()
}

fn source(artifact: &Artifact) -> io::Result<(u64, Box<dyn Read>)> {
    let bytes = bytes(artifact);
    Ok((bytes.len() as u64, Box::new(Cursor::new(bytes))))
}

fn random_artifacts(rng: &mut Rng) -> Vec<Artifact> {
    let names = ["kernel", "initrd", "vm_root", "cat"];
    let mut some: Vec<&str> = names.into_iter().filter(|_| rng.u8(..) > 60).collect();
    if some.is_empty() {
        some.push("vm_root");
    }
    some.into_iter().map(|name| artifact(name, &rng.u8(0..4).to_string())).collect()
}

/// From a file as a rule, with the mode that the others have.
fn given(rng: &mut Rng, artifact: Artifact) -> Given {
    let origin = match rng.u8(0..8) {
        0 => Origin::Standing,
        1 => Origin::File(Some(0o644)),
        _ => Origin::File(None),
    };
    Given { artifact, origin }
}

impl Case {
    /// The same for the same seed.
    fn random(seed: u64) -> Case {
        let mut rng = Rng::with_seed(seed);
        let layout = match rng.u8(0..4) {
            0 => Layout::new("some/where/a", "r", "boot/newest").unwrap(),
            _ => Layout::default(),
        };
        let disk = Memory::default();
        let mut ids = Vec::new();
        let mut number = 0;
        for _ in 0..rng.u32(0..9) {
            let artifacts = random_artifacts(&mut rng);
            ids.push(ReleaseId::of(&artifacts));
            put_release(&disk, &layout, &format!("{}/{number}", layout.releases()), &artifacts);
            for artifact in artifacts.iter().filter(|_| rng.u8(..) > 10) {
                disk.put(&layout.artifact(artifact), Node::File(bytes(artifact), 0o644, None, false));
            }
            number += if rng.u8(0..5) == 0 { rng.u32(1..9) } else { 1 };
        }
        if rng.u8(0..6) > 0 {
            disk.put(layout.latest(), Node::Link(layout.latest_target().into()));
        }
        litter(&disk, &layout, &mut rng);
        for id in &ids {
            if rng.u8(0..5) == 0 {
                disk.put(&Mark::Pinned.path(*id), Node::File(Vec::new(), 0o644, None, false));
            }
        }
        for id in &ids {
            let file = || Node::File(Vec::new(), 0o644, None, false);
            match rng.u8(0..6) {
                0 => disk.put(&Mark::Good.path(*id), file()),
                1 => disk.put(&Mark::Bad.path(*id), file()),
                2 => disk.put(&Trial { id: *id, left: rng.u8(0..3) }.path(), file()),
                _ => {}
            }
        }
        if rng.bool() {
            let starts = if rng.bool() { Some(rng.u8(0..3)) } else { None };
            let block = with_tries(&empty_grubenv(), starts).unwrap();
            disk.put(GRUBENV, Node::File(block.into(), 0o644, None, false));
            disk.put(DEFAULT, Node::File(legacy_default(starts).into(), 0o644, None, false));
        }
        // By id, or by a number that there is not: a rollback that is planned again by its number means another one.
        let id = rng.choice(&ids).copied().filter(|_| rng.u8(0..8) > 0);
        let which = id.map_or(Which::Number(number), Which::Id);
        let change = match rng.u8(0..12) {
            0 | 1 => Change::Rollback(which),
            9 => Change::Approve(which),
            10 => Change::Renew(which),
            11 => Change::FallBack(rng.choice(&ids).copied(), id.unwrap_or_else(|| ReleaseId::of(&[]))),
            2 => Change::Pin(which),
            3 => Change::Unpin(which),
            4 => Change::Reap,
            _ => {
                Change::Add(random_artifacts(&mut rng).into_iter().map(|artifact| given(&mut rng, artifact)).collect())
            }
        };
        let orphans = if rng.bool() { Orphans::Remove } else { Orphans::Keep };
        let bad = if rng.bool() { Bad::Refuse } else { Bad::Forgive };
        let policy = Policy { retain: rng.u32(0..7), orphans, bad, tries: rng.u8(0..4) };
        let running = if rng.bool() { rng.choice(&ids).copied() } else { None };
        Case { disk, layout, change, policy, running }
    }

    fn make(&self, files: &impl Files) -> Result<(), Unmade> {
        let terms = Terms { layout: &self.layout, policy: self.policy, running: self.running, supply: &Local(&source) };
        make(files, &terms, &self.change, &mut |_, _, _| Consent::Given, &mut |_| {})
    }

    /// What it comes to when nothing goes wrong; `None` where the wish is refused.
    fn end(&self) -> Option<Memory> {
        let disk = self.disk.clone();
        self.make(&disk).ok().map(|()| disk)
    }

    /// The disk after as many steps of the file system.
    fn cut(&self, fault: Fault) -> (Memory, usize) {
        let disk = self.disk.clone();
        let faulty = Faulty::new(&disk, fault);
        let made = self.make(&faulty);
        let steps = faulty.steps.get();
        if let Fault::FromThenOn(at) | Fault::Once(at, _) = fault {
            // A step that only tidies up may fail without a word.
            assert!(made.is_err() || at >= steps || matches!(fault, Fault::Once(..)), "{fault:?}");
        }
        (disk, steps)
    }

    /// Nothing but the releases before and those after, and all that they need.
    fn assert_old_or_new(&self, disk: &Memory, end: &Memory, what: &str) {
        let seen = |disk: &Memory| releases(disk, &self.layout);
        let (old, new, now) = (seen(&self.disk), seen(end), seen(disk));
        let fits = |want: &Seen| {
            // Without `latest` nothing boots, whatever the releases are; it is made last.
            let boots = now.latest == want.latest || old.latest.is_none() && now.latest.is_none();
            // A new artifact may complete an old release that lacked it.
            let same = |(now, want): (&String, &String)| now == want || now.replace(" whole", " missing") == *want;
            boots && now.releases.len() == want.releases.len() && now.releases.iter().zip(&want.releases).all(same)
        };
        assert!(fits(&old) || fits(&new), "{what}: a third state\n{old:?}\n{new:?}\n{now:?}");
    }

    fn assert_comes_to(&self, disk: &Memory, end: &Memory, what: &str) {
        self.make(disk).unwrap_or_else(|unmade| panic!("{what}: {}", unmade.failure()));
        assert_eq!(disk.nodes, end.nodes, "{what}: {:?}", self.change);
    }
}

fn put_release(disk: &Memory, layout: &Layout, directory: &str, artifacts: &[Artifact]) {
    for artifact in artifacts {
        let target = layout.link_target(artifact).to_string();
        disk.put(&format!("{directory}/{}", artifact.name), Node::Link(target));
    }
}

/// What others have left behind: orphans, and things half done.
fn litter(disk: &Memory, layout: &Layout, rng: &mut Rng) {
    let file = |bytes: &[u8]| Node::File(bytes.into(), 0o600, None, false);
    let orphan = artifact("cat", &rng.u8(0..9).to_string());
    match rng.u8(0..8) {
        0 => disk.put(&layout.artifact(&artifact("cat", "9")), file(b"an orphan")),
        1 => disk.put(&layout.part(&orphan), file(b"half an orph")),
        2 => put_release(disk, layout, &format!("{}.new/0", layout.releases()), &[orphan]),
        3 => disk.put(&format!("{}.new", layout.latest()), Node::Link("nowhere".into())),
        4 => disk.put("config.new/templates/etc/hostname", file(b"web1")),
        5 => disk.put(&format!("{}.new", layout.releases()), file(b"no directory")),
        _ => {}
    }
}

/// What a boot would find.
#[derive(Debug)]
struct Seen {
    latest: Option<u32>,
    /// Of each release a line for each artifact, with whether it is there and whole.
    releases: Vec<String>,
}

fn releases(disk: &Memory, layout: &Layout) -> Seen {
    let (listing, remarks) = survey::listing(disk, layout).unwrap();
    assert_eq!(remarks.foreign, [""; 0]);
    let state = |artifact: &Artifact| match disk.nodes.borrow().get(layout.artifact(artifact).as_str()) {
        Some(Node::File(found, ..)) if *found == bytes(artifact) => "whole",
        Some(_) => "broken",
        None => "missing",
    };
    let lines = listing.releases().iter().flat_map(|release| {
        release.artifacts.iter().map(|artifact| format!("{}: {artifact} {}", release.number, state(artifact)))
    });
    Seen { latest: listing.latest, releases: lines.collect() }
}

/// Everything that can be asked for is asked for often enough, and refused no more often than it has to be.
#[test]
fn the_random_cases_cover_the_rules() {
    let mut counts = BTreeMap::<&str, (u32, u32)>::new();
    for seed in 0..2000 {
        let case = Case::random(seed);
        let kind = match case.change {
            Change::Add(_) => "add",
            Change::Rollback(_) => "rollback",
            Change::Pin(_) => "pin",
            Change::Unpin(_) => "unpin",
            Change::Reap => "reap",
            Change::Approve(_) => "good",
            Change::Renew(_) => "renew",
            Change::FallBack(..) => "fall back",
        };
        let (made, refused) = counts.entry(kind).or_default();
        *(if case.end().is_some() { made } else { refused }) += 1;
    }
    assert_eq!(counts.len(), 8);
    for (kind, (made, refused)) in counts {
        assert!(made > 70, "{kind}: {made} were made and {refused} refused");
    }
}

#[test]
fn stopping_after_any_step_of_a_plan_and_planning_again_comes_to_the_same_end() {
    let mut stops = 0;
    for seed in 0..4000 {
        let case = Case::random(seed);
        let Some(end) = case.end() else { continue };
        for steps in 0.. {
            let disk = case.disk.clone();
            let mut all = true;
            let terms =
                Terms { layout: &case.layout, policy: case.policy, running: case.running, supply: &Local(&source) };
            let show = &mut |plan: &menagerie::Plan, _: &Inventory, _: &Remarks| {
                for step in plan.steps.iter().take(steps) {
                    apply::take(&disk, &case.layout, plan, step, &Local(&source), &mut |_: Event| {}).unwrap();
                }
                all = plan.steps.len() <= steps;
                Consent::Withheld
            };
            make(&disk, &terms, &case.change, show, &mut |_| {}).unwrap();
            case.assert_old_or_new(&disk, &end, &format!("seed {seed}, {steps} steps"));
            case.assert_comes_to(&disk, &end, &format!("seed {seed}, {steps} steps"));
            stops += 1;
            if all {
                break;
            }
        }
    }
    assert!(stops > 10_000, "only {stops}");
}

#[test]
fn a_cut_after_any_step_of_the_file_system_leaves_the_old_or_the_new() {
    let mut cuts = 0;
    for seed in 10_000..10_600 {
        let case = Case::random(seed);
        let Some(end) = case.end() else { continue };
        for at in 0.. {
            let what = format!("seed {seed}, cut at {at}");
            let (disk, steps) = case.cut(Fault::FromThenOn(at));
            if at >= steps {
                break;
            }
            case.assert_old_or_new(&disk, &end, &what);
            case.assert_comes_to(&disk, &end, &what);
            cuts += 1;
        }
    }
    assert!(cuts > 10_000, "only {cuts}");
}

#[test]
fn each_step_fails_with_each_error_and_the_next_run_works() {
    let mut failures = 0;
    for seed in 20_000..20_120 {
        let case = Case::random(seed);
        let Some(end) = case.end() else { continue };
        for error in ERRORS {
            for at in 0.. {
                let what = format!("seed {seed}, {error:?} at {at}");
                let (disk, steps) = case.cut(Fault::Once(at, error));
                if at >= steps {
                    break;
                }
                case.assert_old_or_new(&disk, &end, &what);
                case.assert_comes_to(&disk, &end, &what);
                failures += 1;
            }
        }
    }
    assert!(failures > 10_000, "only {failures}");
}

/// A second run of the same wish finds nothing to do.
#[test]
fn what_was_done_is_not_done_twice() {
    for seed in 30_000..31_000 {
        let case = Case::random(seed);
        let Some(end) = case.end().filter(|_| !matches!(case.change, Change::Rollback(_))) else { continue };
        let faulty = Faulty::new(&end, Fault::Never);
        case.make(&faulty).unwrap();
        assert_eq!(faulty.steps.get(), 0, "seed {seed}: {:?}", case.change);
    }
}

/// One write of an artifact, no read of what was written, and a rotation touches no artifact at all.
#[test]
fn an_artifact_is_written_once_and_read_never() {
    let (layout, disk) = (Layout::default(), Memory::default());
    let terms = Terms { layout: &layout, policy: Policy::default(), running: None, supply: &Local(&source) };
    let cat = artifact("cat", "0");
    let size = bytes(&cat).len();
    let add = Change::Add(vec![Given { artifact: cat.clone(), origin: Origin::File(None) }]);
    let other = Change::Add(vec![Given { artifact: artifact("cat", "1"), origin: Origin::File(None) }]);
    let rollback = Change::Rollback(Which::Number(1));
    let mut costs = Vec::new();
    for change in [&add, &other, &rollback] {
        let faulty = Faulty::new(&disk, Fault::Never);
        make(&faulty, &terms, change, &mut |_, _, _| Consent::Given, &mut |_| {}).unwrap();
        costs.push((faulty.written.get(), faulty.opened.get()));
    }
    assert_eq!(costs, [(size, 0), (5, 0), (0, 0)]);
    assert_eq!(disk.nodes.borrow()[layout.artifact(&cat).as_str()], {
        let record = menagerie::Record { sha256: Sha256::digest(bytes(&cat)).into(), size: size as u64 };
        Node::File(bytes(&cat), 0o644, Some(record), true)
    });
}

/// Whatever stands on a disk, looking at it and planning for it neither panics nor takes anything that is not ours away.
#[test]
fn no_listing_panics() {
    let names = [
        "0",
        "00",
        "1",
        "63",
        "4294967295",
        "4294967296",
        "-1",
        "+1",
        "",
        " ",
        "é",
        "x\n",
        ".1.part",
        "..part",
        "kernel",
        "v",
    ];
    let mut rng = Rng::with_seed(1);
    let (mut plans, mut refusals) = (0, 0);
    for _ in 0..4000 {
        let (disk, layout) = (Memory::default(), Layout::default());
        for _ in 0..rng.u8(0..40) {
            let parts: Vec<&str> =
                (0..rng.u8(1..4)).map(|_| *rng.choice(&names).unwrap()).filter(|name| !name.is_empty()).collect();
            let top =
                *rng.choice(&["releases", "artifacts", "latest", "releases.new", "dock0/state", "config.new"]).unwrap();
            let path = [&[top][..], &parts].concat().join("/");
            let taken = path
                .match_indices('/')
                .any(|(at, _)| !matches!(disk.nodes.borrow().get(&path[..at]), None | Some(Node::Directory)));
            if taken || disk.nodes.borrow().contains_key(&path) {
                continue;
            }
            disk.put(
                &path,
                match rng.u8(0..4) {
                    0 => Node::Directory,
                    1 => Node::File(b"x".into(), 0o644, None, false),
                    2 => Node::Link(format!(
                        "../../artifacts/{}/{}",
                        rng.choice(&names).unwrap(),
                        rng.choice(&names).unwrap()
                    )),
                    _ => Node::Link(format!("releases/{}", rng.choice(&names).unwrap())),
                },
            );
        }
        // No release and no artifact can have such a name.
        let foreign = |disk: &Memory| {
            let nodes = disk.nodes.borrow();
            let paths = nodes.keys().filter(|path| path.starts_with("releases/") && path.contains([' ', '\n', 'é']));
            paths.cloned().collect::<Vec<_>>()
        };
        let before = foreign(&disk);
        for change in [Change::Reap, Change::Rollback(Which::Number(1)), Change::Pin(Which::Number(0))] {
            let terms = Terms { layout: &layout, policy: Policy::default(), running: None, supply: &Local(&source) };
            match make(&disk, &terms, &change, &mut |_, _, _| Consent::Given, &mut |_| {}) {
                Ok(()) => plans += 1,
                Err(_) => refusals += 1,
            }
        }
        assert_eq!(foreign(&disk), before);
    }
    assert!(plans > 1000 && refusals > 1000, "{plans} plans, {refusals} refusals");
}

/// What cannot be read is no ground for a change: nothing goes, and the next run works.
#[test]
fn each_look_fails_and_nothing_is_lost() {
    let mut failures = 0;
    for seed in 40_000..40_150 {
        let case = Case::random(seed);
        let Some(end) = case.end() else { continue };
        for at in 0.. {
            let what = format!("seed {seed}, look {at} fails");
            let disk = case.disk.clone();
            let faulty = Faulty::new(&disk, Fault::Look(at, Errno::IO));
            let made = case.make(&faulty);
            if at >= faulty.looks.get() {
                break;
            }
            assert!(made.is_err() || disk.nodes == end.nodes, "{what}");
            if faulty.steps.get() == 0 {
                assert_eq!(disk.nodes, case.disk.nodes, "{what}");
            }
            case.assert_old_or_new(&disk, &end, &what);
            case.assert_comes_to(&disk, &end, &what);
            failures += 1;
        }
    }
    assert!(failures > 1000, "only {failures}");
}

/// On a disk that is nearly full the change is made or refused, and never blocked by what it has left itself.
#[test]
fn a_full_disk_is_old_or_new_and_the_next_run_works() {
    let (mut made, mut refused) = (0, 0);
    for seed in 50_000..52_000 {
        let case = Case::random(seed);
        let Some(end) = case.end() else { continue };
        let mut rng = Rng::with_seed(seed);
        let disk = Memory { blocks: case.disk.used() + rng.u64(0..60), ..case.disk.clone() };
        // Killed on the way, or not.
        let steps = if rng.bool() { rng.usize(0..40) } else { usize::MAX };
        let first = case.make(&Faulty::new(&disk, Fault::FromThenOn(steps)));
        case.assert_old_or_new(&disk, &end, &format!("seed {seed}, cut at {steps}"));
        match case.make(&disk) {
            Ok(()) => made += 1,
            Err(unmade) => {
                assert!(first.is_err() && matches!(unmade, Unmade::Nothing(_)), "seed {seed}: {}", unmade.failure());
                refused += 1;
            }
        }
        case.assert_old_or_new(&disk, &end, &format!("seed {seed}, again"));
        let large = Memory { blocks: 1 << 30, ..disk.clone() };
        case.assert_comes_to(&large, &end, &format!("seed {seed}, on a larger disk"));
    }
    assert!(made > 300 && refused > 100, "{made} made, {refused} refused");
}
