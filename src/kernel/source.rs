//! Where the kernel's source comes from, in the order the operator expects, and whether it is what it claims to be.

use std::env::VarError;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::download;
use crate::spec::{Preferred, Spec, is_sha256};

/// A source that was found, with what is needed to recognize it again without reading it.
#[derive(Debug)]
pub enum Source {
    /// An unpacked source; `listing` digests the name, size and time of every file in it.
    Directory { path: PathBuf, listing: String },
    /// A tarball that is already here; `recorded` is the version and sum that `kernel.toml` knows it by.
    Tarball { path: PathBuf, size: u64, modified: i64, recorded: Option<(String, String)> },
    /// A tarball to fetch, which must have this sum.
    Url { url: String, sha256: String },
}

impl Source {
    /// A string that differs when the source differs. Cheap: a tarball is not read for it.
    pub fn identity(&self) -> String {
        match self {
            Self::Directory { path, listing } => format!("directory {} {listing}", path.display()),
            Self::Tarball { path, size, modified, .. } => format!("tarball {} {size} {modified}", path.display()),
            Self::Url { sha256, .. } => format!("sha256 {sha256}"),
        }
    }
}

/// What the environment says, if it says anything.
pub fn read_kernel_source() -> Result<Option<String>> {
    match std::env::var("KERNEL_SOURCE") {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(text)) => bail!("KERNEL_SOURCE={} is not UTF-8", text.display()),
    }
}

/// `KERNEL_SOURCE=` if it is set, else the distribution's tarball if it is preferred and there, else the upstream one.
pub fn choose(spec: &Spec, kernel_source: Option<&str>) -> Result<Source> {
    match kernel_source.filter(|text| !text.is_empty()).map(parse_kernel_source).transpose()? {
        Some(Wanted::Url { url, sha256 }) => return Ok(Source::Url { url, sha256 }),
        Some(Wanted::Local(path)) => return look_at(&path, None).context("KERNEL_SOURCE"),
        None => {}
    }
    let (packaged, upstream) = (&spec.distribution, &spec.upstream);
    if spec.source == Preferred::Distribution {
        if packaged.path.exists() {
            return look_at(&packaged.path, Some((packaged.version.clone(), packaged.sha256.clone())));
        }
        let (path, package) = (packaged.path.display(), &packaged.package);
        eprintln!("kernel: no {path} (package {package}): using upstream's {}", upstream.version);
    }
    Ok(Source::Url { url: upstream.url.clone(), sha256: upstream.sha256.clone() })
}

/// What `KERNEL_SOURCE=` asks for.
#[derive(Debug, Eq, PartialEq)]
enum Wanted {
    Local(PathBuf),
    Url { url: String, sha256: String },
}

fn parse_kernel_source(text: &str) -> Result<Wanted> {
    if !text.contains("://") {
        return Ok(Wanted::Local(PathBuf::from(text)));
    }
    match text.rsplit_once("#sha256=") {
        Some((url, sha256)) if is_sha256(sha256) => Ok(Wanted::Url { url: url.to_owned(), sha256: sha256.to_owned() }),
        Some((_, sum)) => bail!("KERNEL_SOURCE={text}: {sum:?} is not a SHA-256 in 64 lower-case hexadecimal digits"),
        None => bail!("KERNEL_SOURCE={text}: a URL needs its checksum: URL#sha256=<64 hexadecimal digits>"),
    }
}

fn look_at(path: &Path, recorded: Option<(String, String)>) -> Result<Source> {
    let path = path.canonicalize().with_context(|| format!("looking for the kernel's source {}", path.display()))?;
    let meta = path.metadata().with_context(|| format!("looking at {}", path.display()))?;
    if meta.is_dir() {
        ensure!(path.join("Kbuild").exists(), "{} is not a kernel's source: it has no Kbuild", path.display());
        let mut digest = Sha256::new();
        list(&path, &mut digest)?;
        return Ok(Source::Directory { path, listing: hex(&digest.finalize()) });
    }
    Ok(Source::Tarball { path, size: meta.size(), modified: meta.mtime(), recorded })
}

