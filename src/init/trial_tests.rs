//! The way back, wherever the power goes on it: a model of a boot loader that counts and of a boot that obeys the rules, on the code
//! that changes disks. Whatever is known of three releases, the boots come to one that works, and stay.

use super::turn;
use crate::store::faults::{Fault, Faulty};
use crate::store::files::Files;
use crate::store::memory::{Memory, Node};
use crate::store::{loader, survey, trials};
use menagerie::state::{Mark, TRIES, Trial};
use menagerie::trial::{Cost, judge};
use menagerie::{Artifact, Entry, Layout, Listing, Release, ReleaseId, Selection, Verdict};
use std::io::Read;
use wire::grubenv::{GRUBENV, empty_grubenv, with_tries};

/// How a boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The root of this release took over.
    Runs(char),
    /// A kernel hangs that the boot loader has started, or that was started from another one.
    Hangs(char),
    /// The power went.
    Cut,
    /// Somebody is called.
    Help,
}

/// The newest release is C; a lower case letter is one to start with, without a root.
struct Vm {
    disk: Memory,
    /// The kernels that come up.
    sound: &'static str,
}

const KNOWN: [&str; 4] = ["", "good", "bad", "0"];

fn artifact(name: &str, version: char) -> Artifact {
    Artifact { name: name.parse().unwrap(), version: version.to_string().parse().unwrap() }
}

fn artifacts(letter: char) -> Vec<Artifact> {
    let names = if letter.is_uppercase() { &["kernel", "vm_root"][..] } else { &["kernel"] };
    names.iter().map(|name| artifact(name, letter)).collect()
}

fn letter(release: &Release) -> char {
    release.artifacts[0].version.as_str().chars().next().unwrap()
}

fn file(bytes: &[u8]) -> Node {
    Node::File(bytes.into(), 0o644, None, false)
}

impl Vm {
    /// The boot loader has so many starts left.
    fn new(letters: &str, known: [&str; 3], starts: u8, sound: &'static str) -> Vm {
        let (disk, layout) = (Memory::default(), Layout::default());
        for ((number, letter), known) in letters.chars().enumerate().zip(known) {
            for artifact in artifacts(letter) {
                disk.put(&layout.artifact(&artifact), file(b"x"));
                let target = layout.link_target(&artifact).to_string();
                disk.put(&format!("releases/{number}/{}", artifact.name), Node::Link(target));
            }
            let id = ReleaseId::of(&artifacts(letter));
            match known {
                "good" => disk.put(&Mark::Good.path(id), file(b"")),
                "bad" => disk.put(&Mark::Bad.path(id), file(b"")),
                "0" => disk.put(&Trial { id, left: 0 }.path(), file(b"")),
                _ => {}
            }
        }
        disk.put("latest", Node::Link("releases/0".into()));
        disk.put(GRUBENV, file(&with_tries(&empty_grubenv(), Some(starts)).unwrap()));
        Vm { disk, sound }
    }

    fn listing(&self) -> Box<Listing> {
        survey::listing(&self.disk, &Layout::default()).unwrap().0
    }

    /// One boot, in which the power goes at this step of the file system.
    fn boot(&self, cut: Fault) -> (End, usize) {
        let files = Faulty::new(&self.disk, cut);
        let end = self.start_by_the_boot_loader().map_or_else(|end| end, |entry| self.go(&files, entry));
        (end, files.steps.get())
    }

    /// What the boot loader has started, if that comes up.
    fn start_by_the_boot_loader(&self) -> Result<Entry, End> {
        let mut block = Vec::new();
        self.disk.open(GRUBENV).unwrap().read_to_end(&mut block).unwrap();
        let text = String::from_utf8(block).unwrap();
        let starts = text.split_once("dock0_tries=").map(|(_, rest)| rest.as_bytes()[0] - b'0');
        let number = u32::from(starts == Some(0));
        if let Some(starts @ 1..) = starts {
            loader::set(&self.disk, Some(starts - 1)).unwrap();
        }
        let entry = if number == 0 { Entry::Asked(Selection::Latest) } else { Entry::Instead(number) };
        let started = letter(self.listing().release(number).unwrap());
        self.comes_up(started).map(|_| entry)
    }

