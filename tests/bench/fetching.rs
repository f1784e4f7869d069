//! How fast a small VM fetches with the shipped program, how much memory that takes, and what curl and sha256sum do in the same
//! VM, in turns; from a real nginx over TLS.

use crate::median;
use anyhow::{Context, Result, ensure};
use boot_tests::publisher::{HOST, Release, artifact};
use boot_tests::root::Image;
use boot_tests::{Boot, Publisher, Root};
use dock0::image::Format;
use probe::{Facts, Ran};
use sha2::{Digest, Sha256};
use std::fs;
use std::time::Duration;

const SIZE: usize = 100_000_000;
const ROUNDS: u64 = 3;
/// Much longer than it takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(1200);
const SCRIPT: &str = include_str!("fetching.sh");
/// What the script calls busybox by.
const APPLETS: [&str; 8] = ["grep", "ip", "pidof", "rm", "sed", "sh", "sync", "usleep"];
/// What the script measures, and what that is. The first is what the others are compared with.
const WAYS: [(&str, &str); 4] = [
    ("curl_and_sum", "curl | sha256sum"),
    ("child", "our child: to the boot partition, hashed, synced"),
    ("curl_to_disk_then_sum", "curl to the boot partition; sync; sha256sum"),
    ("install", "menagerie install: the child, then fs-verity, then the release"),
];

/// Prints the table.
pub fn measure_all() -> Result<()> {
    let image = root()?.pack(Format::Erofs)?;
    let publisher = Publisher::of_bytes(fs::read(&image.path)?, HOST)?;
    let blob = fetch_tests::noise(SIZE, 5);
    publish(&publisher, &blob)?;
    let ran = run(&publisher, &image)?;
    let sums: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("sum: ")).collect();
    let sum = Sha256::digest(&blob).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    ensure!(!sums.is_empty() && sums.iter().all(|line| line.starts_with(&sum)), "curl got something else: {sums:?}");
    println!(
        "a VM of one processor (TCG) and 128 MB fetches {} MB, median of {ROUNDS} and range, in seconds:",
        SIZE / 1_000_000
    );
    print_times(&ran.out)?;
    println!("the child's peak memory: {}", peak(&ran.out)?);
    println!("who spoke what: {}", publisher.nginx.ciphers()?.into_iter().collect::<Vec<_>>().join("; "));
    Ok(())
}

/// With curl, and the coreutils' sha256sum, which is faster than busybox'.
fn root() -> Result<Root> {
    let root = Root::with_menagerie("bench")?.program("curl")?.program("sha256sum")?;
    let root = root.link("bin/menagerie", "../sbin/menagerie")?.file("fetching.sh", SCRIPT.as_bytes(), 0o644)?;
    APPLETS.into_iter().try_fold(root, |root, applet| root.link(&format!("bin/{applet}"), "busybox"))
}

/// A manifest for each install, with the blob as another version: what is there is not fetched again.
fn publish(publisher: &Publisher, blob: &[u8]) -> Result<()> {
    publisher.nginx.put("blob", blob)?;
    let root = artifact("vm_root", "r0", &publisher.root, &publisher.url("vm_root"));
    for serial in 1..=ROUNDS + 1 {
        let blob = artifact("blob", &serial.to_string(), blob, &publisher.url("blob"));
        let release = Release { serial, artifacts: vec![blob, root.clone()], ..Release::default() };
        let signed = release.sign(&publisher.keys)?;
        publisher.nginx.put(&format!("release-{serial}.json"), &signed.manifest)?;
        publisher.nginx.put(&format!("release-{serial}.json.minisig"), &signed.minisig)?;
    }
    Ok(())
}

/// Runs the script in the VM.
fn run(publisher: &Publisher, image: &Image) -> Result<Ran> {
    let disk = publisher.partition()?.latest()?.release(0, image)?.disk_of(700 << 20, "dock0")?;
    let address = publisher.url("");
    let script = format!("probe.run=/bin/sh,/fetching.sh,{},{ROUNDS}", address.trim_end_matches('/'));
    let mut boot = Boot::kernel(&script).scsi(&disk).memory(128);
    boot.machine.network = qemu::Network::User { forwards: vec![] };
    let report = boot.start()?.run_to_done(DEADLINE)?;
    let facts: Facts = serde_json::from_str(report.probe.last().context("the probe said nothing")?)?;
    let ran = facts.ran.into_iter().next().context("the script did not run")?;
    ensure!(ran.code == Some(0), "the script failed: {ran:?}");
    Ok(ran)
}

fn print_times(said: &str) -> Result<()> {
    let all = WAYS.map(|(way, _)| times(said, way));
    let [base, ..] = &all;
    for ((_, what), times) in WAYS.iter().zip(&all) {
        let low = times.iter().copied().fold(f64::INFINITY, f64::min);
        let high = times.iter().copied().fold(0.0, f64::max);
        // Round by round, since the machine may be busier in one than in another.
        let speeds = base.iter().zip(times).map(|(base, time)| base / time).collect();
        println!(
            "{:>7.1} ({low:.1} to {high:.1})  {:.2} of curl's speed  {what}",
            median(times.clone())?,
            median(speeds)?
        );
    }
    Ok(())
}

/// How long each of these took: `from BEGIN to END: WAY`.
fn times(said: &str, way: &str) -> Vec<f64> {
    let time = |line: &str| {
        let (times, what) = line.strip_prefix("from ")?.split_once(": ")?;
        let (begin, end) = times.split_once(" to ")?;
        (what == way).then_some(end.parse::<f64>().ok()? - begin.parse::<f64>().ok()?)
    };
    said.lines().filter_map(time).collect()
}

/// The greatest that was seen, and what limit there was.
fn peak(said: &str) -> Result<String> {
    let child: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("child: ")).collect();
    let kib = |line: &&str| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok();
    let peak = child.iter().filter_map(kib).max().context("the child was never seen")?;
    let limit = child.iter().rev().find_map(|line| line.strip_prefix("Max address space"));
    let limit = limit.and_then(|line| line.split_whitespace().next()).context("the child's limits were never seen")?;
    Ok(format!("{peak} KiB of the {limit} bytes of address space that it may have"))
}
