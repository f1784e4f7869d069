//! The short form of the rig, from recording to table.

use anyhow::Result;
use power_cut::run::default_directory;
use power_cut::tally::{Column, Table, weak_spot};
use power_cut::{Form, Rig};
use power_cut_guest::Sequence;

#[test]
fn dock0_loses_nothing_and_every_naive_sequence_is_caught() -> Result<()> {
    let directory = default_directory(&qemu::repository())?;
    let rig = Rig { form: Form::SHORT, seed: 1, recordings: directory.path().into() };
    let outcome = rig.run()?;
    println!("{}", Table(&outcome.rows));
    if !outcome.faults.is_empty() {
        panic!("{}\nthe recordings are in {}", outcome.faults.join("\n"), directory.keep().display());
    }
    assert_eq!(outcome.rows.len(), Sequence::ALL.len());
    for row in &outcome.rows {
        match weak_spot(row.sequence) {
            Some(column) => assert!(row.count(column) > 0, "{row:?}"),
            None => {
                assert!(row.cuts >= 300, "{row:?}");
                assert_eq!(Column::ALL.map(|column| row.count(column)), [0; 4], "{row:?}");
            }
        }
    }
    assert_eq!(outcome.boots, 4);
    Ok(())
}