/// Feeds name, size and time of everything below `folder` to `digest`, in a fixed order, without the history in `.git`.
fn list(folder: &Path, digest: &mut Sha256) -> Result<()> {
    let looking = || format!("listing {}", folder.display());
    let mut entries =
        std::fs::read_dir(folder).with_context(looking)?.collect::<Result<Vec<_>, _>>().with_context(looking)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let meta = entry.metadata().with_context(looking)?;
        if entry.file_name() == ".git" {
            continue;
        }
        let path = entry.path();
        if meta.is_dir() {
            list(&path, digest)?;
        } else {
            digest.update(format!("{}\0{} {} {}\n", path.display(), meta.size(), meta.mtime(), meta.mtime_nsec()));
        }
    }
    Ok(())
}

/// Says when a tarball is not the one `kernel.toml` records. apt has vouched for it, so that is news and no error.
pub fn compare_with_recorded(path: &Path, recorded: &(String, String)) -> Result<()> {
    let (version, sum) = recorded;
    let got = sum_of(path)?;
    if got != *sum {
        let path = path.display();
        eprintln!(
            "kernel: {path} is not the {version} that kernel.toml records (SHA-256 {got}, recorded {sum}): going on"
        );
    }
    Ok(())
}

/// Brings a URL's tarball to `folder` with curl and returns its path. Another sum than the expected one is an error.
pub fn fetch(url: &str, sha256: &str, folder: &Path) -> Result<PathBuf> {
    let kept = folder.join(format!("{sha256}.tar"));
    if !kept.exists() {
        download::to_file(url, &folder.join(format!("{sha256}.part")), &kept)?;
    }
    let got = sum_of(&kept)?;
    if got != sha256 {
        std::fs::remove_file(&kept).with_context(|| format!("removing {}", kept.display()))?;
        bail!("{url} is not what was expected: its SHA-256 is {got}, expected {sha256}");
    }
    Ok(kept)
}

/// The SHA-256 of a file, in lower-case hexadecimal.
pub fn sum_of(path: &Path) -> Result<String> {
    let reading = || format!("hashing {}", path.display());
    let mut file = File::open(path).with_context(reading)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).with_context(reading)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(block.get(..read).unwrap_or_default()),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_kernel_source() {
        let sum = "5a".repeat(32);
        let rows: [(&str, String, Result<Wanted, &str>); 7] = [
            ("directory", "../linux".into(), Ok(Wanted::Local("../linux".into()))),
            ("tarball", "/src/linux.tar.xz".into(), Ok(Wanted::Local("/src/linux.tar.xz".into()))),
            (
                "URL",
                format!("https://k.invalid/l.tar.xz#sha256={sum}"),
                Ok(Wanted::Url { url: "https://k.invalid/l.tar.xz".into(), sha256: sum.clone() }),
            ),
            ("URL without a sum", "https://k.invalid/l.tar.xz".into(), Err("needs its checksum")),
            ("sum too short", "https://k.invalid/l#sha256=5a".into(), Err("\"5a\" is not a SHA-256")),
            ("sum in capitals", format!("https://k.invalid/l#sha256={}", sum.to_uppercase()), Err("is not a SHA-256")),
            ("other sum", format!("https://k.invalid/l#sha1={sum}"), Err("needs its checksum")),
        ];
        for (row, text, wanted) in rows {
            match (parse_kernel_source(&text), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{row}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{row}: {error}"),
                (got, wanted) => panic!("{row}: {got:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn a_wrong_sum_names_both_and_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let served = folder.path().join("linux.tar");
        std::fs::write(&served, "not a kernel").unwrap();
        let url = format!("file://{}", served.display());
        let (right, wrong) = (sum_of(&served).unwrap(), "0".repeat(64));
        let error = fetch(&url, &wrong, &folder.path().join("download")).unwrap_err().to_string();
        assert!(error.contains(&right) && error.contains(&wrong), "{error}");
        assert_eq!(std::fs::read_dir(folder.path().join("download")).unwrap().count(), 0);
        let kept = fetch(&url, &right, &folder.path().join("download")).unwrap();
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "not a kernel");
    }

    #[test]
    fn a_directorys_identity_follows_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let look = || look_at(folder.path(), None).map(|source| source.identity());
        assert!(look().unwrap_err().to_string().contains("is not a kernel's source"));
        std::fs::write(folder.path().join("Kbuild"), "").unwrap();
        let before = look().unwrap();
        assert_eq!(look().unwrap(), before);
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), "x").unwrap();
        assert_eq!(look().unwrap(), before, "history does not count");
        std::fs::write(folder.path().join("Makefile"), "VERSION = 6").unwrap();
        assert_ne!(look().unwrap(), before);
    }
}
