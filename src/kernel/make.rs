//! Running make and its companions: what they say goes to a log, and the log's end to the operator when they fail.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};

use crate::places::create_folder;
use crate::progress::Progress;
use crate::stamp::Effort;
use crate::tree::Tree;

/// What a build from nothing makes, measured: linode has 1084 options that are y and 2483 objects, microvm 671 and 1779.
const OBJECTS_OF_ALL: u64 = 635;
const OBJECTS_OF_TEN_OPTIONS: u64 = 17;

/// How many objects a processor makes in ten seconds: from 19, with others at work, to 32 were measured.
const OBJECTS_IN_TEN_SECONDS: u64 = 25;

/// How much of the log a failure shows.
const TAIL_LINES: usize = 20;

/// Variables that would steer kbuild past the fragments, or leak this machine into the kernel.
const UNWANTED: [&str; 14] = [
    "ARCH",
    "CC",
    "CROSS_COMPILE",
    "KBUILD_OUTPUT",
    "KCFLAGS",
    "KCONFIG_ALLCONFIG",
    "KCONFIG_CONFIG",
    "LD",
    "LLVM",
    "LOCALVERSION",
    "MAKEFLAGS",
    "MFLAGS",
    "O",
    "V",
];

/// Programs that Kconfig asks for their versions, and writes down whether they are used or not: a kernel that carries its
/// configuration would have other bytes where Rust is installed. None of ours uses them.
const UNASKED: [&str; 2] = ["RUSTC=false", "PAHOLE=false"];

/// A make for one configuration of a tree, without a target yet.
pub fn command(tree: &Tree, config: &str) -> Command {
    let mut make = Command::new("make");
    make.arg("-C").arg(tree.source()).arg(format!("O={}", tree.objects(config).display())).args(UNASKED);
    make.env("LC_ALL", "C");
    for name in UNWANTED {
        make.env_remove(name);
    }
    make
}

/// What a build from nothing takes where none was measured yet, by its whole configuration.
pub fn first_estimate(merged: &str) -> Effort {
    estimate(merged, jobs())
}

fn estimate(merged: &str, jobs: u64) -> Effort {
    let options = merged.lines().filter(|line| line.ends_with("=y")).count() as u64;
    let objects = OBJECTS_OF_ALL + options * OBJECTS_OF_TEN_OPTIONS / 10;
    Effort { objects, seconds: objects * 10 / OBJECTS_IN_TEN_SECONDS / jobs }
}

/// Builds the bzImage. The same inputs give the same bytes: user, host, time and build number are fixed.
///
/// `expected` is what a build from nothing should take; without it, only what changed since the last one is built.
pub fn build_image(
    tree: &Tree,
    config: &str,
    timestamp: &str,
    expected: Option<Effort>,
    log: &mut Log,
) -> Result<Effort> {
    announce(config, &tree.version()?, expected, log);
    let mut make = command(tree, config);
    make.arg(format!("-j{}", jobs())).arg("bzImage").env("KBUILD_BUILD_TIMESTAMP", timestamp);
    make.env("KBUILD_BUILD_USER", "dock0").env("KBUILD_BUILD_HOST", "dock0").env("KBUILD_BUILD_VERSION", "1");
    let mut progress = Progress::start(expected.map(|effort| effort.objects))?;
    let done = log.run_and_watch(&mut make, |line| progress.count(line));
    let spent = progress.finish();
    done.context("building the kernel")?;
    Ok(spent)
}

fn jobs() -> u64 {
    available_parallelism().map_or(1, |jobs| jobs.get() as u64)
}

fn announce(config: &str, version: &str, expected: Option<Effort>, log: &Log) {
    let how_long = match expected {
        Some(effort) => format!("from nothing, about {} minutes", effort.seconds.div_ceil(60).max(1)),
        None => "what has changed or is missing".to_owned(),
    };
    eprintln!("kernel: building {config} {version}: {how_long}; log: {}", log.path.display());
}

/// A log file that the output of programs goes to.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Starts an empty log.
    pub fn create(path: &Path) -> Result<Self> {
        create_folder(path.parent().context("a log needs a folder")?)?;
        let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds text.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| format!("writing {}", self.path.display()))
    }

    /// Runs a program to its end.
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        self.run_and_watch(command, |_| ())
    }

    /// Runs a program to its end and shows `watch` each line it prints, errors too.
    pub fn run_and_watch(&mut self, command: &mut Command, mut watch: impl FnMut(&str)) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let running = || format!("running {name}");
        self.write(&format!("$ {command:?}\n"))?;
        let (reader, writer) = std::io::pipe().with_context(running)?;
        command.stdout(writer.try_clone().with_context(running)?).stderr(writer);
        let mut child = command.spawn().with_context(running)?;
        // The command keeps copies of the pipe's other end; with them open, the lines below would never end.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.with_context(running)?;
            let line = String::from_utf8_lossy(&line);
            self.write(&format!("{line}\n"))?;
            watch(&line);
        }
        let status = child.wait().with_context(running)?;
        if !status.success() {
            bail!("{name} failed ({status}); the end of {}:\n{}", self.path.display(), self.tail()?);
        }
        Ok(())
    }

    fn tail(&self) -> Result<String> {
        let text = std::fs::read(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
        Ok(last_lines(&String::from_utf8_lossy(&text), TAIL_LINES))
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines = text.lines().collect::<Vec<_>>();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_last_lines() {
        let rows =
            [("more", "a\nb\nc\n", "b\nc"), ("as many", "a\nb\n", "a\nb"), ("fewer", "a", "a"), ("none", "", "")];
        for (row, text, wanted) in rows {
            assert_eq!(last_lines(text, 2), wanted, "{row}");
        }
    }

    #[test]
    fn fewer_options_are_a_shorter_build() {
        let rows = [("linode", 1084, 2483, 460..540), ("microvm", 671, 1779, 330..390)];
        for (row, options, objects, seconds) in rows {
            let merged =
                "# Linux/x86 6.12\nCONFIG_CPUS=8\n# CONFIG_B is not set\n".to_owned() + &"CONFIG_A=y\n".repeat(options);
            let expected = estimate(&merged, 2);
            assert!(expected.objects.abs_diff(objects) < objects / 50, "{row}: {expected:?}");
            assert!(seconds.contains(&expected.seconds), "{row}, on two processors: {expected:?}");
        }
    }

    #[test]
    fn a_failing_program_shows_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/kernel.log");
        let mut log = Log::create(&path).unwrap();
        let mut seen = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 30; echo broken >&2; exit 3"]);
        let error = log.run_and_watch(&mut command, |line| seen.push(line.to_owned())).unwrap_err().to_string();
        assert_eq!((seen.len(), seen.last().map(String::as_str)), (31, Some("broken")));
        let wanted = format!("sh failed (exit status: 3); the end of {}:\n12\n13\n", path.display());
        assert!(error.starts_with(&wanted) && error.ends_with("30\nbroken"), "{error}");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("$ \"sh\""));
    }
}
