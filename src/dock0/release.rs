//! Release 0 as an operator writes it down: `NAME=VERSION@FILE`, once for each artifact.

use anyhow::{Result, bail};
use menagerie::listing::MAX_ARTIFACTS;
use menagerie::{Name, Version, layout};
use std::path::PathBuf;
use std::str::FromStr;

/// The longest link target that ext4 keeps in the inode, in bytes. GRUB reads the disk without replaying its journal, so
/// a target in a block of its own could be older than the link.
pub const INLINE_LINK: usize = 59;

/// An artifact and the file it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactFile {
    /// What it is.
    pub name: Name,
    /// Which one it is.
    pub version: Version,
    /// Where its bytes are now.
    pub file: PathBuf,
}

impl FromStr for ArtifactFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("must be NAME=VERSION@FILE")?;
        let (version, file) = rest.split_once('@').ok_or("must be NAME=VERSION@FILE")?;
        let name: Name = name.parse().map_err(|why| format!("the name {name:?} {why}"))?;
        let version: Version = version.parse().map_err(|why| format!("the version {version:?} {why}"))?;
        let target = layout::link_target(&name, &version);
        if target.len() > INLINE_LINK {
            return Err(format!("name and version are too long together: {target} has more than {INLINE_LINK} bytes"));
        }
        match file {
            "" => Err("must be NAME=VERSION@FILE, and the file is empty".into()),
            file => Ok(ArtifactFile { name, version, file: file.into() }),
        }
    }
}

/// Whether these artifacts make a release that can be booted from a disk.
pub fn check(artifacts: &[ArtifactFile]) -> Result<()> {
    if artifacts.len() > MAX_ARTIFACTS {
        bail!("a release has at most {MAX_ARTIFACTS} artifacts, and these are {}", artifacts.len());
    }
    for (place, artifact) in artifacts.iter().enumerate() {
        if artifacts.iter().take(place).any(|other| other.name == artifact.name) {
            bail!("{} is given twice", artifact.name);
        }
        if !artifact.file.is_file() {
            bail!("{} {}: {} is not a file", artifact.name, artifact.version, artifact.file.display());
        }
    }
    for name in [layout::KERNEL, layout::INITRD] {
        if !artifacts.iter().any(|artifact| artifact.name.as_str() == name) {
            bail!("a boot disk needs {name}: add {name}=VERSION@FILE");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_name_version_and_file() {
        let artifact: ArtifactFile = "vm_root=2026.11@images/a=b@c.erofs".parse().unwrap();
        assert_eq!((artifact.name.as_str(), artifact.version.as_str()), ("vm_root", "2026.11"));
        assert_eq!(artifact.file, PathBuf::from("images/a=b@c.erofs"));
    }

    #[test]
    fn what_is_wrong_with_one_is_said() {
        let long = format!("{}={}@x", "n".repeat(22), "v".repeat(22));
        for (text, why) in [
            ("kernel", "must be NAME=VERSION@FILE"),
            ("kernel=1", "must be NAME=VERSION@FILE"),
            ("kernel=1@", "must be NAME=VERSION@FILE, and the file is empty"),
            ("../x=1@f", "the name \"../x\" begins with a dot"),
            ("x=a b@f", "the version \"a b\" has a character other than letters, digits and . _ + ~ -"),
            (&long, "has more than 59 bytes"),
        ] {
            let error = text.parse::<ArtifactFile>().unwrap_err();
            assert!(error.ends_with(why), "{text}: {error}");
        }
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
