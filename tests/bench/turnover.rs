//! What turning releases over costs: by how many releases there are, and by how large their artifacts are.

use crate::median;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often each row is measured; the median counts.
const TIMES: usize = 9;

/// Prints the table.
pub fn measure_all() -> Result<()> {
    println!("menagerie, milliseconds on this machine's own file system, median of {TIMES}:");
    println!("adding one to so many releases, each with an artifact of this size; going back to the one before");
    println!("{:>9} {:>12} {:>10} {:>10}", "releases", "artifact", "add", "rollback");
    // With one release there is nothing to go back to: two are the fewest.
    for (releases, size) in [(2, 1 << 20), (10, 1 << 20), (60, 1 << 20), (2, 1 << 10), (2, 1 << 30)] {
        let (add, rollback) = measure(releases, size)?;
        let size = format!("{} KiB", size >> 10);
        println!("{releases:>9} {size:>12} {:>10.1} {:>10.1}", milliseconds(add), milliseconds(rollback));
    }
    Ok(())
}

/// Adding one more release with an artifact of this size, and going back, where there are so many releases all the time.
fn measure(releases: u32, size: u64) -> Result<(Duration, Duration)> {
    // In the repository, which lies on a real disk where /tmp may not.
    let place = tempfile::tempdir_in(qemu::repository().join("build"))?;
    let small = place.path().join("small");
    fs::write(&small, "small")?;
    let large = place.path().join("large");
    File::create(&large)?.set_len(size)?;
    let disk = place.path().join("disk");
    fs::create_dir(&disk)?;
    let retain = releases - 1;
    for number in 0..releases {
        call(&disk, &format!("add v={number}@{} --retain {retain}", small.display()))?;
    }
    // A large artifact takes long to write, and does so every time: once will do.
    let times = if size > 1 << 28 { 1 } else { TIMES };
    let mut add = Vec::new();
    for number in 0..times {
        add.push(call(&disk, &format!("add v=new{number}@{} --retain {retain}", large.display()))?);
    }
    let rollback = (0..TIMES).map(|_| call(&disk, "rollback")).collect::<Result<Vec<_>>>()?;
    Ok((median(add)?, median(rollback)?))
}

fn call(disk: &Path, words: &str) -> Result<Duration> {
    let mut command = Command::new(boot_tests::init());
    command.arg("menagerie").arg("--root").arg(disk).args(words.split(' '));
    let start = Instant::now();
    let output = command.output().context("starting init")?;
    ensure!(output.status.success(), "menagerie {words}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(start.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
