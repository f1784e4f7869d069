//! One operation: what it brings, and the sequence it is done by.

use crate::releases::{self, Links};
use crate::{dock0, naive};
use anyhow::{Context, Result};
use menagerie::layout;
use power_cut_guest::{Kind, Sequence};
use std::fs;
use std::path::Path;

/// One operation of a recording.
pub struct Operation {
    /// Counted from 1.
    pub number: u32,
    /// What it does.
    pub kind: Kind,
}

/// So many steps of four bytes are longer than the 59 bytes that ext4 has room for in an inode, and no longer than a bundle takes.
const LONG_WAY: usize = 16;

/// How many links a configuration has that differ in their names alone.
const MANY: u32 = 100;

/// An artifact that an install brings.
pub struct NewArtifact {
    /// `kernel` or `vm_root`.
    pub name: &'static str,
    /// Which one it is.
    pub version: String,
    /// All its bytes.
    pub bytes: Vec<u8>,
}

/// A file or a link of a configuration.
pub struct ConfigEntry {
    /// Its path below `config`.
    pub path: String,
    /// What it is.
    pub what: ConfigWhat,
}

/// What a configuration is made of.
pub enum ConfigWhat {
    /// A file with this text.
    File(String),
    /// A link that leads there.
    Link(String),
}

impl Operation {
    /// Changes the boot partition that is mounted at `boot`; when this returns the change is on the disk.
    pub fn perform(&self, boot: &Path, sequence: Sequence) -> Result<()> {
        let (kind, new) = (self.kind, self.new_artifacts(boot)?);
        let done = match (sequence, kind) {
            (Sequence::Dock0 | Sequence::ConfigByRenames, Kind::Install | Kind::InstallWithKernel) => {
                dock0::install(boot, &new)
            }
            (Sequence::Dock0 | Sequence::ConfigByRenames, Kind::RollBack) => dock0::roll_back(boot),
            (Sequence::Dock0, Kind::Spend) => dock0::spend(boot),
            (Sequence::Dock0, Kind::Approve) => dock0::approve(boot),
            (Sequence::Dock0, Kind::CountOut) => dock0::count_out(boot),
            (Sequence::Dock0, Kind::FallBack) => dock0::fall_back(boot),
            // They know of no trials: a way back has to do.
            (_, Kind::Spend | Kind::Approve | Kind::CountOut) => Ok(()),
            (Sequence::ConfigByRenames, Kind::FallBack) => dock0::roll_back(boot),
            (_, Kind::FallBack) => naive::roll_back(sequence, boot),
            (Sequence::Dock0, Kind::Configure) => dock0::configure(boot, &self.config()),
            (Sequence::Dock0, Kind::RollBackConfig) => dock0::roll_back_config(boot),
            (_, Kind::Install | Kind::InstallWithKernel) => naive::install(sequence, boot, &new),
            (_, Kind::RollBack) => naive::roll_back(sequence, boot),
            (_, Kind::Configure) => naive::configure(sequence, boot, &self.config()),
            (_, Kind::RollBackConfig) => naive::roll_back_config(sequence, boot),
        };
        done.with_context(|| format!("operation {}, {kind:?}", self.number))
    }

    /// The bytes of the current ones with a few behind them: they boot as well, and no two are the same.
    fn new_artifacts(&self, boot: &Path) -> Result<Vec<NewArtifact>> {
        let names: &[&'static str] = match self.kind {
            Kind::Install => &[layout::VM_ROOT],
            Kind::InstallWithKernel => &[layout::VM_ROOT, layout::KERNEL],
            Kind::RollBack
            | Kind::Configure
            | Kind::RollBackConfig
            | Kind::Spend
            | Kind::Approve
            | Kind::CountOut
            | Kind::FallBack => &[],
        };
        let current = releases::read_one(&boot.join(layout::LATEST))?.context("latest leads nowhere")?;
        let version = self.new_version(&current);
        let new = |&name: &&'static str| {
            let path = boot.join(layout::LATEST).join(name);
            let mut bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            bytes.extend(format!("\n{version:>14}\n").bytes());
            Ok(NewArtifact { name, version: version.clone(), bytes })
        };
        names.iter().map(new).collect()
    }

    /// Named by the operation, so that one that was cut off is done again and meets what it has left behind; unless all of
    /// it was done already and only the marker is missing.
    fn new_version(&self, current: &Links) -> String {
        let version = format!("op{}", self.number);
        if current.values().any(|current| *current == version) { version + "+" } else { version }
    }

    /// A handful of files, one of which names its generation and one of which is longer than a block; and links, one of which is
    /// too long to stand in an inode. They are many because removing them shall take longer than a neighbour's sync.
    fn config(&self) -> Vec<ConfigEntry> {
        let generation = format!("{}\n", self.number);
        let files = [
            ("templates/etc/generation", generation.clone()),
            ("templates/etc/hostname", "cut\n".to_string()),
            ("templates/etc/long", generation.repeat(4096)),
            ("templates/etc/network/interfaces", format!("# {generation}")),
            ("bundle", format!("bundle {generation}")),
        ];
        let files = files.map(|(path, text)| ConfigEntry { path: path.to_string(), what: ConfigWhat::File(text) });
        let link = |path: String, target| ConfigEntry { path, what: ConfigWhat::Link(target) };
        let far = format!("../usr/share/{}{}", "far/".repeat(LONG_WAY), self.number);
        let far = link("templates/etc/far".into(), far);
        let near = (0..MANY).map(|number| link(format!("templates/etc/near/{number}"), self.number.to_string()));
        files.into_iter().chain([far]).chain(near).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_is_done_again_keeps_its_version_unless_it_is_the_current_one() {
        let operation = Operation { number: 7, kind: Kind::Install };
        let current = |version: &str| Links::from([(layout::VM_ROOT.to_string(), version.to_string())]);
        assert_eq!(operation.new_version(&current("op6")), "op7");
        assert_eq!(operation.new_version(&current("op7")), "op7+");
    }
}
