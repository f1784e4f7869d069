//! Measures what turning releases over costs: by how many releases there are, and by how large their artifacts are. Prints
//! a table; nothing is asserted.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use boot_tests::built;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often each row is measured; the median counts.
const TIMES: usize = 9;

fn main() -> Result<()> {
    println!("menagerie, milliseconds on this machine's own file system, median of {TIMES}:");
    println!("{:>9} {:>12} {:>10} {:>10}", "releases", "artifact", "add", "rollback");
    for (releases, size) in [(1, 1 << 20), (10, 1 << 20), (60, 1 << 20), (2, 1 << 10), (2, 1 << 20), (2, 1 << 30)] {
        let (add, rollback) = measure(releases, size)?;
        let size = format!("{} KiB", size >> 10);
        println!("{releases:>9} {size:>12} {:>10.1} {:>10.1}", milliseconds(add), milliseconds(rollback));
    }
    Ok(())
}

/// Adding one more release with an artifact of this size, and going back to release 1, among so many releases.
fn measure(releases: u32, size: u64) -> Result<(Duration, Duration)> {
    // In the repository, which lies on a real disk where /tmp may not.
    let place = tempfile::tempdir_in(qemu::repository().join("build"))?;
    let small = place.path().join("small");
    fs::write(&small, "small")?;
    let large = place.path().join("large");
    File::create(&large)?.set_len(size)?;
    let disk = place.path().join("disk");
    fs::create_dir(&disk)?;
    for number in 0..releases {
        call(&disk, &format!("add v={number}@{} --retain 63", small.display()))?;
    }
    // A large artifact takes long to write, and does so every time: once will do.
    let times = if size > 1 << 28 { 1 } else { TIMES };
    let mut add = Vec::new();
    for number in 0..times {
        add.push(call(&disk, &format!("add v=new{number}@{} --retain {releases}", large.display()))?);
    }
    if releases == 1 {
        call(&disk, &format!("add v=last@{} --retain 63", large.display()))?;
    }
    let rollback = (0..TIMES).map(|_| call(&disk, "rollback")).collect::<Result<Vec<_>>>()?;
    Ok((median(add), median(rollback)))
}

fn call(disk: &Path, words: &str) -> Result<Duration> {
    let mut command = Command::new(built("target/x86_64-unknown-linux-gnu/init/init"));
    command.arg("menagerie").arg("--root").arg(disk).args(words.split(' '));
    let start = Instant::now();
    let output = command.output().context("starting init")?;
    ensure!(output.status.success(), "menagerie {words}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
