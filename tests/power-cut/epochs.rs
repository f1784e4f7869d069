//! The model of a disk: which writes may be on the medium when the power goes.
//!
//! A disk has a cache that loses its content, and may bring what is in it onto the medium in any order, whole or in part.
//! Two things bind it:
//!
//! * a **flush**: everything the disk reported complete before is on the medium from then on;
//! * **FUA**: this write is on the medium when it is reported complete; nothing is said about the others.
//!
//! The log has the requests in the order in which QEMU took them, and the guest waits for what it builds on, so a write
//! before a flush in the log is taken as covered by it. (The kernel does not wait for a write that it does not need; that
//! such a one could still be missing behind the flush is not modelled.) Time is divided into **epochs**. In each, some
//! writes are on the medium and the others are pending: each of those may be there or not. A flush ends the epoch, and
//! nothing stays pending; a FUA write ends it too, and of the pending ones it alone becomes certain. A request that is a
//! flush and a write at once flushes first. A discard leaves zeros, or what was there.

use crate::log::Entry;

/// Data at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// In bytes.
    pub at: u64,
    /// At least one byte.
    pub data: Vec<u8>,
}

/// A time in which the same writes are certain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// The writes, by number, that became certain for good when it began, besides those of the epochs before it.
    pub settled: Vec<usize>,
    /// The writes after those, in the order in which they came.
    pub pending: Vec<Pending>,
}

/// A write that came after everything that is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub write: usize,
    /// Whether it is certainly on the medium. It is not settled all the same, for a pending one before it may lie under it.
    pub certain: bool,
}

/// Everything that was written, and when it became certain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// In the order in which they came.
    pub writes: Vec<Write>,
    /// In the order of time.
    pub epochs: Vec<Epoch>,
}

/// Divides a log into epochs.
pub fn divide(entries: Vec<Entry>) -> Timeline {
    let mut timeline = Timeline::default();
    let mut epoch = Epoch::default();
    for Entry { flush, fua, at, data } in entries {
        if flush && !epoch.pending.is_empty() {
            let settled = epoch.pending.iter().map(|pending| pending.write).collect();
            timeline.epochs.push(epoch);
            epoch = Epoch { settled, pending: Vec::new() };
        }
        if data.is_empty() {
            continue;
        }
        epoch.pending.push(Pending { write: timeline.writes.len(), certain: false });
        timeline.writes.push(Write { at, data });
        if fua {
            let mut pending = epoch.pending.clone();
            if let Some(last) = pending.last_mut() {
                last.certain = true;
            }
            timeline.epochs.push(epoch);
            epoch = Epoch { settled: Vec::new(), pending };
        }
    }
    timeline.epochs.push(epoch);
    timeline
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters: `w` a write, `f` a flush, `p` a flush and a write at once, `u` a write with FUA, `b` all three.
    fn entries(letters: &str) -> Vec<Entry> {
        let entry = |(number, letter): (usize, char)| Entry {
            flush: "fpb".contains(letter),
            fua: "ub".contains(letter),
            at: number as u64 * 512,
            data: if letter == 'f' { vec![] } else { vec![1; 512] },
        };
        letters.chars().enumerate().map(entry).collect()
    }

    /// `settled|pending`, the certain ones among the pending in brackets.
    fn shown(epochs: &[Epoch]) -> Vec<String> {
        let one = |pending: &Pending| match pending.certain {
            true => format!("[{}]", pending.write),
            false => pending.write.to_string(),
        };
        let show = |epoch: &Epoch| {
            let settled: String = epoch.settled.iter().map(usize::to_string).collect();
            format!("{settled}|{}", epoch.pending.iter().map(one).collect::<String>())
        };
        epochs.iter().map(show).collect()
    }

    #[test]
    fn epochs_of_hand_made_logs() {
        let table: [(&str, &str, &[&str]); 10] = [
            ("an empty log", "", &["|"]),
            ("no flush", "ww", &["|01"]),
            ("a flush between", "wwfw", &["|01", "01|2"]),
            ("a flush at the end", "wf", &["|0", "0|"]),
            ("flushes in a row", "wffw", &["|0", "0|1"]),
            ("a flush at the start", "fw", &["|0"]),
            ("a flush that writes", "wpw", &["|0", "0|12"]),
            ("FUA: it alone is certain", "wuw", &["|01", "|0[1]2"]),
            ("FUA, then a flush: all are settled", "wufw", &["|01", "|0[1]", "01|2"]),
            ("a flush that writes with FUA", "wbw", &["|0", "0|1", "|[1]2"]),
        ];
        for (name, letters, wanted) in table {
            assert_eq!(shown(&divide(entries(letters)).epochs), wanted, "{name}");
        }
    }
}
