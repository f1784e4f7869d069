//! The probe: `/sbin/init` of a test's root. Reports what it finds as one line of JSON on the console, says "done", and
//! ends the VM.
//!
//! Words on the kernel command line tell it what else to do: `probe.run=/program,word,word` (any number of them, in their
//! order, before everything else), `probe.read=/a,/b`, `probe.write=/a,/b`, `probe.statfs=/`, `probe.end=poweroff|reboot`.

#![forbid(unsafe_code)]

use probe::{Answer, Facts, Mount, Ran};
use rustix::system::RebootCommand;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

fn main() {
    // First of all: nothing of ours is open yet.
    let fds = descriptors();
    let told = report(fds).and_then(|facts| Ok(serde_json::to_string(&facts)?)).and_then(|json| {
        // From here on the kernel says nothing on the console that could fall into the middle of the line.
        fs::write("/proc/sys/kernel/printk", "1")?;
        // Whoever reads "done" may end the VM.
        rustix::fs::sync();
        let mut console = io::stdout().lock();
        writeln!(console, "\nprobe: {json}\nprobe: done")?;
        console.flush()
    });
    if let Err(error) = told {
        eprintln!("the probe failed: {error}");
    }
    let command = match word("probe.end").as_deref() {
        Some("reboot") => RebootCommand::Restart,
        _ => RebootCommand::PowerOff,
    };
    if let Err(error) = rustix::system::reboot(command) {
        eprintln!("the probe could not end the VM: {error}");
    }
}

fn report(fds: BTreeMap<i32, String>) -> io::Result<Facts> {
    let answers = |name: &str, ask: fn(&str) -> io::Result<String>| {
        let paths = word(name).unwrap_or_default();
        let paths = paths.split(',').filter(|path| !path.is_empty());
        paths.map(|path| (path.to_string(), answer(path, ask(path)))).collect::<BTreeMap<_, _>>()
    };
    let ran = words("probe.run").iter().map(|command| run(command)).collect();
    let space = |path: &str| Some((path.to_string(), rustix::fs::statvfs(path).ok()?));
    Ok(Facts {
        pid: std::process::id(),
        argv: std::env::args_os().map(lossy).collect(),
        env: std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect(),
        cwd: std::env::current_dir()?.display().to_string(),
        fds,
        mounts: mounts(&fs::read_to_string("/proc/self/mountinfo")?),
        status: status(&fs::read_to_string("/proc/self/status")?),
        meminfo: meminfo(&fs::read_to_string("/proc/meminfo")?),
        free_at_hand: free_at_hand(&fs::read_to_string("/proc/zoneinfo")?),
        cmdline: String::from_utf8_lossy(&fs::read("/proc/cmdline")?).trim_end().to_string(),
        wrote: answers("probe.write", |path| fs::write(path, path).map(|()| path.to_string())),
        read: answers("probe.read", |path| Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())),
        statfs: word("probe.statfs")
            .iter()
            .filter_map(|path| space(path))
            .map(|(path, space)| (path, space.f_blocks * space.f_frsize))
            .collect(),
        ran,
        log: log(),
    })
}

fn run(command: &str) -> Ran {
    let words: Vec<String> = command.split(',').map(String::from).collect();
    let (program, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    match std::process::Command::new(program).args(rest).output() {
        Ok(output) => Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            words,
        },
        Err(error) => Ran { code: None, out: String::new(), err: error.to_string(), words },
    }
}

fn lossy(text: OsString) -> String {
    text.to_string_lossy().into_owned()
}

/// Numbers and targets. The descriptor that reads the directory is the highest and points at this very directory.
fn descriptors() -> BTreeMap<i32, String> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?.display().to_string();
        Some((entry.file_name().to_str()?.parse().ok()?, target))
    });
    open.filter(|(_, target)| !target.ends_with("/fd")).collect()
}

fn answer(path: &str, answered: io::Result<String>) -> Answer {
    let meta = |meta: fs::Metadata| format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
    match (answered, fs::symlink_metadata(path)) {
        (Ok(text), Ok(found)) => Answer { text, meta: meta(found) },
        (Ok(text), Err(_)) => Answer { text, meta: String::new() },
        (Err(error), _) => Answer { text: error.to_string(), meta: String::new() },
    }
}

/// The format is that of proc(5): `id parent major:minor root target options [tags] - type source own-options`.
fn mounts(mountinfo: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        let (front, back) = line.split_once(" - ")?;
        let front: Vec<&str> = front.split(' ').collect();
        let back: Vec<&str> = back.split(' ').collect();
        Some(Mount {
            target: front.get(4)?.to_string(),
            options: front.get(5)?.to_string(),
            kind: back.first()?.to_string(),
            source: back.get(1)?.to_string(),
            own_options: back.get(2)?.to_string(),
        })
    };
    mountinfo.lines().filter_map(parse).collect()
}

fn status(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once(":\t"));
    let wanted = fields.filter(|(name, _)| ["Umask", "SigBlk", "SigIgn", "SigCgt"].contains(name));
    wanted.map(|(name, value)| (name.into(), value.into())).collect()
}

fn meminfo(text: &str) -> BTreeMap<String, u64> {
    let number = |value: &str| value.split_whitespace().next()?.parse().ok();
    text.lines().filter_map(|line| line.split_once(':')).filter_map(|(k, v)| Some((k.into(), number(v)?))).collect()
}

/// The `count:` of every processor's list in every zone, in pages of 4 KiB.
fn free_at_hand(zoneinfo: &str) -> u64 {
    let counts = zoneinfo.lines().filter_map(|line| line.trim().strip_prefix("count:")?.trim().parse::<u64>().ok());
    counts.sum::<u64>() * 4
}

/// Each read of /dev/kmsg is one record, `level,sequence,time,flags;text`; the last answers EAGAIN.
fn log() -> Vec<String> {
    use rustix::fs::{Mode, OFlags};
    let Ok(kmsg) = rustix::fs::open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
    else {
        return Vec::new();
    };
    let mut record = [0; 8192];
    let mut lines = Vec::new();
    while let Ok(length) = rustix::io::read(&kmsg, &mut record) {
        let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default()).into_owned();
        lines.extend(text.split_once(";dock0: ").map(|(_, line)| line.lines().next().unwrap_or_default().to_string()));
    }
    lines
}

/// The value of the first word with this name on the kernel command line.
fn word(name: &str) -> Option<String> {
    words(name).into_iter().next()
}

/// The values of all words with this name.
fn words(name: &str) -> Vec<String> {
    let line = fs::read("/proc/cmdline").unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
    pairs.filter(|(n, _)| *n == name).map(|(_, value)| value.into()).collect()
}
