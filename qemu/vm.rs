//! A running machine: its console in memory, waits with deadlines, and an end that is never forgotten.

use crate::capture::Captured;
use crate::console::{Report, parse_report};
use crate::disk::Plug;
use crate::failure::{Failure, Why};
use crate::machine::{Machine, QEMU};
use crate::qmp;
use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the kernel says when PID 1 ends; a boot that shows it has failed whatever else it shows.
const INIT_KILLED: &str = "Attempted to kill init";
/// A console comes in drops of a few bytes: looking at it more often than this only costs the guest's time.
const PAUSE: Duration = Duration::from_millis(10);
/// From QEMU's closing its console to its end.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// A machine that runs. Dropping it stops QEMU, by its process id, and reaps it.
pub struct Vm {
    machine: Machine,
    child: Child,
    keyboard: ChildStdin,
    captured: Arc<Captured>,
    readers: Vec<JoinHandle<()>>,
    started: Instant,
    /// How much of the console's text earlier waits have used up.
    seen: usize,
    /// The disks, by number, that wait for their time, and when that is.
    due: Vec<(usize, Instant)>,
    /// Holds the QMP socket.
    _scratch: Option<TempDir>,
}

impl Vm {
    /// Starts QEMU and captures the console. An error is about the host (QEMU is not installed, no memory left);
    /// arguments that QEMU does not like show in the first wait.
    pub fn start(machine: &Machine) -> Result<Vm> {
        let mut machine = machine.clone();
        let scratch = if machine.has_late_disk() { Some(tempfile::tempdir()?) } else { None };
        if let Some(scratch) = &scratch {
            machine.qmp = Some(scratch.path().join("qmp"));
        }
        let mut child = spawn(&machine)?;
        let started = Instant::now();
        let (Some(keyboard), Some(console), Some(complaints)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("starting QEMU: its standard streams are no pipes");
        };
        let captured = Arc::new(Captured::default());
        let readers = vec![
            captured.clone().follow(console, |streams, bytes| streams.screen.push(bytes)),
            captured.clone().follow(complaints, |streams, bytes| streams.complaints.extend_from_slice(bytes)),
        ];
        let due = due_times(&machine, started);
        Ok(Vm { machine, child, keyboard, captured, readers, started, seen: 0, due, _scratch: scratch })
    }

    /// All that the console said so far, without escape sequences.
    pub fn console(&self) -> String {
        self.captured.lock().screen.text.clone()
    }

    /// All that the console said so far, byte for byte.
    pub fn raw_console(&self) -> Vec<u8> {
        self.captured.lock().screen.raw.clone()
    }

