//! The child's life: `dock0-net ROOT WORD…` brings up the network that the words ask for ([`wire::network`]), tells its
//! parent what it has ([`wire::network_report`]), writes `ROOT/etc/resolv.conf`, renews what must be renewed, and on
//! SIGTERM, or when nobody reads what it says any more, leaves every interface as it found it.

use super::link::IPV6_CONF;
use super::session::Session;
use super::{report, signals};
use crate::failure::{Doing, Failure};
use crate::sandbox::{self, Allowed, Calls, Confinement, FEW_DESCRIPTORS, Right, SMALL_MEMORY, Tcp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::network::Network;
use wire::network_report::{Report, sentence};

/// The longest file that it writes, in bytes: a resolv.conf.
const MAX_FILE: u64 = 64 << 10;

/// Runs until it is told to end. 0 if it has left everything as it was, 1 if not; then a line says why.
pub fn run(words: &[&str]) -> ExitCode {
    match live(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::write(&Report::Failed(sentence(&failure.to_string())));
            ExitCode::FAILURE
        }
    }
}

fn live(words: &[&str]) -> Result<(), Failure> {
    let Some((root, words)) = words.split_first() else {
        return Err(Failure::new("dock0-net: the first word must be the root directory"));
    };
    let wanted = Network::from_words(words.iter().copied()).map_err(|bad| Failure::new(bad.to_string()))?;
    lock_up(root)?;
    let end = signals::listen()?;
    let mut session = Session::start(wanted, Path::new(root))?;
    let outcome = keep(&mut session, &end);
    let put_back = session.end();
    outcome.and(put_back)
}

/// Before the first byte comes from outside. It stays root, whose files it writes, but with nothing of root's power over
/// others.
fn lock_up(root: &str) -> Result<(), Failure> {
    let etc = format!("{}/etc", root.trim_end_matches('/'));
    let gaps = sandbox::enter(&Confinement {
        user: None,
        // Interfaces, addresses, routes and their sysctls; port 68.
        capabilities: CapabilitySet::NET_ADMIN | CapabilitySet::NET_BIND_SERVICE,
        close_from: 3,
        allowed: &[etc.as_str(), IPV6_CONF].map(|path| Allowed { path, right: Right::Change }),
        tcp: Tcp::None,
        calls: Calls::All,
        memory: SMALL_MEMORY,
        descriptors: FEW_DESCRIPTORS,
        file_size: MAX_FILE,
        // Where its parent ends, it first puts everything back.
        parent: None,
    })?;
    gaps.iter().for_each(|gap| report::write(&Report::Gap(sentence(gap))));
    Ok(())
}

/// One loop: do what can be done, sleep until something comes or is due.
fn keep(session: &mut Session, end: &impl AsFd) -> Result<(), Failure> {
    loop {
        session.work(Instant::now())?;
        let stdout = std::io::stdout();
        let mut fds = vec![
            PollFd::new(end, PollFlags::IN),
            // No event is asked for, so all that comes is that nobody reads any more.
            PollFd::new(&stdout, PollFlags::empty()),
            PollFd::from_borrowed_fd(session.news(), PollFlags::IN),
        ];
        fds.extend(session.answers().map(|answers| PollFd::from_borrowed_fd(answers, PollFlags::IN)));
        let timeout = timespec(session.wake().saturating_duration_since(Instant::now()));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).doing(|| "waiting for the network".into()),
        }
        let came = |at: usize| fds.get(at).is_some_and(|fd: &PollFd| !fd.revents().is_empty());
        if came(0) || came(1) {
            return Ok(());
        }
        let (news, answers) = (came(2), came(3));
        if news {
            session.hear_news()?;
        }
        if answers {
            session.hear_answers(Instant::now());
        }
    }
}

/// As poll(2) takes it, at most an hour.
pub fn timespec(left: Duration) -> Timespec {
    let left = left.min(Duration::from_secs(3600));
    Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() }
}
