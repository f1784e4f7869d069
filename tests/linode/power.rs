//! Power: what is on is QEMU, booted as Linode boots.

use crate::config::{Config, DEVICES};
use crate::disk::DiskStatus;
use crate::fields::{Document, Field, Kind};
use crate::linode::{Linode, Status};
use crate::metadata::Metadata;
use crate::moment::{Moving, after};
use crate::refusal::Refusal;
use crate::world::World;
use anyhow::{Context, Result, bail};
use plain_http::{Answer, Server};
use qemu::{Boot, Disk, Forward, Machine, Network, Reboot, Vm};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

/// What may be said of a boot.
pub const BOOT: &[Field] = &[Field::optional("config_id", Kind::Number)];
/// The ports of a machine that can be reached: SSH, and where it takes its configuration.
const PORTS: [u16; 2] = [22, 1002];

/// The machines that are on.
#[derive(Default)]
pub struct Vms {
    running: BTreeMap<u64, Running>,
    /// The ports of this host that lead into a Linode. They stay the same from boot to boot.
    ports: BTreeMap<u64, [u16; 2]>,
}

struct Running {
    vm: Vm,
    metadata: Option<Server>,
}

impl Vms {
    /// Ends a machine, if it is on: by its process id.
    pub fn stop(&mut self, linode: u64) {
        drop(self.running.remove(&linode));
    }

    /// Ends all.
    pub fn stop_all(&mut self) {
        self.running.clear();
    }

    /// What a test may want to know of a machine.
    pub fn document(&self, linode: u64) -> Value {
        let running = self.running.get(&linode);
        let ports = self.ports.get(&linode);
        let ports: BTreeMap<String, u16> =
            PORTS.iter().map(u16::to_string).zip(ports.into_iter().flatten().copied()).collect();
        let metadata = running.and_then(|running| running.metadata.as_ref());
        json!({"process": running.map(|running| running.vm.process()), "ports": ports,
            "metadata": metadata.map(|server| server.address().port())})
    }

    /// Those that have ended by themselves since the last time, and what QEMU complains about where it did not end well.
    fn take_ended(&mut self) -> Result<Vec<(u64, Option<String>)>> {
        let mut ended = Vec::new();
        for (linode, running) in &mut self.running {
            if let Some(status) = running.vm.ended()? {
                let complaint = || format!("QEMU ended ({status}): {}", running.vm.complaints().trim_end());
                ended.push((*linode, (!status.success()).then(complaint)));
            }
        }
        for (linode, complaint) in &ended {
            self.stop(*linode);
            if complaint.is_some() {
                // Perhaps somebody took one of them in the meantime.
                self.ports.remove(linode);
            }
        }
        Ok(ended)
    }
}

