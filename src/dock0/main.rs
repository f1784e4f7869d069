//! dock0, the operator's command: what is asked for, said as it is done, and the exit code.
//!
//! Exit codes: 0 done, even if standard error says that something old was left for the next time; 1 not done, and standard
//! error says why.

#![forbid(unsafe_code)]

mod configure;
mod deploy;
mod install;
mod keygen;
mod linodes;
mod make_disk;
mod publish;
mod push;
mod round;

use anyhow::{Context, Result, anyhow};
use argh::FromArgs;
use dock0::image::{self, ExtraFile, Format};
use dock0::initrd::Initrd;
use dock0::output::Existing;
use dock0::root::Recipe;
use dock0::stamp::Stamp;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Builds what a dock0 VM boots from and its configuration, pushes to VMs that wait for it, and deploys them at Linode.
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Verb {
    Disk(make_disk::DiskArguments),
    Initrd(InitrdArguments),
    Image(ImageArguments),
    Install(install::InstallArguments),
    Config(configure::ConfigArguments),
    Keygen(keygen::KeygenArguments),
    Manifest(publish::ManifestArguments),
    Outdated(publish::OutdatedArguments),
    Push(push::PushArguments),
    Status(push::StatusArguments),
    Deploy(deploy::DeployArguments),
    Destroy(linodes::DestroyArguments),
    List(linodes::ListArguments),
    Reboot(linodes::RebootArguments),
}

/// Makes the initrd around a static init binary.
#[derive(FromArgs)]
#[argh(subcommand, name = "initrd")]
struct InitrdArguments {
    /// the initrd to make
    #[argh(option, short = 'o')]
    output: PathBuf,
    /// the static init binary
    #[argh(option)]
    init: PathBuf,
    /// a static shell to put into it as /bin/sh, for fancy and dock0.rescue=shell
    #[argh(option)]
    shell: Option<PathBuf>,
    /// fail if it has more bytes than this
    #[argh(option)]
    max_size: Option<u64>,
    /// replace the initrd if it exists
    #[argh(switch)]
    force: bool,
    /// replace the initrd, but only if it, this command or anything it is made of changed
    #[argh(switch)]
    if_changed: bool,
}

/// Makes the image of a VM's root, of a directory or by a recipe (docs/roots.md).
#[derive(FromArgs)]
#[argh(subcommand, name = "image")]
struct ImageArguments {
    /// the image to make (for a recipe: its paths: output:)
    #[argh(option, short = 'o')]
    output: Option<PathBuf>,
    /// erofs, squashfs or ext4 (erofs; for a recipe: its fs:)
    #[argh(option)]
    fs: Option<Format>,
    /// replace the image if it exists
    #[argh(switch)]
    force: bool,
    /// replace the image, but only if it, this command or anything it is made of changed
    #[argh(switch)]
    if_changed: bool,
    /// PATH=FILE: a file of this machine that goes into the image at PATH, with its mode
    #[argh(option)]
    file: Vec<ExtraFile>,
    /// a directory, or a recipe's file
    #[argh(positional)]
    source: PathBuf,
}

