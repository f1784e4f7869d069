//! The boot image at Linode: what is there under its digest's name is taken, anything else is uploaded.

use super::api::{Api, Filter, Refusal};
use super::image::BootImage;
use super::model::{Image, Upload};
use super::section::TAG;
use crate::http;
use crate::stop;
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};
use ureq::http::Response;
use ureq::{Body, SendBody};

/// How often an image is looked at that Linode unpacks.
const EVERY: Duration = Duration::from_secs(1);
/// How often bytes are sent that are refused because there is too much to do.
const TRIES: u32 = 4;

/// What has been uploaded to this account so far. Linode lets it be asked twenty times a minute, so it is asked once for all VMs.
pub fn list(api: &Api) -> Result<Vec<Image>> {
    api.list("/images", Filter::Has("type", "manual")).context("listing the images")
}

/// The image's number at Linode, once disks can be made of it. Others of its name are uploads that broke off.
pub fn find_or_upload(
    api: &Api,
    there: &[Image],
    image: &BootImage,
    region: &str,
    until: Instant,
    show: &dyn Fn(&str),
) -> Result<String> {
    let label = image.label();
    let of_status = |status: &str| there.iter().find(|image| image.label == label && image.status == status);
    match of_status("available").or(of_status("creating")) {
        Some(image) => wait(api, &image.id, until, show),
        None => upload(api, image, &label, region, until, show),
    }
}

/// Uploads it under this name, whatever is there.
pub fn upload(
    api: &Api,
    image: &BootImage,
    label: &str,
    region: &str,
    until: Instant,
    show: &dyn Fn(&str),
) -> Result<String> {
    let document = json!({"label": label, "region": region, "description": "a boot image of dock0", "cloud_init": true,
        "tags": [TAG]});
    let Upload { image: Image { id, .. }, upload_to } = api.post("/images/upload", &document)?;
    let sent = send(image, &upload_to, show).and_then(|()| wait(api, &id, until, show));
    sent.map_err(|error| match remove(api, &id) {
        Ok(()) => error,
        Err(left) => anyhow!("{error:#}; {left:#}"),
    })
}

/// Removes an image; one that is gone already is none the worse for it.
pub fn remove(api: &Api, id: &str) -> Result<()> {
    match api.delete(&format!("/images/{id}")) {
        Err(error) if status(&error) != Some(404) => {
            Err(error.context(format!("the image {id} is still at Linode: remove it (linode-cli images delete {id})")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn status(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref::<Refusal>().and_then(|refusal| refusal.status)
}

fn send(image: &BootImage, upload_to: &str, show: &dyn Fn(&str)) -> Result<()> {
    ensure!(http::keeps_secrets(upload_to), "Linode wants it at {upload_to}, which is not https");
    for tried in 1.. {
        match send_once(image, upload_to, show)? {
            Err(ureq::Error::StatusCode(429 | 503)) if tried < TRIES => stop::pause(EVERY * tried)?,
            sent => return sent.map(drop).context("sending it"),
        }
    }
    unreachable!("it is sent a last time")
}

fn send_once(image: &BootImage, to: &str, show: &dyn Fn(&str)) -> Result<Result<Response<Body>, ureq::Error>> {
    let file = File::open(image.path()).with_context(|| format!("reading {}", image.path().display()))?;
    let mut body = Shown { file, sent: 0, total: image.packed(), show };
    let agent = http::agent(to.starts_with("https:"));
    let request = agent.put(to).header("Content-Type", "application/octet-stream");
    let request = request.header("Content-Length", image.packed().to_string());
    Ok(request.send(SendBody::from_reader(&mut body)))
}

/// Until disks can be made of it.
fn wait(api: &Api, id: &str, until: Instant, show: &dyn Fn(&str)) -> Result<String> {
    loop {
        let image: Result<Image> = api.get(&format!("/images/{id}"));
        let image = image.map_err(|error| match status(&error) {
            Some(404) => error.context("Linode could not make an image of it, and has removed it (its events say why)"),
            _ => error,
        })?;
        match image.status.as_str() {
            "available" => return Ok(image.id),
            status if Instant::now() + EVERY >= until => {
                bail!("the image {id} is still {status}: it did not become available in time (--timeout)")
            }
            status => show(&format!("the boot image is {status}")),
        }
        stop::pause(EVERY)?;
    }
}

/// A file on its way, which shows how far it is, and ends early if somebody wants that.
struct Shown<'s> {
    file: File,
    sent: u64,
    total: u64,
    show: &'s dyn Fn(&str),
}

impl Read for Shown<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        stop::check().map_err(io::Error::other)?;
        let count = self.file.read(buffer)?;
        self.sent += count as u64;
        (self.show)(&format!("sending the boot image, {} of {} MB", self.sent / 1_000_000, self.total / 1_000_000));
        Ok(count)
    }
}
