//! What a version was released with, kept in the repository: each whole configuration, and the set of patches.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};

use crate::fragment::{self, Asked};
use crate::make::Log;
use crate::places::Places;
use crate::record::{self, Change};
use crate::series::{self, SERIES, Series};
use crate::spec::{Configuration, Spec};
use crate::tree::{self, Tree};
use crate::version::Version;
use crate::{kconfig, source, tools};

/// A configuration merged by a version's rules.
pub struct Merged {
    /// Its name in `kernel.toml`.
    pub name: String,
    /// The whole `.config`.
    pub text: String,
}

/// Records what `kernel.toml`'s version is released with from now on, all or nothing, and says so.
pub fn record(root: &Path) -> Result<String> {
    let places = Places::below(root, "record");
    let spec = Spec::read(&places.kernel_toml())?;
    let version: Version = spec.version().parse().map_err(Error::msg).context("kernel.toml")?;
    let series = series::read(&places.patches)?;
    let asked = read_fragments(&places, &spec)?;
    let source = source::choose(&spec, source::read_kernel_source()?.as_deref())?;
    tools::require(&source, &list_all(&asked))?;
    let _lock = places.lock()?;
    let mut log = Log::create(&places.log)?;
    let tree = tree::provide(&places, &source, &series.patches, &mut log)?;
    let inside = tree.version()?;
    ensure!(inside == version.in_makefile(), "the source is Linux {inside}, but kernel.toml says {version}");
    let merged = merge_all(&tree, asked, &mut log)?;
    let said = format!(
        "kernel {version}: {} whole configurations and a set of {} patches are recorded\n",
        merged.len(),
        series.patches.len()
    );
    record::write_all(&list_changes(&places, version, merged, series)?)?;
    Ok(said)
}

/// What every configuration asks for, with its name.
pub fn read_fragments(places: &Places, spec: &Spec) -> Result<Vec<(String, Vec<Asked>)>> {
    let read = |(name, one): (&str, &Configuration)| {
        Ok((name.to_owned(), fragment::read_all(&places.fragments, &one.fragments)?))
    };
    spec.configurations().map(read).collect()
}

/// What any of them asks for.
pub fn list_all(asked: &[(String, Vec<Asked>)]) -> Vec<Asked> {
    asked.iter().flat_map(|(_, asked)| asked.clone()).collect()
}

/// Merges every configuration by the rules of a tree.
pub fn merge_all(tree: &Tree, asked: Vec<(String, Vec<Asked>)>, log: &mut Log) -> Result<Vec<Merged>> {
    let merge = |(name, asked): (String, Vec<Asked>)| {
        let text = kconfig::merge(tree, &format!("{name}-check"), &asked, log)
            .with_context(|| format!("configuration {name}"))?;
        Ok(Merged { name, text })
    };
    asked.into_iter().map(merge).collect()
}

/// The changes that record a version: its configurations, its patches, and away with the patches of an earlier record.
pub fn list_changes(places: &Places, version: Version, merged: Vec<Merged>, series: Series) -> Result<Vec<Change>> {
    let version = version.to_string();
    let configurations = merged.into_iter().map(|one| (places.released(&version, &one.name), one.text.into_bytes()));
    let folder = places.released_patches(&version);
    let patches = list_files(series).into_iter().map(|(name, content)| (folder.join(name), content));
    let mut changes: Vec<Change> =
        configurations.chain(patches).map(|(path, content)| Change { path, content: Some(content) }).collect();
    for path in list_folder(&folder)? {
        if !changes.iter().any(|change| change.path == path) {
            changes.push(Change { path, content: None });
        }
    }
    Ok(changes)
}

/// A set of patches as files: the series, and each patch.
fn list_files(series: Series) -> Vec<(String, Vec<u8>)> {
    let patches = series.patches.into_iter().map(|patch| (patch.name, patch.content));
    std::iter::once((SERIES.to_owned(), series.text.into_bytes())).chain(patches).collect()
}

/// What stands in a folder, if it is there.
fn list_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = || format!("listing {}", folder.display());
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.with_context(listing)?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(listing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, PATCH};

    #[test]
    fn the_present_version_is_recorded_and_recorded_anew() {
        let lab = Lab::new();
        let words = record(lab.root()).unwrap();
        assert_eq!(words, "kernel 6.12.117: 2 whole configurations and a set of 1 patches are recorded\n");
        let configuration = |name: &str| lab.read(&format!("kernel-configs/released/6.12.117-{name}.config"));
        assert_eq!(configuration("linode"), "CONFIG_DISK=y\nCONFIG_CPUS=8\nCONFIG_OLD=y\n");
        assert_eq!(configuration("tiny"), "CONFIG_DISK=y\nCONFIG_CPUS=1\nCONFIG_OLD=y\n");
        assert_eq!(lab.read("patches/released/6.12.117/series"), "count.patch\n");
        assert_eq!(lab.read("patches/released/6.12.117/count.patch"), PATCH);

        // The patch has another name now, and the earlier one is not kept beside it.
        lab.put("patches/series", "# Counts.\nnumber.patch\n");
        lab.put("patches/number.patch", PATCH);
        record(lab.root()).unwrap();
        assert_eq!(lab.read("patches/released/6.12.117/series"), "# Counts.\nnumber.patch\n");
        let files = lab.files();
        let kept = files.keys().filter(|path| path.parent().unwrap().ends_with("patches/released/6.12.117"));
        let names = kept.map(|path| path.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(names, ["number.patch", "series"]);
    }

    #[test]
    fn what_is_not_the_present_version_is_not_recorded() {
        let lab = Lab::new();
        let toml = lab.read("kernel-configs/kernel.toml");
        let rows = [
            ("6.12.118", "the source is Linux 6.12.117, but kernel.toml says 6.12.118"),
            ("6.12", "the source is Linux 6.12.117, but kernel.toml says 6.12"),
            ("six", "kernel.toml: \"six\" is not a version of a released kernel: it looks like 6.12.80 or 6.18"),
        ];
        for (version, wanted) in rows {
            lab.put("kernel-configs/kernel.toml", &toml.replacen("\"6.12.117\"", &format!("\"{version}\""), 1));
            let before = lab.files();
            assert_eq!(format!("{:#}", record(lab.root()).unwrap_err()), wanted);
            assert_eq!(lab.files(), before, "{version}");
        }
    }

    #[test]
    fn what_cannot_be_merged_is_not_recorded() {
        let lab = Lab::new();
        lab.put("kernel-configs/tiny.config", "CONFIG_CPUS=1\nCONFIG_NEW=y\n");
        let before = lab.files();
        let words = format!("{:#}", record(lab.root()).unwrap_err());
        assert!(words.starts_with("configuration tiny: 1 of the options asked for did not survive"), "{words}");
        assert_eq!(lab.files(), before);
    }

    #[test]
    fn the_repositorys_own_patches_are_recorded() {
        let places = Places::below(&crate::places::root().unwrap(), "record");
        let spec = Spec::read(&places.kernel_toml()).unwrap();
        let folder = places.released_patches(spec.version());
        let recorded = list_folder(&folder)
            .unwrap()
            .into_iter()
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()));
        let mut recorded = recorded.collect::<Vec<_>>();
        let mut present = list_files(series::read(&places.patches).unwrap());
        recorded.sort();
        present.sort();
        assert!(recorded == present, "{} is not as patches/ is: run just kernel-record", folder.display());
    }
}
