//! One disk of a virtual machine, as QEMU arguments and as the QMP commands that plug it in later.

use crate::machine::Board;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A raw image and how the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The image; raw, never probed for another format.
    pub path: PathBuf,
    /// What it hangs on.
    pub bus: Bus,
    /// Where the guest's writes go.
    pub writes: Writes,
    /// What the host does with flushes.
    pub cache: Cache,
    /// The serial number the guest reads (20 bytes at most are shown on virtio-blk).
    pub serial: Option<String>,
    /// When it appears.
    pub plug: Plug,
}

/// What a disk hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// `/dev/vda`, …: a device of its own.
    VirtioBlk,
    /// `/dev/sda`, …: on the one virtio-scsi controller, as Linode has it.
    VirtioScsi,
}

/// Where the guest's writes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    /// To the image.
    Kept,
    /// To a temporary file that QEMU throws away at its end; the image may be shared between machines.
    Dropped,
    /// Nowhere: the guest sees a write-protected disk.
    Refused,
    /// To the image, and each of them and each flush, in order, to this file, which must be there already: a log in the
    /// format of Linux' dm-log-writes, complete at any moment.
    Logged(PathBuf),
}

/// What the host does with the guest's flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Ignores them: quick, and safe as long as the host itself keeps running.
    Unsafe,
    /// Obeys them through the host's page cache.
    Writeback,
}

/// When a disk appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plug {
    /// It is there when the machine starts.
    AtStart,
    /// It is plugged in this long after QEMU started, by whichever of the `Vm`'s waits runs then.
    After(Duration),
    /// It is plugged in when the test calls `Vm::plug`.
    OnCall,
}

impl Disk {
    /// A disk on virtio-blk that is there from the start; writes reach the image, flushes are ignored.
    pub fn blk(path: impl Into<PathBuf>) -> Disk {
        let (writes, cache, plug) = (Writes::Kept, Cache::Unsafe, Plug::AtStart);
        Disk { path: path.into(), bus: Bus::VirtioBlk, writes, cache, serial: None, plug }
    }

    /// The same on virtio-scsi.
    pub fn scsi(path: impl Into<PathBuf>) -> Disk {
        Disk { bus: Bus::VirtioScsi, ..Disk::blk(path) }
    }

    /// The arguments for the disk with this number, or for the empty slot it will be plugged into.
    pub(crate) fn args(&self, number: usize, board: Board) -> Vec<String> {
        if self.plug != Plug::AtStart {
            return self.slot_args(number, board);
        }
        let (option, drive) = self.drive(number);
        // The firmware numbers its disks by boot index; 0 belongs to whatever GRUB or the kernel comes from.
        let mut device = format!("{},drive=disk{number},bootindex={}", self.device(number, board), number + 1);
        if let Some(serial) = &self.serial {
            device.push_str(&format!(",serial={}", serial.replace(',', ",,")));
        }
        [option, &drive, "-device", &device].map(String::from).into()
    }

    /// The option that opens the image, and its value.
    fn drive(&self, number: usize) -> (&'static str, String) {
        let file = comma_safe(&self.path);
        let (cache, no_flush) = match self.cache {
            Cache::Unsafe => ("unsafe", "on"),
            Cache::Writeback => ("writeback", "off"),
        };
        let writes = match &self.writes {
            Writes::Kept => "",
            Writes::Dropped => ",snapshot=on",
            Writes::Refused => ",readonly=on",
            Writes::Logged(log) => {
                // -drive knows no second file. Ignoring flushes is the image's business: the log must have them.
                let node = format!("driver=blklogwrites,node-name=disk{number},log-super-update-interval=1");
                let image = format!("file.driver=file,file.filename={file},file.cache.no-flush={no_flush}");
                let log = format!("log.driver=file,log.filename={}", comma_safe(log));
                return ("-blockdev", format!("{node},{image},{log}"));
            }
        };
        ("-drive", format!("if=none,id=disk{number},format=raw,file={file},cache={cache}{writes}"))
    }

