//! Making `release.json`: what the recipe wants, measured, dated, numbered, and checked as a machine will check it.

use crate::measure::Measured;
use crate::output::{Access, Existing};
use crate::recipe::Wanted;
use crate::signing::{self, Signer};
use anyhow::{Context, Result, anyhow, ensure};
use menagerie::{Name, Timestamp};
use serde::Serialize;
use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wire::manifest::{MAX_BYTES, Manifest};

/// The seconds of a day.
pub const DAY: u64 = 86_400;
/// How long a manifest can be installed, in days, if nobody says so.
pub const LASTS: u32 = 90;
/// The longest that can be asked for, in days: ten years.
const LASTS_MOST: u32 = 3650;

/// So many days, as `--expires` has them.
pub fn lasts(days: u32) -> Result<Duration> {
    ensure!((1..=LASTS_MOST).contains(&days), "--expires {days}: must be 1 to {LASTS_MOST} days");
    Ok(Duration::from_secs(DAY * u64::from(days)))
}

/// What a manifest says besides its artifacts.
#[derive(Clone, Debug)]
pub struct Head {
    /// What it is a release of.
    pub product: Name,
    /// Which line of releases.
    pub channel: Name,
    /// For which processor.
    pub arch: Name,
    /// When it is made.
    pub issued: Timestamp,
    /// How long it can be installed.
    pub lasts: Duration,
}

/// The document, in the order in which it is written.
#[derive(Serialize)]
struct Document<'a> {
    product: &'a str,
    channel: &'a str,
    arch: &'a str,
    serial: u64,
    issued: String,
    expires: String,
    artifacts: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    version: &'a str,
    size: u64,
    sha256: String,
    verity: String,
    urls: &'a [String],
}

/// The manifest before, from which what did not change is taken over.
#[derive(Debug, Default)]
pub struct Previous {
    serial: u64,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    name: String,
    version: String,
    url: String,
    measured: Measured,
}

impl Previous {
    /// Reads the manifest that stands where the next one goes, if there is one.
    pub fn read(path: &Path) -> Result<Previous> {
        let Some(bytes) = read(path)? else { return Ok(Previous::default()) };
        Previous::parse(&bytes)
            .map_err(|why| anyhow!("{}: it is no manifest that the next could follow: {why}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Previous, String> {
        let manifest = Manifest::parse(bytes).map_err(|why| why.to_string())?;
        let known = manifest.artifacts.iter().filter_map(|entry| {
            Some(Known {
                name: entry.artifact.name.to_string(),
                version: entry.artifact.version.to_string(),
                url: entry.urls.first()?.to_string(),
                measured: Measured { size: entry.size, sha256: hex(&entry.sha256), verity: hex(&entry.verity) },
            })
        });
        Ok(Previous { serial: manifest.serial, known: known.collect() })
    }

    /// What it says of this artifact's bytes, if it is the same one from the same place.
    pub fn knows(&self, wanted: &Wanted) -> Option<&Measured> {
        let Wanted { artifact, urls, .. } = wanted;
        let same = |known: &&Known| {
            known.name == artifact.name.as_str()
                && known.version == artifact.version.as_str()
                && Some(&known.url) == urls.first()
        };
        self.known.iter().find(same).map(|known| &known.measured)
    }

    /// The serial that follows: 1 where there was none.
    pub fn next_serial(&self) -> Result<u64> {
        self.serial.checked_add(1).context("the manifest before has the highest serial there is; sign with another key")
    }
}

/// The bytes of the manifest at this path, or a few more than one can have; `None` where nothing is.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let doing = || format!("reading {}", path.display());
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(doing)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(doing)?;
    Ok(Some(bytes))
}

/// The text of the manifest, which [`Manifest::parse`] reads.
pub fn compose(head: &Head, serial: u64, artifacts: &[(Wanted, Measured)]) -> Result<String> {
    let entries = artifacts.iter().map(|(Wanted { artifact, urls, .. }, measured)| Entry {
        name: artifact.name.as_str(),
        version: artifact.version.as_str(),
        size: measured.size,
        sha256: measured.sha256.clone(),
        verity: measured.verity.clone(),
        urls,
    });
    let document = Document {
        product: head.product.as_str(),
        channel: head.channel.as_str(),
        arch: head.arch.as_str(),
        serial,
        issued: head.issued.to_string(),
        expires: head.issued.later(head.lasts).to_string(),
        artifacts: entries.collect(),
    };
    let text = serde_json::to_string_pretty(&document).context("writing the manifest")? + "\n";
    Manifest::parse(text.as_bytes()).map_err(|why| anyhow!("no machine would take the manifest: {why}"))?;
    Ok(text)
}

/// Where the signature of a file stands: `<file>.minisig`.
pub fn signature_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".minisig");
    name.into()
}

