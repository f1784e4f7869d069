//! What a root begins with: a distribution's packages, a container image, or nothing.

use super::recipe::Base;
use super::run::{self, EPOCH, epoch};
use crate::disk::with_staging;
use crate::progress::step;
use crate::tool::{MMDEBSTRAP, PACSTRAP, SKOPEO, UMOCI};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::Path;

/// What a container image's archive has that `docker save` made.
const DOCKER_MANIFEST: &str = "manifest.json";
/// How packages are installed in what a container image brings, by the program that does it.
const INSTALLERS: [(&str, &str); 3] = [
    ("usr/bin/apt-get", "apt-get update && apt-get install -y --no-install-recommends"),
    ("sbin/apk", "apk add --no-cache"),
    ("usr/bin/pacman", "pacman -Sy --noconfirm --needed"),
];

impl Base {
    /// Makes the directory, with these packages if it is a distribution.
    pub fn make(&self, root: &Path, packages: &[String]) -> Result<()> {
        match self {
            Base::Debian(suite) => {
                let mut command = MMDEBSTRAP.command();
                command.args(["--mode=root", "--variant=minbase", "--format=directory", "--quiet"]);
                if !packages.is_empty() {
                    command.arg(format!("--include={}", packages.join(",")));
                }
                command.arg(suite).arg(root).env(EPOCH, epoch());
                let what = format!("making a root of Debian {suite} with {} packages besides", packages.len());
                step(&what, || MMDEBSTRAP.run(&mut command).map(drop))
            }
            Base::Arch => {
                fs::create_dir(root).with_context(|| format!("making {}", root.display()))?;
                let mut command = PACSTRAP.command();
                command.arg("-c").arg(root).arg("base").args(packages);
                let what = format!("making a root of Arch Linux with {} packages besides", packages.len());
                step(&what, || PACSTRAP.run(&mut command).map(drop))
            }
            Base::Oci(image) => step(&format!("unpacking {}", image.display()), || unpack(image, root)),
            Base::Empty => fs::create_dir(root).with_context(|| format!("making {}", root.display())),
        }
    }

    /// Adds packages to a container image, by what it has for that.
    pub fn add_packages(&self, root: &Path, packages: &[String]) -> Result<()> {
        if packages.is_empty() || !matches!(self, Base::Oci(_)) {
            return Ok(());
        }
        let installer = INSTALLERS.iter().find(|(program, _)| root.join(program).exists());
        let Some((_, install)) = installer else {
            bail!("the container image has none of apt-get, apk and pacman to install packages with");
        };
        run::command(root, &format!("{install} {}", packages.join(" ")))
    }
}

/// An image of any kind becomes a layout, and that a directory, its layers' removals obeyed.
fn unpack(image: &Path, root: &Path) -> Result<()> {
    let kind = kind_of(image)?;
    with_staging(|staging| {
        let layout = staging.join("oci");
        let mut copy = SKOPEO.command();
        copy.args(["copy", "--quiet", "--insecure-policy"]);
        copy.arg(format!("{kind}:{}", image.display())).arg(format!("oci:{}:root", layout.display()));
        SKOPEO.run(&mut copy)?;
        let mut command = UMOCI.command();
        command.args(["raw", "unpack", "--image"]).arg(format!("{}:root", layout.display())).arg(root);
        UMOCI.run(&mut command).map(drop)
    })
}

/// What skopeo calls the form that the image has.
fn kind_of(image: &Path) -> Result<&'static str> {
    if image.is_dir() {
        return match image.join("oci-layout").exists() {
            true => Ok("oci"),
            false => bail!("{} is no OCI layout: it has no file oci-layout", image.display()),
        };
    }
    let doing = || format!("reading {}", image.display());
    let mut archive = tar::Archive::new(File::open(image).with_context(doing)?);
    for entry in archive.entries().with_context(doing)? {
        if entry.with_context(doing)?.path().is_ok_and(|path| path == Path::new(DOCKER_MANIFEST)) {
            return Ok("docker-archive");
        }
    }
    Ok("oci-archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_container_images_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let archive = |name: &str, file: &str| {
            let mut archive = tar::Builder::new(File::create(at(name)).unwrap());
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            archive.append_data(&mut header, file, &b"{}"[..]).unwrap();
            archive.finish().unwrap();
        };
        archive("saved", DOCKER_MANIFEST);
        archive("archive", "oci-layout");
        fs::create_dir(at("layout")).unwrap();
        let error = kind_of(&at("layout")).unwrap_err().to_string();
        assert!(error.ends_with("layout is no OCI layout: it has no file oci-layout"), "{error}");
        fs::write(at("layout/oci-layout"), "{}").unwrap();
        for (name, kind) in [("saved", "docker-archive"), ("archive", "oci-archive"), ("layout", "oci")] {
            assert_eq!(kind_of(&at(name)).unwrap(), kind);
        }
        fs::write(at("text"), "x".repeat(2000)).unwrap();
        assert!(kind_of(&at("text")).unwrap_err().to_string().starts_with("reading "));
    }
}