fn main() -> ExitCode {
    match parse_and_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What argh::from_env does, which panics where standard output is full or closed.
fn parse_and_run() -> Result<()> {
    let words = std::env::args_os().skip(1).map(OsString::into_string).collect::<Result<Vec<String>, OsString>>();
    let words = words.map_err(|word| anyhow!("{word:?} is not UTF-8"))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Arguments::from_args(&["dock0"], &words) {
        Ok(arguments) => match arguments.verb {
            Verb::Disk(arguments) => make_disk::disk(arguments),
            Verb::Initrd(arguments) => initrd(arguments),
            Verb::Image(arguments) => image(arguments),
            Verb::Install(arguments) => install::install(arguments),
            Verb::Config(arguments) => configure::config(arguments),
            Verb::Keygen(arguments) => keygen::keygen(arguments),
            Verb::Manifest(arguments) => publish::manifest(arguments),
            Verb::Outdated(arguments) => publish::outdated(arguments),
            Verb::Push(arguments) => push::push(arguments),
            Verb::Status(arguments) => push::status(arguments),
            Verb::Deploy(arguments) => deploy::deploy(arguments),
            Verb::Destroy(arguments) => linodes::destroy(arguments),
            Verb::List(arguments) => linodes::list(&arguments),
            Verb::Reboot(arguments) => linodes::reboot(arguments),
        },
        Err(exit) if exit.status.is_ok() => say(exit.output.trim_end()),
        Err(exit) => Err(anyhow!("{}\nRun dock0 --help for more information.", exit.output.trim_end())),
    }
}

fn initrd(arguments: InitrdArguments) -> Result<()> {
    let InitrdArguments { output, init, shell, max_size, force, if_changed } = arguments;
    let initrd = Initrd { init, shell, max_size };
    let inputs: Vec<&Path> = std::iter::once(initrd.init.as_path()).chain(initrd.shell.as_deref()).collect();
    make(&output, When::asked(force, if_changed), &inputs, |existing| {
        let size = initrd.write(&output, existing)?;
        Ok(format!("initrd {}: {size} bytes", output.display()))
    })
}

fn image(arguments: ImageArguments) -> Result<()> {
    let ImageArguments { output, fs, force, if_changed, file: extra, source } = arguments;
    let when = When::asked(force, if_changed);
    let said = |output: &Path| -> Result<String> {
        let size = std::fs::metadata(output).with_context(|| format!("looking at {}", output.display()))?.len();
        Ok(format!("image {}: {:.1} MB", output.display(), megabytes(size)))
    };
    if source.is_file() {
        let mut recipe = Recipe::read(&source)?;
        recipe.format = fs.unwrap_or(recipe.format);
        recipe.files = extra;
        let output =
            output.or(recipe.output.take()).context("neither --output nor the recipe says where the image goes")?;
        return make(&output, when, &recipe.inputs(&output), |existing| {
            recipe.build(&output, existing).and_then(|()| said(&output))
        });
    }
    let output = output.context("an image needs --output")?;
    let inputs: Vec<&Path> = std::iter::once(source.as_path()).chain(extra.iter().map(|e| e.file.as_path())).collect();
    make(&output, when, &inputs, |existing| {
        image::pack_with(&source, &extra, fs.unwrap_or(Format::Erofs), &output, existing)?;
        said(&output)
    })
}

/// When to make an output.
enum When {
    /// If there is none.
    Missing,
    /// Whatever is there.
    Always,
    /// If it is not what would be made now.
    Changed,
}

impl When {
    fn asked(force: bool, if_changed: bool) -> Self {
        match (force, if_changed) {
            (_, true) => When::Changed,
            (true, false) => When::Always,
            (false, false) => When::Missing,
        }
    }
}

/// Makes `output` of `inputs` with `build`, which returns the line that says so.
fn make(output: &Path, when: When, inputs: &[&Path], build: impl FnOnce(Existing) -> Result<String>) -> Result<()> {
    let done = match when {
        When::Missing => build(Existing::Refuse)?,
        When::Always => build(Existing::Replace)?,
        When::Changed => {
            let program = std::env::current_exe().context("looking for the program of dock0 itself")?;
            let words: Vec<OsString> = std::env::args_os().skip(1).collect();
            let stamp = Stamp::of(&program, &words, inputs)?;
            if stamp.is_on(output)? {
                format!("{} is up to date", output.display())
            } else {
                let done = build(Existing::Replace)?;
                stamp.put_on(output)?;
                done
            }
        }
    };
    say(&done)
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing to standard output")
}

fn complain(line: &str) {
    // Where standard error is closed too, the exit code has to do.
    writeln!(std::io::stderr(), "dock0: {line}").unwrap_or_default();
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
