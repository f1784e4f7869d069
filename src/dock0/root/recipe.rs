//! What a root shall be made of, as the operator writes it down: a YAML file in the predecessor's form.

use crate::image::{ExtraFile, Format};
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What it begins with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Debian's packages, of this suite (`bookworm`), by mmdebstrap.
    Debian(String),
    /// Arch Linux' packages, by pacstrap.
    Arch,
    /// A container image: an OCI layout, or an archive of one (`docker save`, `skopeo copy … oci-archive:`).
    Oci(PathBuf),
    /// Nothing.
    Empty,
}

/// The file, and nothing in it that is not known: a misspelt key would build another root than the one that was meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    base: Option<Base>,
    #[serde(default)]
    paths: Paths,
    fs: Option<String>,
    #[serde(default)]
    commands: Commands,
    #[serde(default)]
    cleanup: Vec<String>,
    menagerie: Option<PathBuf>,
}

/// All relative to the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paths {
    package_list: Option<PathBuf>,
    overlay: Option<PathBuf>,
    scripts: Option<PathBuf>,
    build: Option<PathBuf>,
    output: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commands {
    #[serde(default)]
    chroot: Vec<String>,
    #[serde(default)]
    host: Vec<String>,
}

/// A recipe that was read, with everything that it names found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The file.
    pub file: PathBuf,
    /// Where it is.
    pub directory: PathBuf,
    /// What it begins with.
    pub base: Base,
    /// A package a line; `#` begins a comment.
    pub package_list: Option<PathBuf>,
    /// What the list holds.
    pub packages: Vec<String>,
    /// The directory that is laid over the base.
    pub overlay: Option<PathBuf>,
    /// Programs that run in the root, in the order of their names.
    pub scripts: Vec<PathBuf>,
    /// Where the root is built and stays; a temporary directory where nobody says.
    pub build: Option<PathBuf>,
    /// The image.
    pub output: Option<PathBuf>,
    /// The image's file system.
    pub format: Format,
    /// Commands of a shell in the root.
    pub commands_in_it: Vec<String>,
    /// Commands of this machine's shell; `$ROOT` is the root's directory.
    pub commands_on_host: Vec<String>,
    /// Paths in the root that are removed, with `*` and `?` in their names.
    pub cleanup: Vec<String>,
    /// The program that goes to `/sbin/menagerie`.
    pub menagerie: Option<PathBuf>,
    /// Files of this machine that go inside, from the command line.
    pub files: Vec<ExtraFile>,
}

impl Recipe {
    /// Reads a recipe, and what it names.
    pub fn read(file: &Path) -> Result<Recipe> {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let directory = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let directory = directory.canonicalize().with_context(|| format!("looking at {}", directory.display()))?;
        Recipe::parse(&text, file, &directory).with_context(|| file.display().to_string())
    }

    fn parse(text: &str, file: &Path, directory: &Path) -> Result<Recipe> {
        let form: Form = serde_saphyr::from_str(text).map_err(|error| anyhow!("{error}"))?;
        let at = |path: PathBuf| directory.join(path);
        let Paths { package_list, overlay, scripts, build, output } = form.paths;
        let (package_list, overlay) = (package_list.map(at), overlay.map(at));
        if let Some(overlay) = overlay.as_ref().filter(|overlay| !overlay.is_dir()) {
            bail!("paths: overlay: {} is no directory", overlay.display());
        }
        let base = match form.base.unwrap_or_else(|| Base::Debian("bookworm".into())) {
            Base::Oci(image) => Base::Oci(at(image)),
            base @ (Base::Debian(_) | Base::Arch | Base::Empty) => base,
        };
        let packages = package_list.as_deref().map_or(Ok(Vec::new()), read_packages)?;
        if base == Base::Empty && !packages.is_empty() {
            bail!("base: empty has nothing that could install packages");
        }
        Ok(Recipe {
            file: file.into(),
            directory: directory.into(),
            base,
            package_list,
            packages,
            overlay,
            scripts: scripts.map(at).as_deref().map_or(Ok(Vec::new()), list_scripts)?,
            build: build.map(at),
            output: output.map(at),
            format: form.fs.as_deref().unwrap_or("erofs").parse().map_err(|why| anyhow!("fs: {why}"))?,
            commands_in_it: form.commands.chroot,
            commands_on_host: form.commands.host,
            cleanup: form.cleanup,
            menagerie: form.menagerie.map(at),
            files: Vec::new(),
        })
    }
}

