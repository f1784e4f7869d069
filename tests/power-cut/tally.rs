//! The table: how many disks of each sequence were broken in which way, and what that says about the sequence.

use crate::judge::Judgement;
use power_cut_guest::Sequence;
use std::fmt;

/// A way to be broken: a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Init would find something that is neither old nor new.
    Init,
    /// So would GRUB.
    Grub,
    /// GRUB still sees the old one after it was reported done.
    Stale,
    /// The file system has faults.
    Unclean,
}

impl Column {
    /// Each of them, in the order of the table.
    pub const ALL: [Column; 4] = [Column::Init, Column::Grub, Column::Stale, Column::Unclean];

    fn title(self) -> &'static str {
        match self {
            Column::Init => "broken for init",
            Column::Grub => "broken for GRUB",
            Column::Stale => "GRUB still sees the old one after \"done\"",
            Column::Unclean => "unclean",
        }
    }

    /// What a judgement says in this column.
    pub fn of(self, judgement: &Judgement) -> Option<&String> {
        match self {
            Column::Init => judgement.init.as_ref(),
            Column::Grub => judgement.grub.as_ref(),
            Column::Stale => judgement.stale.as_ref(),
            Column::Unclean => judgement.unclean.as_ref(),
        }
    }
}

/// Where a naive sequence is known to break; it may break elsewhere too.
pub fn weak_spot(sequence: Sequence) -> Option<Column> {
    match sequence {
        Sequence::Symlink | Sequence::Exchange => Some(Column::Stale),
        Sequence::SymlinkCheckpoint | Sequence::RotateCheckpoint => Some(Column::Grub),
        // Nothing but its configuration can be what breaks: its releases are dock0's.
        Sequence::Rotate | Sequence::ConfigByRenames => Some(Column::Init),
        Sequence::Dock0 => None,
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The sequence.
    pub sequence: Sequence,
    /// How many disks were judged.
    pub cuts: usize,
    /// How many of them were broken, in the order of the columns.
    broken: [usize; 4],
    /// The first one of each column: its name and what was wrong.
    first: [Option<(String, String)>; 4],
}

impl Row {
    /// Nothing judged yet.
    pub fn new(sequence: Sequence) -> Row {
        Row { sequence, cuts: 0, broken: [0; 4], first: [const { None }; 4] }
    }

    /// Adds a judgement.
    pub fn add(&mut self, name: &str, judgement: &Judgement) {
        self.cuts += 1;
        for ((column, broken), first) in Column::ALL.into_iter().zip(&mut self.broken).zip(&mut self.first) {
            if let Some(why) = column.of(judgement) {
                *broken += 1;
                first.get_or_insert_with(|| (name.to_string(), why.clone()));
            }
        }
    }

    /// Adds another row of the same sequence.
    pub fn join(&mut self, other: Row) {
        self.cuts += other.cuts;
        for (broken, more) in self.broken.iter_mut().zip(other.broken) {
            *broken += more;
        }
        for (first, later) in self.first.iter_mut().zip(other.first) {
            *first = first.take().or(later);
        }
    }

    /// How many disks were broken in this way.
    pub fn count(&self, column: Column) -> usize {
        Column::ALL.into_iter().zip(self.broken).find(|(c, _)| *c == column).map_or(0, |(_, count)| count)
    }

    /// The first disk that was broken in this way, and how.
    pub fn first(&self, column: Column) -> Option<&(String, String)> {
        Column::ALL.into_iter().zip(&self.first).find(|(c, _)| *c == column).and_then(|(_, first)| first.as_ref())
    }

    /// What speaks against the sequence, or against the rig: nothing if dock0's is without fault, and if a naive one was
    /// caught where it is known to break.
    pub fn faults(&self) -> Vec<String> {
        let title = self.sequence.title();
        match weak_spot(self.sequence) {
            Some(column) if self.count(column) == 0 => {
                vec![format!("{title}: the rig did not see that it is {:?}, in {} disks", column.title(), self.cuts)]
            }
            Some(_) => vec![],
            None if self.cuts == 0 => vec![format!("{title}: no disk was judged")],
            None => {
                let fault = |column: Column| {
                    let (name, why) = self.first(column)?;
                    let (count, cuts) = (self.count(column), self.cuts);
                    Some(format!("{title}: {count} of {cuts} disks: {}; the first is {name}: {why}", column.title()))
                };
                Column::ALL.into_iter().filter_map(fault).collect()
            }
        }
    }
}

/// The rows as a table in Markdown.
pub struct Table<'r>(pub &'r [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles: Vec<&str> = Column::ALL.into_iter().map(Column::title).collect();
        writeln!(f, "| sequence | states | {} |", titles.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(titles.len() + 2))?;
        for row in self.0 {
            let counts: Vec<String> = row.broken.iter().map(usize::to_string).collect();
            writeln!(f, "| {} | {} | {} |", row.sequence.title(), row.cuts, counts.join(" | "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(letters: &str) -> Judgement {
        let why = |letter: char| letters.contains(letter).then(|| format!("why {letter}"));
        Judgement { init: why('i'), grub: why('g'), stale: why('s'), unclean: why('u') }
    }

    fn row(sequence: Sequence, judgements: &[&str]) -> Row {
        let mut row = Row::new(sequence);
        judgements.iter().enumerate().for_each(|(n, letters)| row.add(&format!("cut{n}"), &judgement(letters)));
        row
    }

    #[test]
    fn the_table_counts() {
        let mut dock0 = row(Sequence::Dock0, &["", ""]);
        dock0.join(row(Sequence::Dock0, &[""]));
        let rows = [row(Sequence::Rotate, &["", "ig", "i", "s", "iu"]), dock0];
        let wanted = "\
| sequence | states | broken for init | broken for GRUB | GRUB still sees the old one after \"done\" | unclean |
|---|---|---|---|---|---|
| rotate releases/N by renames, fsync after each | 5 | 3 | 1 | 1 | 1 |
| dock0 | 3 | 0 | 0 | 0 | 0 |
";
        assert_eq!(Table(&rows).to_string(), wanted);
    }

    #[test]
    fn every_column_of_dock0_is_a_fault() {
        assert_eq!(row(Sequence::Dock0, &["", ""]).faults(), Vec::<String>::new());
        for (letter, title) in [
            ("i", "broken for init"),
            ("g", "broken for GRUB"),
            ("s", "GRUB still sees the old one after \"done\""),
            ("u", "unclean"),
        ] {
            let faults = row(Sequence::Dock0, &["", letter, letter]).faults();
            assert_eq!(faults, [format!("dock0: 2 of 3 disks: {title}; the first is cut1: why {letter}")]);
        }
        assert_eq!(row(Sequence::Dock0, &["ig"]).faults().len(), 2);
        assert_eq!(row(Sequence::Dock0, &[]).faults(), ["dock0: no disk was judged"]);
    }

    #[test]
    fn a_naive_sequence_must_be_caught_where_it_breaks() {
        for (sequence, spot, others) in [
            (Sequence::Symlink, "s", "igu"),
            (Sequence::SymlinkCheckpoint, "g", "isu"),
            (Sequence::Rotate, "i", "gsu"),
            (Sequence::RotateCheckpoint, "g", "isu"),
            (Sequence::Exchange, "s", "igu"),
            (Sequence::ConfigByRenames, "i", "gsu"),
        ] {
            let caught = row(sequence, &["", spot]);
            assert_eq!(caught.faults(), Vec::<String>::new(), "{sequence:?}");
            let missed = row(sequence, &["", others]);
            let faults = missed.faults();
            assert!(faults.len() == 1 && faults[0].contains("the rig did not see"), "{faults:?}");
        }
    }

    #[test]
    fn the_first_of_two_rows_stays_first() {
        let mut one = row(Sequence::Dock0, &["", "i"]);
        one.join(row(Sequence::Dock0, &["ig"]));
        assert_eq!((one.cuts, one.count(Column::Init), one.count(Column::Grub)), (3, 2, 1));
        assert_eq!(one.first(Column::Init), Some(&("cut1".to_string(), "why i".to_string())));
        assert_eq!(one.first(Column::Grub), Some(&("cut0".to_string(), "why g".to_string())));
    }
}
