//! Measures and prints; a part of it alone if a word names it: `turnover`, `pushing`, `fetching`, `first-boot`. Nothing is asserted of times.

#![forbid(unsafe_code)]

mod fetching;
mod first_boot;
mod pushing;
mod turnover;

use anyhow::{Context, Result, ensure};

type Part = (&'static str, fn() -> Result<()>);

const PARTS: [Part; 4] = [
    ("turnover", turnover::measure_all),
    ("pushing", pushing::measure_all),
    ("fetching", fetching::measure_all),
    ("first-boot", first_boot::measure),
];

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for word in &asked {
        ensure!(
            PARTS.iter().any(|(name, _)| name == word),
            "{word} is no part; the parts are {:?}",
            PARTS.map(|(name, _)| name)
        );
    }
    for (name, measure) in PARTS {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            measure()?;
        }
    }
    Ok(())
}

/// The middle one of several.
fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> Result<T> {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied().context("nothing was measured")
}
