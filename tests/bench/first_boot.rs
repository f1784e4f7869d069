//! How long a blank disk takes to become a running VM of 300 MB.

use anyhow::Result;
use boot_tests::large;

/// Prints it.
pub fn measure() -> Result<()> {
    let (_, report) = large::install()?;
    println!(
        "from QEMU's start to the probe, with {} MB to install: {:.1} s",
        large::SIZE / 1_000_000,
        report.took.as_secs_f64()
    );
    Ok(())
}
