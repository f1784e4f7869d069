//! Asking web servers for something, with every limit that asking a stranger needs.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant};
use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// How often a server may send us elsewhere; never from https to http.
const REDIRECTS: u32 = 3;
/// How long a name, a connection or the head of an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// In every stretch of so long a body must bring [`SLOWEST`] bytes.
const STRETCH: Duration = Duration::from_secs(30);
/// 10 KiB/s.
const SLOWEST: u64 = 30 * 10 * 1024;
/// The longest head of an answer, in bytes.
const HEAD: usize = 64 << 10;

/// What servers answer to HEAD that would have answered to GET: it is malformed, signed for GET alone, not allowed, not known.
const NO_HEADS: [u16; 4] = [400, 403, 405, 501];

/// Why a server gave nothing.
#[derive(Debug)]
pub struct NoAnswer {
    /// What was asked for.
    pub url: String,
    /// What it answered, if it did.
    pub status: Option<u16>,
    why: String,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asking for {}: {}", self.url, self.why)
    }
}

impl std::error::Error for NoAnswer {}

/// Asks for a URL. `token` is sent to that host alone.
pub fn get(url: &str, accept: &str, token: Option<&str>) -> std::result::Result<Response<Body>, NoAnswer> {
    let mut request = agent(url.starts_with("https:")).get(url).header("Accept", accept);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    request.call().map_err(|error| no_answer(url, &error))
}

/// Asks how many bytes there are at a URL, without fetching them; `None` where the server does not say.
pub fn ask_size(url: &str) -> std::result::Result<Option<u64>, NoAnswer> {
    match agent(url.starts_with("https:")).head(url).call().map_err(|error| no_answer(url, &error)) {
        Ok(answer) => {
            let length = answer.headers().get("Content-Length").and_then(|length| length.to_str().ok()?.parse().ok());
            // Some say 0 because they send no bytes now.
            Ok(length.filter(|length| *length > 0))
        }
        Err(NoAnswer { status: Some(status), .. }) if NO_HEADS.contains(&status) => Ok(None),
        Err(no_answer) => Err(no_answer),
    }
}

fn no_answer(url: &str, error: &ureq::Error) -> NoAnswer {
    let status = if let ureq::Error::StatusCode(code) = error { Some(*code) } else { None };
    let mut why = status.map_or_else(|| error.to_string(), |code| format!("the server answers {code}"));
    if why.contains("No CA certificates") {
        why += " (Debian: apt-get install ca-certificates)";
    }
    NoAnswer { url: url.into(), status, why }
}

/// Asks with all those limits; where `https` is, nothing else.
pub fn agent(https: bool) -> Agent {
    // The operator's machine may have a certificate authority of its own, so what the system trusts is trusted.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    Agent::config_builder()
        .https_only(https)
        .proxy(None)
        .tls_config(tls)
        .max_redirects(REDIRECTS)
        .max_redirects_will_error(true)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .timeout_resolve(Some(PATIENCE))
        .timeout_connect(Some(PATIENCE))
        .timeout_send_request(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(STRETCH))
        .max_response_header_size(HEAD)
        .accept_encoding("identity") // an artifact is the bytes as they are
        .user_agent(concat!("dock0/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// Whether what is sent there stays secret: it goes over https, or to this machine.
pub fn keeps_secrets(url: &str) -> bool {
    ["https://", "http://127.0.0.1:", "http://[::1]:", "http://localhost:"].iter().any(|start| url.starts_with(start))
}

/// A body, read as long as it comes fast enough.
pub struct Flow<R> {
    body: R,
    since: Instant,
    bytes: u64,
}

impl<R: Read> Flow<R> {
    /// Begins to read.
    pub fn of(body: R) -> Self {
        Flow { body, since: Instant::now(), bytes: 0 }
    }

    /// The next bytes; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.body.read(buffer).context("reading")?;
        self.bytes += count as u64;
        let elapsed = self.since.elapsed();
        if elapsed >= STRETCH && count > 0 {
            check_rate(self.bytes, elapsed)?;
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(count)
    }
}

fn check_rate(bytes: u64, elapsed: Duration) -> Result<()> {
    if bytes < SLOWEST {
        bail!("too slow: {bytes} bytes in {} s", elapsed.as_secs());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_https_or_nowhere() {
        for (url, kept) in [
            ("https://api.linode.com/v4", true),
            ("http://127.0.0.1:80/", true),
            ("http://[::1]:80/", true),
            ("http://127.0.0.1.example.org:80/", false),
            ("http://localhost:80", true),
            ("http://localhost.example.org/", false),
            ("http://api.linode.com/v4", false),
            ("api.linode.com", false),
        ] {
            assert_eq!(keeps_secrets(url), kept, "{url}");
        }
    }

    #[test]
    fn slowness_is_an_error() {
        let rate = |bytes| check_rate(bytes, Duration::from_secs(30)).map_err(|error| error.to_string());
        assert_eq!(rate(307_200), Ok(()));
        assert_eq!(rate(307_199), Err("too slow: 307199 bytes in 30 s".into()));
    }
}
