//! Reading everything again: which links lead where they should, which files are what they were when they came.

use super::report::print_json;
use super::words::{Form, Options};
use super::{Ended, complain, running, say};
use crate::failure::{Doing, Failure};
use crate::store::artifact::record_of;
use crate::store::{Disk, Files, survey};
use menagerie::layout::{INITRD, INLINE_LINK, KERNEL, VM_ROOT};
use menagerie::record::Hex;
use menagerie::space::Megabytes;
use menagerie::{Artifact, Inventory, Record, Release, Stored};
use serde::Serialize;
use std::io::IsTerminal;

/// What was found.
#[derive(Default, Serialize)]
struct Found {
    /// Every artifact that could be read.
    artifacts: Vec<Checked>,
    /// What is wrong, a sentence each.
    faults: Vec<String>,
    /// What is not wrong, but cannot be relied on, a sentence each.
    remarks: Vec<String>,
}

/// An artifact that was read.
#[derive(Serialize)]
struct Checked {
    name: String,
    version: String,
    /// In bytes.
    size: u64,
    /// Of what was read, in hexadecimal digits.
    sha256: String,
    /// The kernel's measure of a sealed file, as `fsverity measure` prints it.
    verity: Option<String>,
    /// Whether size and SHA-256 are those that were written down; null where nothing was.
    whole: Option<bool>,
}

/// Checks everything and says what is wrong with which file.
pub fn verify(disk: &Disk, options: &Options) -> Result<Ended, Failure> {
    let (inventory, remarks) = survey::inventory(disk, &options.layout, running(disk)?);
    let mut found = Found::default();
    found.faults.extend(remarks.unread.into_iter().chain(remarks.foreign));
    found.remarks.extend(remarks.oddities);
    found.check_latest(disk, &inventory, options);
    for release in inventory.listing.releases() {
        found.check_release(disk, &inventory, release, options);
    }
    let mut all: Vec<&Stored> = inventory.stored.iter().collect();
    all.sort_by_key(|stored| &stored.artifact);
    for stored in all {
        if std::io::stderr().is_terminal() {
            complain(format_args!("reading {} ({})", stored.artifact, Megabytes(stored.size)));
        }
        found.check_artifact(disk, stored, options);
    }
    found.check_seals(disk, options);
    found.remarks.extend(
        inventory.leftovers.iter().map(|leftover| format!("{leftover} was left; the next change clears it away")),
    );
    found.print(options)?;
    Ok(if found.faults.is_empty() { Ended::Well } else { Ended::WithFaults })
}

impl Found {
    fn check_latest(&mut self, disk: &Disk, inventory: &Inventory, options: &Options) {
        let layout = &options.layout;
        let link = disk.show(layout.latest());
        match inventory.listing.latest {
            Some(0) if inventory.listing.release(0).is_none() => {
                self.faults.push(format!("{link} points at {}, which is not there", layout.latest_target()));
            }
            Some(0) => {}
            Some(number) => self.faults.push(format!("{link} points at release {number}, not at release 0")),
            None if inventory.listing.releases().is_empty() && !inventory.odd_latest => {}
            None => self.faults.push(format!("{link} is missing or does not point at {}", layout.latest_target())),
        }
    }

    fn check_release(&mut self, disk: &Disk, inventory: &Inventory, release: &Release, options: &Options) {
        let directory = format!("{}/{}", options.layout.releases(), release.number);
        if release.artifacts.is_empty() {
            self.faults.push(format!("{} has nothing in it", disk.show(&directory)));
        }
        for artifact in &release.artifacts {
            let link = disk.show(&format!("{directory}/{}", artifact.name));
            let target = options.layout.link_target(artifact);
            if inventory.stored(artifact).is_none() {
                let missing = disk.show(&options.layout.artifact(artifact));
                self.faults.push(format!("{link} points at {missing}, which is not there"));
            }
            if target.len() > INLINE_LINK {
                let length = target.len();
                self.remarks
                    .push(format!("{link} has a target of {length} bytes; GRUB is sure of at most {INLINE_LINK}"));
            }
        }
        let has = |release: &Release, name| release.artifact(name).is_some();
        for name in [KERNEL, INITRD, VM_ROOT] {
            if !release.artifacts.is_empty()
                && !has(release, name)
                && inventory.listing.releases().iter().any(|other| has(other, name))
            {
                self.faults.push(format!("{} has no {name}, which other releases have", disk.show(&directory)));
            }
        }
    }

    fn check_artifact(&mut self, disk: &Disk, stored: &Stored, options: &Options) {
        let path = options.layout.artifact(&stored.artifact);
        match read(disk, &path, &stored.artifact) {
            Ok((checked, record)) => {
                let shown = disk.show(&path);
                match (&record, checked.whole) {
                    (Some(record), _) if record.size != checked.size => {
                        self.faults
                            .push(format!("{shown} has {} bytes, and had {} when it came", checked.size, record.size));
                    }
                    (Some(record), Some(false)) => self.faults.push(format!(
                        "{shown} has the SHA-256 {}, and had {} when it came",
                        checked.sha256,
                        Hex(&record.sha256)
                    )),
                    (Some(_), _) => {}
                    (None, _) => {
                        self.remarks.push(format!("{shown}: nothing was written down when it came, so nobody knows"))
                    }
                }
                self.artifacts.push(checked);
            }
            Err(failure) => self.faults.push(failure.to_string()),
        }
    }

    /// Where nothing is sealed, the kernel or the file system cannot; that is said once.
    fn check_seals(&mut self, disk: &Disk, options: &Options) {
        let unsealed: Vec<&Checked> = self.artifacts.iter().filter(|checked| checked.verity.is_none()).collect();
        if unsealed.len() == self.artifacts.len() && unsealed.len() > 1 {
            self.remarks.push(format!("no artifact is sealed with fs-verity: {} are not", unsealed.len()));
        } else {
            let shown = |Checked { name, version, .. }: &&Checked| {
                let path = disk.show(&format!("{}/{name}/{version}", options.layout.artifacts()));
                format!("{path} is not sealed with fs-verity")
            };
            self.remarks.extend(unsealed.iter().map(shown));
        }
    }

    fn print(&self, options: &Options) -> Result<(), Failure> {
        if options.form == Form::Json {
            return print_json(self);
        }
        self.remarks.iter().for_each(complain);
        self.faults.iter().try_for_each(|fault| say(format_args!("FAULT: {fault}")))?;
        let (artifacts, faults) = (self.artifacts.len(), self.faults.len());
        say(format_args!("{artifacts} artifacts read, {faults} faults"))
    }
}

fn read(disk: &Disk, path: &str, artifact: &Artifact) -> Result<(Checked, Option<Record>), Failure> {
    let now = record_of(disk, path)?;
    let record = disk.record(path).doing(|| format!("reading what was written down with {}", disk.show(path)))?;
    let checked = Checked {
        name: artifact.name.to_string(),
        version: artifact.version.to_string(),
        size: now.size,
        sha256: Hex(&now.sha256).to_string(),
        verity: disk
            .measure(path)
            .doing(|| format!("measuring {}", disk.show(path)))?
            .map(|digest| Hex(&digest).to_string()),
        whole: record.map(|record| record == now),
    };
    Ok((checked, record))
}
