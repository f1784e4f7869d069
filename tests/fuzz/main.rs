//! Fuzzes every parser, one after the other, for so many seconds in all. What was found is kept and begun with the next time.
//!
//! Exit codes: 0 nothing was found; 1 something was, and standard error says with which input.

use anyhow::{Context, Result, bail, ensure};
use argh::FromArgs;
use fuzz::{TARGETS, Target, VARIABLE};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Fuzzes the parsers of bytes from outside.
#[derive(FromArgs)]
struct Arguments {
    /// the program that libFuzzer drives
    #[argh(option)]
    program: PathBuf,
    /// where inputs are kept (build/fuzz)
    #[argh(option, default = "PathBuf::from(\"build/fuzz\")")]
    corpus: PathBuf,
    /// this target alone
    #[argh(option)]
    target: Option<String>,
    /// for so many seconds in all
    #[argh(positional)]
    seconds: u64,
}

fn main() -> Result<()> {
    let Arguments { program, corpus, target, seconds } = argh::from_env();
    let wanted: Vec<&Target> =
        TARGETS.iter().filter(|known| target.as_deref().is_none_or(|name| name == known.name)).collect();
    let count = u64::try_from(wanted.len())?;
    ensure!(
        count > 0,
        "there is no such target; there are {}",
        TARGETS.iter().map(|t| t.name).collect::<Vec<_>>().join(", ")
    );
    let each = (seconds / count).max(1);
    for target in wanted {
        fuzz_one(target, &program, &corpus, each)?;
    }
    Ok(())
}

fn fuzz_one(target: &Target, program: &Path, corpus: &Path, seconds: u64) -> Result<()> {
    let (inputs, found) = (corpus.join(target.name), corpus.join(format!("{}-found-", target.name)));
    fs::create_dir_all(&inputs).with_context(|| format!("making {}", inputs.display()))?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        let path = inputs.join(format!("seed-{number}"));
        fs::write(&path, seed).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut command = Command::new(program);
    command.env(VARIABLE, target.name).arg(&inputs);
    command.args([format!("-max_total_time={seconds}"), "-print_final_stats=1".into(), "-timeout=10".into()]);
    command.arg(format!("-artifact_prefix={}", found.display())).stdin(Stdio::null());
    let ran = command.output().with_context(|| format!("running {}", program.display()))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        bail!("{}: {}\n{said}", target.name, ran.status);
    }
    let figure = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim_start_matches(':').trim().parse::<u64>().ok())
    };
    let tried = figure("stat::number_of_executed_units").context("libFuzzer does not say how much it tried")?;
    ensure!(tried > 100, "{}: only {tried} inputs were tried", target.name);
    let covered = said.lines().filter_map(|line| line.split_once(" cov: ")).next_back();
    let covered = covered.and_then(|(_, rest)| rest.split(' ').next()).context("libFuzzer sees no edges")?;
    println!("{:<10} {tried} inputs, {covered} edges in {seconds} s", target.name);
    Ok(())
}