    /// The two QMP commands that plug this disk in while the machine runs.
    pub(crate) fn plug_commands(&self, number: usize, board: Board) -> [String; 2] {
        let node = self.node();
        let (device, bus) = match (self.bus, board) {
            (Bus::VirtioScsi, _) => ("scsi-hd", r#","bus":"scsi0.0""#.to_string()),
            (Bus::VirtioBlk, Board::Q35) => ("virtio-blk-pci", format!(r#","bus":"port{number}""#)),
            (Bus::VirtioBlk, Board::Pc) => ("virtio-blk-pci", String::new()),
            // QEMU refuses it, in words that the caller passes on: virtio-mmio has no hot-plugging.
            (Bus::VirtioBlk, Board::Microvm) => ("virtio-blk-device", String::new()),
        };
        let serial = self.serial.as_ref().map_or(String::new(), |s| format!(r#","serial":{}"#, json_string(s)));
        let apart = if self.keeps_requests_apart() { r#","request-merging":false"# } else { "" };
        [
            format!(r#"{{"execute":"blockdev-add","arguments":{{{node},"node-name":"disk{number}"}}}}"#),
            format!(
                r#"{{"execute":"device_add","arguments":{{"driver":"{device}","id":"plugged{number}"{bus},"drive":"disk{number}"{serial}{apart}}}}}"#
            ),
        ]
    }

    /// The block node, as QMP has it, without its name.
    fn node(&self) -> String {
        let file = |path: &Path, more: &str| {
            let path = json_string(&path.to_string_lossy());
            format!(r#"{{"driver":"file","filename":{path}{more}}}"#)
        };
        let cache = format!(r#""cache":{{"direct":false,"no-flush":{}}}"#, self.cache == Cache::Unsafe);
        if let Writes::Logged(log) = &self.writes {
            let (image, log) = (file(&self.path, &format!(",{cache}")), file(log, ""));
            return format!(r#""driver":"blklogwrites","log-super-update-interval":1,"file":{image},"log":{log}"#);
        }
        let read_only = self.writes == Writes::Refused;
        format!(r#""driver":"raw","read-only":{read_only},{cache},"file":{}"#, file(&self.path, ""))
    }

    fn device(&self, number: usize, board: Board) -> String {
        let apart = if self.keeps_requests_apart() { ",request-merging=off" } else { "" };
        match self.bus {
            Bus::VirtioBlk => format!("virtio-blk-{}{apart}", board.transport()),
            Bus::VirtioScsi => format!("scsi-hd,bus=scsi0.0,scsi-id={number}"),
        }
    }

    /// virtio-blk joins the guest's neighbouring writes to one of up to 1024 parts; blklogwrites puts its own before them,
    /// and the host refuses the 1025. The log shall have each write as the guest made it anyway.
    fn keeps_requests_apart(&self) -> bool {
        self.bus == Bus::VirtioBlk && matches!(self.writes, Writes::Logged(_))
    }

    /// A PCI Express machine plugs a device only into a port that was there before.
    fn slot_args(&self, number: usize, board: Board) -> Vec<String> {
        match (self.bus, board) {
            (Bus::VirtioBlk, Board::Q35) => {
                vec!["-device".to_string(), format!("pcie-root-port,id=port{number},chassis={}", number + 1)]
            }
            (Bus::VirtioBlk, Board::Pc | Board::Microvm) | (Bus::VirtioScsi, _) => Vec::new(),
        }
    }
}

/// QEMU separates options by commas; a doubled one is a comma in a value.
pub(crate) fn comma_safe(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

fn json_string(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let after = Plug::After(Duration::from_secs(2));
        let blk = Disk::blk("/d/a.img");
        let table = [
            (
                "virtio-blk",
                blk.clone(),
                "-drive if=none,id=disk3,format=raw,file=/d/a.img,cache=unsafe -device virtio-blk-pci,drive=disk3,bootindex=4",
            ),
            (
                "virtio-scsi, dropped writes",
                Disk { writes: Writes::Dropped, ..Disk::scsi("/d/a.img") },
                "-drive if=none,id=disk3,format=raw,file=/d/a.img,cache=unsafe,snapshot=on -device scsi-hd,bus=scsi0.0,scsi-id=3,drive=disk3,bootindex=4",
            ),
            (
                "write-protected, flushes obeyed, serial number, comma in the path",
                Disk {
                    path: "/d/a,b".into(),
                    writes: Writes::Refused,
                    cache: Cache::Writeback,
                    serial: Some("x,1".into()),
                    ..blk.clone()
                },
                "-drive if=none,id=disk3,format=raw,file=/d/a,,b,cache=writeback,readonly=on -device virtio-blk-pci,drive=disk3,bootindex=4,serial=x,,1",
            ),
            (
                "logged, flushes of the image ignored and in the log all the same",
                Disk { writes: Writes::Logged("/d/l,g".into()), ..blk.clone() },
                "-blockdev driver=blklogwrites,node-name=disk3,log-super-update-interval=1,\
                 file.driver=file,file.filename=/d/a.img,file.cache.no-flush=on,log.driver=file,log.filename=/d/l,,g \
                 -device virtio-blk-pci,request-merging=off,drive=disk3,bootindex=4",
            ),
            (
                "logged on virtio-scsi, flushes obeyed",
                Disk { writes: Writes::Logged("/d/log".into()), cache: Cache::Writeback, ..Disk::scsi("/d/a.img") },
                "-blockdev driver=blklogwrites,node-name=disk3,log-super-update-interval=1,\
                 file.driver=file,file.filename=/d/a.img,file.cache.no-flush=off,log.driver=file,log.filename=/d/log \
                 -device scsi-hd,bus=scsi0.0,scsi-id=3,drive=disk3,bootindex=4",
            ),
            ("late on virtio-blk: a port", Disk { plug: after, ..blk }, "-device pcie-root-port,id=port3,chassis=4"),
            ("late on virtio-scsi: nothing", Disk { plug: Plug::OnCall, ..Disk::scsi("/d/a.img") }, ""),
        ];
        for (name, disk, wanted) in table {
            assert_eq!(disk.args(3, Board::Q35).join(" "), wanted, "{name}");
        }
    }

    #[test]
    fn commands_to_plug() {
        let disk = Disk { serial: Some("s".into()), ..Disk::scsi("/d/a") };
        let [add, device] = disk.plug_commands(1, Board::Q35);
        assert_eq!(
            add,
            r#"{"execute":"blockdev-add","arguments":{"driver":"raw","read-only":false,"cache":{"direct":false,"no-flush":true},"file":{"driver":"file","filename":"/d/a"},"node-name":"disk1"}}"#
        );
        assert_eq!(
            device,
            r#"{"execute":"device_add","arguments":{"driver":"scsi-hd","id":"plugged1","bus":"scsi0.0","drive":"disk1","serial":"s"}}"#
        );
    }

    #[test]
    fn a_logged_disk_that_is_plugged_in_is_logged_too() {
        let disk = Disk { writes: Writes::Logged("/d/log".into()), ..Disk::blk("/d/a") };
        let [add, device] = disk.plug_commands(1, Board::Q35);
        assert!(device.ends_with(r#","drive":"disk1","request-merging":false}}"#), "{device}");
        assert_eq!(
            add,
            r#"{"execute":"blockdev-add","arguments":{"driver":"blklogwrites","log-super-update-interval":1,"file":{"driver":"file","filename":"/d/a","cache":{"direct":false,"no-flush":true}},"log":{"driver":"file","filename":"/d/log"},"node-name":"disk1"}}"#
        );
    }

    #[test]
    fn json_escapes() {
        assert_eq!(json_string("a\"b\\c\n"), r#""a\"b\\c\u000a""#);
    }
}
