//! Images: asked for, uploaded, unpacked, and after a while to be had.

use crate::catalogue::has_metadata;
use crate::event::Entity;
use crate::fields::{Document, Field, Kind};
use crate::linode::check_label;
use crate::moment::{Moving, after, text};
use crate::refusal::Refusal;
use crate::world::World;
use flate2::read::MultiGzDecoder;
use plain_http::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

/// What lists may be filtered by.
pub const FILTERABLE: &[&str] = &["deprecated", "is_public", "label", "size", "status", "tags", "type", "vendor"];
/// What may be said of one that will be uploaded.
pub const UPLOAD: &[Field] = &[
    Field::required("label", Kind::Text),
    Field::required("region", Kind::Text),
    Field::optional("description", Kind::Text),
    Field::optional("cloud_init", Kind::Truth),
    Field::optional("tags", Kind::Texts),
];

/// What reading a gzip file ends with that is none.
const NO_GZIP: &[ErrorKind] = &[ErrorKind::InvalidInput, ErrorKind::InvalidData, ErrorKind::UnexpectedEof];

/// An image of a disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    id: u64,
    /// Its name; several may have it.
    pub label: String,
    description: String,
    region: String,
    cloud_init: bool,
    tags: Vec<String>,
    created: u64,
    /// How far it is.
    pub status: Moving<ImageStatus>,
    /// Its size unpacked, in MB.
    pub size: u64,
    /// Who knows it may upload it.
    secret: String,
}

/// How far an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageStatus {
    /// Nobody has uploaded it.
    PendingUpload,
    /// It came, and is being looked at.
    Creating,
    /// It can be used.
    Available,
    /// What was uploaded was none, and it is forgotten.
    Gone,
}

impl Image {
    /// As the API has it.
    pub fn document(&self, now: u64) -> Value {
        let status = match self.status.at(now) {
            ImageStatus::PendingUpload | ImageStatus::Gone => "pending_upload",
            ImageStatus::Creating => "creating",
            ImageStatus::Available => "available",
        };
        let capabilities = if self.cloud_init { vec!["cloud-init"] } else { vec![] };
        json!({"id": format!("private/{}", self.id), "label": self.label, "description": self.description,
            "status": status, "size": self.size, "total_size": self.size, "type": "manual", "is_public": false,
            "is_shared": false, "deprecated": false, "vendor": null, "created": text(self.created),
            "updated": text(self.created), "created_by": "operator", "expiry": null, "eol": null, "tags": self.tags,
            "capabilities": capabilities, "regions": [{"region": self.region, "status": status.replace('_', " ")}]})
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    fn entity(&self) -> Entity {
        let url = format!("/v4/images/private/{}", self.id);
        Entity { kind: "image".into(), id: self.id, label: self.label.clone(), url }
    }
}

impl World {
    /// An image by its name in requests: `private/N`.
    pub fn image(&self, name: &str) -> Result<&Image, Refusal> {
        let id = name.strip_prefix("private/").and_then(|id| id.parse().ok());
        id.and_then(|id: u64| self.state.images.get(&id)).ok_or_else(Refusal::not_found)
    }

    /// Makes room for an image, and says where to put it.
    pub fn expect_image(&mut self, body: &[u8]) -> Result<Answer, Refusal> {
        let wish = Document::read(body, UPLOAD)?;
        let (label, region) = (wish.text("label").unwrap_or_default(), wish.text("region").unwrap_or_default());
        check_label(&label, 1..=50)?;
        if has_metadata(&region).is_none() {
            return Err(Refusal::field("region", "region is not valid"));
        }
        let id = self.state.number();
        let secret: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        let image = Image {
            id,
            label,
            region,
            description: wish.text("description").unwrap_or_default(),
            cloud_init: wish.truth("cloud_init").unwrap_or(false),
            tags: wish.texts("tags").unwrap_or_default(),
            created: self.now,
            status: Moving::still(ImageStatus::PendingUpload),
            size: 0,
            secret,
        };
        let upload_to = format!("http://{}/upload/{}", self.address, image.secret);
        let answer = json!({"image": image.document(self.now), "upload_to": upload_to});
        self.state.images.insert(id, image);
        Ok(Answer::json(200, &answer))
    }

    /// The image that may be uploaded by who knows its secret.
    pub fn awaited(&self, secret: &str) -> Result<u64, Refusal> {
        let mut awaited = self
            .state
            .images
            .values()
            .filter(|image| image.secret == secret && image.status.at(self.now) == ImageStatus::PendingUpload);
        awaited.next().map(|image| image.id).ok_or_else(|| Refusal::new(403, "Access denied"))
    }

    /// Takes note of what came for an image: its size in bytes, or what is wrong with it. The store has said yes to whoever sent
    /// it; what is wrong shows in an event, and after a while the image is gone.
    pub fn take_upload(&mut self, id: u64, came: Result<u64, String>) {
        let (now, pace, stays) = (self.now, self.settings.pace, self.faults.images_stay);
        let Some(image) = self.state.images.get_mut(&id) else { return };
        let entity = image.entity();
        match came {
            Ok(bytes) => {
                let ready = after(now, pace * 2);
                image.size = bytes.div_ceil(1 << 20);
                image.status = Moving::until(ImageStatus::Creating, ready, ImageStatus::Available);
                if stays {
                    image.status = Moving::still(ImageStatus::Creating);
                }
                let until = if stays { u64::MAX } else { ready };
                self.state.record(now, "image_upload", entity, Some(until));
            }
            Err(why) => {
                image.status = Moving::until(ImageStatus::PendingUpload, after(now, pace * 2), ImageStatus::Gone);
                self.state.record_failure(now, "image_upload", entity, &why);
            }
        }
    }

    /// Forgets an image; disks made of it stay.
    pub fn delete_image(&mut self, name: &str) -> Result<Answer, Refusal> {
        let entity = self.image(name)?.entity();
        self.state.images.remove(&entity.id);
        self.place.remove(&self.place.image(entity.id)).map_err(|error| Refusal::new(500, &format!("{error:#}")))?;
        self.state.record(self.now, "image_delete", entity, None);
        Ok(Answer::json(200, &json!({})))
    }
}

/// Unpacks what is uploaded; the error is what Linode's event would say.
pub fn unpack(body: impl Read, path: &Path, limit: u64) -> Result<u64, String> {
    let unpacked = crate::place::write_sparse(MultiGzDecoder::new(body), path, limit);
    let kind = |error: &Error, kinds: &[ErrorKind]| kinds.contains(&error.kind());
    unpacked.map_err(|error| match error {
        error if kind(&error, &[ErrorKind::FileTooLarge]) => "The uncompressed image is too large.".into(),
        error if kind(&error, NO_GZIP) => format!("The image is not a gzip-compressed file: {error}."),
        error => format!("The image could not be stored: {error}."),
    })
}
