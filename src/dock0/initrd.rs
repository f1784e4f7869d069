//! The initrd: a cpio archive of what `initrd/*.list` names, in zstd, the same bytes from the same inputs.

use crate::ext4;
use crate::output::{Access, Existing, Output};
use crate::tool::MKE2FS;
use anyhow::{Context, Result, bail};
use cpio::newc;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const CONTENTS: &str = include_str!("../../initrd/contents.list");
const SHELL: &str = include_str!("../../initrd/shell.list");

/// zstd's strongest level whose window (8 MiB) the kernel's decompressor takes.
const LEVEL: i32 = 19;

/// What goes into an initrd.
pub struct Initrd {
    /// The static init binary.
    pub init: PathBuf,
    /// A static shell, for `fancy` and `dock0.rescue=shell`.
    pub shell: Option<PathBuf>,
    /// The most bytes the result may have.
    pub max_size: Option<u64>,
}

impl Initrd {
    /// Builds it at `path`; returns its size in bytes.
    pub fn write(&self, path: &Path, existing: Existing) -> Result<u64> {
        let image = compress(&self.archive()?)?;
        let size = u64::try_from(image.len())?;
        if let Some(max) = self.max_size.filter(|&max| size > max) {
            bail!("the initrd has {size} bytes, which is over its budget of {max}; {} was not written", path.display());
        }
        let output = Output { path, existing, access: Access::Umask, made_from: None };
        output.write(|to| fs::write(to, &image).with_context(|| format!("writing {}", to.display())))?;
        Ok(size)
    }

    fn archive(&self) -> Result<Vec<u8>> {
        let seed = scratch_seed()?;
        let init = static_program(&self.init)?;
        let mut sources = BTreeMap::from([("${init}", init), ("${scratch_seed}", seed)]);
        let mut list = CONTENTS.to_string();
        if let Some(shell) = &self.shell {
            sources.insert("${shell}", static_program(shell)?);
            list.push_str(SHELL);
        }
        let mut archive = Vec::new();
        let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            let entry = Entry::parse(line).with_context(|| format!("initrd/*.list: {line}"))?;
            archive = entry.append(archive, u32::try_from(number)? + 1, &sources)?;
        }
        newc::trailer(archive).context("ending the archive")
    }
}

/// Reads a program and refuses one that needs a loader, which the initrd does not have.
fn static_program(path: &Path) -> Result<Vec<u8>> {
    use wire::program::{Program, identify};
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    // All of it, not its first page: the path of a loader may stand anywhere.
    match identify(&bytes) {
        Program::Elf(None) => Ok(bytes),
        Program::Elf(Some(_)) => bail!("{}: is not linked statically; the initrd has no libraries", path.display()),
        Program::Script(_) | Program::ForeignElf(_) | Program::Unknown => {
            bail!("{}: is not an x86-64 program", path.display())
        }
    }
}

/// One line of the list.
struct Entry<'l> {
    name: &'l str,
    mode: u32,
    kind: EntryKind<'l>,
}

enum EntryKind<'l> {
    Directory,
    CharacterDevice { major: u32, minor: u32 },
    File { source: &'l str },
}

impl<'l> Entry<'l> {
    fn parse(line: &'l str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, mode, kind) = match words[..] {
            ["dir", name, mode, "0", "0"] => (name, mode, EntryKind::Directory),
            ["nod", name, mode, "0", "0", "c", major, minor] => {
                (name, mode, EntryKind::CharacterDevice { major: major.parse()?, minor: minor.parse()? })
            }
            ["file", name, source, mode, "0", "0"] => (name, mode, EntryKind::File { source }),
            _ => bail!("is not a line of this list; everything in it belongs to user 0 and group 0"),
        };
        let name = name.strip_prefix('/').context("a name begins with /")?;
        Ok(Entry { name, mode: u32::from_str_radix(mode, 8).context("the mode is octal")?, kind })
    }

    fn append(&self, archive: Vec<u8>, inode: u32, sources: &BTreeMap<&str, Vec<u8>>) -> Result<Vec<u8>> {
        const S_IFCHR: u32 = 0o020_000;
        const S_IFDIR: u32 = 0o040_000;
        const S_IFREG: u32 = 0o100_000;
        // Times and owners stay 0: nothing of the machine that built it is in the archive.
        let header = newc::Builder::new(self.name).ino(inode);
        let (header, content): (_, &[u8]) = match self.kind {
            EntryKind::Directory => (header.mode(S_IFDIR | self.mode).nlink(2), &[]),
            EntryKind::CharacterDevice { major, minor } => {
                (header.mode(S_IFCHR | self.mode).nlink(1).rdev_major(major).rdev_minor(minor), &[])
            }
            EntryKind::File { source } => {
                let content = sources.get(source).with_context(|| format!("nothing is known as {source}"))?;
                (header.mode(S_IFREG | self.mode).nlink(1), content)
            }
        };
        let mut writer = header.write(archive, u32::try_from(content.len())?);
        std::io::Write::write_all(&mut writer, content).and_then(|()| writer.finish()).context("filling the archive")
    }
}

