//! Block devices: finding the one that is meant, and waiting for it, woken by the kernel's device events.

use crate::failure::{Cause, Doing, Failure};
use crate::log::say;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};
use wire::device_spec::DeviceSpec;
use wire::superblock::{self, Superblock};

/// A block device and what it holds, if that can be read and told.
#[derive(Debug)]
pub struct Device {
    /// `/dev/…`
    pub path: String,
    /// What it holds.
    pub content: Content,
}

/// What the first bytes of a device say.
#[derive(Debug)]
pub enum Content {
    /// A file system.
    Fs(Superblock),
    /// Something else, or nothing.
    Unknown,
    /// They could not be read, and why.
    Unreadable(String),
}

/// The device that is meant, as soon as it is there; after `seconds` a failure that lists what is there instead.
pub fn wait_for(spec: &DeviceSpec, seconds: u32) -> Result<Device, Failure> {
    if let Some(device) = find(spec)? {
        return Ok(device);
    }
    say!("waiting for {spec} (up to {seconds} s)");
    let deadline = Instant::now() + Duration::from_secs(seconds.into());
    // Listen first, look again then: a device that comes in between is not missed.
    let events = listen().doing(|| "listening for the kernel's device events".into())?;
    loop {
        if let Some(device) = find(spec)? {
            return Ok(device);
        }
        if !block_device_appears(&events, deadline).doing(|| "waiting for the kernel's device events".into())? {
            // One last look: a device can become readable without an event.
            let nothing =
                || format!("{spec} was not found: {} (waited {seconds} s)", present(&list().unwrap_or_default()));
            return find(spec)?.ok_or_else(|| Failure::new(nothing()));
        }
    }
}

/// The device that is meant, if it is there now. Two that fit are a failure: a guess could boot the wrong one.
fn find(spec: &DeviceSpec) -> Result<Option<Device>, Failure> {
    if let DeviceSpec::Path(path) = spec {
        let is_block = std::fs::metadata(path.as_str()).is_ok_and(|meta| meta.file_type().is_block_device());
        let device = is_block.then(|| probe(path.to_string()));
        // One that cannot be read yet is as good as one that is not there yet.
        return Ok(device.filter(|device| !matches!(device.content, Content::Unreadable(_))));
    }
    let mut fitting = list()?.into_iter().filter(|device| fits(spec, &device.content));
    match (fitting.next(), fitting.next()) {
        (Some(one), Some(other)) => Err(Failure::new(format!(
            "{spec} is on both {} and {}: name one of them with root=/dev/… or detach the other",
            one.path, other.path
        ))),
        (one, _) => Ok(one),
    }
}

fn fits(spec: &DeviceSpec, content: &Content) -> bool {
    match (spec, content) {
        (DeviceSpec::Label(label), Content::Fs(fs)) => fs.label.as_bytes() == label.as_bytes(),
        (DeviceSpec::Uuid(uuid), Content::Fs(fs)) => fs.uuid == *uuid,
        _ => false,
    }
}

/// Every block device the kernel knows, by name, each probed.
fn list() -> Result<Vec<Device>, Failure> {
    const CLASS: &str = "/sys/class/block";
    let entries = std::fs::read_dir(CLASS).doing(|| format!("listing {CLASS}"))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.doing(|| format!("listing {CLASS}"))?.file_name());
    }
    names.sort();
    // A loop device without a file is no disk: it would only lengthen the list in an error.
    let disks = names.iter().filter_map(|name| name.to_str()).filter(|name| !name.starts_with("loop"));
    Ok(disks.map(|name| probe(format!("/dev/{}", name.replace('!', "/")))).collect())
}

fn probe(path: String) -> Device {
    let mut start = [0; superblock::PROBE_LEN];
    let content = match File::open(&path).and_then(|mut device| device.read_exact(&mut start)) {
        Ok(()) => superblock::identify(&start).map_or(Content::Unknown, Content::Fs),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Content::Unknown, // too small for any file system
        Err(error) => Content::Unreadable(error.words()),
    };
    Device { path, content }
}

/// `there are /dev/sda (ext4 "data"), /dev/sdb (no file system)`.
fn present(devices: &[Device]) -> String {
    let describe = |device: &Device| match &device.content {
        Content::Fs(fs) => format!("{} ({} \"{}\")", device.path, fs.kind.name(), fs.label),
        Content::Unknown => format!("{} (no file system known here)", device.path),
        Content::Unreadable(why) => format!("{} ({why})", device.path),
    };
    match devices {
        [] => "there is no disk at all".into(),
        devices => format!("there are {}", devices.iter().map(describe).collect::<Vec<_>>().join(", ")),
    }
}

/// A socket on which the kernel tells of every device that comes and goes.
fn listen() -> rustix::io::Result<OwnedFd> {
    const FROM_THE_KERNEL: u32 = 1;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let protocol = Some(netlink::KOBJECT_UEVENT);
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)?;
    rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, FROM_THE_KERNEL))?;
    Ok(socket)
}

/// Sleeps until a block device appears; false if none did before the deadline.
fn block_device_appears(events: &OwnedFd, deadline: Instant) -> rustix::io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(events, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let mut event = [0; 4096];
        match rustix::net::recv(events, &mut event, RecvFlags::empty()) {
            Ok((length, _)) if wire::uevent::is_new_block_device(event.get(..length).unwrap_or_default()) => {
                return Ok(true);
            }
            // Events were lost because too many came at once: one of them may have been ours.
            Err(rustix::io::Errno::NOBUFS) => return Ok(true),
            Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
    }
}
