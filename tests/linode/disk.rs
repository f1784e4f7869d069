//! The disks of a Linode: files, made empty or of an image, and what their sizes may be.

use crate::event::Entity;
use crate::fields::{Document, Field, Kind};
use crate::image::ImageStatus;
use crate::linode::{Status, check_label};
use crate::moment::{Moment, Moving, after, text};
use crate::place::write_sparse;
use crate::refusal::Refusal;
use crate::world::World;
use plain_http::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Command;

/// What lists may be filtered by.
pub const FILTERABLE: &[&str] = &["label", "size"];
/// What may be said of one that is made.
pub const CREATE: &[Field] = &[
    Field::required("size", Kind::Number),
    Field::optional("label", Kind::Text),
    Field::optional("filesystem", Kind::Text),
    Field::optional("image", Kind::Text),
    Field::optional("root_pass", Kind::Text),
    Field::optional("authorized_keys", Kind::Texts),
];
/// What may be said of one whose size changes.
pub const RESIZE: &[Field] = &[Field::required("size", Kind::Number)];
/// What a disk may be formatted with, and the program that does it to one that is made empty.
const FILESYSTEMS: [(&str, &[&str]); 5] = [
    ("raw", &[]),
    ("initrd", &[]),
    ("swap", &["/sbin/mkswap"]),
    ("ext3", &["/sbin/mke2fs", "-qFt", "ext3"]),
    ("ext4", &["/sbin/mke2fs", "-qFt", "ext4"]),
];
/// The most disks a Linode may have.
const MAX_DISKS: usize = 50;

/// A disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Disk {
    id: u64,
    label: String,
    filesystem: String,
    /// In MB.
    pub size: u64,
    created: Moment,
    /// How far it is.
    pub status: Moving<DiskStatus>,
}

/// How far a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskStatus {
    /// It is being made, or changed.
    NotReady,
    /// It can be used.
    Ready,
    /// It is being removed.
    Deleting,
    /// It is removed.
    Gone,
}

impl Disk {
    /// As the API has it.
    pub fn document(&self, now: Moment) -> Value {
        let status = match self.status.at(now) {
            DiskStatus::NotReady => "not ready",
            DiskStatus::Ready => "ready",
            DiskStatus::Deleting | DiskStatus::Gone => "deleting",
        };
        json!({"id": self.id, "label": self.label, "filesystem": self.filesystem, "size": self.size, "status": status,
            "created": text(self.created), "updated": text(self.created), "disk_encryption": "disabled"})
    }

    fn entity(&self, linode: u64) -> Entity {
        let url = format!("/v4/linode/instances/{linode}/disks/{}", self.id);
        Entity { kind: "disk".into(), id: self.id, label: self.label.clone(), url }
    }
}

