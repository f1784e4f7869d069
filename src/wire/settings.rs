//! `dock0/settings.json`: what this VM's operator has settled. Everything in it may be left out; whatever is not known here
//! is refused, because a mistyped word would otherwise do nothing, unsaid.

#![expect(clippy::result_large_err, reason = "it is read once in a boot, and a sentence takes room")]

use crate::inet::interface_name;
use crate::json_shape::{self, Kind};
use crate::network::{self, Family, MAX_DNS, MAX_VLAN, MIN_MTU, Method, Network, cut};
use core::fmt::{self, Write};
use heapless::{String, Vec};
use menagerie::state::{MAX_TRIES, TRIES};
use serde::Deserialize;

/// The path on the boot partition.
pub const PATH: &str = "dock0/settings.json";
/// The longest file that is read, in bytes.
pub const LONGEST: usize = 16 * 1024;
/// The longest string in it, in bytes: escapes are undone in a buffer of this size.
const LONGEST_STRING: usize = 512;

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `manifest`: where releases come from.
    pub manifest: Manifest,
    /// `network`
    pub network: Network,
    /// `check`: whether a boot looks for a newer release.
    pub check: Check,
    /// `check_seconds`: how long that may take.
    pub check_seconds: u32,
    /// `tries`: how often a release may be tried before anybody has called it good; 0 is without end.
    pub tries: u8,
    /// `watchdog`: after how many seconds the hardware's watchdog, if there is one, resets a VM whose release is on trial and has
    /// neither taken it over nor been called good; 0 is never.
    pub watchdog: u32,
    /// `config`: how a configuration is taken.
    pub config: Config,
}

/// How long a release on trial has until the watchdog resets it, in seconds.
pub const WATCHDOG_SECONDS: u32 = 600;
/// The most that can be asked for: what QEMU's watchdog can count to.
const MAX_WATCHDOG_SECONDS: u32 = 2046;
/// How long a boot may take at most to look for a newer release, in seconds.
pub const CHECK_SECONDS: u32 = 30;
/// The most that can be asked for: an hour.
const MAX_CHECK_SECONDS: u32 = 3600;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            manifest: Manifest::default(),
            network: Network::default(),
            check: Check::Never,
            check_seconds: CHECK_SECONDS,
            tries: TRIES,
            watchdog: WATCHDOG_SECONDS,
            config: Config::default(),
        }
    }
}

/// How a configuration is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `port`: the TCP port that is listened on.
    pub port: u16,
    /// `store`
    pub store: Store,
}

/// The port that operators push to.
pub const PORT: u16 = 1002;

impl Default for Config {
    fn default() -> Self {
        Config { port: PORT, store: Store::Disk }
    }
}

/// Where a configuration is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// `disk`: on the boot partition.
    #[default]
    Disk,
    /// `memory`: nowhere, so that it has to be pushed at every boot.
    Memory,
}

/// Where releases come from, as far as it is settled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// `url`: of `release.json`; https, or http if the operator says so.
    pub url: Option<String<LONGEST_STRING>>,
    /// `product`: the only one that is taken.
    pub product: Option<String<64>>,
    /// `channel`: the only one that is taken.
    pub channel: Option<String<64>>,
}

/// `check`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// `never`: what is installed boots.
    #[default]
    Never,
    /// `boot`: every boot asks.
    Boot,
}

/// Everything that can be set.
const TABLE: [(&str, Kind); 24] = [
    ("manifest", Kind::Object),
    ("manifest.url", Kind::Text),
    ("manifest.product", Kind::Text),
    ("manifest.channel", Kind::Text),
    ("network", Kind::Object),
    ("network.interface", Kind::Text),
    ("network.vlan", Kind::Number),
    ("network.mtu", Kind::Number),
    ("network.ipv4", Kind::Object),
    ("network.ipv4.method", Kind::Text),
    ("network.ipv4.address", Kind::Text),
    ("network.ipv4.gateway", Kind::Text),
    ("network.ipv6", Kind::Object),
    ("network.ipv6.method", Kind::Text),
    ("network.ipv6.address", Kind::Text),
    ("network.ipv6.gateway", Kind::Text),
    ("network.dns", Kind::Texts),
    ("check", Kind::Text),
    ("check_seconds", Kind::Number),
    ("tries", Kind::Number),
    ("watchdog", Kind::Number),
    ("config", Kind::Object),
    ("config.port", Kind::Number),
    ("config.store", Kind::Text),
];

/// Why the settings cannot be used, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSettings(String<256>);

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PATH}: {}", self.0)
    }
}

