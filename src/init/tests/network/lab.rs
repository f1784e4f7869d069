//! Two network namespaces with a cable between them: the VM's, and one of servers.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::io::Read;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const MAC: &str = "52:54:00:12:34:56";

/// The two namespaces; they go with it.
pub struct Lab {
    vm: String,
    servers: String,
    root: tempfile::TempDir,
}

/// A dnsmasq in the servers' namespace.
pub struct Server<'l> {
    _lab: &'l Lab,
    process: Child,
    log: PathBuf,
}

/// The child under test.
pub struct NetChild {
    process: Child,
    output: Option<ChildStdout>,
    /// What it has said and nobody has read.
    begun: Vec<u8>,
}

/// Someone who answers every DHCP question with garbage.
pub struct Noise {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lab {
    /// With `eth0` in both; the servers' end has 192.0.2.1/24 and 2001:db8::1/64.
    pub fn new(name: &str) -> Lab {
        assert!(rustix::process::geteuid().is_root(), "this test makes network namespaces: run it as root");
        let of = |end: &str| format!("dock0-{}-{name}-{end}", std::process::id());
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let lab = Lab { vm: of("vm"), servers: of("servers"), root };
        for namespace in [&lab.vm, &lab.servers] {
            ip(&format!("netns add {namespace}"));
        }
        ip(&format!("-n {} link set lo up", lab.servers));
        lab.plug_in();
        lab
    }

    /// Plugs in the cable, whose servers' end is not up yet.
    pub fn plug_in(&self) {
        ip(&format!("-n {} link add eth0 address {MAC} type veth peer name eth0 netns {}", self.vm, self.servers));
        ip(&format!("-n {} address add 192.0.2.1/24 dev eth0", self.servers));
    }

    /// Whether there is a carrier.
    pub fn cable(&self, there: bool) {
        ip(&format!("-n {} link set eth0 {}", self.servers, if there { "up" } else { "down" }));
    }

    /// Starts a dnsmasq with these words on a cable with a carrier.
    pub fn serve(&self, words: &str) -> Server<'_> {
        self.cable(true);
        ip(&format!("-n {} address add 2001:db8::1/64 dev eth0 nodad", self.servers));
        let log = self.root.path().join("dnsmasq.log");
        let of_all = "--keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --interface=eth0 --bind-dynamic \
            --pid-file= --leasefile-ro --dhcp-authoritative --log-dhcp";
        let mut command = self.in_servers("dnsmasq");
        command.args(of_all.split_whitespace()).arg(format!("--log-facility={}", log.display()));
        let process = command.args(words.split_whitespace()).spawn().expect("ip netns exec");
        let server = Server { _lab: self, process, log };
        server.says("started, version");
        server
    }

