//! A stand-in for Linode, for tests and for trying things by hand (`./justw fake-linode`): the part of its API v4 that a deploy
//! needs, at a free port of 127.0.0.1, and machines that really boot.
//!
//! *The API* is under `/v4`, over plain HTTP, and takes one token. Each field of a request is in a table or refused; statuses move
//! with time; lists know `X-Filter` and pages; everything that is done makes an event. A Linode is made empty, and gets disks and
//! profiles: deploying an image while it is made, StackScripts, backups, VLANs and volumes are not spoken here.
//!
//! *Images* are put where the API says, and unpacked there. What cannot be unpacked makes a failed event,
//! and after a while the image is gone.
//!
//! *Machines* are QEMU, started through the GRUB that the profile names, with its disks on virtio-scsi, the serial console in a file,
//! Linode's name in the DMI tables, and the metadata service at 169.254.169.254 where the region has one. A machine that powers
//! itself off is started again, as Linode's watchdog does, unless `watchdog_enabled` is false; both show when somebody asks next.
//!
//! *`/fake/linodes/ID`*, without a token, says what Linode would not: `process`, QEMU's process id or null; `ports`, the ports of
//! 127.0.0.1 that lead to the machine's 22 and 1002, from its first boot on (or those that were chosen for its label); `metadata`, the port of its metadata service;
//! `console`, the file; `status`. The addresses that the API tells are nobody's.

mod api;
mod catalogue;
mod config;
mod disk;
mod event;
mod faults;
mod fields;
mod firewall;
mod image;
mod linode;
mod list;
mod metadata;
mod moment;
mod place;
mod power;
mod refusal;
mod state;
mod world;

pub use faults::Fault;
pub use fields::{Field, Kind, Need};

use anyhow::{Context, Result};
use faults::Faults;
use place::Place;
use plain_http::Server;
use power::Vms;
use state::State;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use world::{Shared, World};

/// The token.
const TOKEN: &str = "the-operators-token";
/// What an operator's environment must not say beside [`FakeLinode::environment`].
const REMOVED: &[&str] =
    &["ALL_PROXY", "HTTP_PROXY", "LINODE_CLI_API_VERSION", "LINODE_CLI_CA", "all_proxy", "http_proxy"];
/// The requests with a document: linode-cli's command and action for each, and the fields that are taken.
pub const REQUESTS: &[(&str, &str, &[Field])] = &[
    ("linodes", "create", linode::CREATE),
    ("linodes", "update", linode::UPDATE),
    ("linodes", "boot", power::BOOT),
    ("linodes", "reboot", power::BOOT),
    ("linodes", "disk-create", disk::CREATE),
    ("linodes", "disk-resize", disk::RESIZE),
    ("linodes", "config-create", config::UPDATE),
    ("linodes", "config-update", config::UPDATE),
    ("images", "upload", image::UPLOAD),
    ("firewalls", "create", firewall::CREATE),
    ("firewalls", "device-create", firewall::DEVICE),
];

/// How a stand-in is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything is kept, for the next time too; None is a temporary directory.
    pub directory: Option<PathBuf>,
    /// How long each thing takes that is not done at once.
    pub pace: Duration,
    /// The most bytes of an image as it is uploaded.
    pub most_stored: u64,
    /// The most bytes of it unpacked.
    pub most_unpacked: u64,
    /// The ports of 127.0.0.1 that lead to 22 and 1002 of the Linodes with these labels. Others get free ones.
    pub forwards: BTreeMap<String, [u16; 2]>,
}

impl Default for Settings {
    fn default() -> Settings {
        let pace = Duration::from_secs(1);
        let forwards = BTreeMap::new();
        Settings { directory: None, pace, most_stored: 5 << 30, most_unpacked: 6 << 30, forwards }
    }
}

/// A running stand-in. When it is dropped it ends, and its machines with it.
pub struct FakeLinode {
    server: Server,
    shared: Arc<Shared>,
    place: Place,
    temporary: tempfile::TempDir,
}

impl FakeLinode {
    /// Starts one.
    ///
    /// # Errors
    /// If it can't listen, or the directory can't be used.
    pub fn start(settings: Settings) -> Result<FakeLinode> {
        let temporary = tempfile::tempdir().context("making a directory")?;
        let place = Place::new(settings.directory.as_deref().unwrap_or(temporary.path()))?;
        let state = State::load(&place)?;
        let listener = Server::bind().context("listening on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let shared = Arc::new_cyclic(|shared| {
            let (vms, faults) = (Vms::default(), Faults::default());
            let (place, shared, asked, now) = (place.clone(), shared.clone(), Vec::new(), moment::now());
            let ahead = Duration::ZERO;
            Shared::new(TOKEN, World { state, vms, faults, asked, place, settings, address, now, ahead, shared })
        });
        let server = Server::start(listener, shared.clone())?;
        Ok(FakeLinode { server, shared, place, temporary })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The token it takes.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// What `linode-cli` and `dock0` must have in their environment to come here and nowhere else.
    pub fn environment(&self) -> Vec<(String, String)> {
        let values = [
            ("LINODE_API_URL", format!("http://{}/v4", self.address())),
            ("LINODE_CLI_API_HOST", self.address().to_string()),
            ("LINODE_CLI_API_SCHEME", "http".into()),
            ("LINODE_CLI_CONFIG", self.temporary.path().join("linode-cli").display().to_string()),
            ("LINODE_CLI_TOKEN", TOKEN.into()),
            ("LINODE_TOKEN", TOKEN.into()),
            ("NO_PROXY", "127.0.0.1".into()),
        ];
        values.map(|(name, value)| (name.to_string(), value)).into()
    }

    /// What it must not have in it.
    pub fn removed(&self) -> &'static [&'static str] {
        REMOVED
    }

    /// What a Linode said on its serial console since it was booted.
    pub fn console(&self, linode: u64) -> PathBuf {
        self.place.console(linode)
    }

    /// Where a disk's bytes are.
    pub fn disk(&self, disk: u64) -> PathBuf {
        self.place.disk(disk)
    }

    /// So much time passes at once, but not for the machines.
    pub fn pass(&self, time: Duration) {
        self.shared.lock().ahead += time;
    }

    /// What was asked so far: `GET /v4/regions`.
    pub fn asked(&self) -> Vec<String> {
        self.shared.lock().asked.clone()
    }

    /// The next `times` requests of this method, to a path that ends so, go wrong. An empty word stands for all.
    pub fn order(&self, method: &str, suffix: &str, fault: Fault, times: u32) {
        self.shared.lock().faults.order(method, suffix, fault, times);
    }

    /// Whether images that are uploaded from now on stay `creating`.
    pub fn keep_images_creating(&self, stay: bool) {
        self.shared.lock().faults.images_stay = stay;
    }

    /// Each machine that asks for metadata gets nothing for its first so many requests, and no IPv6 for as many again.
    pub fn fill_metadata_slowly(&self, requests: u32) {
        self.shared.lock().faults.metadata_stages = requests;
    }

    /// A Linode is gone, and nobody said so.
    ///
    /// # Errors
    /// If its files cannot be removed.
    pub fn lose(&self, linode: u64) -> Result<()> {
        self.shared.lock().forget_linode(linode)
    }
}

impl Drop for FakeLinode {
    fn drop(&mut self) {
        self.shared.lock().vms.stop_all();
    }
}

/// The file of the real client, which `./justw linode-cli` installs.
pub fn linode_cli(repository: &Path) -> PathBuf {
    repository.join("build/tools/linode-cli/bin/linode-cli")
}
