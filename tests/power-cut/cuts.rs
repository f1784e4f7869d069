//! What a power cut can leave of the pending writes of an epoch: every start of them, subsets, and torn blocks.

use crate::epochs::{Epoch, Timeline, Write};
use crate::image::Image;
use crate::random::Random;
use std::collections::HashSet;

/// Bytes that the file system writes at once.
pub const BLOCK: usize = 4096;
/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Up to so many writes all their subsets are tried.
const FEW: usize = 5;
/// Of more, so many random subsets.
const SUBSETS: usize = 40;

/// One thing that a power cut can leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// `12.prefix3`: the number of its epoch, and what it is there.
    pub name: String,
    /// The epoch in which the power went.
    pub epoch: usize,
    /// What of the pending writes is on the medium, in the order in which it came.
    pub pieces: Vec<Piece>,
    /// Equal for cuts that leave the same, but for the journal.
    pub raw: u128,
}

/// A part of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The write's number.
    pub write: usize,
    /// The part's first byte.
    pub from: usize,
    /// The byte behind its last one.
    pub to: usize,
}

/// Every cut of a recording that leaves something on the disk that no earlier one of them leaves. The journal is given by
/// the numbers of its blocks.
pub fn enumerate(before: &[u8], timeline: &Timeline, journal: &HashSet<usize>, seed: u64) -> Vec<Cut> {
    let mut image = Image::new(before.to_vec(), &timeline.writes, journal);
    let (mut seen, mut cuts) = (HashSet::new(), Vec::new());
    for (number, epoch) in timeline.epochs.iter().enumerate() {
        image.settle(epoch);
        for (name, pieces) in of_epoch(number, epoch, &timeline.writes, seed) {
            let prints = image.fingerprints_with(&pieces);
            if seen.insert(prints.whole) {
                cuts.push(Cut { name: format!("{number}.{name}"), epoch: number, pieces, raw: prints.raw });
            }
        }
    }
    cuts
}

/// What is there: a name within the epoch, and the pieces.
type Choice = (String, Vec<Piece>);

/// Every cut of one epoch, however equal.
fn of_epoch(number: usize, epoch: &Epoch, writes: &[Write], seed: u64) -> Vec<Choice> {
    let choices = Choices { epoch, writes };
    let mut random = Random::new(seed, number as u64);
    let mut cuts = choices.prefixes();
    cuts.extend(choices.subsets(&mut random));
    cuts.extend(choices.torn(&mut random));
    cuts
}

struct Choices<'e> {
    epoch: &'e Epoch,
    writes: &'e [Write],
}

impl Choices<'_> {
    /// The pending writes that may be missing, by their place among the pending ones.
    fn open(&self) -> Vec<usize> {
        let pending = self.epoch.pending.iter().enumerate();
        pending.filter(|(_, pending)| !pending.certain).map(|(place, _)| place).collect()
    }

    /// The certain writes, and of the others those at these places, whole.
    fn whole(&self, places: &[usize]) -> Vec<Piece> {
        let pending = self.epoch.pending.iter().enumerate();
        let there = pending.filter(|(place, pending)| pending.certain || places.contains(place));
        there.map(|(_, pending)| self.piece(pending.write, 0, usize::MAX)).collect()
    }

    fn piece(&self, write: usize, from: usize, to: usize) -> Piece {
        let length = self.writes.get(write).map_or(0, |write| write.data.len());
        Piece { write, from: from.min(length), to: to.min(length) }
    }

    fn prefixes(&self) -> Vec<Choice> {
        let open = self.open();
        let prefix = |length: usize| (format!("prefix{length}"), self.whole(open.get(..length).unwrap_or_default()));
        (0..=open.len()).map(prefix).collect()
    }

    /// All of them where there are few, else random ones.
    fn subsets(&self, random: &mut Random) -> Vec<Choice> {
        let open = self.open();
        let chosen = |wanted: &mut dyn FnMut(usize) -> bool| {
            let places: Vec<usize> =
                open.iter().enumerate().filter(|&(bit, _)| wanted(bit)).map(|(_, &place)| place).collect();
            self.whole(&places)
        };
        if open.len() <= FEW {
            let subset = |bits: usize| (format!("subset{bits}"), chosen(&mut |bit| bits >> bit & 1 == 1));
            (0..1 << open.len()).map(subset).collect()
        } else {
            let mut draw = |number: usize| (format!("random{number}"), chosen(&mut |_| random.below(2) == 1));
            (0..SUBSETS).map(&mut draw).collect()
        }
    }

    /// Of each write a torn block, with and without the writes before it.
    fn torn(&self, random: &mut Random) -> Vec<Choice> {
        let open = self.open();
        let mut cuts = Vec::new();
        for (number, &place) in open.iter().enumerate() {
            let Some(pending) = self.epoch.pending.get(place) else { continue };
            let length = self.piece(pending.write, 0, usize::MAX).to;
            // The write went on from its start or from its end and stopped within one of its blocks.
            let start = random.below(length.div_ceil(BLOCK)) * BLOCK;
            let end = (start + BLOCK).min(length);
            let first = self.piece(pending.write, 0, start + SECTOR);
            let last = self.piece(pending.write, end.saturating_sub(SECTOR), length);
            let before = open.get(..number).unwrap_or_default();
            for (side, torn) in [("first", first), ("last", last)] {
                for (company, places) in [("alone", &[][..]), ("behind", before)] {
                    cuts.push((format!("torn{number}-{side}-{company}"), self.with(places, place, torn)));
                }
            }
        }
        cuts
    }

    /// The writes at these places, whole, and a part of the one at that place, all in their order.
    fn with(&self, places: &[usize], place: usize, torn: Piece) -> Vec<Piece> {
        let mut all = places.to_vec();
        all.push(place);
        let pieces = self.whole(&all).into_iter();
        pieces.map(|piece| if piece.write == torn.write { torn } else { piece }).collect()
    }
}

#[cfg(test)]
#[path = "cuts_tests.rs"]
mod tests;
