//! A directory becomes a bundle: the same bytes whoever packs it, wherever and whenever.

use super::build_directory::MARKER;
use super::render::list;
use anyhow::{Context, Result, anyhow, bail};
use flate2::{Compression, GzBuilder};
use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};
use wire::bundle::{Bundle, CONFIG, Flaw, MAX_FILE, MAX_UNPACKED, TEMPLATES, Why};

/// The mode of `config` and `config/templates`: the latter lies over the root itself, which everybody may enter.
const OPEN: u32 = 0o755;
/// The mode of links, which means nothing.
const LINK: u32 = 0o777;

/// What a bundle keeps of a directory's mode. What else it may have is the file system's business: where groups are inherited,
/// directories are setgid without anybody's doing.
pub const DIRECTORY_BITS: u32 = 0o777;

/// Packs the directory `build` as `config`.
pub fn pack(build: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive { tar: Builder::new(Vec::new()), build };
    archive.add_directory(Path::new(""))?;
    let tar = archive.tar.into_inner().context("ending the archive")?;
    gzip(&tar).context("packing the archive")
}

/// Reads a bundle by the rules that a VM has for it, and hands it to `look`.
pub fn check<R>(packed: &[u8], look: impl FnOnce(&Bundle) -> R) -> Result<R> {
    let mut room = vec![0; MAX_UNPACKED];
    let bundle = Bundle::unpack(packed, &mut room).map_err(|refused| anyhow!("{refused}"))?;
    Ok(look(&bundle))
}

struct Archive<'b> {
    tar: Builder<Vec<u8>>,
    build: &'b Path,
}

impl Archive<'_> {
    /// Adds a directory and what is in it, by name.
    fn add_directory(&mut self, below: &Path) -> Result<()> {
        let directory = self.build.join(below);
        let meta = fs::metadata(&directory).with_context(|| format!("looking at {}", directory.display()))?;
        let path = archive_path(below);
        let is_open = path == Path::new(CONFIG) || path == Path::new(TEMPLATES);
        let mode = if is_open { OPEN } else { meta.permissions().mode() & DIRECTORY_BITS };
        self.add(&path, header(EntryType::Directory, mode, 0), &[])?;
        for name in list(&directory)? {
            if below == Path::new("") && name == MARKER {
                continue;
            }
            let below = below.join(name);
            let from = self.build.join(&below);
            let meta = fs::symlink_metadata(&from).with_context(|| format!("looking at {}", from.display()))?;
            match meta.is_dir() {
                true => self.add_directory(&below)?,
                false => self.add_entry(&from, &archive_path(&below), &meta)?,
            }
        }
        Ok(())
    }

    fn add_entry(&mut self, from: &Path, path: &Path, meta: &Metadata) -> Result<()> {
        let reading = || format!("reading {}", from.display());
        if meta.is_symlink() {
            let target = fs::read_link(from).with_context(reading)?;
            let mut header = header(EntryType::Symlink, LINK, 0);
            let packing = || format!("packing {}: the link to {}", path.display(), target.display());
            header.set_link_name_literal(target.as_os_str().as_bytes()).with_context(packing)?;
            return self.add(path, header, &[]);
        }
        if !meta.is_file() {
            bail!("{}: is neither a file, a directory nor a symbolic link", from.display());
        }
        // The rules come last and say the same; nothing that cannot pass is read.
        if meta.len() > MAX_FILE as u64 {
            bail!("{} {}", path.display(), Why::TooLong(meta.len()));
        }
        let bytes = fs::read(from).with_context(reading)?;
        self.add(path, header(EntryType::Regular, meta.permissions().mode() & 0o7777, bytes.len() as u64), &bytes)
    }

    fn add(&mut self, path: &Path, mut header: Header, bytes: &[u8]) -> Result<()> {
        let packing = || format!("packing {}", path.display());
        header.set_path(path).with_context(packing)?;
        header.set_cksum();
        self.tar.append(&header, bytes).with_context(packing)?;
        match self.tar.get_ref().len() > MAX_UNPACKED {
            true => Err(anyhow!("the bundle {}", Flaw::TooLong)),
            false => Ok(()),
        }
    }
}

fn archive_path(below: &Path) -> PathBuf {
    // Without a slash at its end where nothing is below.
    [Path::new(CONFIG), below].iter().filter(|part| **part != Path::new("")).collect()
}

/// Owned by root, of no time.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}
