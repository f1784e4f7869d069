//! PID 1's side: starts the child that brings the network up, waits for it with a deadline, shows what is in its way, and
//! has it take everything down again. What the child says is read as a stranger's words.

use super::NAME;
use crate::failure::{Doing, Failure};
use crate::kernel_fs::make_directory;
use crate::log::{note, say};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use wire::network_report::{Facts, LONGEST_LINE, Report, Sentence};
use wire::settings::Settings;

/// How long the network may take to come up, for whoever begins anew then.
pub const UP_WITHIN: Duration = Duration::from_secs(120);
/// How long the child may take to put everything back; it takes a tenth of a second.
const TAKE_DOWN: Duration = Duration::from_secs(5);
/// How often it is looked whether the child has ended.
const LOOK: Duration = Duration::from_millis(2);
/// How many lines are taken in at once.
const MOST_AT_ONCE: usize = 16;

/// What is wanted: the settings' network with the kernel command line's `ip=` over it.
pub fn wanted(settings: &wire::network::Network, cmdline: &[u8]) -> Result<wire::network::Network, Failure> {
    let mut wanted = settings.clone();
    wire::ip_param::apply(cmdline, &mut wanted).map_err(|bad| Failure::new(bad.to_string()))?;
    Ok(wanted)
}

/// What is wanted of this machine's network: its settings, and the command line that its kernel was given.
pub fn wanted_here(settings: &Settings) -> Result<wire::network::Network, Failure> {
    let line = std::fs::read("/proc/cmdline").doing(|| "reading /proc/cmdline".into())?;
    wanted(&settings.network, &line)
}

/// A network that is up for as long as this is there. Dropped, the child notices that nobody listens, and takes it down
/// by itself.
pub struct Network {
    child: Child,
    output: ChildStdout,
    /// What has come of a line whose end has not.
    begun: Vec<u8>,
    facts: Option<Facts>,
    /// It has said that it failed: then it has put back what it could, and ends.
    has_failed: bool,
}

impl Network {
    /// Brings it up as it is wanted, and waits for it as long as `patience`. The resolver of whoever runs below `root` finds its
    /// name servers.
    pub fn bring_up(wanted: &wire::network::Network, root: &str, patience: Duration) -> Result<Network, Failure> {
        say!("bringing the network up ({wanted})");
        make_directory(&format!("{}/etc", root.trim_end_matches('/')))?;
        Network::start(Path::new("/proc/self/exe"), wanted, root)?.or_take_down(Instant::now() + patience)
    }

    fn or_take_down(mut self, deadline: Instant) -> Result<Network, Failure> {
        match self.wait(deadline) {
            Ok(()) => Ok(self),
            Err(failure) => match self.take_down() {
                Ok(()) => Err(failure),
                Err(also) => Err(Failure::new(format!("{failure}; then {also}"))),
            },
        }
    }

    fn start(program: &Path, wanted: &wire::network::Network, root: &str) -> Result<Network, Failure> {
        let words = wanted.to_string();
        let mut command = Command::new(program);
        command.arg0(NAME).arg(root).args(words.split(' ')).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let doing = || format!("starting {NAME}");
        let mut child = command.spawn().doing(doing)?;
        let output = child.stdout.take().ok_or_else(|| Failure::new(format!("starting {NAME}: it has no output")))?;
        Ok(Network { child, output, begun: Vec::new(), facts: None, has_failed: false })
    }

