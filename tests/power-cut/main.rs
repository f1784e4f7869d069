//! `power-cut`: what a power cut can leave of a boot partition, tried out; see docs/power-cut.md.

use anyhow::{Context, Result, bail};
use argh::FromArgs;
use power_cut::run::new_directory;
use power_cut::tally::Table;
use power_cut::{Form, Rig};
use std::path::PathBuf;
use std::process::ExitCode;

/// Records a VM that changes its boot partition, makes every disk that a power cut could have left, and judges each as
/// GRUB and as init would see it. Ends with 0 if dock0's sequence never lost anything and every naive one was caught.
#[derive(FromArgs)]
struct Arguments {
    /// fewer operations, a sample of the disks, four boots: what the tests run
    #[argh(switch)]
    short: bool,
    /// what every choice depends on (default: 1)
    #[argh(option, default = "1")]
    seed: u64,
    /// where the recordings are written, and kept (default: a new directory, kept only if something is wrong)
    #[argh(option)]
    recordings: Option<PathBuf>,
    /// judge this one disk of the recordings there and keep its image: BUS/SEQUENCE/EPOCH.CUT
    #[argh(option)]
    state: Option<String>,
}

fn main() -> ExitCode {
    match run(&argh::from_env()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("power-cut: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let form = if arguments.short { Form::SHORT } else { Form::LONG };
    let rig = |recordings| Rig { form, seed: arguments.seed, recordings };
    match (&arguments.state, &arguments.recordings) {
        (Some(state), Some(recordings)) => judge_one(&rig(recordings.clone()), state),
        (Some(_), None) => bail!("--state needs --recordings, the directory that the run has named"),
        (None, Some(recordings)) => run_all(&rig(recordings.clone())),
        (None, None) => {
            let directory = new_directory()?;
            let code = run_all(&rig(directory.clone()))?;
            if code == ExitCode::SUCCESS {
                std::fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
            }
            Ok(code)
        }
    }
}

fn run_all(rig: &Rig) -> Result<ExitCode> {
    let outcome = rig.run()?;
    println!("\n{}", Table(&outcome.rows));
    println!("{} disks booted through GRUB 2", outcome.boots);
    outcome.faults.iter().for_each(|fault| println!("FAULT: {fault}"));
    Ok(if outcome.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn judge_one(rig: &Rig, state: &str) -> Result<ExitCode> {
    let (judgement, kept) = rig.judge_one(state).with_context(|| format!("judging {state}"))?;
    println!("{}: {judgement:#?}", kept.display());
    Ok(if judgement.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
