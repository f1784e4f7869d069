//! The unpacking child: `dock0-unpack PARENT` has a bundle as descriptor 3 and an empty directory as 4, and nothing else. It
//! checks all of the bundle before it writes the first of it, and says in one line what came of it.

use crate::failure::{Doing, Failure};
use crate::lines::{number, printable};
use crate::sandbox::{self, Allowed, Calls, Confinement, FEW_DESCRIPTORS, Right, Tcp};
use crate::sys;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, chmodat, mkdirat, openat2, symlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, umask};
use rustix::thread::CapabilitySet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use wire::bundle::gzip::Unpacker;
use wire::bundle::{Bundle, Entry, MAX_FILE, MAX_UNPACKED, Refused, What};

/// The descriptor of the bundle; the directory follows.
pub const FIRST: i32 = 3;
/// Its user and group: see [`sandbox::FETCH_USER`].
pub const USER: u32 = 65531;
/// How many bytes of its address space it may use: an archive, and itself.
const MEMORY: u64 = 64 << 20;

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is written.
    Done,
    /// The bundle is none that is taken, in a sentence.
    Refused(String),
    /// It could not be written.
    Failed(String),
}

impl Verdict {
    /// Reads its line, without the end; `None` of what is none.
    pub fn parse(line: &str) -> Option<Verdict> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("done", "") => Some(Verdict::Done),
            ("refused", text) => Some(Verdict::Refused(text.into())),
            ("failed", text) => Some(Verdict::Failed(text.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Done => f.write_str("done"),
            Verdict::Refused(text) => write!(f, "refused {}", printable(text)),
            Verdict::Failed(text) => write!(f, "failed {}", printable(text)),
        }
    }
}

/// Is the child.
pub fn run(words: &[&str]) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| tell(&Verdict::Failed(Failure::of_panic(panic).to_string()))));
    let verdict = begin(words).and_then(|(bundle, directory)| unpack(bundle, &directory));
    let verdict = verdict.unwrap_or_else(|failure| Verdict::Failed(failure.to_string()));
    tell(&verdict);
    ExitCode::from(u8::from(verdict != Verdict::Done))
}

fn tell(verdict: &Verdict) {
    // Worst case: nobody listens, since the parent has ended; then the kernel ends this process too.
    std::io::stdout().write_all(format!("{verdict}\n").as_bytes()).unwrap_or_default();
}

fn begin(words: &[&str]) -> Result<(File, OwnedFd), Failure> {
    let parent = match words {
        [parent] => number(parent).and_then(|number| Pid::from_raw(i32::try_from(number).ok()?)),
        _ => None,
    };
    let parent =
        parent.ok_or_else(|| Failure::new("the unpacking child is started by dock0 alone; nothing was done"))?;
    let [bundle, directory] = [FIRST, FIRST + 1]
        .map(|number| sys::inherited_file(number).doing(|| format!("taking descriptor {number} over")));
    let (bundle, directory) = (bundle?, directory?);
    let path = sys::path_of(&directory).doing(|| "looking for the place of the directory".into())?;
    // Modes are as they are given.
    umask(Mode::empty());
    // Its gaps are those of the child that listens, which has told them.
    sandbox::enter(&Confinement {
        user: Some(USER),
        capabilities: CapabilitySet::empty(),
        close_from: FIRST.unsigned_abs() + 2,
        allowed: &[Allowed { path: &path, right: Right::Fill }],
        tcp: Tcp::None,
        calls: Calls::Few,
        memory: MEMORY,
        descriptors: FEW_DESCRIPTORS,
        file_size: u64::try_from(MAX_FILE).unwrap_or(u64::MAX),
        parent: Some(parent),
    })?;
    Ok((bundle, directory.into()))
}

fn unpack(mut bundle: File, directory: &OwnedFd) -> Result<Verdict, Failure> {
    let (mut room, mut piece) = (vec![0; MAX_UNPACKED], vec![0; 1 << 16]);
    let mut unpacker = Unpacker::new(&mut room);
    loop {
        let count = bundle.read(&mut piece).doing(|| "reading the bundle".into())?;
        if count == 0 {
            break;
        }
        if let Err(why) = unpacker.feed(piece.get(..count).unwrap_or_default()) {
            return Ok(Verdict::Refused(Refused::Gzip(why).to_string()));
        }
    }
    let archive = match unpacker.finish() {
        Ok(archive) => archive,
        Err(why) => return Ok(Verdict::Refused(Refused::Gzip(why).to_string())),
    };
    match Bundle::read(archive) {
        Ok(bundle) => write_all(&bundle, directory).map(|()| Verdict::Done),
        Err(why) => Ok(Verdict::Refused(why.to_string())),
    }
}

fn write_all(bundle: &Bundle, directory: &OwnedFd) -> Result<(), Failure> {
    for entry in bundle.entries() {
        write_entry(directory, &name_of(entry), entry).doing(|| format!("writing {}", entry.path))?;
    }
    // Last: a directory may be closed to those who fill it.
    for entry in bundle.entries().iter().rev().filter(|entry| entry.what == What::Directory) {
        let mode = Mode::from_raw_mode(entry.mode.into());
        chmodat(directory, name_of(entry), mode, AtFlags::empty())
            .doing(|| format!("giving {} its mode", entry.path))?;
    }
    Ok(())
}

/// Its path as it is called on the disk. What is shown of one is escaped: `\x2d`, as systemd's units have it, would be another.
fn name_of(entry: &Entry) -> Vec<u8> {
    entry.path.bytes().collect()
}

fn write_entry(directory: &OwnedFd, path: &[u8], entry: &Entry) -> std::io::Result<()> {
    for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        make_directory(directory, path.get(..slash).unwrap_or_default())?;
    }
    match entry.what {
        What::Directory => make_directory(directory, path)?,
        What::Link(target) => symlinkat(target, directory, path)?,
        What::File(bytes) => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            let file = openat2(directory, path, flags, Mode::from_raw_mode(entry.mode.into()), inside)?;
            File::from(file).write_all(bytes)?;
        }
    }
    Ok(())
}

/// One that is there already is as good.
fn make_directory(directory: &OwnedFd, path: &[u8]) -> rustix::io::Result<()> {
    match mkdirat(directory, path, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}
