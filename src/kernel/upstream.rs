//! A version's tarball at the kernel's makers: where it is, which sum it must have, and whose signature it bears.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::download;
use crate::spec::is_sha256;
use crate::version::Version;

/// The kernel's makers' own mirror.
pub const MIRROR: &str = "https://cdn.kernel.org/pub/linux/kernel";

/// The sums of all tarballs of a folder.
const SUMS: &str = "sha256sums.asc";

/// Where a version's tarball is.
pub fn address(mirror: &str, version: Version) -> String {
    beside(mirror, version, &version.tarball())
}

/// Where a file of the version's folder is.
fn beside(mirror: &str, version: Version, name: &str) -> String {
    format!("{}/{}/{name}", mirror.trim_end_matches('/'), version.folder())
}

/// The sum that the mirror gives for a version's tarball.
pub fn fetch_sum(mirror: &str, version: Version) -> Result<String> {
    let url = beside(mirror, version, SUMS);
    let text = download::read(&url)?;
    let name = version.tarball();
    find_sum(&text, &name).with_context(|| format!("{url} has no sum of {name}: is there such a version?"))
}

/// `<64 hexadecimal digits>  <name>`, between the lines of a clear-signed message.
fn find_sum(text: &str, name: &str) -> Option<String> {
    let sums = text.lines().filter_map(|line| line.split_once("  "));
    sums.filter(|(sum, named)| named.trim_end() == name && is_sha256(sum)).map(|(sum, _)| sum.to_owned()).next()
}

/// The keyring's whole path: gpgv looks for a bare name at its own place.
pub fn find_keyring(keyring: &Path) -> Result<PathBuf> {
    keyring.canonicalize().with_context(|| format!("looking for the keyring {}", keyring.display()))
}

/// Checks a version's tarball against the signature that the mirror has beside it.
pub fn check_signature(mirror: &str, version: Version, tarball: &Path, keyring: &Path) -> Result<()> {
    let url = beside(mirror, version, &version.signature());
    let signature = tarball.with_extension("sign");
    std::fs::write(&signature, download::read(&url)?).with_context(|| format!("writing {}", signature.display()))?;
    let checking = || format!("checking the signature {url}");
    let mut unpack = Command::new("xz");
    unpack.args(["--decompress", "--stdout", "--format=xz"]).arg(tarball).stdout(Stdio::piped());
    let mut unpack = unpack.spawn().with_context(checking)?;
    let pipe = unpack.stdout.take().with_context(checking)?;
    let mut check = Command::new("gpgv");
    check.arg("--keyring").arg(keyring).arg(&signature).arg("-").stdin(pipe);
    let said = check.output().with_context(checking)?;
    // A checker that does not read to the end stops the unpacking: its own status says why.
    let unpacked = unpack.wait().with_context(checking)?;
    let words = String::from_utf8_lossy(&said.stderr);
    ensure!(
        said.status.success() && unpacked.success(),
        "{url} is no good signature by a key of {}; gpgv said:\n{}",
        keyring.display(),
        words.trim_end()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_sum_of_one_name() {
        let (one, other) = ("1a".repeat(32), "2b".repeat(32));
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{other}  linux-6.12.80.tar.gz\n\
             {one}  linux-6.12.80.tar.xz\n{other}  linux-6.12.8.tar.xz\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n"
        );
        let rows = [
            ("there", text.as_str(), "linux-6.12.80.tar.xz", Some(one.as_str())),
            ("not there", text.as_str(), "linux-6.12.81.tar.xz", None),
            ("no sum", "zz  linux-6.12.80.tar.xz", "linux-6.12.80.tar.xz", None),
            ("another page", "<html>not found</html>", "linux-6.12.80.tar.xz", None),
        ];
        for (row, text, name, wanted) in rows {
            assert_eq!(find_sum(text, name).as_deref(), wanted, "{row}");
        }
    }

    #[test]
    fn knows_where_a_tarball_is() {
        let version = "6.18".parse().unwrap();
        let wanted = "https://k.invalid/linux/v6.x/linux-6.18.tar.xz";
        assert_eq!(address("https://k.invalid/linux", version), wanted);
        assert_eq!(address("https://k.invalid/linux/", version), wanted);
    }
}
