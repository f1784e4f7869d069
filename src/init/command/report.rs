//! What is printed of an inventory and of the last boots: the predecessor's list of releases, the state, and all of it as JSON.

use super::words::{Form, Options};
use super::{change, say};
use crate::boots::{self, Boot, Outcome};
use crate::config::{self, Configuration};
use crate::failure::{Doing, Failure};
use crate::rescue;
use crate::store::{Disk, Files};
use menagerie::space::{Free, Megabytes};
use menagerie::{Artifact, Inventory, Release, ReleaseId, Timestamp};
use serde::Serialize;
use std::fmt::Write;

/// The longest JSON that is printed: 64 releases of 16 artifacts, a thousand orphans, each with the longest names.
const MOST: usize = 4 << 20;

/// The list of releases.
#[derive(Serialize)]
struct List<'a> {
    /// Which release `latest` points at.
    latest: Option<u32>,
    releases: Vec<ReleaseJson<'a>>,
    orphans: Vec<ArtifactJson<'a>>,
}

#[derive(Serialize)]
struct ReleaseJson<'a> {
    number: u32,
    id: String,
    artifacts: Vec<ArtifactJson<'a>>,
    /// Whether all of them stand on the disk.
    complete: bool,
    running: bool,
    pinned: bool,
    good: bool,
    bad: bool,
}

#[derive(Serialize)]
struct ArtifactJson<'a> {
    name: &'a str,
    version: &'a str,
    /// In bytes; null where it does not stand on the disk.
    size: Option<u64>,
}

#[derive(Serialize)]
struct State<'a> {
    running: Option<String>,
    next: Option<ReleaseJson<'a>>,
    pinned: Vec<String>,
    good: Vec<String>,
    bad: Vec<String>,
    /// How often the next release may still be tried; null where it is good or bad, or nothing is counted.
    tries_left: Option<u8>,
    /// The sentence of the last boot that failed.
    last_failure: Option<String>,
    /// The configuration that the next boot has; null where there is none.
    config: Option<ConfigJson>,
    /// The one that `config rollback` brings back.
    config_before: Option<ConfigJson>,
    /// Bytes that can still be written.
    free: u64,
    /// What was left half done, in words; the next change clears it away.
    leftovers: Vec<String>,
}

#[derive(Serialize)]
struct ConfigJson {
    /// Of its bundle; null where it did not come as one.
    sha256: Option<String>,
}

/// Prints one JSON value on a line.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut buffer = vec![0; MOST];
    let length = serde_json_core::to_slice(value, &mut buffer)
        .map_err(|_| Failure::new(format!("the JSON would have more than {MOST} bytes")))?;
    say(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()))
}

/// Prints all releases and orphans.
pub fn list(inventory: &Inventory, form: Form) -> Result<(), Failure> {
    let releases = inventory.listing.releases();
    let mut orphans: Vec<&Artifact> = inventory.orphans().map(|stored| &stored.artifact).collect();
    orphans.sort();
    match form {
        Form::Json => print_json(&List {
            latest: inventory.listing.latest,
            releases: releases.iter().map(|release| release_json(inventory, release)).collect(),
            orphans: orphans.iter().map(|artifact| artifact_json(inventory, artifact)).collect(),
        }),
        Form::Plain if releases.is_empty() && orphans.is_empty() => Ok(()),
        Form::Plain => say(plain(releases, &orphans).trim_end_matches('\n')),
    }
}

/// The predecessor's form.
fn plain(releases: &[Release], orphans: &[&Artifact]) -> String {
    let mut text = String::new();
    for release in releases {
        // Writing to a String cannot fail.
        writeln!(text, "Release: {}", release.number).unwrap_or_default();
        for Artifact { name, version } in sorted(release) {
            writeln!(text, "  {name}: {version}").unwrap_or_default();
        }
    }
    if !orphans.is_empty() {
        text.push_str("\nOrphans:\n");
    }
    let mut last = None;
    for Artifact { name, version } in orphans {
        if last.replace(name) != Some(name) {
            writeln!(text, "  {name}").unwrap_or_default();
        }
        writeln!(text, "    {version}").unwrap_or_default();
    }
    text
}

/// Prints which release is the newest now.
pub fn newest(inventory: &Inventory) -> Result<(), Failure> {
    match inventory.listing.releases() {
        [] => say("there are no releases"),
        [newest, ..] => say(format_args!("release {} is {}: {newest}", newest.number, newest.id())),
    }
}

/// A release by its number, id and artifacts, and what it lacks.
pub fn named(inventory: &Inventory, id: ReleaseId) -> String {
    let Some(release) = inventory.listing.releases().iter().find(|release| release.id() == id) else {
        return format!("{id}, which is not on the disk,");
    };
    let missing = inventory.missing(release).map(|artifact| format!(" (incomplete: {artifact} is missing)"));
    format!("release {}, {id}: {release}{}", release.number, missing.unwrap_or_default())
}

