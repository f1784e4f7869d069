//! Measures: how long a 300 MB artifact takes the shipped child and how much memory, against `curl | sha256sum`; all over TLS on
//! the loopback.

use anyhow::{Context, Result, ensure};
use fetch_tests::ca::Ca;
use fetch_tests::nginx::Nginx;
use fetch_tests::place::Place;
use init::fetch::job::{Job, What};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SIZE: u64 = 300_000_000;
const RUNS: u32 = 3;
const PROGRAM: &str = "build/init";

fn main() -> Result<()> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PROGRAM).canonicalize();
    let program = program.with_context(|| format!("{PROGRAM} is missing: ./justw init builds it"))?;
    let ca = Ca::new(&["localhost"])?;
    let nginx = Nginx::start(&ca, &[])?;
    let sha256 = write_noise(&nginx.file("vm_root"))?;
    let place = Place::new(&program.to_string_lossy(), &ca.pem)?;
    let url = nginx.https("vm_root");
    let job = Job::new("vm_root 2", &[&url], What::Artifact { size: SIZE, sha256 }).map_err(anyhow::Error::msg)?;
    for run in 1..=RUNS {
        let begin = Instant::now();
        let (fetched, watched) = place.fetch_watched(&job, Duration::from_secs(600));
        let ours = begin.elapsed();
        drop(fetched.map_err(|failure| anyhow::anyhow!("{failure}"))?);
        let peak = watched.context("the child was never seen")?.peak;
        fs::remove_file(place.part())?;

        let begin = Instant::now();
        let pipe =
            "set -o pipefail; curl -sf --tls13-ciphers TLS_AES_128_GCM_SHA256 --cacert \"$0\" \"$1\" | sha256sum";
        let status = Command::new("bash").args(["-c", pipe]).arg(place.ca()).arg(&url).output()?.status;
        ensure!(status.success(), "curl failed");
        let theirs = begin.elapsed();
        println!(
            "run {run}: child {:.2} s ({:.0} MB/s), curl | sha256sum {:.2} s ({:.0} MB/s): {:.2} of it; the child's peak {peak} KiB",
            ours.as_secs_f64(),
            300.0 / ours.as_secs_f64(),
            theirs.as_secs_f64(),
            300.0 / theirs.as_secs_f64(),
            theirs.as_secs_f64() / ours.as_secs_f64(),
        );
    }
    Ok(())
}

fn write_noise(path: &Path) -> Result<[u8; 32]> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut random, mut digest, mut chunk) = (fastrand::Rng::with_seed(30), Sha256::new(), vec![0; 100_000]);
    for _ in 0..SIZE / 100_000 {
        random.fill(&mut chunk);
        digest.update(&chunk);
        file.write_all(&chunk)?;
    }
    file.flush()?;
    Ok(digest.finalize().into())
}
