//! The verbs of whoever publishes releases: manifest, outdated.

use super::{complain, say};
use anyhow::{Context, Result};
use argh::FromArgs;
use dock0::manifest::{self, Head, Previous};
use dock0::measure::Measured;
use dock0::outdated::{self, Standing};
use dock0::output::{Access, Existing};
use dock0::recipe::{Recipe, Wanted, word};
use dock0::signing::{self, Signer};
use std::path::{Path, PathBuf};

/// Makes release.json of a list of artifacts, and signs it. Each artifact that the release.json before does not know is
/// fetched once.
#[derive(FromArgs)]
#[argh(subcommand, name = "manifest")]
pub struct ManifestArguments {
    /// the manifest to make; one that is there is followed (release.json)
    #[argh(option, short = 'o', default = "PathBuf::from(\"release.json\")")]
    output: PathBuf,
    /// the secret key of minisign that signs it; its password is taken from $DOCK0_MINISIGN_PASSWORD or asked for
    #[argh(option)]
    key: Option<PathBuf>,
    /// in how many days it expires (90)
    #[argh(option, default = "manifest::LASTS")]
    expires: u32,
    /// what it is a release of; before what the list says (dock0)
    #[argh(option)]
    product: Option<String>,
    /// which line of releases; before what the list says (stable)
    #[argh(option)]
    channel: Option<String>,
    /// for which processor; before what the list says (x86_64)
    #[argh(option)]
    arch: Option<String>,
    /// fetch what is known too
    #[argh(switch)]
    refetch: bool,
    /// the list of artifacts, a YAML file
    #[argh(positional)]
    config: PathBuf,
}

/// Shows which artifacts of a list have newer releases on GitHub. $GITHUB_TOKEN is sent along if it is set.
#[derive(FromArgs)]
#[argh(subcommand, name = "outdated")]
pub struct OutdatedArguments {
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// write the newer versions into the list; the rest of it stays as it is
    #[argh(switch)]
    write: bool,
    /// the base of GitHub's API ($GITHUB_API_URL, or else https://api.github.com)
    #[argh(option)]
    api: Option<String>,
    /// the list of artifacts, a YAML file
    #[argh(positional)]
    config: PathBuf,
}

pub fn manifest(arguments: ManifestArguments) -> Result<()> {
    let ManifestArguments { output, key, expires, product, channel, arch, refetch, config } = arguments;
    let lasts = manifest::lasts(expires)?;
    let (recipe, _) = Recipe::read(&config)?;
    let head = Head {
        product: word("product", product.as_deref(), recipe.product.as_deref(), "dock0")?,
        channel: word("channel", channel.as_deref(), recipe.channel.as_deref(), "stable")?,
        arch: word("arch", arch.as_deref(), recipe.arch.as_deref(), "x86_64")?,
        issued: manifest::now()?,
        lasts,
    };
    // A wrong password is noticed before anything is fetched.
    let signer = key.as_deref().map(Signer::read).transpose()?;
    let directory = config.parent().unwrap_or(Path::new(""));
    let wanted = recipe.published(directory).with_context(|| config.display().to_string())?;
    let previous = Previous::read(&output)?;
    let serial = previous.next_serial()?;
    let artifacts = measure_all(wanted, &previous, refetch)?;
    let text = manifest::compose(&head, serial, &artifacts)?;
    manifest::write(&output, &text, serial, signer.as_ref())?;
    let until = head.issued.later(head.lasts);
    say(&format!("manifest {}: {} {} serial {serial}, expires {until}", output.display(), head.product, head.channel))?;
    match signer {
        Some(signer) => say(&format!("signed with the key {}", signer.id()?)),
        None => say(&format!("not signed: no machine takes it before minisign -S -s KEY -m {}", output.display())),
    }
}

fn measure_all(wanted: Vec<Wanted>, previous: &Previous, refetch: bool) -> Result<Vec<(Wanted, Measured)>> {
    let mut all = Vec::new();
    for wanted in wanted {
        let name = wanted.artifact.to_string();
        let known = previous.knows(&wanted);
        let measured = match known {
            Some(known) if wanted.is_on_the_web() && !refetch => known.clone(),
            Some(_) | None => {
                let measured = wanted.from.measure(&name)?;
                complain(&format!("{name}: {} bytes", measured.size));
                measured
            }
        };
        if known.is_some_and(|known| *known != measured) {
            complain(&format!(
                "warning: {name} has other bytes than in the manifest before: machines that have it refuse"
            ));
        }
        all.push((wanted, measured));
    }
    Ok(all)
}

pub fn outdated(arguments: OutdatedArguments) -> Result<()> {
    let OutdatedArguments { json, write, api, config } = arguments;
    let (recipe, text) = Recipe::read(&config)?;
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let api = api.or_else(|| variable(outdated::API_VARIABLE)).unwrap_or_else(|| outdated::API.into());
    let standings = outdated::ask(&recipe, &api, variable(outdated::TOKEN_VARIABLE).as_deref())?;
    if write && standings.iter().any(|standing| standing.outdated) {
        let new = outdated::rewrite(&text, &recipe, &standings).with_context(|| config.display().to_string())?;
        signing::write(&config, &new, Existing::Replace, Access::Umask)?;
    }
    if json {
        return say(&serde_json::to_string_pretty(&standings).context("printing JSON")?);
    }
    standings.iter().try_for_each(|standing| say(&line(standing)))
}

fn line(standing: &Standing) -> String {
    let Standing { name, version, newest, outdated, skipped } = standing;
    match (newest, skipped) {
        (Some(newest), _) if *outdated => format!("{name} {version}: {newest} is newer"),
        (Some(newest), _) if newest == version => format!("{name} {version}: is the newest"),
        (Some(newest), _) => format!("{name} {version}: is newer than the newest release, {newest}"),
        (None, Some(why)) => format!("{name} {version}: not asked for, {why}"),
        (None, None) => format!("{name} {version}: there is no release"),
    }
}
