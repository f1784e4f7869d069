//! Config bundles, built: stacked YAML files, templates and scripts become what is pushed to a VM.
//!
//! ```text
//! files ──stack──► one configuration ──resolve──► its values ──render──► build directory ──scripts──► ──pack──► bundle
//! ```

mod build_directory;
mod child;
pub mod listing;
mod node;
mod pack;
mod paths;
mod render;
mod resolve;
mod scripts;
mod secret;
mod stack;

use crate::manifest::hex;
use crate::output::{Access, Existing, Output};
use anyhow::{Context, Result, anyhow, bail};
use build_directory::BuildDirectory;
use listing::Lines;
pub use pack::check;
use paths::Paths;
use render::Renderer;
use resolve::Resolver;
use scripts::Scripts;
pub use secret::Secrets;
use serde_json::Value;
use sha2::{Digest, Sha256};
pub use stack::Lists;
use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::bundle::{MAX_PACKED, TEMPLATES};

/// How long a script or `!command` may take, in seconds, if nobody says so.
pub const PATIENCE: u32 = 60;

/// What to build.
pub struct Request<'r> {
    /// The files, the first at the bottom; paths are relative to it.
    pub files: &'r [PathBuf],
    /// Where the bundle goes, before what the files say; relative to the current directory.
    pub output: Option<&'r Path>,
    /// What lists do to lists below them.
    pub lists: Lists,
    /// How long each script and each `!command` may take.
    pub patience: Duration,
}

impl<'r> Request<'r> {
    /// As most want it built of these files.
    pub fn of(files: &'r [PathBuf]) -> Request<'r> {
        Request { files, output: None, lists: Lists::Replace, patience: Duration::from_secs(PATIENCE.into()) }
    }
}

/// A bundle that a VM takes.
pub struct Built {
    /// Its bytes.
    pub packed: Vec<u8>,
    /// Where they go.
    pub output: PathBuf,
    /// What is in it and must not be printed.
    pub secrets: Secrets,
    config: Value,
    build: BuildDirectory,
}

/// Builds a bundle; it is not written yet. What an error says has no secrets in it.
pub fn build(request: &Request) -> Result<Built> {
    let mut secrets = Secrets::default();
    match build_knowing(request, &mut secrets) {
        Ok((packed, output, config, build)) => Ok(Built { packed, output, secrets, config, build }),
        Err(error) => Err(anyhow!("{}", secrets.mask(&format!("{error:#}")))),
    }
}

fn build_knowing(request: &Request, secrets: &mut Secrets) -> Result<(Vec<u8>, PathBuf, Value, BuildDirectory)> {
    let merged = stack::read(request.files, request.lists)?;
    let directory = directory(request)?;
    let environment = |name: &str| std::env::var_os(name);
    let patience = request.patience;
    let config = Resolver { directory, environment, patience, secrets }.resolve(merged)?;
    let paths = Paths::read(&config, directory)?;
    let sources: Vec<&Path> = paths.templates.iter().chain(&paths.scripts).map(PathBuf::as_path).collect();
    let build = BuildDirectory::prepare(&paths.build, &sources)?;
    let templates = build.path.join(TEMPLATES.rsplit('/').next().unwrap_or(TEMPLATES));
    DirBuilder::new().mode(0o755).create(&templates).with_context(|| format!("making {}", templates.display()))?;
    if let Some(from) = &paths.templates {
        Renderer::new(&config)?.tree(from, &templates)?;
    }
    if let Some(scripts) = &paths.scripts {
        Scripts { build: &build, config: &config, patience, secrets }.run(scripts)?;
    }
    let packed = pack::pack(&build.path)?;
    // config and config/templates are always there.
    if check(&packed, |bundle| bundle.entries().len()).context("a VM would refuse it")? <= 2 {
        bail!("the bundle would be empty: there are no templates, and no script made anything");
    }
    let output = request.output.map_or(paths.output, Path::to_path_buf);
    Ok((packed, output, config, build))
}

/// What paths in the files are relative to.
fn directory<'r>(request: &Request<'r>) -> Result<&'r Path> {
    let first = request.files.first().context("no file is given to build from")?;
    Ok(first.parent().unwrap_or(Path::new("")))
}

impl Built {
    /// Reads something else of the values; paths in them are relative to the first file's directory.
    pub fn read<T>(&self, request: &Request, read: impl Fn(&Value, &Path) -> Result<T>) -> Result<T> {
        read(&self.config, directory(request)?).map_err(|error| anyhow!("{}", self.secrets.mask(&format!("{error:#}"))))
    }

    /// Writes it. A file that is the same already is left alone, so that its time tells when it changed.
    pub fn write(&self) -> Result<()> {
        let path = self.output.as_path();
        let made_from = Some(self.build.path.as_path());
        if is_secret(path) && fs::read(path).is_ok_and(|bytes| bytes == self.packed) {
            return Ok(());
        }
        let output = Output { path, existing: Existing::Replace, access: Access::Secret, made_from };
        output.write(|to| fs::write(to, &self.packed).with_context(|| format!("writing {}", to.display())))
    }

    /// The SHA-256 of its bytes, as sha256sum prints it and a VM answers with it.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.packed))
    }

    /// How many files, directories and links it has.
    pub fn count(&self) -> Result<usize> {
        check(&self.packed, |bundle| bundle.entries().len())
    }

    /// A line for each of them.
    pub fn list(&self) -> Result<Vec<String>> {
        check(&self.packed, listing::list)
    }

    /// What changed since the bundle `old` was made.
    pub fn compare(&self, old: &Path, lines: Lines) -> Result<Vec<String>> {
        let reading = || format!("reading the old bundle {}", old.display());
        let mut bytes = Vec::new();
        let file = File::open(old).with_context(reading)?;
        file.take(MAX_PACKED as u64 + 1).read_to_end(&mut bytes).with_context(reading)?;
        let compared = check(&bytes, |old| check(&self.packed, |new| listing::compare(old, new, &self.secrets, lines)));
        compared.with_context(reading)?
    }
}

/// Whether it is a file that only its owner can read.
fn is_secret(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o7777 == 0o600)
}
