//! The programs and headers that this program needs, each with the Debian package that brings it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::fragment::{Asked, Value};
use crate::source::Source;

/// Every build needs these: (program, package).
const ALWAYS: [(&str, &str); 11] = [
    ("make", "make"),
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("perl", "perl"),
    ("patch", "patch"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
    ("find", "findutils"),
];

/// Fetches: (program, package).
const CURL: (&str, &str) = ("curl", "curl");

/// The kernel packs itself with these: (option, program, package).
const PACKERS: [(&str, &str, &str); 3] = [
    ("CONFIG_KERNEL_LZ4", "lz4", "lz4"),
    ("CONFIG_KERNEL_ZSTD", "zstd", "zstd"),
    ("CONFIG_KERNEL_GZIP", "gzip", "gzip"),
];

/// objtool is compiled against these: (header, package).
const HEADERS: [(&str, &str); 2] = [("gelf.h", "libelf-dev"), ("stdlib.h", "libc6-dev")];

/// The compiler's and the linker's names and versions: others build another kernel.
pub fn compiler_version() -> Result<String> {
    let programs = [("gcc", "gcc"), ("ld", "binutils")];
    require_programs(&programs)?;
    programs.iter().map(|(program, _)| version_of(program)).collect()
}

/// The first line that a program says of its version.
fn version_of(program: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("asking {program} for its version"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().next().with_context(|| format!("{program} --version said nothing"))?;
    Ok(format!("{line}\n"))
}

/// Fails with the names of all that is missing and the command that installs it.
pub fn require(source: &Source, asked: &[Asked]) -> Result<()> {
    let mut programs = ALWAYS.to_vec();
    let is_on = |name: &str| asked.iter().any(|one| one.option == name && one.value == Value::Is("y".to_owned()));
    programs.extend(PACKERS.iter().filter(|packer| is_on(packer.0)).map(|packer| (packer.1, packer.2)));
    if matches!(source, Source::Url { .. }) {
        programs.push(CURL);
    }
    require_programs(&programs)?;
    require_headers(&HEADERS)
}

/// Fails where nothing can be fetched.
pub fn require_fetching() -> Result<()> {
    require_programs(&[CURL])
}

/// Fails where no signature can be checked.
pub fn require_checking() -> Result<()> {
    require_programs(&[("gpgv", "gpgv")])
}

/// Fails where the kernel's menu cannot be compiled.
pub fn require_menu() -> Result<()> {
    require_programs(&[("gcc", "gcc")])?;
    require_headers(&[("ncurses.h", "libncurses-dev")])
}

fn require_headers(headers: &[(&str, &str)]) -> Result<()> {
    let missing = headers.iter().copied().filter(|header| !has_header(header.0));
    refuse_missing(&missing.collect::<Vec<_>>())
}

fn require_programs(programs: &[(&str, &str)]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| is_program(&folder.join(name)));
    let missing = programs.iter().copied().filter(|program| !is_there(program.0));
    refuse_missing(&missing.collect::<Vec<_>>())
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn has_header(name: &str) -> bool {
    let mut gcc = Command::new("gcc");
    gcc.args(["-fsyntax-only", "-include", name, "-x", "c", "/dev/null"]).stderr(Stdio::null());
    // A gcc that cannot be started counts as a header that is missing: either way something has to be installed.
    gcc.status().is_ok_and(|status| status.success())
}

fn refuse_missing(missing: &[(&str, &str)]) -> Result<()> {
    let names = missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let packages = missing.iter().map(|(_, package)| *package).collect::<Vec<_>>().join(" ");
    ensure!(missing.is_empty(), "install what is missing ({names}): apt-get install {packages}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        require_programs(&[("sh", "dash")]).unwrap();
        let error = require_programs(&[("sh", "dash"), ("no-such-flex", "flex"), ("no-such-bc", "bc")]).unwrap_err();
        let sentence = "install what is missing (no-such-flex, no-such-bc): apt-get install flex bc";
        assert_eq!(error.to_string(), sentence);
        let error = require_headers(&[("stdlib.h", "libc6-dev"), ("no-such.h", "no-such-dev")]).unwrap_err();
        let sentence = "install what is missing (no-such.h): apt-get install no-such-dev";
        assert_eq!(error.to_string(), sentence);
    }
}
