//! Building a VM's root image from a recipe: a distribution's packages or any container image, files laid over it, commands run in
//! it, and all that would make two VMs one another's twins taken out again.

mod base;
mod clean;
mod inside;
mod overlay;
mod recipe;
mod run;

pub use recipe::{Base, Recipe};

use crate::disk;
use crate::image::{self, ExtraFile, Owners};
use crate::output::Existing;
use crate::progress::step;
use anyhow::{Context, Result, bail};
use inside::Inside;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The program that a running VM calls itself good with, and takes what operators push.
const MENAGERIE: &str = "sbin/menagerie";
/// The units that do it.
const UNITS: [(&str, &str); 2] = [
    ("menagerie-good.service", include_str!("../../../examples/services/menagerie-good.service")),
    ("menagerie-receive.service", include_str!("../../../examples/services/menagerie-receive.service")),
];
/// Where systemd is, if a root has it.
const SYSTEMD: &str = "lib/systemd/systemd";
/// What a boot hands over to.
const INIT: &str = "sbin/init";

impl Recipe {
    /// Makes the image. What stood there stays until it is finished.
    pub fn build(&self, output: &Path, existing: Existing) -> Result<()> {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root && self.base != Base::Empty {
            bail!("a root of packages or of a container image has files of many owners: only root can build it (sudo)");
        }
        let owners = if is_root { Owners::Kept } else { Owners::Root };
        match &self.build {
            None => disk::with_staging(|staging| self.build_in(&staging.join("root"), owners, output, existing)),
            Some(place) => {
                let root = place.join("root");
                if root.exists() {
                    bail!("{} is there already: a root is built from nothing; remove it", root.display());
                }
                fs::create_dir_all(place).with_context(|| format!("making {}", place.display()))?;
                self.build_in(&root, owners, output, existing)
            }
        }
    }

    /// The recipe, top to bottom.
    fn build_in(&self, root: &Path, owners: Owners, output: &Path, existing: Existing) -> Result<()> {
        self.base.make(root, &self.packages)?;
        let inside = Inside(root);
        let names = clean::lend_names(&inside)?;
        self.base.add_packages(root, &self.packages)?;
        if let Some(overlay) = &self.overlay {
            step(&format!("laying {} over it", overlay.display()), || overlay::lay(overlay, &inside))?;
        }
        self.scripts.iter().try_for_each(|script| run::script(root, script))?;
        self.commands_in_it.iter().try_for_each(|command| run::command(root, command))?;
        self.commands_on_host.iter().try_for_each(|command| run::command_on_host(root, command, &self.directory))?;
        names.take_back(&inside)?;
        for ExtraFile { path, file } in &self.files {
            overlay::put(file, path.as_str(), &inside)?;
        }
        if let Some(program) = &self.menagerie {
            install_menagerie(&inside, program)?;
        }
        clean::clean(&inside, &self.cleanup)?;
        check_init(&inside)?;
        step(&format!("packing {}", output.display()), || image::pack_as(root, owners, self.format, output, existing))
    }

    /// All that an image depends on: what the recipe names, and the directory in which it stands, for its commands may use what lies
    /// there; but not if it is built there.
    pub fn inputs(&self, output: &Path) -> Vec<&Path> {
        let base = if let Base::Oci(image) = &self.base { Some(image) } else { None };
        let is_outside = |place: &Path| !place.starts_with(&self.directory);
        let is_still = std::path::absolute(output).is_ok_and(|output| is_outside(&output))
            && self.build.as_deref().is_none_or(is_outside);
        let directory = is_still.then_some(&self.directory);
        let named = [Some(&self.file), self.package_list.as_ref(), self.overlay.as_ref(), self.menagerie.as_ref()];
        let files = named.into_iter().chain([base, directory]).flatten().chain(&self.scripts);
        files.chain(self.files.iter().map(|extra| &extra.file)).map(PathBuf::as_path).collect()
    }
}

/// Puts menagerie inside, and where systemd is the init the units that call it.
fn install_menagerie(inside: &Inside, program: &Path) -> Result<()> {
    overlay::put(program, MENAGERIE, inside)?;
    if inside.find(SYSTEMD)?.is_none() {
        return Ok(());
    }
    UNITS.iter().try_for_each(|(unit, text)| enable(inside, unit, text))
}

/// Adds a unit, unless the root has one of this name.
fn enable(inside: &Inside, unit: &str, text: &str) -> Result<()> {
    let (file, wanted) =
        (format!("etc/systemd/system/{unit}"), format!("etc/systemd/system/multi-user.target.wants/{unit}"));
    if inside.find(&file)?.is_none() {
        fs::write(inside.place(&file)?, text).with_context(|| format!("writing {file}"))?;
        symlink(format!("../{unit}"), inside.place(&wanted)?).with_context(|| format!("enabling {unit}"))?;
    }
    Ok(())
}

/// A root without an init that can be executed never boots.
fn check_init(inside: &Inside) -> Result<()> {
    let Some(init) = inside.find(INIT)? else {
        bail!("the root has no /{INIT}: install one (systemd-sysv, busybox), or put one into the overlay");
    };
    let meta = fs::metadata(&init).with_context(|| format!("looking at /{INIT} of the root"))?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        bail!("/{INIT} of the root is no program: it must be a file that can be executed");
    }
    Ok(())
}
