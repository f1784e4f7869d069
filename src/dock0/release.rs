//! Release 0 as an operator writes it down: `NAME=VERSION@FILE`, once for each artifact.

use anyhow::{Result, bail};
use menagerie::listing::MAX_ARTIFACTS;
use menagerie::spec::{self, BadSpec, Spec};
use menagerie::{Artifact, Layout, layout};
use std::path::PathBuf;
use std::str::FromStr;

/// An artifact and the file it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactFile {
    /// Which artifact.
    pub artifact: Artifact,
    /// Where its bytes are now.
    pub file: PathBuf,
}

impl FromStr for ArtifactFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Spec { artifact, file } = spec::parse(&Layout::default(), text).map_err(|why| why.to_string())?;
        let file = file.ok_or_else(|| BadSpec::Shape.to_string())?.into();
        Ok(ArtifactFile { artifact, file })
    }
}

/// Whether these artifacts make a release that can be booted from a disk.
pub fn check(artifacts: &[ArtifactFile]) -> Result<()> {
    if artifacts.len() > MAX_ARTIFACTS {
        bail!("a release has at most {MAX_ARTIFACTS} artifacts, and these are {}", artifacts.len());
    }
    for (place, ArtifactFile { artifact, file }) in artifacts.iter().enumerate() {
        if artifacts.iter().take(place).any(|other| other.artifact.name == artifact.name) {
            bail!("{} is given twice", artifact.name);
        }
        if !file.is_file() {
            bail!("{artifact}: {} is not a file", file.display());
        }
    }
    for name in [layout::KERNEL, layout::INITRD] {
        if !artifacts.iter().any(|given| given.artifact.name.as_str() == name) {
            bail!("a boot disk needs {name}: add {name}=VERSION@FILE");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_of_a_new_disk_has_a_file() {
        let given: ArtifactFile = "vm_root=2026.11@images/a=b@c.erofs".parse().unwrap();
        assert_eq!((given.artifact.to_string().as_str(), given.file), ("vm_root 2026.11", "images/a=b@c.erofs".into()));
        assert_eq!("kernel=1".parse::<ArtifactFile>().unwrap_err(), "must be NAME=VERSION@FILE");
        assert_eq!("../x=1@f".parse::<ArtifactFile>().unwrap_err(), "the name \"../x\" begins with a dot");
    }

    #[test]
    fn a_release_that_cannot_boot_is_refused() {
        let this = std::env::current_exe().unwrap();
        let artifact = |name: &str| -> ArtifactFile { format!("{name}=1@{}", this.display()).parse().unwrap() };
        let missing: ArtifactFile = "initrd=1@/nowhere".parse().unwrap();
        let many: Vec<ArtifactFile> = (0..17).map(|n| artifact(&format!("a{n}"))).collect();
        for (artifacts, why) in [
            (vec![artifact("kernel")], "a boot disk needs initrd: add initrd=VERSION@FILE"),
            (vec![artifact("initrd")], "a boot disk needs kernel: add kernel=VERSION@FILE"),
            (vec![artifact("kernel"), artifact("kernel")], "kernel is given twice"),
            (vec![artifact("kernel"), missing], "initrd 1: /nowhere is not a file"),
            (many, "a release has at most 16 artifacts, and these are 17"),
        ] {
            assert_eq!(check(&artifacts).unwrap_err().to_string(), why);
        }
        check(&[artifact("kernel"), artifact("initrd")]).unwrap();
    }
}
