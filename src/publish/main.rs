//! The publisher's tool: from a commit to a release on GitHub, built twice, summed up, signed, and to the proof of one.
//!
//! Exit codes: 0 done; 1 not done, and standard error says why.

#![forbid(unsafe_code)]

mod assets;
mod dist;
mod github;
mod plan;
mod release;
mod repository;
mod sbom;
mod serial;
mod standing;
mod trust;
mod twice;
mod upload;
mod verify;

use anyhow::{Context, Result};
use argh::FromArgs;
use std::io::Write;
use std::process::ExitCode;

/// Publishes what is built of a commit, and proves what was published (docs/publishing.md).
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Release(release::ReleaseArguments),
    Verify(verify::VerifyArguments),
    Sbom(sbom::SbomArguments),
}

fn main() -> ExitCode {
    match run(argh::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("publish: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Release(arguments) => release::release(arguments),
        Command::Verify(arguments) => verify::verify(arguments),
        Command::Sbom(arguments) => sbom::sbom(&arguments),
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing to standard output")
}
