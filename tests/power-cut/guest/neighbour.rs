//! Somebody else on the same disk, who has it synced again and again: what an operation has done so far is on the disk then,
//! whether or not the operation has asked for it.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Shorter than any step that waits for the disk.
const PAUSE: Duration = Duration::from_micros(200);

/// Does this beside such a neighbour.
pub fn beside_one(boot: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let disk = File::open(boot).with_context(|| format!("opening {}", boot.display()))?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                rustix::fs::syncfs(&disk).context("syncing the disk")?;
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        let synced = neighbour.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the neighbour panicked")));
        done.and(synced)
    })
}