fn read_packages(list: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(String::from).collect();
    let is_plain = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:=~_/".contains(c));
    match names.iter().find(|name| !is_plain(name) || name.starts_with('-')) {
        Some(odd) => bail!("{}: {odd:?} is no name of a package", list.display()),
        None => Ok(names),
    }
}

fn list_scripts(directory: &Path) -> Result<Vec<PathBuf>> {
    let doing = || format!("listing {}", directory.display());
    let mut scripts = Vec::new();
    for entry in fs::read_dir(directory).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let meta = fs::metadata(&path).with_context(|| format!("looking at {}", path.display()))?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            bail!("{} is no script that can be executed (chmod +x)", path.display());
        }
        scripts.push(path);
    }
    scripts.sort();
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, directory: &Path) -> Result<Recipe, String> {
        Recipe::parse(text, Path::new("root.yaml"), directory).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_predecessors_form_is_read() {
        let place = tempfile::tempdir().unwrap();
        let here = place.path();
        fs::create_dir_all(here.join("scripts")).unwrap();
        fs::create_dir(here.join("overlay")).unwrap();
        fs::write(here.join("packages"), "# what boots\nsystemd-sysv # init\n\nopenssh-server\n").unwrap();
        for name in ["20-b", "10-a"] {
            fs::write(here.join("scripts").join(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(here.join("scripts").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let text = "base: {debian: trixie}\n\
                    paths: {package_list: packages, overlay: overlay, scripts: scripts, build: /b, output: out}\n\
                    fs: squashfs\ncommands: {chroot: [a, b], host: [c]}\ncleanup: ['usr/share/doc/*']\nmenagerie: m\n";
        let recipe = parse(text, here).unwrap();
        assert_eq!((&recipe.base, recipe.format), (&Base::Debian("trixie".into()), Format::Squashfs));
        assert_eq!(recipe.packages, ["systemd-sysv", "openssh-server"]);
        assert_eq!(recipe.scripts, [here.join("scripts/10-a"), here.join("scripts/20-b")]);
        assert_eq!((recipe.build, recipe.output), (Some("/b".into()), Some(here.join("out"))));
        assert_eq!(
            (recipe.commands_in_it, recipe.commands_on_host),
            (vec!["a".into(), "b".into()], vec!["c".to_string()])
        );
        assert_eq!((recipe.cleanup, recipe.menagerie), (vec!["usr/share/doc/*".to_string()], Some(here.join("m"))));
        let bare = parse("{}", here).unwrap();
        assert_eq!((bare.base, bare.format), (Base::Debian("bookworm".into()), Format::Erofs));
        assert_eq!(parse("base: {oci: x.tar}", here).unwrap().base, Base::Oci(here.join("x.tar")));
        assert_eq!(parse("base: arch", here).unwrap().base, Base::Arch);
    }

    #[test]
    fn what_is_wrong_with_a_recipe_is_said() {
        let place = tempfile::tempdir().unwrap();
        let here = place.path();
        fs::create_dir(here.join("scripts")).unwrap();
        fs::write(here.join("scripts/read-me"), "").unwrap();
        fs::write(here.join("packages"), "systemd\n--allow-untrusted\n").unwrap();
        fs::write(here.join("good"), "systemd\n").unwrap();
        for (text, why) in [
            ("path: {}", "unknown field `path`"),
            ("paths: {packages: x}", "unknown field `packages`"),
            ("fs: vfat", "fs: must be erofs, squashfs or ext4"),
            ("base: {gentoo: x}", "unknown variant `gentoo`"),
            ("paths: {overlay: nowhere}", "nowhere is no directory"),
            ("paths: {package_list: nowhere}", "nowhere: No such file or directory"),
            ("paths: {package_list: packages}", "packages: \"--allow-untrusted\" is no name of a package"),
            ("paths: {scripts: scripts}", "scripts/read-me is no script that can be executed (chmod +x)"),
            ("base: empty\npaths: {package_list: good}", "base: empty has nothing that could install packages"),
        ] {
            let error = parse(text, here).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
