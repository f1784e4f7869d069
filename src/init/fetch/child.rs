//! The fetching child: reads its job, locks itself up, fetches, and says how it went.

use super::http::Client;
use super::job::{Job, MAX_JOB};
use super::names::Known;
use super::report::Line;
use super::tls::MAX_CA;
use super::{download, tls};
use crate::failure::{Doing, Failure};
use crate::sandbox::{self, Calls, Confinement, FETCH_USER, FEW_DESCRIPTORS, SMALL_MEMORY, Tcp};
use crate::sys;
use rustix::process::Pid;
use rustix::thread::CapabilitySet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, UdpSocket};
use std::process::ExitCode;

/// The descriptor of the file to fetch into.
pub const DESTINATION: i32 = 3;
/// What is known of names. It is read before the child locks itself up, and parsed after that.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
/// The longest of these files that is read, in bytes.
const MAX_NAMES: u64 = 256 << 10;
/// How much longer than it may be a file can get before the kernel ends the child.
const SLACK: u64 = 4096;

/// Is the child. The words behind its name: the process that started it, and the CA file if there is one.
pub fn run(words: &[&str]) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| tell(&Line::Failed(Failure::of_panic(panic).to_string()))));
    let said = match fetch(words) {
        Ok(bytes) => Line::Done(bytes),
        Err(failure) => Line::Failed(failure.to_string()),
    };
    tell(&said);
    ExitCode::from(u8::from(!matches!(said, Line::Done(_))))
}

fn fetch(words: &[&str]) -> Result<u64, Failure> {
    let (parent, ca) = orders(words)?;
    let job = read_job()?;
    let ca = ca.map(read_ca).transpose()?;
    let names = [RESOLV_CONF, HOSTS].map(read_names);
    let destination = sys::inherited_file(DESTINATION).doing(|| format!("taking descriptor {DESTINATION} over"))?;
    let gaps = sandbox::enter(&Confinement {
        user: Some(FETCH_USER),
        capabilities: CapabilitySet::empty(),
        close_from: DESTINATION.unsigned_abs() + 1,
        allowed: &[],
        tcp: Tcp::Connect,
        calls: Calls::All,
        memory: SMALL_MEMORY,
        descriptors: FEW_DESCRIPTORS,
        file_size: job.what.most().saturating_add(SLACK),
        parent: Some(parent),
    })?;
    for gap in gaps {
        tell(&Line::Gap(gap));
    }
    let [resolv_conf, hosts] = names;
    let known = Known::parse(&resolv_conf?, &hosts?, &interface_number);
    let client = Client::new(tls::trust(ca.as_deref())?, known, job.patience);
    download::run(&job, destination, &client, &mut |line| tell(&line))
}

fn orders<'w>(words: &[&'w str]) -> Result<(Pid, Option<&'w str>), Failure> {
    let wrong = || Failure::new("the fetching child is started by dock0 alone; nothing was done");
    let (parent, ca) = match words {
        [parent] => (parent, None),
        [parent, ca] => (parent, Some(*ca)),
        _ => return Err(wrong()),
    };
    let parent = parent.parse().ok().and_then(Pid::from_raw).ok_or_else(wrong)?;
    Ok((parent, ca))
}

fn read_job() -> Result<Job, Failure> {
    let most = u64::try_from(MAX_JOB).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(MAX_JOB);
    std::io::stdin().take(most + 1).read_to_end(&mut bytes).doing(|| "reading the order".into())?;
    Job::parse(&bytes).map_err(|why| Failure::new(format!("reading the order: {why}")))
}

fn read_ca(path: &str) -> Result<Vec<u8>, Failure> {
    let doing = || format!("reading the CA file {path}");
    let pem = File::open(path).and_then(|file| read_all(file, MAX_CA)).doing(doing)?;
    pem.ok_or_else(|| Failure::new(format!("{}: it has more than {} KiB", doing(), MAX_CA >> 10)))
}

/// A file that there need not be. One that is too long is no such file.
fn read_names(path: &str) -> Result<String, Failure> {
    match File::open(path).and_then(|file| read_all(file, MAX_NAMES)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => {
            let bytes = read.doing(|| format!("reading {path}"))?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

/// All of it, or nothing if it is more than that.
fn read_all(file: File, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let count = file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(u64::try_from(count).is_ok_and(|count| count <= most).then_some(bytes))
}

fn interface_number(name: &str) -> Option<u32> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}

fn tell(line: &Line) {
    // Worst case: nobody listens, since the parent has ended; then the kernel ends this process too.
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap_or_default();
}
