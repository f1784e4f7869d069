//! Which mirror is asked next, when, and when to give up. No sockets, virtual time.
//!
//! Mirrors are asked in order; whatever goes wrong with one, the next is asked. A round through all of them that brought
//! next to nothing is followed by a pause, each twice as long as the last one; a round that brought a good deal of the file
//! is followed by another one at once. Who sent wrong bytes is not asked again.

use super::job::{MAX_URLS, Patience, milliseconds};
use std::time::Duration;

/// How many bytes make a round worth another one at once. What comes beyond is bounded by the size of the file.
const GAIN: u64 = 1 << 20;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What went wrong with a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In a few words, behind its name.
    pub words: String,
    /// Whether it is worth asking again.
    pub again: Again,
}

/// Whether a mirror is worth asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// In the next round.
    Later,
    /// What it sent was not what was signed.
    Never,
}

impl Fault {
    /// Something that may pass.
    pub fn new(words: impl Into<String>) -> Fault {
        Fault { words: words.into(), again: Again::Later }
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this mirror.
    Ask(usize),
    /// Wait that long, then ask again what to do.
    Wait(Duration),
    /// There is no use in going on.
    GiveUp,
}

/// The mirrors of a job.
pub struct Mirrors {
    faults: Vec<Option<Fault>>,
    at: usize,
    gained: u64,
    fruitless: u32,
    rounds: u32,
    pause: Duration,
    resume_at: Option<Duration>,
}

impl Mirrors {
    /// All `count` of them, none asked yet.
    pub fn new(count: usize, patience: &Patience) -> Mirrors {
        Mirrors {
            faults: vec![None; count.min(MAX_URLS)],
            at: 0,
            gained: 0,
            fruitless: 0,
            rounds: patience.rounds,
            pause: milliseconds(patience.pause),
            resume_at: None,
        }
    }

    /// What to do at this time.
    pub fn next(&mut self, now: Duration) -> Next {
        if let Some(until) = self.resume_at {
            if now < until {
                return Next::Wait(until - now);
            }
            self.resume_at = None;
        }
        if self.faults.iter().all(|fault| fault.as_ref().is_some_and(|fault| fault.again == Again::Never)) {
            return Next::GiveUp;
        }
        while let Some(fault) = self.faults.get(self.at) {
            match fault {
                Some(Fault { again: Again::Never, .. }) => self.at += 1,
                _ => return Next::Ask(self.at),
            }
        }
        self.end_round(now)
    }

    fn end_round(&mut self, now: Duration) -> Next {
        self.at = 0;
        if std::mem::take(&mut self.gained) >= GAIN {
            self.fruitless = 0;
            return self.next(now);
        }
        self.fruitless += 1;
        if self.fruitless >= self.rounds {
            return Next::GiveUp;
        }
        let doublings = 2u32.saturating_pow(self.fruitless - 1);
        self.resume_at = Some(now + self.pause.saturating_mul(doublings).min(LONGEST_PAUSE));
        self.next(now)
    }

    /// The mirror that was asked last has failed, after so many new bytes of the file.
    pub fn failed(&mut self, fault: Fault, gained: u64) {
        self.gained = self.gained.saturating_add(gained);
        if let Some(slot) = self.faults.get_mut(self.at) {
            *slot = Some(fault);
        }
        self.at += 1;
    }

    /// Each mirror and what was wrong with it last, in one sentence.
    pub fn sentence(&self, names: &[&str]) -> String {
        let told = names.iter().zip(&self.faults).map(|(name, fault)| {
            let words = fault.as_ref().map_or("was not asked", |fault| fault.words.as_str());
            format!("{name} {words}")
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { rounds: 3, pause: 1000, connect: 0, answer: 0, read: 0, rate: 0, window: 0, durable: 0 };

    /// Plays a job with mirrors that always fail the same way, and tells who was asked when, in seconds.
    fn play(mirrors: &[(Again, u64)], most: usize) -> (Vec<(u64, usize)>, bool) {
        let (mut all, mut now, mut asked) = (Mirrors::new(mirrors.len(), &PATIENCE), Duration::ZERO, Vec::new());
        while asked.len() < most {
            match all.next(now) {
                Next::Ask(number) => {
                    asked.push((now.as_secs(), number));
                    let (again, gained) = mirrors[number];
                    all.failed(Fault { words: "is bad".into(), again }, gained);
                }
                Next::Wait(pause) => now += pause,
                Next::GiveUp => return (asked, true),
            }
        }
        (asked, false)
    }

    #[test]
    fn mirrors_are_asked_in_order_and_in_rounds() {
        use Again::{Later, Never};
        for (row, mirrors, asked) in [
            ("one that fails", &[(Later, 0)][..], &[(0, 0), (1, 0), (3, 0)][..]),
            ("two that fail", &[(Later, 0), (Later, 0)], &[(0, 0), (0, 1), (1, 0), (1, 1), (3, 0), (3, 1)]),
            ("the first one lies", &[(Never, 0), (Later, 0)], &[(0, 0), (0, 1), (1, 1), (3, 1)]),
            ("the last one lies", &[(Later, 0), (Never, 0)], &[(0, 0), (0, 1), (1, 0), (3, 0)]),
            ("all lie", &[(Never, 0), (Never, 0)], &[(0, 0), (0, 1)]),
            ("too little to count", &[(Later, GAIN - 1)], &[(0, 0), (1, 0), (3, 0)]),
        ] {
            assert_eq!(play(mirrors, 20), (asked.to_vec(), true), "{row}");
        }
    }

    #[test]
    fn a_mirror_that_drops_the_line_but_brings_something_is_asked_on() {
        let (asked, gave_up) = play(&[(Again::Later, GAIN)], 50);
        assert_eq!((asked.len(), asked.last(), gave_up), (50, Some(&(0, 0)), false));
        let (asked, _) = play(&[(Again::Later, 0), (Again::Later, GAIN)], 6);
        assert_eq!(asked, [(0, 0), (0, 1), (0, 0), (0, 1), (0, 0), (0, 1)]);
    }

    #[test]
    fn pauses_grow_and_end() {
        let patience = Patience { rounds: 40, ..PATIENCE };
        let (mut all, mut now, mut pauses) = (Mirrors::new(1, &patience), Duration::ZERO, Vec::new());
        loop {
            match all.next(now) {
                Next::Ask(_) => all.failed(Fault::new("is away"), 0),
                Next::Wait(pause) => {
                    pauses.push(pause.as_secs());
                    now += pause;
                }
                Next::GiveUp => break,
            }
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses.len(), 39);
    }

    #[test]
    fn giving_up_names_each_mirror_and_its_reason() {
        let mut all = Mirrors::new(3, &PATIENCE);
        for words in ["answered 404", "sent wrong bytes"] {
            assert!(matches!(all.next(Duration::ZERO), Next::Ask(_)));
            all.failed(Fault::new(words), 0);
        }
        assert_eq!(all.sentence(&["a", "b", "c"]), "a answered 404; b sent wrong bytes; c was not asked");
    }
}