impl World {
    /// Makes a disk.
    pub fn create_disk(&mut self, linode: u64, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, CREATE)?;
        let size = wish.number("size").unwrap_or_default();
        self.check_room(linode, size, 0)?;
        if self.linode(linode)?.disks.len() >= MAX_DISKS {
            return Err(Refusal::because("A Linode can have up to 50 disks"));
        }
        let image = wish.text("image").map(|name| self.source(&name, size)).transpose()?;
        let inherited = image.and_then(|id| self.state.images.get(&id)).map(|image| image.label.clone());
        let label = wish.text("label").or(inherited).ok_or_else(|| Refusal::field("label", "label is required"))?;
        check_label(&label, 1..=50)?;
        let filesystem = wish.text("filesystem").unwrap_or_else(|| "ext4".into());
        let format = FILESYSTEMS.iter().find(|(name, _)| *name == filesystem).map(|(_, format)| *format);
        let format = format.ok_or_else(|| Refusal::field("filesystem", "filesystem is not valid"))?;
        if image.is_some() && wish.get("root_pass").or(wish.get("authorized_keys")).is_none() {
            return Err(Refusal::field("root_pass", "root_pass is required"));
        }
        let id = self.state.number();
        let path = self.place.disk(id);
        let made = match image {
            Some(image) => copy(&self.place.image(image), &path, size),
            None => blank(&path, size, format),
        };
        made.map_err(|error| Refusal::new(500, &format!("making the disk {id}: {error}")))?;
        let ready = after(self.now, self.settings.pace);
        let status = Moving::until(DiskStatus::NotReady, ready, DiskStatus::Ready);
        let disk = Disk { id, label, filesystem, size, created: self.now, status };
        let answer = Answer::json(200, &disk.document(self.now));
        self.record_disk("disk_create", linode, &disk, ready)?;
        self.linode_mut(linode)?.disks.insert(id, disk);
        Ok(answer)
    }

    /// Makes a disk larger, or smaller.
    pub fn resize_disk(&mut self, linode: u64, id: u64, body: &[u8]) -> Result<Answer, Refusal> {
        let size = Document::read(body, RESIZE)?.number("size").unwrap_or_default();
        let old = self.idle_disk(linode, id)?.size;
        self.check_room(linode, size, old)?;
        let resized =
            OpenOptions::new().write(true).open(self.place.disk(id)).and_then(|file| file.set_len(size << 20));
        resized.map_err(|error| Refusal::new(500, &format!("resizing the disk {id}: {error}")))?;
        let ready = after(self.now, self.settings.pace);
        let disk = self.disk_mut(linode, id)?;
        disk.size = size;
        disk.status = Moving::until(DiskStatus::NotReady, ready, DiskStatus::Ready);
        let disk = disk.clone();
        self.record_disk("disk_resize", linode, &disk, ready)?;
        Ok(Answer::json(200, &json!({})))
    }

    /// Removes a disk. The profiles that name it stay, and do not boot.
    pub fn delete_disk(&mut self, linode: u64, id: u64) -> Result<Answer, Refusal> {
        self.idle_disk(linode, id)?;
        let gone = after(self.now, self.settings.pace);
        let disk = self.disk_mut(linode, id)?;
        disk.status = Moving::until(DiskStatus::Deleting, gone, DiskStatus::Gone);
        let disk = disk.clone();
        self.record_disk("disk_delete", linode, &disk, gone)?;
        Ok(Answer::json(200, &json!({})))
    }

    /// A disk of a Linode.
    pub fn disk(&self, linode: u64, id: u64) -> Result<&Disk, Refusal> {
        self.linode(linode)?.disks.get(&id).ok_or_else(Refusal::not_found)
    }

    fn disk_mut(&mut self, linode: u64, id: u64) -> Result<&mut Disk, Refusal> {
        self.linode_mut(linode)?.disks.get_mut(&id).ok_or_else(Refusal::not_found)
    }

    /// A disk nobody writes to.
    fn idle_disk(&self, linode: u64, id: u64) -> Result<&Disk, Refusal> {
        let disk = self.disk(linode, id)?;
        if self.linode(linode)?.status.at(self.now) != Status::Offline {
            return Err(Refusal::because("Linode must be powered off to do this"));
        }
        match disk.status.at(self.now) {
            DiskStatus::Ready => Ok(disk),
            DiskStatus::NotReady | DiskStatus::Deleting | DiskStatus::Gone => Err(Refusal::because("Linode busy.")),
        }
    }

    /// Whether a disk of this size fits beside the others, once so much is freed.
    fn check_room(&self, linode: u64, size: u64, freed: u64) -> Result<(), Refusal> {
        let linode = self.linode(linode)?;
        if self.is_busy(linode) {
            return Err(Refusal::because("Linode busy."));
        }
        let used: u64 = linode.disks.values().map(|disk| disk.size).sum();
        let free = linode.size().disk.saturating_sub(used - freed);
        match size {
            0 => Err(Refusal::field("size", "Disk size must be at least 1 MB")),
            size if size > free => {
                Err(Refusal::field("size", &format!("Insufficient space for this disk: {free} MB are unallocated")))
            }
            _ => Ok(()),
        }
    }

    /// The image a disk of this size is made of.
    fn source(&self, name: &str, size: u64) -> Result<u64, Refusal> {
        let image = self.image(name).map_err(|_| Refusal::field("image", "image is not valid"))?;
        if image.status.at(self.now) != ImageStatus::Available {
            return Err(Refusal::field("image", "Image is not available"));
        }
        if image.size > size {
            return Err(Refusal::field("size", &format!("Must be at least {} for this image", image.size)));
        }
        Ok(image.id())
    }

    fn record_disk(&mut self, action: &str, linode: u64, disk: &Disk, until: Moment) -> Result<(), Refusal> {
        let entities = (self.linode(linode)?.entity(), disk.entity(linode));
        self.state.record_part(self.now, action, entities, Some(until));
        Ok(())
    }
}

/// An image, and zeros behind it.
fn copy(image: &Path, path: &Path, size: u64) -> io::Result<()> {
    write_sparse(File::open(image)?, path, u64::MAX)?;
    OpenOptions::new().write(true).open(path)?.set_len(size << 20)
}

/// Zeros, and what this program makes of them.
fn blank(path: &Path, size: u64, format: &[&str]) -> io::Result<()> {
    File::create(path)?.set_len(size << 20)?;
    let [program, words @ ..] = format else { return Ok(()) };
    let output = Command::new(program).args(words).arg(path).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))))
}