    /// QEMU's process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// How QEMU has ended by itself, if it has. Asks, and does not wait.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("asking after QEMU")
    }

    /// What QEMU said on its standard error so far.
    pub fn complaints(&self) -> String {
        String::from_utf8_lossy(&self.captured.lock().complaints).into_owned()
    }

    /// The command line that repeats this machine, with what was to be plugged in by hand as comments behind it.
    pub fn command_line(&self) -> String {
        let mut line = self.machine.command_line();
        for (number, disk) in self.machine.disks.iter().enumerate() {
            let when = match disk.plug {
                Plug::AtStart => continue,
                Plug::After(time) => format!("{:.1} s after the start", time.as_secs_f64()),
                Plug::OnCall => "when the test said so".to_string(),
            };
            let commands = disk.plug_commands(number, self.machine.board).join(" ");
            line.push_str(&format!("\n# disk {number} was plugged in {when}, through QMP: {commands}"));
        }
        line
    }

    /// Types on the guest's console.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        // Ctrl-A is QEMU's own; twice it is the guest's.
        let escaped: Vec<u8> = bytes.iter().flat_map(|&byte| vec![byte; if byte == 1 { 2 } else { 1 }]).collect();
        self.keyboard.write_all(&escaped).and_then(|()| self.keyboard.flush()).context("typing on the console")
    }

    /// Plugs in the disk with this number, which `Plug::OnCall` has held back.
    pub fn plug(&mut self, number: usize) -> Result<()> {
        let (Some(disk), Some(socket)) = (self.machine.disks.get(number), &self.machine.qmp) else {
            bail!("plugging in disk {number}: the machine has no such disk held back");
        };
        let commands = disk.plug_commands(number, self.machine.board);
        qmp::run(socket, &commands).with_context(|| format!("plugging in disk {number}"))
    }

    /// Waits until the console shows `text` behind what the last wait found. Returns the time since QEMU's start.
    pub fn wait_for(&mut self, text: &str, within: Duration) -> Result<Duration> {
        let end = self.watch(&format!("{text:?} on the console"), within, |view| {
            let found = view.new.find(text).map(|at| at + text.len());
            found.map(Ok).or(view.ended.then_some(Err(Why::Ended(None))))
        })?;
        self.seen += end;
        Ok(self.started.elapsed())
    }

    /// Waits until QEMU has ended by itself: the guest powered off, or reset under `Reboot::Ends`.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus> {
        self.watch("QEMU's end", within, |view| view.ended.then_some(Ok(())))?;
        self.reap_within(LAST_BREATH).context("QEMU closed its console and did not end")
    }

    /// Waits for the probe's closing line and returns all it said. Power-off before it, or "Attempted to kill init"
    /// anywhere, fails at once.
    pub fn run_to_done(&mut self, within: Duration) -> Result<Report> {
        let (probe, end) = self.watch("the probe's \"done\"", within, |view| {
            if view.all.contains(INIT_KILLED) {
                return Some(Err(Why::InitKilled));
            }
            parse_report(view.new).map(Ok).or(view.ended.then_some(Err(Why::Ended(None))))
        })?;
        self.seen += end;
        Ok(Report { console: self.console(), probe, took: self.started.elapsed() })
    }

    /// For a boot that is expected to power off or to reboot: waits for QEMU's end and returns the console's text.
    /// "Attempted to kill init" fails at once.
    pub fn run_to_end(&mut self, within: Duration) -> Result<String> {
        self.watch("the machine's end", within, |view| {
            if view.all.contains(INIT_KILLED) {
                return Some(Err(Why::InitKilled));
            }
            view.ended.then_some(Ok(()))
        })?;
        let status = self.reap_within(LAST_BREATH).context("QEMU closed its console and did not end")?;
        if !status.success() {
            return Err(self.failure("the machine's end", Why::Ended(Some(status))).into());
        }
        Ok(self.console())
    }

    /// Looks at the console whenever it grows until `check` has a verdict or the time is over.
    fn watch<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut check: impl FnMut(View) -> Option<Result<T, Why>>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        loop {
            self.plug_what_is_due()?;
            let length = {
                let streams = self.captured.lock();
                let text = &streams.screen.text;
                let new = text.get(self.seen..).unwrap_or_default();
                match check(View { all: text, new, ended: streams.ended == self.readers.len() }) {
                    Some(Ok(found)) => return Ok(found),
                    Some(Err(why)) => {
                        drop(streams);
                        return Err(self.failure(what, why).into());
                    }
                    None => streams.length(),
                }
            };
            if Instant::now() >= deadline {
                return Err(self.failure(what, Why::Deadline(within)).into());
            }
            let wake = self.due.iter().map(|&(_, time)| time).fold(deadline, Instant::min);
            self.captured.wait_beyond(length, wake);
            std::thread::sleep(PAUSE);
        }
    }

    /// Plugs in the disks whose time has come, as long as there is a machine to plug them into.
    fn plug_what_is_due(&mut self) -> Result<()> {
        let ended = self.captured.lock().ended > 0;
        let now = Instant::now();
        let (ready, rest): (Vec<_>, Vec<_>) = self.due.iter().partition(|&&(_, time)| time <= now && !ended);
        self.due = rest;
        ready.into_iter().try_for_each(|(number, _)| self.plug(number))
    }

    fn failure(&mut self, what: &str, why: Why) -> Failure {
        let why = match why {
            // Its status says whether the guest powered off or QEMU failed; without one the failure says so.
            Why::Ended(None) => Why::Ended(self.reap_within(LAST_BREATH).ok()),
            Why::Ended(Some(_)) | Why::Deadline(_) | Why::InitKilled => why,
        };
        let (console, complaints) = (self.console(), self.complaints());
        let (command, ran) = (self.command_line(), self.started.elapsed());
        Failure { what: what.to_string(), why, ran, console, complaints, command }
    }

    fn reap_within(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("process {} still runs after {:.1} s", self.child.id(), within.as_secs_f64());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Each of these fails only if QEMU or a reader has ended already, which is what we want.
        drop(self.child.kill());
        drop(self.child.wait());
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
    }
}

fn spawn(machine: &Machine) -> Result<Child> {
    let mut command = Command::new(QEMU);
    command.args(machine.args()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{QEMU} is not installed: apt-get install qemu-system-x86")
        }
        result => result.with_context(|| format!("starting {}", machine.command_line())),
    }
}

fn due_times(machine: &Machine, started: Instant) -> Vec<(usize, Instant)> {
    let time = |plug| match plug {
        Plug::After(time) => Some(started + time),
        Plug::AtStart | Plug::OnCall => None,
    };
    machine.disks.iter().enumerate().filter_map(|(number, disk)| Some((number, time(disk.plug)?))).collect()
}

/// What a wait looks at.
struct View<'a> {
    /// The console's text from the start.
    all: &'a str,
    /// What earlier waits have not used up.
    new: &'a str,
    /// Whether QEMU has closed its streams.
    ended: bool,
}
