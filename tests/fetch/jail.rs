//! What somebody who is locked up tries: each attempt a name, and what came of it in a word.

use anyhow::{Result, bail};
use init::sandbox::{Allowed, Calls, Confinement, FETCH_USER, FEW_DESCRIPTORS, Right, SMALL_MEMORY, Tcp, enter};
use rustix::process::{self, Pid, Resource};
use rustix::thread::{self, CapabilitySet};
use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// The most bytes of a file.
pub const FILE_SIZE: u64 = 1 << 20;

/// Below it files may be changed.
pub const CHANGED: &str = "/tmp/dock0-jail";

/// Locks this process up, as a child of PID 1 does it, and tries something. `/etc/hosts` may be read, and what stands in
/// [`CHANGED`] be changed.
pub fn attempt(attempt: &str, parent: Pid) -> Result<String> {
    let (attempt, path) = attempt.split_once(':').unwrap_or((attempt, "/etc/hosts"));
    let capabilities = match attempt {
        "keeps a capability" => CapabilitySet::NET_ADMIN,
        _ => CapabilitySet::empty(),
    };
    let tcp = match attempt {
        "is called, and may" => Tcp::Bind,
        "calls, and may not" => Tcp::None,
        _ => Tcp::Connect,
    };
    let (attempt, calls) = match attempt.strip_suffix(", with few calls") {
        Some(attempt) => (attempt, Calls::Few),
        None => (attempt, Calls::All),
    };
    let user = if attempt == "stays root" { None } else { Some(FETCH_USER) };
    let readable = ["/etc/hosts", "/no/such/file"].map(|path| Allowed { path, right: Right::Read });
    let changed = Allowed { path: CHANGED, right: Right::Change };
    let gaps = enter(&Confinement {
        user,
        capabilities,
        close_from: 4,
        allowed: &[&readable[..], &[changed]].concat(),
        tcp,
        calls,
        memory: SMALL_MEMORY,
        descriptors: FEW_DESCRIPTORS,
        file_size: FILE_SIZE,
        parent: Some(parent),
    });
    let gaps = gaps.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let word = |result: io::Result<()>| match result {
        Ok(()) => "done".to_string(),
        Err(error) => error.raw_os_error().map_or_else(|| error.to_string(), name_of),
    };
    Ok(match attempt {
        "gaps" => format!("{gaps:?}"),
        "reads" => word(File::open(path).map(drop)),
        "lists" => word(std::fs::read_dir(path).map(drop)),
        "writes" => word(File::create(path).map(drop)),
        "runs" => word(Command::new(path).spawn().map(drop)),
        "starts a thread" => word(std::thread::Builder::new().spawn(|| ()).map(drop)),
        "becomes root" => word(thread::set_thread_uid(process::Uid::ROOT).map_err(Into::into)),
        "signals" => word(process::test_kill_process(parent).map_err(Into::into)),
        "is called" | "is called, and may" => word(TcpListener::bind("127.0.0.1:0").map(drop)),
        "changes" => word(change(path)),
        "makes a directory" => word(std::fs::create_dir(path)),
        "calls" | "calls, and may not" => word(TcpStream::connect(path).map(drop)),
        "asks a name server" => word(UdpSocket::bind("127.0.0.1:0").map(drop)),
        "opens a pair of sockets" => word(UnixStream::pair().map(drop)),
        "opens a raw socket" => {
            use rustix::net::{AddressFamily, SocketType, ipproto, socket};
            word(socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)).map(drop).map_err(Into::into))
        }
        "takes memory" => {
            let mut bytes = Vec::<u8>::new();
            if bytes.try_reserve(80 << 20).is_ok() { "done".into() } else { "ENOMEM".into() }
        }
        "opens many" => {
            let mut open = Vec::new();
            loop {
                match rustix::io::dup(io::stdin()) {
                    Ok(copy) => open.push(copy),
                    Err(error) => break format!("{} after {}", name_of(error.raw_os_error()), open.len()),
                }
            }
        }
        "writes too much" => {
            let file = init::sys::inherited_file(3)?;
            word(std::os::unix::fs::FileExt::write_all_at(&file, b"x", FILE_SIZE))
        }
        "writes enough" => {
            let file = init::sys::inherited_file(3)?;
            word(std::os::unix::fs::FileExt::write_all_at(&file, b"x", FILE_SIZE - 1))
        }
        "uses another's descriptor" => word(init::sys::inherited_file(9).map(drop).map_err(Into::into)),
        "looks at itself" | "keeps a capability" | "stays root" => look_at_itself()?,
        _ => bail!("{attempt} is no attempt"),
    })
}

/// Makes a file, writes to it, gives it another name, and removes it.
fn change(path: &str) -> io::Result<()> {
    let other = format!("{path}.new");
    std::fs::write(&other, "text")?;
    std::fs::rename(&other, path)?;
    std::fs::write(path, "shorter")?;
    std::fs::remove_file(path)
}

fn look_at_itself() -> Result<String> {
    let held = thread::capabilities(None)?;
    let bounding = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    let bounding = bounding.filter(|one| thread::capability_is_in_bounding_set(*one).unwrap_or(false)).count();
    Ok(format!(
        "uid {} {} gid {} {} groups {} capabilities {:?} {:?} {bounding} nnp {} leader {} core {:?} death {:?} dump {:?}",
        process::getuid(),
        process::geteuid(),
        process::getgid(),
        process::getegid(),
        process::getgroups()?.len(),
        held.permitted,
        held.effective,
        thread::no_new_privs()?,
        process::getsid(None)? == process::getpid(),
        process::getrlimit(Resource::Core).maximum,
        process::parent_process_death_signal()?,
        process::dumpable_behavior()?,
    ))
}

fn name_of(number: i32) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(number))
}