    /// Answers every DHCP question with garbage until it is dropped.
    pub fn noise(&self) -> Noise {
        ip(&format!("-n {} route add 255.255.255.255 dev eth0", self.servers));
        let namespace = fs::File::open(format!("/run/netns/{}", self.servers)).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            // This thread alone moves into the namespace, and ends there.
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )
            .unwrap();
            let socket = UdpSocket::bind("0.0.0.0:67").unwrap();
            socket.set_broadcast(true).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut question = [0; 1500];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, _)) = socket.recv_from(&mut question) else { continue };
                // Its own question as an answer: the options do not say who the server is.
                question[0] = 2;
                for answer in [&question[..length], &question[..240.min(length)], &[0xff; 1400]] {
                    // A client that is gone hears nothing.
                    drop(socket.send_to(answer, "255.255.255.255:68"));
                }
            }
        });
        Noise { end, thread: Some(thread) }
    }

    /// Starts the child.
    pub fn child(&self, words: &str) -> NetChild {
        let mut command = self.in_vm(env!("CARGO_BIN_EXE_init"));
        command.arg("dock0-net").arg(self.root.path()).args(words.split_whitespace());
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ip netns exec");
        NetChild { output: process.stdout.take(), process, begun: Vec::new() }
    }

    /// Runs the child to its end.
    pub fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = self.in_vm(env!("CARGO_BIN_EXE_init"));
        let output = command.arg("dock0-net").args(words).output().expect("ip netns exec");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// What `ip` says in the VM's namespace.
    pub fn ip(&self, words: &str) -> String {
        ip(&format!("-n {} {words}", self.vm))
    }

    /// A sysctl of IPv6 on the VM's `eth0`.
    pub fn sysctl(&self, name: &str) -> String {
        let output = self.in_vm("cat").arg(format!("/proc/sys/net/ipv6/conf/eth0/{name}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    /// Everything that the child may change. A queue that the kernel gives an interface when it is first set up stays.
    pub fn state(&self) -> String {
        let links: Vec<String> = self.ip("-o link").lines().map(without_queue_and_peer).collect();
        let sysctls = ["accept_ra", "autoconf", "disable_ipv6"].map(|name| self.sysctl(name)).join(" ");
        [
            links.join("\n"),
            self.ip("-o address"),
            self.ip("route show table all"),
            self.ip("-6 route show table all"),
            sysctls,
        ]
        .join("\n")
    }

    /// `etc/resolv.conf` below the root that the child writes to.
    pub fn resolv_conf(&self) -> Option<String> {
        fs::read_to_string(self.root.path().join("etc/resolv.conf")).ok()
    }

    /// The link-local address of the servers' end.
    pub fn servers_link_local(&self) -> String {
        let shown = ip(&format!("-n {} -6 -o address show dev eth0 scope link", self.servers));
        shown.split_whitespace().nth(3).and_then(|cidr| cidr.split('/').next()).unwrap().into()
    }

    fn in_vm(&self, program: &str) -> Command {
        in_namespace(&self.vm, program)
    }

    fn in_servers(&self, program: &str) -> Command {
        in_namespace(&self.servers, program)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.vm, &self.servers] {
            // Worst case: it stays until the machine is restarted.
            drop(Command::new("ip").args(["netns", "delete", namespace]).status());
        }
    }
}

impl Server<'_> {
    /// Waits until its log has this.
    pub fn says(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "dnsmasq (apt-get install dnsmasq-base) did not say {words:?}:\n{log}");
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_file(&self.log));
    }
}

impl NetChild {
    /// Its next line.
    pub fn line(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.begun.drain(..=end).collect();
                return String::from_utf8(line).unwrap().trim_end().into();
            }
            let output = self.output.as_mut().expect("somebody listens");
            let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
            let ready = poll(&mut [PollFd::new(&*output, PollFlags::IN)], Some(&left)).unwrap();
            assert!(ready > 0, "no line in {} s, but {:?}", PATIENCE.as_secs(), String::from_utf8_lossy(&self.begun));
            let mut bytes = [0; 4096];
            let length = output.read(&mut bytes).unwrap();
            assert!(length > 0, "it has ended: {:?}", self.process.wait());
            self.begun.extend_from_slice(&bytes[..length]);
        }
    }

    /// The next line that says what is up; on a busy machine it may first say that it is trying.
    pub fn up(&mut self) -> String {
        self.line_with("up ")
    }

    /// The next line that has this in it.
    pub fn line_with(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        while Instant::now() < deadline {
            lines.push(self.line());
            if let Some(line) = lines.pop_if(|line| line.contains(words)) {
                return line;
            }
        }
        panic!("{words:?} is in none of {lines:?}")
    }

    /// A field of its status in /proc.
    pub fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        line.unwrap_or_else(|| panic!("{field} in {status}")).into()
    }

    /// Ends it as its parent does: its exit code.
    pub fn end(mut self) -> Option<i32> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), rustix::process::Signal::TERM)
            .unwrap();
        self.wait()
    }

    /// Closes the pipe: its exit code.
    pub fn stop_listening(mut self) -> Option<i32> {
        self.output = None;
        self.wait()
    }

    /// Waits for its end: its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            sleep(Duration::from_millis(5));
        }
        panic!("it did not end in {} s", PATIENCE.as_secs())
    }
}

impl Drop for NetChild {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn in_namespace(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split_whitespace()).output();
    let output = output.expect("running ip (apt-get install iproute2)");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn without_queue_and_peer(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let queue = words.iter().position(|word| *word == "qdisc").unwrap_or(words.len());
    words.iter().enumerate().filter(|(at, _)| *at != queue + 1).map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}
