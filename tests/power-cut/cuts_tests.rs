//! Hand-made epochs and the exact cuts of each.

use super::*;
use crate::epochs::Pending;

/// Writes of so many bytes each, one behind the other.
fn writes(lengths: &[usize]) -> Vec<Write> {
    let mut at = 0;
    let write = |&length: &usize| {
        at += length as u64;
        Write { at: at - length as u64, data: vec![at as u8 | 1; length] }
    };
    lengths.iter().map(write).collect()
}

/// A letter for each pending write: `o` open, `c` certain.
fn epoch(letters: &str) -> Epoch {
    let pending = letters.chars().enumerate().map(|(write, letter)| Pending { write, certain: letter == 'c' });
    Epoch { settled: vec![], pending: pending.collect() }
}

/// `name: write[from..to] …`, or the write's number alone where it is whole.
fn shown<'c>(cuts: impl IntoIterator<Item = (&'c String, &'c Vec<Piece>)>, writes: &[Write]) -> Vec<String> {
    let piece = |piece: &Piece| match (piece.from, piece.to) {
        (0, to) if to == writes[piece.write].data.len() => piece.write.to_string(),
        (from, to) => format!("{}[{from}..{to}]", piece.write),
    };
    let cut = |(name, pieces): (&String, &Vec<Piece>)| {
        format!("{name}: {}", pieces.iter().map(piece).collect::<Vec<_>>().join(" "))
    };
    cuts.into_iter().map(cut).collect()
}

/// All cuts of the epoch with this number.
fn all(number: usize, letters: &str, writes: &[Write]) -> Vec<String> {
    let cuts = of_epoch(number, &epoch(letters), writes, 1);
    shown(cuts.iter().map(|(name, pieces)| (name, pieces)), writes)
}

#[test]
fn nothing_pending_is_one_cut_under_two_names() {
    assert_eq!(all(7, "", &[]), ["prefix0: ", "subset0: "]);
}

#[test]
fn two_writes() {
    let writes = writes(&[4096, 512]);
    let wanted = [
        "prefix0: ",
        "prefix1: 0",
        "prefix2: 0 1",
        "subset0: ",
        "subset1: 0",
        "subset2: 1",
        "subset3: 0 1",
        "torn0-first-alone: 0[0..512]",
        "torn0-first-behind: 0[0..512]",
        "torn0-last-alone: 0[3584..4096]",
        "torn0-last-behind: 0[3584..4096]",
        "torn1-first-alone: 1",
        "torn1-first-behind: 0 1",
        "torn1-last-alone: 1",
        "torn1-last-behind: 0 1",
    ];
    assert_eq!(all(3, "oo", &writes), wanted);
}

#[test]
fn a_certain_write_is_in_every_cut_and_never_torn() {
    let writes = writes(&[512, 512, 4096]);
    let wanted = [
        "prefix0: 1",
        "prefix1: 0 1",
        "prefix2: 0 1 2",
        "subset0: 1",
        "subset1: 0 1",
        "subset2: 1 2",
        "subset3: 0 1 2",
        "torn0-first-alone: 0 1",
        "torn0-first-behind: 0 1",
        "torn0-last-alone: 0 1",
        "torn0-last-behind: 0 1",
        "torn1-first-alone: 1 2[0..512]",
        "torn1-first-behind: 0 1 2[0..512]",
        "torn1-last-alone: 1 2[3584..4096]",
        "torn1-last-behind: 0 1 2[3584..4096]",
    ];
    assert_eq!(all(0, "oco", &writes), wanted);
}

#[test]
fn a_long_write_is_torn_within_one_of_its_blocks() {
    let writes = writes(&[3 * 4096 + 512]);
    let mut places = HashSet::new();
    for seed in 0..64 {
        let cuts = of_epoch(0, &epoch("o"), &writes, seed);
        let end_of = |name: &str| {
            let (_, pieces) = cuts.iter().find(|(cut, _)| cut == name).expect("it is torn");
            (pieces[0].from, pieces[0].to)
        };
        let ((zero, first), (last, end)) = (end_of("torn0-first-alone"), end_of("torn0-last-alone"));
        assert_eq!((zero, end), (0, 3 * 4096 + 512));
        assert_eq!(first % 4096, 512);
        assert_eq!(last, (first - 512 + 4096).min(end) - 512);
        places.insert(first);
    }
    assert_eq!(places.len(), 4, "every block has its turn");
}

#[test]
fn six_writes_have_forty_random_subsets_the_same_at_every_run() {
    let writes = writes(&[512; 6]);
    let cuts = of_epoch(0, &epoch("oooooo"), &writes, 5);
    let count = |word: &str| cuts.iter().filter(|(name, _)| name.contains(word)).count();
    assert_eq!((count("prefix"), count("subset"), count("random"), count("torn")), (7, 0, 40, 24));
    assert_eq!(cuts, of_epoch(0, &epoch("oooooo"), &writes, 5));
    assert_ne!(cuts, of_epoch(0, &epoch("oooooo"), &writes, 6));
    let five = of_epoch(0, &epoch("ooooo"), &writes, 5);
    assert_eq!(five.iter().filter(|(name, _)| name.contains("subset")).count(), 32);
}

#[test]
fn cuts_that_leave_the_same_are_tried_once() {
    let writes = writes(&[4096, 512]);
    let settled = Epoch { settled: vec![0, 1], pending: vec![] };
    let timeline = Timeline { writes: writes.clone(), epochs: vec![epoch("oo"), settled] };
    let wanted = [
        "0.prefix0: ",
        "0.prefix1: 0",
        "0.prefix2: 0 1",
        "0.subset2: 1",
        "0.torn0-first-alone: 0[0..512]",
        "0.torn0-last-alone: 0[3584..4096]",
    ];
    let cuts = enumerate(&[0; 8192], &timeline, &HashSet::new(), 1);
    assert_eq!(shown(cuts.iter().map(|cut| (&cut.name, &cut.pieces)), &writes), wanted);
}