/// Writes the manifest and, with a key, its signature. A reader who comes in between finds a signature that does not fit,
/// and comes again.
pub fn write(path: &Path, text: &str, serial: u64, signer: Option<&Signer>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let signature = signer.map(|signer| {
        let now = now()?.unix();
        signer.sign(text.as_bytes(), &format!("timestamp:{now}\tfile:{name}\tserial:{serial}"))
    });
    let signature = signature.transpose()?;
    signing::write(path, text, Existing::Replace, Access::Umask)?;
    match signature {
        Some(signature) => signing::write(&signature_path(path), &signature, Existing::Replace, Access::Umask),
        None => Ok(()),
    }
}

/// What this machine's clock says.
pub fn now() -> Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(Timestamp::from_unix(since.as_secs()))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Place;

    fn wanted(name: &str, version: &str, url: &str) -> Wanted {
        let artifact = menagerie::Artifact { name: name.parse().unwrap(), version: version.parse().unwrap() };
        Wanted { artifact, from: Place::Web(url.into()), urls: vec![url.into()] }
    }

    fn head() -> Head {
        let word = |text: &str| text.parse().unwrap();
        let issued = "2026-11-25T10:00:00Z".parse().unwrap();
        let lasts = Duration::from_secs(86_400);
        Head { product: word("dock0"), channel: word("stable"), arch: word("x86_64"), issued, lasts }
    }

    #[test]
    fn what_is_composed_is_known_to_the_next() {
        let measured = Measured { size: 5, sha256: "0a".repeat(32), verity: "0b".repeat(32) };
        let kernel = wanted("kernel", "1", "https://example.org/k");
        let text = compose(&head(), 7, &[(kernel.clone(), measured.clone())]).unwrap();
        assert!(text.starts_with("{\n  \"product\": \"dock0\",\n  \"channel\": \"stable\",\n"), "{text}");
        assert!(text.contains("\"expires\": \"2026-11-26T10:00:00Z\""), "{text}");
        let previous = Previous::parse(text.as_bytes()).unwrap();
        assert_eq!(previous.next_serial().unwrap(), 8);
        for (case, wanted, known) in [
            ("the same", kernel, true),
            ("another name", wanted("initrd", "1", "https://example.org/k"), false),
            ("another version", wanted("kernel", "2", "https://example.org/k"), false),
            ("another place", wanted("kernel", "1", "https://example.org/l"), false),
        ] {
            assert_eq!(previous.knows(&wanted), known.then_some(&measured), "{case}");
        }
        let last = text.replace("\"serial\": 7", "\"serial\": 18446744073709551615");
        let why = Previous::parse(last.as_bytes()).unwrap().next_serial().unwrap_err().to_string();
        assert_eq!(why, "the manifest before has the highest serial there is; sign with another key");
    }

    #[test]
    fn what_no_machine_would_take_is_not_made() {
        let measured = Measured { size: 0, sha256: "0a".repeat(32), verity: "0b".repeat(32) };
        let artifact = (wanted("kernel", "1", "https://example.org/k"), measured);
        let why = compose(&head(), 1, &[artifact]).unwrap_err().to_string();
        let sentence = "no machine would take the manifest: its artifact 1 says size 0, 1 to 1099511627776 can be";
        assert_eq!(why, sentence);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("release.json");
        assert_eq!(Previous::read(&path).unwrap().next_serial().unwrap(), 1);
        fs::write(&path, "{}").unwrap();
        let why = Previous::read(&path).unwrap_err().to_string();
        assert!(
            why.ends_with("release.json: it is no manifest that the next could follow: it has no product"),
            "{why}"
        );
    }
}
