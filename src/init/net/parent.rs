//! PID 1's side: starts the child that brings the network up, waits for it with a deadline, shows what is in its way, and
//! has it take everything down again. What the child says is read as a stranger's words.

use super::NAME;
use crate::failure::{Doing, Failure};
use crate::kernel_fs::make_directory;
use crate::log::say;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use wire::network_report::{Facts, LONGEST_LINE, Report};

/// How long the child may take to put everything back; it takes a tenth of a second.
const TAKE_DOWN: Duration = Duration::from_secs(5);
/// How often it is looked whether the child has ended.
const LOOK: Duration = Duration::from_millis(2);

/// A network that is up for as long as this is there. Dropped, the child notices that nobody listens, and takes it down
/// by itself.
pub struct Network {
    child: Child,
    output: ChildStdout,
    /// What has come of a line whose end has not.
    begun: Vec<u8>,
    facts: Option<Facts>,
}

impl Network {
    /// Brings it up as it is wanted, and waits for it as long as `patience`. The resolver of whoever runs below `root` finds its
    /// name servers.
    pub fn bring_up(wanted: &wire::network::Network, root: &str, patience: Duration) -> Result<Network, Failure> {
        say!("bringing the network up ({wanted})");
        make_directory(&format!("{}/etc", root.trim_end_matches('/')))?;
        let mut network = Network::start(wanted, root)?;
        match network.wait(Instant::now() + patience) {
            Ok(()) => Ok(network),
            Err(failure) => match network.take_down() {
                Ok(()) => Err(failure),
                Err(also) => Err(Failure::new(format!("{failure}; then {also}"))),
            },
        }
    }

    fn start(wanted: &wire::network::Network, root: &str) -> Result<Network, Failure> {
        let words = wanted.to_string();
        let mut command = Command::new("/proc/self/exe");
        command.arg0(NAME).arg(root).args(words.split(' ')).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let doing = || format!("starting {NAME}");
        let mut child = command.spawn().doing(doing)?;
        let output = child.stdout.take().ok_or_else(|| Failure::new(format!("starting {NAME}: it has no output")))?;
        Ok(Network { child, output, begun: Vec::new(), facts: None })
    }

    /// Waits until it is up, showing what is in the way.
    fn wait(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut in_the_way = "nothing was heard of it".to_string();
        loop {
            for report in self.read()? {
                match report {
                    Report::Up(facts) => {
                        say!("the network is up: {facts}");
                        self.facts = Some(facts);
                        return Ok(());
                    }
                    Report::Trying(sentence) | Report::Down(sentence) => {
                        say!("waiting for the network: {sentence}");
                        in_the_way = sentence.to_string();
                    }
                    Report::Failed(sentence) => {
                        return Err(Failure::new(format!("bringing the network up: {sentence}")));
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(Failure::new(format!("bringing the network up: {in_the_way} (gave up waiting)")));
            }
            self.sleep(deadline)?;
        }
    }

    /// What it is like, as far as it is known.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// To wait on, for whoever waits for other things too; then [`Network::listen`].
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Takes in what the child has said meanwhile, and shows it. Fails when the child has ended or talks nonsense: then
    /// there is no network any more.
    pub fn listen(&mut self) -> Result<(), Failure> {
        for report in self.read()? {
            match report {
                Report::Up(facts) => {
                    say!("the network has changed: {facts}");
                    self.facts = Some(facts);
                }
                Report::Trying(sentence) | Report::Down(sentence) => {
                    say!("the network is down: {sentence}");
                    self.facts = None;
                }
                Report::Failed(sentence) => return Err(Failure::new(format!("keeping the network up: {sentence}"))),
            }
        }
        Ok(())
    }

    /// Has everything put back as it was. The child is gone afterwards in any case.
    pub fn take_down(mut self) -> Result<(), Failure> {
        say!("taking the network down");
        let doing = || "taking the network down".to_string();
        // A child that has ended already has its say below.
        match rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error).doing(doing),
        }
        let deadline = Instant::now() + TAKE_DOWN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().doing(doing)? {
                let said = self.read().unwrap_or_default().into_iter().find_map(|report| match report {
                    Report::Failed(sentence) => Some(sentence),
                    Report::Up(_) | Report::Down(_) | Report::Trying(_) => None,
                });
                return match said {
                    _ if status.success() => Ok(()),
                    Some(sentence) => Err(Failure::new(format!("taking the network down: {sentence}"))),
                    None => Err(Failure::new(format!("taking the network down: {NAME} has ended with {status}"))),
                };
            }
            std::thread::sleep(LOOK);
        }
        self.child.kill().and_then(|()| self.child.wait()).doing(doing)?;
        Err(Failure::new(format!(
            "taking the network down: {NAME} did not end in {} s and was killed",
            TAKE_DOWN.as_secs()
        )))
    }

    /// Every whole line that has come, without waiting.
    fn read(&mut self) -> Result<Vec<Report>, Failure> {
        let mut reports = Vec::new();
        while self.has_come(Duration::ZERO)? {
            let mut bytes = [0; LONGEST_LINE];
            let length = self.output.read(&mut bytes).doing(|| format!("reading what {NAME} says"))?;
            if length == 0 {
                if reports.is_empty() {
                    return Err(Failure::new(format!("{NAME} has ended without a word")));
                }
                break; // its last word comes first
            }
            self.begun.extend_from_slice(bytes.get(..length).unwrap_or_default());
            while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
                let rest = self.begun.split_off(end + 1);
                let line = std::mem::replace(&mut self.begun, rest);
                let line = line.get(..end).unwrap_or_default();
                reports.push(Report::parse(line).map_err(|_| nonsense(line))?);
            }
            if self.begun.len() > LONGEST_LINE {
                return Err(nonsense(&self.begun));
            }
        }
        Ok(reports)
    }

    fn sleep(&self, deadline: Instant) -> Result<(), Failure> {
        self.has_come(deadline.saturating_duration_since(Instant::now())).map(drop)
    }

    /// Whether something can be read, waited for.
    fn has_come(&self, wait: Duration) -> Result<bool, Failure> {
        let timeout = super::child::timespec(wait);
        match poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error).doing(|| format!("waiting for {NAME}")),
        }
    }
}

fn nonsense(line: &[u8]) -> Failure {
    let start = line.get(..line.len().min(60)).unwrap_or_default();
    Failure::new(format!("{NAME} says what is no report: {}", start.escape_ascii()))
}