impl World {
    /// Starts a Linode.
    pub fn boot(&mut self, id: u64, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, BOOT)?;
        if self.idle(id)?.status.at(self.now) == Status::Running {
            return Err(Refusal::because("Linode is already booted."));
        }
        let config = self.choose_config(id, wish.number("config_id"))?;
        self.start(id, config, Status::Booting, "linode_boot")
    }

    /// Stops one and starts it again.
    pub fn reboot(&mut self, id: u64, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, BOOT)?;
        if self.idle(id)?.status.at(self.now) == Status::Offline {
            return Err(Refusal::because("Linode is not running."));
        }
        let config = self.choose_config(id, wish.number("config_id"))?;
        self.vms.stop(id);
        self.start(id, config, Status::Rebooting, "linode_reboot")
    }

    /// Stops one, as if its cord was pulled: what comes before that on Linode takes a system that listens.
    pub fn shutdown(&mut self, id: u64) -> Result<Answer, Refusal> {
        if self.idle(id)?.status.at(self.now) == Status::Offline {
            return Err(Refusal::because("Linode is not running."));
        }
        self.vms.stop(id);
        let off = after(self.now, self.settings.pace);
        let linode = self.linode_mut(id)?;
        linode.status = Moving::until(Status::ShuttingDown, off, Status::Offline);
        let entity = linode.entity();
        self.state.record(self.now, "linode_shutdown", entity, Some(off));
        Ok(Answer::json(200, &json!({})))
    }

    /// Takes note of the machines that have powered themselves off, and starts those again that are watched over.
    pub fn look_after(&mut self) -> Result<()> {
        for (id, complaint) in self.vms.take_ended()? {
            let Ok(linode) = self.linode_mut(id) else { continue };
            linode.status = Moving::still(Status::Offline);
            let (entity, is_watched, config) = (linode.entity(), linode.watchdog, linode.booted);
            if let Some(complaint) = complaint {
                self.state.record_failure(self.now, "linode_boot", entity, &complaint);
            } else if let (true, Some(config)) = (is_watched, config)
                && self.start(id, config, Status::Booting, "lassie_reboot").is_err()
            {
                let why = "What it was booted with is gone.";
                self.state.record_failure(self.now, "lassie_reboot", entity, why);
            }
        }
        Ok(())
    }

    fn idle(&self, id: u64) -> Result<&Linode, Refusal> {
        let linode = self.linode(id)?;
        if self.is_busy(linode) { Err(Refusal::because("Linode busy.")) } else { Ok(linode) }
    }

    /// The profile that is asked for, the one before, or the only one.
    fn choose_config(&self, id: u64, asked: Option<u64>) -> Result<u64, Refusal> {
        let linode = self.linode(id)?;
        let only = linode.configs.keys().next().filter(|_| linode.configs.len() == 1);
        let before = linode.booted.filter(|config| linode.configs.contains_key(config));
        match asked.or(before).or(only.copied()) {
            Some(config) if linode.configs.contains_key(&config) => Ok(config),
            Some(_) => Err(Refusal::field("config_id", "config_id is not valid")),
            None if linode.configs.is_empty() => Err(Refusal::because("Linode has no configuration profile to boot")),
            None => Err(Refusal::field("config_id", "config_id is required: there are several")),
        }
    }

    fn start(&mut self, id: u64, config: u64, on_the_way: Status, action: &str) -> Result<Answer, Refusal> {
        let profile = self.config(id, config)?.clone();
        for disk in profile.devices.values() {
            let status = self.disk(id, *disk).map(|disk| disk.status.at(self.now));
            match status {
                Ok(DiskStatus::Ready) => {}
                Ok(DiskStatus::NotReady) => return Err(Refusal::because("Linode busy.")),
                Ok(DiskStatus::Deleting | DiskStatus::Gone) | Err(_) => {
                    return Err(Refusal::because(&format!("The configuration names disk {disk}, which is gone")));
                }
            }
        }
        let started = self.start_machine(id, &profile);
        let up = after(self.now, self.settings.pace);
        let linode = self.linode_mut(id)?;
        let entity = linode.entity();
        match started {
            Ok(()) => {
                linode.booted = Some(config);
                linode.status = Moving::until(on_the_way, up, Status::Running);
                self.state.record(self.now, action, entity, Some(up));
            }
            Err(error) => {
                linode.status = Moving::still(Status::Offline);
                self.state.record_failure(self.now, action, entity, &format!("{error:#}"));
            }
        }
        Ok(Answer::json(200, &json!({})))
    }

    fn start_machine(&mut self, id: u64, profile: &Config) -> Result<()> {
        let linode = self.state.linodes.get(&id).context("there is no such Linode")?;
        let metadata = match crate::catalogue::has_metadata(&linode.region) {
            Some(true) => Some(Server::start(Server::bind()?, Arc::new(Metadata::new(self.shared.clone(), id)))?),
            Some(false) | None => None,
        };
        let ports = match (self.settings.forwards.get(&linode.label), self.vms.ports.get(&id)) {
            (Some(chosen), _) => *chosen,
            (None, Some(before)) => *before,
            (None, None) => [free_port()?, free_port()?],
        };
        self.vms.ports.insert(id, ports);
        let forwards = PORTS.iter().zip(ports).map(|(guest, host)| Forward { host, guest: *guest }).collect();
        let disks = DEVICES.iter().filter_map(|name| profile.devices.get(*name));
        let size = linode.size();
        let mut machine = Machine::on_this_host(boot(&profile.kernel)?)?;
        machine.memory = size.memory;
        machine.cpus = size.vcpus;
        machine.disks = disks.map(|disk| Disk::scsi(self.place.disk(*disk))).collect();
        machine.network = match &metadata {
            Some(server) => Network::Metadata { forwards, service: server.address().port() },
            None => Network::User { forwards },
        };
        machine.reboot = Reboot::Happens;
        machine.rng = true;
        machine.log = Some(self.place.console(id));
        // What cloud-init tells a Linode by, and takes its number from.
        let system = format!("type=1,manufacturer=Linode,product=Compute Instance,serial={id}");
        machine.extra = vec!["-smbios".into(), system];
        self.place.remove(&self.place.console(id))?;
        let vm = Vm::start(&machine)?;
        self.vms.running.insert(id, Running { vm, metadata });
        Ok(())
    }
}

fn boot(kernel: &str) -> Result<Boot> {
    match kernel {
        "linode/grub2" => Boot::grub2(),
        "linode/grub-legacy" => Boot::grub_legacy(),
        "linode/direct-disk" => Ok(Boot::Disk),
        other => bail!("{other} is no kernel"),
    }
}

/// A port nobody has. Somebody may take it until QEMU does; then QEMU says so, and ends.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