/// With a checksum, so that the kernel notices damage and not only a cut.
fn compress(archive: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).context("starting zstd")?;
    let set_up = |encoder: &mut zstd::Encoder<'_, Vec<u8>>| {
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(archive.len() as u64))
    };
    set_up(&mut encoder).context("setting up zstd")?;
    std::io::Write::write_all(&mut encoder, archive).and_then(|()| encoder.finish()).context("compressing the initrd")
}

/// An empty ext4 as the blocks that are not zeros.
fn scratch_seed() -> Result<Vec<u8>> {
    const ANY: &str = "d0c00000-0000-4000-8000-000000000000";
    let image = tempfile::NamedTempFile::new().context("making a temporary file")?;
    let mut command = MKE2FS.command();
    // Room in the tables to grow to any size; the same identifiers and times at every build.
    command.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-L", wire::seed::LABEL, "-U", ANY]);
    command.args(["-O", ext4::FEATURES, "-E"]);
    command.arg(format!("hash_seed={ANY},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"));
    command.env("E2FSPROGS_FAKE_TIME", "1").arg(image.path()).arg((wire::seed::SIZE / wire::seed::BLOCK).to_string());
    MKE2FS.run(&mut command)?;
    let block_len = usize::try_from(wire::seed::BLOCK)?;
    let length = image.as_file().metadata()?.len();
    let (mut seed, mut block) = (Vec::new(), vec![0; block_len]);
    for offset in (0..length).step_by(block_len) {
        image.as_file().read_exact_at(&mut block, offset).context("reading the seed of the scratch layer")?;
        if block.iter().any(|&byte| byte != 0) {
            seed.extend_from_slice(&offset.to_le_bytes());
            seed.extend_from_slice(&block);
        }
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest file that passes for a static x86-64 program.
    fn program() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut elf = [0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18] = 62;
        fs::write(file.path(), elf).unwrap();
        file
    }

    fn names(archive: &[u8]) -> Vec<(String, u32)> {
        let (mut rest, mut names) = (archive, Vec::new());
        loop {
            let reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                return names;
            }
            names.push((reader.entry().name().to_string(), reader.entry().mode()));
            rest = reader.finish().unwrap();
        }
    }

    #[test]
    fn the_archive_holds_what_the_lists_say() {
        let init = program();
        let mut initrd = Initrd { init: init.path().into(), shell: None, max_size: None };
        let plain = [
            ("dev", 0o040_755),
            ("dev/console", 0o020_600),
            ("dev/null", 0o020_666),
            ("scratch.seed", 0o100_644),
            ("init", 0o100_755),
        ]
        .map(|(name, mode)| (name.to_string(), mode));
        assert_eq!(names(&initrd.archive().unwrap()), plain);
        initrd.shell = Some(init.path().into());
        let with_shell: Vec<String> = names(&initrd.archive().unwrap()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(with_shell, ["dev", "dev/console", "dev/null", "scratch.seed", "init", "bin", "bin/sh"]);
    }

    #[test]
    fn twice_the_same_bytes() {
        let init = program();
        let initrd = Initrd { init: init.path().into(), shell: None, max_size: None };
        assert_eq!(compress(&initrd.archive().unwrap()).unwrap(), compress(&initrd.archive().unwrap()).unwrap());
    }

    #[test]
    fn over_budget_is_an_error_and_writes_nothing() {
        let (init, place) = (program(), tempfile::tempdir().unwrap());
        let initrd = Initrd { init: init.path().into(), shell: None, max_size: Some(100) };
        let path = place.path().join("initrd.img");
        let error = initrd.write(&path, Existing::Refuse).unwrap_err().to_string();
        assert!(error.contains("which is over its budget of 100"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_program_that_could_not_start_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let script = place.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        for (init, why) in [
            (script.as_path(), "is not an x86-64 program"),
            (std::env::current_exe().unwrap().as_path(), "is not linked statically"),
            (&place.path().join("missing"), "reading"),
        ] {
            let initrd = Initrd { init: init.into(), shell: None, max_size: None };
            let error = initrd.archive().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_loader_is_found_wherever_its_path_stands() {
        const PAGE: usize = 4096;
        let file = program();
        for (place, name) in [(120, "in the first page"), (PAGE - 2, "across its end"), (3 * PAGE, "behind it")] {
            let mut elf = fs::read(file.path()).unwrap();
            elf.resize(64, 0);
            (elf[32], elf[54], elf[56]) = (64, 56, 1); // one program header, behind the ELF header
            elf.resize(place, 0);
            elf[64] = 3; // PT_INTERP
            elf[72..80].copy_from_slice(&(place as u64).to_le_bytes());
            elf[96] = 7;
            elf.extend_from_slice(b"/ld.so\0");
            fs::write(file.path(), elf).unwrap();
            let error = static_program(file.path()).unwrap_err().to_string();
            assert!(error.ends_with("is not linked statically; the initrd has no libraries"), "{name}: {error}");
        }
    }

    #[test]
    fn the_seed_is_small_and_is_ext4() {
        let seed = scratch_seed().unwrap();
        assert!(seed.len() < 200_000, "{}", seed.len());
        let first = wire::seed::blocks(&seed).next().unwrap().unwrap();
        assert_eq!(first.offset, 0);
        let superblock = wire::superblock::identify(first.bytes).unwrap();
        assert_eq!((superblock.kind, superblock.size), (wire::superblock::Kind::Ext4, wire::seed::SIZE));
    }
}
