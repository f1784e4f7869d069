//! The kernel room's tool: from fragments, patches and a source to `build/kernel/<config>/vmlinuz`, and nothing twice.

mod again;
mod compare;
mod download;
mod fragment;
mod kconfig;
mod key;
#[cfg(test)]
mod lab;
mod latest;
mod make;
mod menu;
mod places;
mod progress;
mod record;
mod released;
mod series;
mod source;
mod spec;
mod stamp;
mod tools;
mod tree;
mod update;
mod upstream;
mod version;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use argh::FromArgs;

use fragment::Asked;
use make::Log;
use places::Places;
use series::Patch;
use source::Source;
use spec::{Configuration, Spec};
use stamp::Stamp;
use tree::Tree;

/// Builds dock0's kernel from kernel-configs/ and patches/.
#[derive(FromArgs)]
struct Args {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Build(Build),
    BuildAgain(BuildAgain),
    FragmentCheck(FragmentCheck),
    Record(Record),
    Menuconfig(Menuconfig),
    Latest(Latest),
    Update(Update),
}

/// Build a configuration's kernel, if anything it is made of has changed.
#[derive(FromArgs)]
#[argh(subcommand, name = "build")]
struct Build {
    /// a configuration of kernel-configs/kernel.toml (default: linode)
    #[argh(positional, default = "String::from(\"linode\")")]
    config: String,
}

/// Build a configuration's kernel once more, from nothing and elsewhere, and compare: the same inputs give the same bytes.
#[derive(FromArgs)]
#[argh(subcommand, name = "build-again")]
struct BuildAgain {
    /// a configuration of kernel-configs/kernel.toml (default: linode)
    #[argh(positional, default = "String::from(\"linode\")")]
    config: String,
}

/// Show the kernel's own menu for a configuration, and then what was changed in it, as a fragment.
#[derive(FromArgs)]
#[argh(subcommand, name = "menuconfig")]
struct Menuconfig {
    /// a configuration of kernel-configs/kernel.toml (default: linode)
    #[argh(positional, default = "String::from(\"linode\")")]
    config: String,
}

/// Name the newest upstream versions, a line each: stable, longterm.
#[derive(FromArgs)]
#[argh(subcommand, name = "latest")]
struct Latest {
    /// where the list is (default: kernel.org's)
    #[argh(option, default = "latest::RELEASES.to_owned()")]
    releases: String,
}

/// Move kernel-configs/ to another upstream version, and say what differs. If anything fails, nothing is changed.
#[derive(FromArgs)]
#[argh(subcommand, name = "update")]
struct Update {
    /// the version, like 6.12.80
    #[argh(positional)]
    version: version::Version,
    /// the tarball's SHA-256 (default: the one in the mirror's sha256sums.asc)
    #[argh(option)]
    sha256: Option<String>,
    /// a keyring as gpg --export writes it: the tarball must be signed by one of its keys
    #[argh(option)]
    keyring: Option<PathBuf>,
    /// where the folders v6.x, ... are (default: kernel.org's mirror)
    #[argh(option, default = "upstream::MIRROR.to_owned()")]
    mirror: String,
}

/// Only merge a configuration's fragments and check that every option survived.
#[derive(FromArgs)]
#[argh(subcommand, name = "fragment-check")]
struct FragmentCheck {
    /// a configuration of kernel-configs/kernel.toml (default: linode)
    #[argh(positional, default = "String::from(\"linode\")")]
    config: String,
}

/// Record what the present version is released with: every whole configuration, and the patches.
#[derive(FromArgs)]
#[argh(subcommand, name = "record")]
struct Record {}