    fn comes_up(&self, kernel: char) -> Result<char, End> {
        if self.sound.contains(kernel) { Ok(kernel) } else { Err(End::Hangs(kernel)) }
    }

    /// What PID 1 does.
    fn go(&self, files: &Faulty<Memory>, entry: Entry) -> End {
        let (listing, marks) = (self.listing(), survey::marks(&self.disk).0);
        let is_newest = |release: &Release| listing.latest == Some(release.number);
        let (bad, to) = match judge(&listing, &marks, entry, TRIES, &mut |_| true).unwrap() {
            Verdict::Boot(release) => {
                if is_newest(release) && loader::set(files, None).is_err() {
                    return End::Cut;
                }
                return self.comes_up(letter(release)).map_or_else(
                    |end| end,
                    |_| loader::set(files, None).map_or(End::Cut, |()| End::Runs(letter(release))),
                );
            }
            Verdict::Try { release, spent, cost } => {
                if let Err(end) = self.comes_up(letter(release)) {
                    return end;
                }
                let spends = cost == Cost::EveryBoot;
                if spends && trials::spend(files, marks.trial(spent.id), spent).is_err() {
                    return End::Cut;
                }
                return loader::set(files, Some(TRIES)).map_or(End::Cut, |()| End::Runs(letter(release)));
            }
            Verdict::FallBack { from, to, .. } => (Some(from.id()), to),
            Verdict::BeginAnew(to) => (None, to),
            Verdict::Stuck(_) => return End::Help,
        };
        if turn(files, bad, to.id(), TRIES).is_err() {
            return End::Cut;
        }
        match self.comes_up(letter(to)) {
            Err(end) => end,
            // All are bad: it is booted as it is.
            Ok(own) if bad.is_none() => loader::set(files, None).map_or(End::Cut, |()| End::Runs(own)),
            Ok(_) => self.go(files, Entry::Asked(Selection::Latest)),
        }
    }
}

/// C's kernel hangs, whatever was known of it before.
#[test]
fn wherever_the_power_goes_the_boots_come_to_a_release_that_works_and_stay() {
    let (mut cuts, mut helped) = (0, 0);
    for (new, old, oldest) in KNOWN
        .iter()
        .flat_map(|new| KNOWN.iter().flat_map(move |old| KNOWN.iter().map(move |oldest| (*new, *old, *oldest))))
    {
        for letters in ["CBA", "CBa", "Cba"] {
            for starts in [0, 1, 3] {
                if new == "good" {
                    continue; // whoever calls a kernel good that hangs is believed
                }
                for at in 0.. {
                    let vm = Vm::new(letters, [new, old, oldest], starts, "BAba");
                    let what = format!("{letters}: {new:?} {old:?} {oldest:?}, {starts} starts, cut at {at}");
                    // The first boots may be lost to the kernel that hangs; the cut comes with the first way back.
                    let mut first = vm.boot(Fault::FromThenOn(at));
                    for _ in 0..3 {
                        if matches!(first.0, End::Hangs(_)) {
                            first = vm.boot(Fault::FromThenOn(at));
                        }
                    }
                    let then: Vec<End> = (0..12).map(|_| vm.boot(Fault::Never).0).collect();
                    let last = then[11];
                    let works = matches!(last, End::Runs('A' | 'B')) || last == End::Help && letters == "Cba";
                    assert!(works, "{what}: {first:?}, then {then:?}");
                    assert!(then[8..].iter().all(|end| *end == last), "{what}: it stays: {first:?}, then {then:?}");
                    helped += u32::from(last == End::Help);
                    cuts += 1;
                    if first.1 <= at {
                        break;
                    }
                }
            }
        }
    }
    assert!(cuts > 2000 && helped > 100, "{cuts} cuts, {helped} helped");
}
