//! The kernel's side of the network: orders that it answers, lists, and news as they happen.

use crate::failure::{Doing, Failure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, Result as SysResult};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use wire::netlink::{List, Request, list};
use wire::netlink_news::{GROUPS, News, read};

/// How long the kernel may take to answer; it takes microseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// The kernel never writes more into one datagram when it lists.
const LONGEST: usize = 32 * 1024;

/// Two sockets: answers do not get lost among news.
pub struct Rtnl {
    orders: OwnedFd,
    news: OwnedFd,
    number: u32,
    buffer: Vec<u8>,
}

/// What was heard.
pub enum Heard {
    /// News, in their order.
    News(Vec<News>),
    /// There were more than the socket holds: only lists help.
    Lost,
}

impl Rtnl {
    /// From here on no news are missed.
    pub fn open() -> Result<Rtnl, Failure> {
        let doing = || "opening a socket to the kernel's network".to_string();
        Ok(Rtnl {
            orders: socket(0).doing(doing)?,
            news: socket(GROUPS).doing(doing)?,
            number: 0,
            buffer: vec![0; LONGEST],
        })
    }

    /// To wait on for news.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// The news that have come, without waiting.
    pub fn hear(&mut self) -> SysResult<Heard> {
        let mut heard = Vec::new();
        loop {
            match receive(&self.news, &mut self.buffer) {
                Ok(datagram) => heard.extend(read(datagram)),
                Err(Errno::AGAIN) => return Ok(Heard::News(heard)),
                Err(Errno::NOBUFS) => return Ok(Heard::Lost),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives an order and waits for its answer.
    pub fn order(&mut self, request: impl FnOnce(u32) -> Request) -> SysResult<()> {
        self.number = self.number.wrapping_add(1);
        send(&self.orders, &request(self.number))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            for news in read(next(&self.orders, &mut self.buffer, deadline)?) {
                match news {
                    News::Answer(number, 0) if number == self.number => return Ok(()),
                    News::Answer(number, errno) if number == self.number => {
                        return Err(Errno::from_raw_os_error(errno));
                    }
                    News::Answer(..) | News::Done(_) => {} // they came too late
                    News::Link(..) | News::Address(..) | News::Route(..) | News::Dns(..) => {}
                }
            }
        }
    }

    /// Everything of one kind that there is now.
    pub fn list(&mut self, what: List) -> SysResult<Vec<News>> {
        self.number = self.number.wrapping_add(1);
        send(&self.orders, &list(what, self.number))?;
        let deadline = Instant::now() + PATIENCE;
        let mut listed = Vec::new();
        loop {
            for news in read(next(&self.orders, &mut self.buffer, deadline)?) {
                match news {
                    News::Done(number) if number == self.number => return Ok(listed),
                    News::Answer(number, errno) if number == self.number => {
                        return Err(Errno::from_raw_os_error(errno));
                    }
                    News::Done(_) | News::Answer(..) => {}
                    news @ (News::Link(..) | News::Address(..) | News::Route(..) | News::Dns(..)) => listed.push(news),
                }
            }
        }
    }
}

fn socket(groups: u32) -> SysResult<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // NETLINK_ROUTE is protocol 0.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, request: &Request) -> SysResult<()> {
    const THE_KERNEL: u32 = 0;
    rustix::net::sendto(socket, request, SendFlags::empty(), &SocketAddrNetlink::new(THE_KERNEL, 0)).map(drop)
}

/// One datagram, waited for.
fn next<'b>(socket: &OwnedFd, buffer: &'b mut [u8], deadline: Instant) -> SysResult<&'b [u8]> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::TIMEDOUT);
        }
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&super::child::timespec(left))) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return receive(socket, buffer),
            Err(error) => return Err(error),
        }
    }
}

/// One datagram that is there. What another process sends is as if it had not come.
fn receive<'b>(socket: &OwnedFd, buffer: &'b mut [u8]) -> SysResult<&'b [u8]> {
    let (length, _, from) = rustix::net::recvfrom(socket, &mut *buffer, RecvFlags::empty())?;
    let from_the_kernel =
        from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_some_and(|from| from.pid() == 0);
    let length = if from_the_kernel { length } else { 0 };
    Ok(buffer.get(..length).unwrap_or_default())
}
