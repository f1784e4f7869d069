//! A real QEMU runs boot sectors of a few bytes, so that every wait is tried without a kernel.

mod guest;

use guest::{End, boot_sector, kernel};
use qemu::{Board, Boot, Disk, Failure, Machine, Plug, Vm, Why, Writes};
use std::path::Path;
use std::time::{Duration, Instant};

/// Far longer than any of these machines needs on a busy host.
const LONG: Duration = Duration::from_secs(60);

fn machine(folder: &Path, text: &str, end: End) -> Machine {
    let disk = Disk { writes: Writes::Dropped, ..Disk::blk(boot_sector(folder, text, end)) };
    Machine { memory: 64, disks: vec![disk], ..Machine::new(Boot::Disk) }
}

fn failure(error: &anyhow::Error) -> &Failure {
    error.downcast_ref().unwrap_or_else(|| panic!("not a failed wait: {error:?}"))
}

#[test]
fn texts_are_found_one_after_the_other_and_power_off_is_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vm = Vm::start(&machine(folder.path(), "one\r\none two\r\n", End::PowerOff)).expect("QEMU");
    let first = vm.wait_for("one", LONG).expect("the first one");
    let second = vm.wait_for("one two", LONG).expect("the second line");
    assert!(second >= first);
    assert!(vm.wait_exit(LONG).expect("power-off").success());
    assert!(vm.console().contains("one\none two\n"), "{}", vm.console());
    assert!(vm.raw_console().windows(5).any(|bytes| bytes == b"one\r\n"));
    let again = vm.wait_for("one", LONG).expect_err("both are used up");
    assert!(matches!(failure(&again).why, Why::Ended(Some(status)) if status.success()), "{again}");
}

#[test]
fn a_kernel_gets_its_command_line_and_its_initrd() {
    let folder = tempfile::tempdir().expect("a folder");
    let (kernel, initrd) = (kernel(folder.path()), folder.path().join("initrd"));
    std::fs::write(&initrd, "an initrd").expect("an initrd");
    for board in [Board::Q35, Board::Pc] {
        for (initrd, wanted) in [(None, "a=b c-\n"), (Some(initrd.clone()), "a=b c+\n")] {
            let boot = Boot::Kernel { kernel: kernel.clone(), initrd, cmdline: "a=b c".into() };
            let mut vm = Vm::start(&Machine { memory: 64, board, ..Machine::new(boot) }).expect("QEMU");
            let console = vm.run_to_end(LONG).expect("power-off");
            assert!(console.ends_with(wanted), "{console}");
        }
    }
}

#[test]
fn a_missed_deadline_shows_console_and_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = machine(folder.path(), "hello\r\n", End::Halt);
    let mut vm = Vm::start(&machine).expect("QEMU");
    vm.wait_for("hello", LONG).expect("hello");
    let within = Duration::from_millis(200);
    let error = vm.wait_for("login:", within).expect_err("there is no login");
    assert_eq!(failure(&error).why, Why::Deadline(within));
    let text = error.to_string();
    for wanted in
        ["waiting for \"login:\" on the console: it did not come within 0.2 s", "hello\n", &machine.command_line()]
    {
        assert!(text.contains(wanted), "{wanted:?} in {text}");
    }
}

#[test]
fn done_returns_the_probes_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[    0.1] kernel\r\nprobe: {\"a\":1}\r\nprobe: {\"b\":2}\r\nprobe: done\r\n";
    let mut vm = Vm::start(&machine(folder.path(), text, End::Halt)).expect("QEMU");
    let report = vm.run_to_done(LONG).expect("done");
    assert_eq!(report.probe, ["{\"a\":1}", "{\"b\":2}"]);
    assert!(report.console.contains("kernel\n"), "{}", report.console);
}

#[test]
fn a_power_off_before_done_is_noticed_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vm = Vm::start(&machine(folder.path(), "probe: {}\r\n", End::PowerOff)).expect("QEMU");
    let started = Instant::now();
    let error = vm.run_to_done(LONG).expect_err("no done");
    assert!(matches!(failure(&error).why, Why::Ended(Some(status)) if status.success()), "{error}");
    assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
}

#[test]
fn a_killed_init_fails_every_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x100\r\nprobe: done\r\n";
    for end in [End::Halt, End::Reset] {
        let machine = machine(folder.path(), text, end);
        let error = Vm::start(&machine).expect("QEMU").run_to_done(LONG).expect_err("init was killed");
        assert_eq!(failure(&error).why, Why::InitKilled, "{error}");
        let error = Vm::start(&machine).expect("QEMU").run_to_end(LONG).expect_err("init was killed");
        assert_eq!(failure(&error).why, Why::InitKilled, "{error}");
    }
}

#[test]
fn a_reboot_ends_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vm = Vm::start(&machine(folder.path(), "rescue: rebooting\r\n", End::Reset)).expect("QEMU");
    let console = vm.run_to_end(LONG).expect("the end");
    assert!(console.contains("rescue: rebooting\n"), "{console}");
}

#[test]
fn what_is_typed_reaches_the_guest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vm = Vm::start(&machine(folder.path(), "ready\r\n", End::Echo)).expect("QEMU");
    vm.wait_for("ready", LONG).expect("ready");
    vm.send(b"x\x01y\n").expect("typing");
    vm.wait_for("xy\n", LONG).expect("the echo");
    assert!(vm.raw_console().ends_with(b"x\x01y\n"), "{:?}", vm.raw_console());
}

#[test]
fn late_disks_are_plugged_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut machine = machine(folder.path(), "ready\r\n", End::Halt);
    let [image, other] = ["late.img", "other.img"].map(|name| folder.path().join(name));
    for path in [&image, &other] {
        std::fs::write(path, vec![0; 1 << 20]).expect("a disk");
    }
    let after = Duration::from_millis(500);
    machine.disks.push(Disk { plug: Plug::After(after), ..Disk::scsi(&image) });
    machine.disks.push(Disk { plug: Plug::OnCall, writes: Writes::Refused, ..Disk::blk(&other) });
    machine.disks.push(Disk { plug: Plug::OnCall, ..Disk::scsi(folder.path().join("absent.img")) });
    let mut vm = Vm::start(&machine).expect("QEMU");
    vm.wait_for("ready", LONG).expect("ready");
    vm.wait_for("never", after).expect_err("nobody says never");
    vm.plug(2).expect("plugging in");
    let error = format!("{:#}", vm.plug(3).expect_err("there is no image"));
    assert!(error.contains("plugging in disk 3") && error.contains("absent.img"), "{error}");
    assert!(vm.command_line().contains("# disk 1 was plugged in 0.5 s after the start"), "{}", vm.command_line());
}

#[test]
fn arguments_that_qemu_refuses_are_shown() {
    let machine = Machine { extra: vec!["-no-such-option".into()], ..Machine::new(Boot::Disk) };
    let error = Vm::start(&machine).expect("QEMU").run_to_end(LONG).expect_err("QEMU refuses");
    assert!(error.to_string().contains("QEMU's own words"), "{error}");
    assert!(error.to_string().contains("-no-such-option: invalid option"), "{error}");
}

#[test]
fn a_dropped_machine_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let marker = folder.path().join("pid");
    let mut machine = machine(folder.path(), "ready\r\n", End::Halt);
    machine.extra = vec!["-pidfile".into(), marker.to_string_lossy().into_owned()];
    let mut vm = Vm::start(&machine).expect("QEMU");
    vm.wait_for("ready", LONG).expect("ready");
    let pid = std::fs::read_to_string(&marker).expect("QEMU writes its process id");
    drop(vm);
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "process {pid} is left");
}
