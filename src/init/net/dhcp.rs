//! DHCPv4 over a UDP socket that is bound to one interface: it sends and hears before the interface has an address.

use super::link::random;
use crate::failure::{Doing, Failure};
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use wire::dhcp::{CLIENT_PORT, LONGEST, Lease, SERVER_PORT};
use wire::dhcp_client::{Change, Client, Datagram, Millis};
use wire::inet::Mac;

/// How long a release may take to get out, asking for the server's Ethernet address included.
const RELEASE_GRACE: Duration = Duration::from_millis(50);

/// The client, its socket and its clock.
pub struct Dhcp {
    client: Client,
    socket: OwnedFd,
    began: Instant,
    wake: Instant,
    trouble: Option<String>,
}

impl Dhcp {
    /// On this interface, which is up. It asks when it is first woken.
    pub fn open(interface: &str, mac: Mac, now: Instant) -> Result<Dhcp, Failure> {
        let socket = socket(interface).doing(|| format!("opening UDP port {CLIENT_PORT} on {interface} for DHCP"))?;
        Ok(Dhcp { client: Client::new(mac, 0, random()), socket, began: now, wake: now, trouble: None })
    }

    /// To wait on for answers.
    pub fn answers(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// When it must be woken.
    pub fn wake(&self) -> Instant {
        self.wake
    }

    /// What it has.
    pub fn lease(&self) -> Option<&Lease> {
        self.client.lease()
    }

    /// Why there is no lease, for a person.
    pub fn trouble(&self) -> String {
        match (&self.trouble, self.client.asked()) {
            (Some(trouble), _) => trouble.clone(),
            (None, asked) => format!("no DHCP server has answered, asked {asked} times"),
        }
    }

    /// To be called when it is woken.
    pub fn wake_up(&mut self, now: Instant) -> Option<Change> {
        self.step(now, None)
    }

    /// Hears the answers that have come, up to the first that changes something.
    pub fn hear(&mut self, now: Instant) -> Option<Change> {
        let mut answer = [0; LONGEST];
        loop {
            match rustix::net::recvfrom(&self.socket, &mut answer, RecvFlags::empty()) {
                Ok((length, _, from)) if is_a_server(from.as_ref()) => {
                    let change = self.step(now, answer.get(..length));
                    if change.is_some() {
                        return change;
                    }
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return None,
                Err(error) => {
                    // For instance that the interface went down: what is sent next says so again.
                    self.trouble = Some(format!("hearing DHCP servers: {}", crate::failure::Cause::words(&error)));
                    return None;
                }
            }
        }
    }

    /// Gives the lease back.
    pub fn release(&mut self) {
        if let Some(datagram) = self.client.release(random()) {
            // Worst case of its loss: the server keeps the address for us until the lease ends.
            if self.send(&datagram).is_ok() {
                std::thread::sleep(RELEASE_GRACE);
            }
        }
    }

    fn step(&mut self, now: Instant, message: Option<&[u8]>) -> Option<Change> {
        let step = self.client.step(self.millis(now), message, random());
        self.wake = self.began + Duration::from_millis(step.wake);
        if let Some(ignored) = step.ignored {
            self.trouble = Some(format!("an answer of a DHCP server was not heeded: {ignored}"));
        }
        if let Some(datagram) = &step.send {
            let sent = self.send(datagram);
            match sent {
                Ok(()) if step.ignored.is_none() => self.trouble = None,
                Ok(()) => {}
                // It tries again at the next time to ask.
                Err(error) => {
                    self.trouble = Some(format!("asking for a lease: {}", crate::failure::Cause::words(&error)))
                }
            }
        }
        step.change
    }

    fn send(&self, Datagram { to, message }: &Datagram) -> Result<(), Errno> {
        let to = SocketAddrV4::new(*to, SERVER_PORT);
        rustix::net::sendto(&self.socket, message, SendFlags::empty(), &to).map(drop)
    }

    fn millis(&self, now: Instant) -> Millis {
        Millis::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(Millis::MAX)
    }
}

fn socket(interface: &str) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::sockopt::set_socket_broadcast(&socket, true)?;
    let bound = setsockopt(&socket, BindToDevice, &OsString::from(interface));
    bound.map_err(|error| Errno::from_raw_os_error(error as i32))?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
    Ok(socket)
}

fn is_a_server(from: Option<&rustix::net::SocketAddrAny>) -> bool {
    let from = from.and_then(|from| SocketAddrV4::try_from(from.clone()).ok());
    from.is_some_and(|from| from.port() == SERVER_PORT)
}
