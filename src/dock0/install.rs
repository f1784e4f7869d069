//! The verb `install`: what a list of artifacts names becomes release 0 of a boot disk that is mounted here, by the code that
//! a running machine changes its own releases by.

use super::{complain, say};
use anyhow::{Context, Result, anyhow, bail};
use argh::FromArgs;
use dock0::manifest;
use dock0::recipe::{Recipe, Wanted};
use dock0::supply::Sources;
use init::command::{Form, report, running};
use init::failure::Failure;
use init::install::read_settings;
use init::store::Disk;
use init::store::apply::Event;
use init::store::change::{Change, Consent, Given, Origin, Terms, Unmade, make};
use init::store::survey::{self, Remarks};
use menagerie::plan::{Bad, MAX_RETAIN, Orphans, RETAIN};
use menagerie::{Inventory, Layout, Plan, Policy};
use std::path::{Path, PathBuf};
use wire::manifest::Manifest;

/// The manifest that is read without being asked for, beside the list.
const MANIFEST: &str = "release.json";

/// Installs what a list of artifacts names as release 0 of a boot disk that is mounted here, or of any directory. What stands
/// there already is not fetched.
#[derive(FromArgs)]
#[argh(subcommand, name = "install")]
pub struct InstallArguments {
    /// where the boot disk is mounted
    #[argh(option)]
    to: String,
    /// the manifest that says what the bytes are; artifacts with others are refused (release.json beside the list, if it is
    /// there)
    #[argh(option)]
    manifest: Option<PathBuf>,
    /// how many old releases to keep, at most 63 (5)
    #[argh(option, default = "RETAIN")]
    retain: u32,
    /// keep artifacts that no release has
    #[argh(switch)]
    keep_orphans: bool,
    /// take a release that is bad, which the disk remembers
    #[argh(switch)]
    force: bool,
    /// print the plan and change nothing; servers are asked for sizes alone
    #[argh(switch)]
    dry_run: bool,
    /// print the releases that there are then as JSON, like menagerie list --json
    #[argh(switch)]
    json: bool,
    /// the list of artifacts, a YAML file
    #[argh(positional)]
    config: PathBuf,
}

pub fn install(arguments: InstallArguments) -> Result<()> {
    let InstallArguments { to, manifest, retain, keep_orphans, force, dry_run, json, config } = arguments;
    if retain > MAX_RETAIN {
        bail!("--retain {retain}: at most {MAX_RETAIN} old releases can be kept");
    }
    if json && dry_run {
        bail!("--json has nothing to do with --dry-run");
    }
    let (recipe, _) = Recipe::read(&config)?;
    let directory = config.parent().unwrap_or(Path::new(""));
    let wanted = recipe.wanted(directory).with_context(|| config.display().to_string())?;
    let manifest = ManifestFile::read(manifest, directory)?;
    let manifest = manifest.as_ref().map(ManifestFile::parse).transpose()?;
    let sources = Sources { wanted: &wanted, manifest: manifest.as_ref(), say: &|line| complain(line) };
    let disk = Disk::open(&to).map_err(spoken)?;
    let policy = Policy {
        retain,
        orphans: if keep_orphans { Orphans::Keep } else { Orphans::Remove },
        bad: if force { Bad::Forgive } else { Bad::Refuse },
        tries: read_settings(&disk).map_err(spoken)?.tries,
    };
    if dry_run {
        return say(plan(&disk, &sources, policy)?.trim_end());
    }
    // Directories get the mode 0755 that they are made with, whoever calls.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    disk.claim().map_err(spoken)?;
    change(&disk, &sources, policy)?;
    // What was left out was said before.
    let (inventory, _) = survey::inventory(&disk, &Layout::default(), running(&disk).map_err(spoken)?);
    let printed = if json { report::list(&inventory, Form::Json) } else { report::newest(&inventory) };
    printed.map_err(spoken)
}

/// The plan, in words.
fn plan(disk: &Disk, sources: &Sources, policy: Policy) -> Result<String> {
    let mut shown = String::new();
    let mut show = |plan: &Plan, _: &Inventory, remarks: &Remarks| {
        remarks.all().for_each(|remark| complain(remark));
        shown = plan.to_string();
        Consent::Withheld
    };
    with_terms(disk, sources, policy, &mut show, &mut |_| {}).map_err(|unmade| anyhow!("{}", unmade.failure()))?;
    Ok(shown)
}

/// Carries the plan out and says what is done. Once the new release is 0 it is installed, whatever is left to clear away.
fn change(disk: &Disk, sources: &Sources, policy: Policy) -> Result<()> {
    let mut show = |_: &Plan, _: &Inventory, remarks: &Remarks| {
        remarks.all().for_each(|remark| complain(remark));
        Consent::Given
    };
    let mut said = Vec::new();
    let mut tell = |event: Event| match (&event, event.shortcoming()) {
        (Event::Begins(step), _) => complain(&step.to_string()),
        (_, Some(line)) if !said.contains(&line) => {
            complain(line);
            said.push(line);
        }
        _ => {}
    };
    match with_terms(disk, sources, policy, &mut show, &mut tell) {
        Ok(()) => Ok(()),
        Err(Unmade::Nothing(failure)) => Err(spoken(failure)),
        Err(Unmade::Uncleared(failure)) => {
            complain(&format!(
                "warning: installed, but not all of the old was removed, which the next change does: {failure}"
            ));
            Ok(())
        }
    }
}

fn with_terms(
    disk: &Disk,
    sources: &Sources,
    policy: Policy,
    show: &mut dyn FnMut(&Plan, &Inventory, &Remarks) -> Consent,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Unmade> {
    let given = |wanted: &Wanted| Given { artifact: wanted.artifact.clone(), origin: Origin::File(None) };
    let change = Change::Add(sources.wanted.iter().map(given).collect());
    let layout = Layout::default();
    let terms = Terms { layout: &layout, policy, running: running(disk)?, supply: sources };
    make(disk, &terms, &change, show, tell)
}

/// A manifest's bytes and where they stand.
struct ManifestFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl ManifestFile {
    /// The one that is asked for, or one beside the list.
    fn read(asked: Option<PathBuf>, directory: &Path) -> Result<Option<ManifestFile>> {
        let is_asked = asked.is_some();
        let path = asked.unwrap_or_else(|| directory.join(MANIFEST));
        match manifest::read(&path)? {
            Some(bytes) => Ok(Some(ManifestFile { path, bytes })),
            None if is_asked => bail!("{}: there is no such manifest", path.display()),
            None => Ok(None),
        }
    }

    fn parse(&self) -> Result<Manifest<'_>> {
        Manifest::parse(&self.bytes).map_err(|why| anyhow!("{}: {why}", self.path.display()))
    }
}

/// What init says of a failure, as an error of ours.
fn spoken(failure: Failure) -> anyhow::Error {
    anyhow!("{failure}")
}