    /// Waits until it is up, showing what is in the way.
    fn wait(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut in_the_way = "nothing was heard of it".to_string();
        while Instant::now() < deadline {
            match self.next_report()? {
                Some(Report::Up(facts)) => {
                    say!("the network is up: {facts}");
                    self.facts = Some(facts);
                    return Ok(());
                }
                Some(Report::Trying(sentence) | Report::Down(sentence)) => {
                    say!("waiting for the network: {sentence}");
                    in_the_way = sentence.to_string();
                }
                Some(Report::Gap(sentence)) => note!("{NAME} is not locked up entirely: {sentence}"),
                Some(Report::Failed(sentence)) => {
                    self.has_failed = true;
                    return Err(Failure::new(format!("bringing the network up: {sentence}")));
                }
                None => self.sleep(deadline)?,
            }
        }
        Err(Failure::new(format!("bringing the network up: {in_the_way} (gave up waiting)")))
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
        // However much it says, the caller comes to its other work.
        for _ in 0..MOST_AT_ONCE {
            match self.next_report()? {
                Some(Report::Up(facts)) => {
                    say!("the network has changed: {facts}");
                    self.facts = Some(facts);
                }
                Some(Report::Trying(sentence) | Report::Down(sentence)) => {
                    say!("the network is down: {sentence}");
                    self.facts = None;
                }
                Some(Report::Gap(sentence)) => note!("{NAME} is not locked up entirely: {sentence}"),
                Some(Report::Failed(sentence)) => {
                    self.has_failed = true;
                    return Err(Failure::new(format!("keeping the network up: {sentence}")));
                }
                None => break,
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
                let said = self.last_word();
                return match said {
                    _ if status.success() || self.has_failed => Ok(()),
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

    /// The same for a boot, which goes on whatever comes of it.
    pub fn take_down_and_go_on(self) {
        if let Err(failure) = self.take_down() {
            // Worst case: the root finds an interface that is up and has an address.
            note!("{failure}");
        }
    }

    /// Why it has failed, if it says so within the next few lines.
    fn last_word(&mut self) -> Option<Sentence> {
        for _ in 0..MOST_AT_ONCE {
            match self.next_report() {
                Ok(Some(Report::Failed(sentence))) => return Some(sentence),
                Ok(Some(Report::Up(_) | Report::Down(_) | Report::Trying(_) | Report::Gap(_))) => {}
                Ok(None) | Err(_) => break, // it has ended, and how is said by whoever asks
            }
        }
        None
    }

    /// The next line, if a whole one has come.
    fn next_report(&mut self) -> Result<Option<Report>, Failure> {
        if !self.begun.contains(&b'\n') && self.has_come(Duration::ZERO)? {
            let mut bytes = [0; LONGEST_LINE];
            let length = self.output.read(&mut bytes).doing(|| format!("reading what {NAME} says"))?;
            if length == 0 {
                return Err(Failure::new(format!("{NAME} has ended without a word")));
            }
            self.begun.extend_from_slice(bytes.get(..length).unwrap_or_default());
        }
        let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') else {
            return if self.begun.len() > LONGEST_LINE { Err(nonsense(&self.begun)) } else { Ok(None) };
        };
        let line: Vec<u8> = self.begun.drain(..=end).collect();
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Report::parse(line).map(Some).map_err(|_| nonsense(line))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// What comes of a child that is this shell script.
    fn brought_up(script: &str, patience: Duration) -> Result<Network, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("child");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Network::start(&program, &wire::network::Network::default(), "/")?.or_take_down(Instant::now() + patience)
    }

    #[test]
    fn what_a_child_may_say_and_what_not() {
        let long = format!("head -c {} /dev/zero | tr '\\0' x; sleep 20", LONGEST_LINE + 1);
        for (case, script, want) in [
            ("it fails", "echo failed opening a socket: no; exit 1", "bringing the network up: opening a socket: no"),
            ("it ends", "exit 0", "dock0-net has ended without a word"),
            ("its last word", "echo trying x; echo failed y; exit 1", "bringing the network up: y"),
            ("nonsense", "echo hello; sleep 20", "dock0-net says what is no report: hello"),
            (
                "a control character",
                "printf 'trying \\033[2J\\n'; sleep 20",
                r"dock0-net says what is no report: trying \x1b[2J",
            ),
            ("no end of a line", &long, &format!("dock0-net says what is no report: {}", "x".repeat(60))),
            ("no address", "echo up interface=eth0; sleep 20", "dock0-net says what is no report: up interface=eth0"),
        ] {
            let failure = brought_up(script, PATIENCE).err().unwrap_or_else(|| panic!("{case}"));
            let failure = failure.to_string();
            assert_eq!(failure.split("; then").next(), Some(want), "{case}");
        }
    }

    #[test]
    fn a_child_that_never_gets_there_is_given_up_with_what_it_said() {
        for (script, want) in [
            ("sleep 20", "bringing the network up: nothing was heard of it (gave up waiting)"),
            (
                "echo trying eth0 has no carrier; sleep 20",
                "bringing the network up: eth0 has no carrier (gave up waiting)",
            ),
        ] {
            let failure = brought_up(script, Duration::from_millis(300)).err().unwrap();
            let failure = failure.to_string();
            assert_eq!(failure.split("; then ").next(), Some(want), "{failure}");
        }
        let failure = brought_up("exit 3", PATIENCE).err().unwrap().to_string();
        let want =
            "dock0-net has ended without a word; then taking the network down: dock0-net has ended with exit status: 3";
        assert_eq!(failure, want);
        let failure = brought_up("echo failed undoing x: no; exit 1", PATIENCE).err().unwrap().to_string();
        assert_eq!(failure, "bringing the network up: undoing x: no", "nothing is said twice");
    }

    #[test]
    fn changes_are_followed_and_the_end_is_noticed() {
        let up = "echo up interface=eth0 mtu=1500 address=192.0.2.5/24";
        let mut network = brought_up(&format!("{up}; echo down eth0 has lost its carrier; read x"), PATIENCE).unwrap();
        assert_eq!(network.facts().map(ToString::to_string).as_deref(), Some("eth0 has 192.0.2.5/24"));
        let deadline = Instant::now() + PATIENCE;
        let failure = loop {
            assert!(Instant::now() < deadline);
            if let Err(failure) = network.listen() {
                break failure;
            }
        };
        assert_eq!((network.facts(), failure.to_string().as_str()), (None, "dock0-net has ended without a word"));
        assert_eq!(
            network.take_down().map_err(|failure| failure.to_string()),
            Err("taking the network down: dock0-net has ended with exit status: 1".into())
        );
    }

    #[test]
    fn taking_down_says_what_could_not_be_put_back() {
        let up = "echo up interface=eth0 mtu=1500 address=192.0.2.5/24";
        for (script, want) in [
            (format!("trap 'exit 0' TERM; {up}; sleep 20 & wait"), Ok(())),
            (
                format!("trap 'echo failed undoing x: busy; exit 1' TERM; {up}; sleep 20 & wait"),
                Err("taking the network down: undoing x: busy".to_string()),
            ),
            (
                format!("{up}; sleep 20"),
                Err("taking the network down: dock0-net has ended with signal: 15 (SIGTERM)".into()),
            ),
        ] {
            let network = brought_up(&script, PATIENCE).unwrap();
            assert_eq!(network.take_down().map_err(|failure| failure.to_string()), want, "{script}");
        }
    }

    #[test]
    fn the_command_line_lies_over_the_settings() {
        let settings = wire::network::Network::from_words(["ipv4=off", "dns=192.0.2.53"]).unwrap();
        assert_eq!(wanted(&settings, b"quiet").unwrap(), settings);
        assert_eq!(wanted(&settings, b"ip=dhcp").unwrap().to_string(), "ipv4=dhcp ipv6=auto dns=192.0.2.53");
        let failure = wanted(&settings, b"ip=x").unwrap_err().to_string();
        assert!(failure.starts_with("kernel command line: ip=x: must be dhcp, "), "{failure}");
    }
}
