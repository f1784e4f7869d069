//! The short form of the rig, from recording to table.

use anyhow::Result;
use power_cut::run::new_directory;
use power_cut::tally::{Column, Table, weak_spot};
use power_cut::{Form, Rig};
use power_cut_guest::Sequence;

#[test]
fn dock0_loses_nothing_and_every_naive_sequence_is_caught() -> Result<()> {
    let recordings = new_directory()?;
    let outcome = Rig { form: Form::SHORT, seed: 1, recordings: recordings.clone() }.run()?;
    println!("{}", Table(&outcome.rows));
    assert!(outcome.faults.is_empty(), "{}", outcome.faults.join("\n"));
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
    Ok(std::fs::remove_dir_all(recordings)?)
}