/// Prints what runs, what is next, what is kept, which configuration there is, and how much room is left.
pub fn status(disk: &Disk, inventory: &Inventory, options: &Options) -> Result<(), Failure> {
    let Free { bytes, .. } = disk.free().doing(|| format!("asking how full {} is", options.root))?;
    let listing = &inventory.listing;
    let next = listing.newest();
    let tries = next.and_then(|next| tries_left(inventory, next, change::policy(disk, options).tries));
    let (config, before) = (config::present(disk)?, config::before(disk)?);
    let leftovers = || inventory.leftovers.iter().map(|leftover| leftover.to_string());
    let ids = |ids: &[ReleaseId]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    if options.form == Form::Json {
        return print_json(&State {
            running: inventory.marks.running.map(|id| id.to_string()),
            next: next.map(|release| release_json(inventory, release)),
            pinned: ids(&inventory.marks.pinned),
            good: ids(&inventory.marks.good),
            bad: ids(&inventory.marks.bad),
            tries_left: tries.map(|(left, _)| left),
            last_failure: rescue::last_failure(disk),
            config: config_json(config),
            config_before: config_json(before),
            free: bytes,
            leftovers: leftovers().collect(),
        });
    }
    let named = |id: ReleaseId| named(inventory, id);
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.push(("running", inventory.marks.running.map_or("no release of this disk".into(), named)));
    lines.push(("next", next.map_or("nothing: latest leads to no release".into(), |release| named(release.id()))));
    lines.extend(tries.map(|(left, all)| ("on trial", format!("the next one has {left} of {all} tries left"))));
    lines.extend(inventory.marks.good.iter().map(|id| ("good", named(*id))));
    lines.extend(inventory.marks.bad.iter().map(|id| ("bad", named(*id))));
    lines.extend(inventory.marks.pinned.iter().map(|id| ("pinned", named(*id))));
    lines.extend(rescue::last_failure(disk).map(|sentence| ("last failure", sentence)));
    lines.push(("config", config_words(&config)));
    if before != Configuration::Missing {
        lines.push(("config before", config_words(&before)));
    }
    lines.extend(leftovers().map(|leftover| ("left half done", leftover)));
    lines.push(("free", Megabytes(bytes).to_string()));
    lines.into_iter().try_for_each(|(what, is)| say(format_args!("{what:<14} {is}")))
}

/// How many of how many tries a release has, if they are counted.
fn tries_left(inventory: &Inventory, release: &Release, tries: u8) -> Option<(u8, u8)> {
    let (id, marks) = (release.id(), &inventory.marks);
    let counted = tries > 0 && !marks.is_good(id) && !marks.is_bad(id);
    counted.then(|| (marks.tries_left(id, tries), tries))
}

/// Prints the last boots, the newest last.
pub fn boots(disk: &Disk, form: Form) -> Result<(), Failure> {
    let boots = disk.directory().and_then(boots::read).doing(|| format!("reading the boots of {}", disk.show("")))?;
    match form {
        Form::Json => print_json(&boots),
        Form::Plain => boots.iter().try_for_each(|boot| say(boot_line(boot))),
    }
}

fn boot_line(boot: &Boot) -> String {
    let outcome = match boot.outcome {
        Outcome::HandedOver => "its root took over",
        Outcome::AnotherKernel => "starting its kernel",
        Outcome::Failed => "failed",
    };
    let (time, milliseconds) = (Timestamp::from_unix(boot.time), boot.milliseconds);
    let release = boot.release.as_deref().unwrap_or("no release");
    let how = if boot.kexec { ", by kexec" } else { "" };
    let sentence = boot.sentence.as_deref().map(|sentence| format!(": {sentence}")).unwrap_or_default();
    format!("{time}  {release:<16}  {outcome} after {milliseconds} ms{how}{sentence}")
}

fn config_json(config: Configuration) -> Option<ConfigJson> {
    (config != Configuration::Missing).then(|| ConfigJson { sha256: config.sha256() })
}

fn config_words(config: &Configuration) -> String {
    match config {
        Configuration::Missing => "none".into(),
        Configuration::Bundle(sha256) => format!("the bundle {sha256}"),
        Configuration::Unrecorded => "one that came as no bundle".into(),
    }
}

fn sorted(release: &Release) -> Vec<&Artifact> {
    let mut artifacts: Vec<&Artifact> = release.artifacts.iter().collect();
    artifacts.sort();
    artifacts
}

fn release_json<'a>(inventory: &'a Inventory, release: &'a Release) -> ReleaseJson<'a> {
    let (id, marks) = (release.id(), &inventory.marks);
    ReleaseJson {
        number: release.number,
        id: id.to_string(),
        artifacts: sorted(release).into_iter().map(|artifact| artifact_json(inventory, artifact)).collect(),
        complete: inventory.missing(release).is_none(),
        running: marks.running == Some(id),
        pinned: marks.is_pinned(id),
        good: marks.is_good(id),
        bad: marks.is_bad(id),
    }
}

fn artifact_json<'a>(inventory: &Inventory, artifact: &'a Artifact) -> ArtifactJson<'a> {
    let size = inventory.stored(artifact).map(|stored| stored.size);
    ArtifactJson { name: artifact.name.as_str(), version: artifact.version.as_str(), size }
}
