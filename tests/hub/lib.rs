//! A stand-in for GitHub's releases, for tests: the real `gh` publishes to it, and VMs fetch from it. With a repository to
//! publish from.
//!
//! gh reaches it as a proxy for a host that is nowhere: what `github.localhost` is asked comes here, over plain HTTP. VMs
//! find the same releases under an address of their own.

mod api;
mod checkout;
mod documents;
mod faults;
mod graphql;
mod page;
mod public;
mod release;
mod repository;
mod server;

pub use checkout::Checkout;
pub use release::{Asset, Release, State};

use documents::Site;
use plain_http::Server;
use server::Shared;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// The host gh knows as a GitHub that speaks plain HTTP.
const HOST: &str = "github.localhost";
/// Its token.
const TOKEN: &str = "the-publishers-token";
/// What a publisher's environment must not say beside [`Hub::environment`]: other hosts, other tokens, other ways there.
const REMOVED: &[&str] = &[
    "ALL_PROXY",
    "GH_DEBUG",
    "GH_ENTERPRISE_TOKEN",
    "GH_FORCE_TTY",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_TOKEN",
    "HTTP_PROXY",
    "NO_PROXY",
    "REQUEST_METHOD", // Where it is set, Go takes the program for a CGI script and no HTTP_PROXY for its own.
    "all_proxy",
    "no_proxy",
];

/// A running hub with one repository. It ends when it is dropped.
#[derive(Debug)]
pub struct Hub {
    server: Server,
    shared: Arc<Shared>,
    config: tempfile::TempDir,
}

impl Hub {
    /// Starts one with this repository (`owner/name`), whose pages are at 127.0.0.1.
    ///
    /// # Errors
    /// If it can't listen, or has no place for gh's configuration.
    pub fn start(name: &str) -> io::Result<Hub> {
        Hub::start_as(name, "127.0.0.1")
    }

    /// Starts one that says of itself that it is on this host: the one a VM finds it under.
    ///
    /// # Errors
    /// If it can't listen, or has no place for gh's configuration.
    pub fn start_as(name: &str, host: &str) -> io::Result<Hub> {
        let listener = Server::bind()?;
        let public = format!("http://{host}:{}", listener.local_addr()?.port());
        let (api, uploads) = ("http://api.github.localhost", "http://uploads.github.localhost");
        let shared = Arc::new(Shared::new(TOKEN.into(), Site { name: name.into(), api, uploads, public }));
        let config = tempfile::tempdir()?;
        let server = Server::start(listener, shared.clone())?;
        Ok(Hub { server, shared, config })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its address for who finds this machine under the name `host`.
    pub fn public(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address().port())
    }

    /// What `gh` must have in its environment to come here and nowhere else.
    pub fn environment(&self) -> Vec<(String, String)> {
        let values = [
            ("GH_CONFIG_DIR", self.config.path().display().to_string()),
            ("GH_HOST", HOST.into()),
            ("GH_NO_UPDATE_NOTIFIER", "1".into()),
            ("GH_PROMPT_DISABLED", "1".into()),
            ("GH_REPO", format!("{HOST}/{}", self.shared.site.name)),
            ("GH_TOKEN", self.shared.token.clone()),
            ("NO_COLOR", "1".into()),
            ("http_proxy", format!("http://{}", self.address())),
        ];
        values.map(|(name, value)| (name.to_string(), value)).into()
    }

    /// What it must not have in it.
    pub fn removed(&self) -> &'static [&'static str] {
        REMOVED
    }

    /// Has a commit pushed; it is the newest of `main`.
    pub fn push(&self, commit: &str) {
        self.shared.lock().repository.push(commit);
    }

    /// The releases, drafts among them, in the order of their making.
    pub fn releases(&self) -> Vec<Release> {
        self.shared.lock().repository.releases.clone()
    }

    /// The commit a tag names, if there is such a tag.
    pub fn tag(&self, tag: &str) -> Option<String> {
        self.shared.lock().repository.tags.get(tag).cloned()
    }

    /// What was asked so far: `GET /repos/acme/dock0`, with the query.
    pub fn asked(&self) -> Vec<String> {
        self.shared.lock().asked.clone()
    }

    /// Cuts off the next upload of an asset of this name after so many bytes: the asset stays, as a starter. Cut off after
    /// all of them, it is there, and the publisher does not hear of it.
    pub fn break_upload(&self, name: &str, after: u64) {
        self.shared.lock().faults.break_upload(name, after);
    }

    /// Answers the next `times` requests of this method, to a path that ends so, with a status and a message.
    pub fn refuse(&self, method: &str, suffix: &str, answer: (u16, &str), times: u32) {
        self.shared.lock().faults.refuse(method, suffix, answer, times);
    }

    /// Gives who fetches this file of this tag other bytes than were uploaded.
    pub fn serve_instead(&self, tag: &str, name: &str, bytes: &[u8]) {
        self.shared.lock().faults.serve_instead(tag, name, bytes);
    }
}
