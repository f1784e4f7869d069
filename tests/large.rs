//! A `vm_root` that is larger than the machine's memory, installed on a blank disk: a test and a bench.

use crate::publisher::HOST;
use crate::{Boot, Publisher, Root};
use anyhow::{Context, Result};
use dock0::image::Format;
use probe::Facts;
use qemu::Report;
use std::time::Duration;

/// The bytes of it that nothing can shorten.
pub const SIZE: usize = 300_000_000;
/// In MiB.
const MEMORY: u32 = 128;
/// Longer than a busy machine takes for so much.
const DEADLINE: Duration = Duration::from_secs(400);

/// From a blank disk to the probe in the root that was installed, whose `/etc/name` it reads.
pub fn install() -> Result<(Facts, Report)> {
    let root = Root::with_probe("installed")?.file("large", &fetch_tests::noise(SIZE, 9), 0o644)?;
    // ext4, since packing that much into EROFS takes a minute.
    let publisher = Publisher::of_format(&root, Format::Ext4, HOST)?;
    publisher.publish(1, &publisher.keys)?;
    let disk = publisher.partition()?.disk_of(400 << 20, "dock0")?;
    let mut boot = Boot::kernel("probe.read=/etc/name").scsi(&disk).memory(MEMORY);
    boot.machine.network = qemu::Network::User { forwards: vec![] };
    let report = boot.start()?.run_to_done(DEADLINE)?;
    let json = report.probe.last().context("the probe said nothing")?;
    Ok((serde_json::from_str(json).context("reading the probe's report")?, report))
}