/// Reads the file.
pub fn parse(json: &[u8]) -> Result<Settings, BadSettings> {
    if json.len() > LONGEST {
        return Err(bad(format_args!("it is longer than {LONGEST} bytes")));
    }
    let known = json_shape::check(json, &TABLE);
    known.map_err(|fault| bad(format_args!("{fault} (docs/network.md has all that can be set)")))?;
    let mut unescaped = [0; LONGEST_STRING];
    let raw = serde_json_core::from_slice_escaped::<Raw>(json, &mut unescaped);
    let (raw, _) =
        raw.map_err(|_| bad(format_args!("a text or a number is too long, or there are more than 3 dns")))?;
    check_manifest(&raw.manifest)?;
    Ok(Settings {
        manifest: raw.manifest,
        network: raw.network.check()?,
        check: check(&raw.check)?,
        check_seconds: in_range("check_seconds", raw.check_seconds, 1, MAX_CHECK_SECONDS)?.unwrap_or(CHECK_SECONDS),
        watchdog: in_range("watchdog", raw.watchdog, 0, MAX_WATCHDOG_SECONDS)?.unwrap_or(WATCHDOG_SECONDS),
        tries: in_range("tries", raw.tries, 0, MAX_TRIES)?.unwrap_or(TRIES),
        config: raw.config.check()?,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    manifest: Manifest,
    network: RawNetwork,
    check: Option<Word>,
    check_seconds: Option<u32>,
    tries: Option<u32>,
    watchdog: Option<u32>,
    config: RawConfig,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConfig {
    port: Option<u32>,
    store: Option<Word>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNetwork {
    interface: Option<Word>,
    vlan: Option<u32>,
    mtu: Option<u32>,
    ipv4: RawMethod,
    ipv6: RawMethod,
    dns: Vec<Word, MAX_DNS>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMethod {
    method: Option<Word>,
    address: Option<Word>,
    gateway: Option<Word>,
}

/// Longer than any address.
type Word = String<64>;

impl RawNetwork {
    fn check(&self) -> Result<Network, BadSettings> {
        let mut network = Network::default();
        if let Some(name) = &self.interface {
            let name = interface_name(name).map_err(|_| must("network.interface", name, "the name of an interface"))?;
            network.interface = Some(name);
        }
        network.vlan = in_range("network.vlan", self.vlan, 1, MAX_VLAN)?;
        network.mtu = in_range("network.mtu", self.mtu, MIN_MTU, u16::MAX)?;
        network.ipv4 = self.ipv4.check(Family::V4, "network.ipv4")?;
        network.ipv6 = self.ipv6.check(Family::V6, "network.ipv6")?;
        for server in &self.dns {
            let address = server.parse().ok().filter(|&address| network::is_a_dns_server(address));
            let address = address.ok_or_else(|| must("network.dns", server, "the address of a name server"))?;
            network.dns.push(address).unwrap_or_default(); // both hold MAX_DNS
        }
        Ok(network)
    }
}

impl RawMethod {
    fn check(&self, family: Family, name: &str) -> Result<Method, BadSettings> {
        let given = self.address.is_some() || self.gateway.is_some();
        match self.method.as_deref() {
            None if !given => Ok(Method::Automatic),
            Some(word) if word == family.automatic() && !given => Ok(Method::Automatic),
            Some("off") if !given => Ok(Method::Off),
            None | Some("static") => self.fixed(family, name),
            Some(word) if word == family.automatic() || word == "off" => {
                Err(bad(format_args!("{name}.method is {word}, so {name} has neither address nor gateway")))
            }
            Some(word) => Err(must_be(name, ".method", word, format_args!("{}, static or off", family.automatic()))),
        }
    }

    fn fixed(&self, family: Family, name: &str) -> Result<Method, BadSettings> {
        let (address_like, gateway_like) = match family {
            Family::V4 => ("an IPv4 address with its prefix, as 192.0.2.5/24", "an IPv4 address"),
            Family::V6 => ("an IPv6 address with its prefix, as 2001:db8::5/64", "an IPv6 address"),
        };
        let Some(text) = &self.address else {
            return Err(bad(format_args!("{name} is static, so {name}.address must say which")));
        };
        let address = text.parse().ok().filter(|&address| Method::fixed(family, address, None).is_some());
        let address = address.ok_or_else(|| must_be(name, ".address", text, format_args!("{address_like}")))?;
        let Some(text) = &self.gateway else { return Ok(Method::Static { address, gateway: None }) };
        let method = text.parse().ok().and_then(|gateway| Method::fixed(family, address, Some(gateway)));
        method.ok_or_else(|| must_be(name, ".gateway", text, format_args!("{gateway_like}")))
    }
}

impl RawConfig {
    fn check(&self) -> Result<Config, BadSettings> {
        let port = in_range("config.port", self.port, 1, u16::MAX)?.unwrap_or(PORT);
        let store = match self.store.as_deref() {
            None | Some("disk") => Store::Disk,
            Some("memory") => Store::Memory,
            Some(other) => return Err(must("config.store", other, "disk or memory")),
        };
        Ok(Config { port, store })
    }
}

fn check(word: &Option<Word>) -> Result<Check, BadSettings> {
    match word.as_deref() {
        None | Some("never") => Ok(Check::Never),
        Some("boot") => Ok(Check::Boot),
        Some(other) => Err(must("check", other, "never or boot")),
    }
}

fn check_manifest(manifest: &Manifest) -> Result<(), BadSettings> {
    let printable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(url) = &manifest.url {
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if !printable(url) || host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(must("manifest.url", url, "https://HOST/… or http://HOST/…"));
        }
    }
    for (name, value) in [("manifest.product", &manifest.product), ("manifest.channel", &manifest.channel)] {
        if let Some(value) = value.as_ref().filter(|value| !printable(value)) {
            return Err(must(name, value, "a word"));
        }
    }
    Ok(())
}

fn in_range<N>(name: &str, value: Option<u32>, least: N, most: N) -> Result<Option<N>, BadSettings>
where
    N: TryFrom<u32> + PartialOrd + Copy + fmt::Display,
{
    let Some(value) = value else { return Ok(None) };
    match N::try_from(value) {
        Ok(value) if (least..=most).contains(&value) => Ok(Some(value)),
        _ => Err(bad(format_args!("{name} is {value}: must be from {least} to {most}"))),
    }
}

fn must(name: &str, value: &str, what: &str) -> BadSettings {
    must_be(name, "", value, format_args!("{what}"))
}

fn must_be(name: &str, below: &str, value: &str, what: fmt::Arguments<'_>) -> BadSettings {
    let short: String<64> = cut(value);
    bad(format_args!("{name}{below} is \"{}\": must be {what}", short.escape_debug()))
}

fn bad(words: fmt::Arguments<'_>) -> BadSettings {
    let mut sentence = BadSettings(String::new());
    // Too long a sentence is cut: its beginning names the setting.
    sentence.0.write_fmt(words).unwrap_or_default();
    sentence
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