fn main() -> ExitCode {
    match run(argh::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kernel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let root = places::root()?;
    match args.command {
        Command::Build(build) => return build_kernel(&root, &build.config),
        Command::BuildAgain(again) => print!("{}", again::build_again(&root, &again.config)?),
        Command::FragmentCheck(check) => check_fragments(&root, &check.config)?,
        Command::Record(Record {}) => print!("{}", released::record(&root)?),
        Command::Menuconfig(menuconfig) => {
            tools::require_menu()?;
            print!("{}", menu::show(&root, &menuconfig.config)?);
        }
        Command::Latest(latest) => print!("{}", latest::name_newest(&latest.releases)?),
        Command::Update(Update { version, sha256, keyring, mirror }) => {
            print!("{}", update::update(&root, &update::Wish { version, mirror, sha256, keyring })?);
        }
    }
    Ok(())
}

/// Everything a kernel is made of, read but not yet acted on.
struct Recipe {
    timestamp: String,
    configuration: Configuration,
    asked: Vec<Asked>,
    patches: Vec<Patch>,
    source: Source,
}

impl Recipe {
    fn read(places: &Places, config: &str) -> Result<Self> {
        let mut spec = Spec::read(&places.kernel_toml())?;
        let configuration = spec.take_configuration(config)?;
        let asked = fragment::read_all(&places.fragments, &configuration.fragments)?;
        let patches = series::read(&places.patches)?.patches;
        let source = source::choose(&spec, source::read_kernel_source()?.as_deref())?;
        Ok(Self { timestamp: spec.timestamp, configuration, asked, patches, source })
    }
}

/// The tree of whoever looks at a kernel and builds none to keep: nobody else's meanwhile, with a log of its own.
struct Workbench {
    tree: Tree,
    log: Log,
    _lock: File,
}

impl Workbench {
    fn of(recipe: &Recipe, places: &Places) -> Result<Self> {
        tools::require(&recipe.source, &recipe.asked)?;
        let _lock = places.lock()?;
        let mut log = Log::create(&places.check_log)?;
        let tree = tree::provide(places, &recipe.source, &recipe.patches, &mut log)?;
        Ok(Self { tree, log, _lock })
    }
}

fn build_kernel(root: &Path, config: &str) -> Result<()> {
    let places = Places::below(root, config);
    let recipe = Recipe::read(&places, config)?;
    let key = key::of_build(&recipe, &tools::compiler_version()?);
    if say_if_current(&places, config, &key) {
        return Ok(());
    }
    tools::require(&recipe.source, &recipe.asked)?;
    let _lock = places.lock()?;
    // Whoever held the lock may have built this very kernel.
    if say_if_current(&places, config, &key) {
        return Ok(());
    }
    let mut log = Log::create(&places.log)?;
    let tree = tree::provide(&places, &recipe.source, &recipe.patches, &mut log)?;
    let last = stamp::read_last(&places).and_then(|stamp| stamp.effort);
    let from_nothing = !tree.objects(config).exists();
    let merged = kconfig::merge(&tree, config, &recipe.asked, &mut log)?;
    let expected = from_nothing.then(|| last.unwrap_or_else(|| make::first_estimate(&merged)));
    let spent = make::build_image(&tree, config, &recipe.timestamp, expected, &mut log)?;
    let bytes = check_budget(&tree, config, recipe.configuration.budget)?;
    // A build that only redid a part says nothing about the next one from nothing.
    let effort = if expected.is_some() { Some(spent) } else { last };
    install(&places, &tree, config, Stamp { key, version: tree.version()?, bytes, effort })?;
    tree::prune_others(&places, &tree)
}

fn say_if_current(places: &Places, config: &str, key: &str) -> bool {
    let current = stamp::read_current(places, key);
    if let Some(stamp) = &current {
        println!("kernel {config} {} is up to date ({} bytes)", stamp.version, stamp.bytes);
    }
    current.is_some()
}

fn check_fragments(root: &Path, config: &str) -> Result<()> {
    let places = Places::below(root, config);
    let recipe = Recipe::read(&places, config)?;
    let Workbench { tree, mut log, _lock } = Workbench::of(&recipe, &places)?;
    kconfig::merge(&tree, &format!("{config}-check"), &recipe.asked, &mut log)?;
    println!("kernel {config} {}: all {} options survived the merge", tree.version()?, recipe.asked.len());
    Ok(())
}

/// A kernel over its budget is a failure, not a warning: every VM downloads it and holds it in memory.
fn check_budget(tree: &Tree, config: &str, budget: u64) -> Result<u64> {
    let image = tree.image(config);
    let bytes = places::size_of(&image)?;
    if bytes > budget {
        bail!(
            "{} is {bytes} bytes, {} more than the budget of {budget} in kernel-configs/kernel.toml",
            image.display(),
            bytes - budget
        );
    }
    Ok(bytes)
}

/// The old stamp goes first and the new one comes last, so no stamp ever stands beside a kernel it does not describe.
fn install(places: &Places, tree: &Tree, config: &str, stamp: Stamp) -> Result<()> {
    stamp::remove(places)?;
    places::replace_file(&tree.image(config), &places.vmlinuz)?;
    places::replace_file(&tree.dot_config(config), &places.config)?;
    places::replace_file(&tree.system_map(config), &places.system_map)?;
    stamp.write(places)?;
    println!("kernel {config} {}: {} bytes in {}", stamp.version, stamp.bytes, places.vmlinuz.display());
    Ok(())
}
