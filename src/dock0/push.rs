//! push and status: VMs over their config sockets, several at once.

use super::round::{JOBS, Output, Round};
use super::say;
use anyhow::{Context, Result, anyhow, bail};
use argh::FromArgs;
use dock0::config::{self, Request};
use dock0::linode::trust::{Known, Trust};
use dock0::papers::Papers;
use dock0::socket::answer::{State, printable};
use dock0::socket::cargo::{Cargo, read_bundle, read_release, with_host};
use dock0::socket::host::Host;
use dock0::socket::push::{self, Pushed};
use dock0::socket::tls::{self, Expected, Fingerprint};
use dock0::socket::vm::Vm;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::slice;

/// For how long a VM may keep us waiting, in seconds, if nobody says so.
const PUSH_PATIENCE: u32 = 300;
/// The same, for one that is only asked how it is.
const STATUS_PATIENCE: u32 = 10;
/// The bundle if nobody names one.
const BUNDLE: &str = "build.tar.gz";

/// Sends VMs their configuration, or a release to install, once they wait for it.
#[derive(FromArgs)]
#[argh(subcommand, name = "push")]
pub struct PushArguments {
    /// the bundle (build.tar.gz); {host} in it is each VM's name
    #[argh(option)]
    bundle: Option<PathBuf>,
    /// build the bundle first, of these YAML files, each over the one before; {host} in one is each VM's name
    #[argh(option)]
    build: Vec<PathBuf>,
    /// send this manifest and the signature beside it (release.json.minisig) instead of a bundle
    #[argh(option)]
    release: Option<PathBuf>,
    /// a directory with operators.pem, operator.pem and operator.key ($DOCK0_KEYS, or else .), or BASE of BASE.pem and BASE.key
    #[argh(option)]
    identity: Option<PathBuf>,
    /// sha256//…: the key of a VM that made its own certificate, as its console shows it
    #[argh(option)]
    fingerprint: Option<Fingerprint>,
    /// for how many seconds a VM may keep us waiting (300)
    #[argh(option, default = "PUSH_PATIENCE")]
    timeout: u32,
    /// how many VMs are pushed to at once (8)
    #[argh(option, default = "JOBS")]
    jobs: usize,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// NAME or NAME=ADDRESS[:PORT]
    #[argh(positional)]
    hosts: Vec<Host>,
}

/// Shows how VMs are that boot, wait or install.
#[derive(FromArgs)]
#[argh(subcommand, name = "status")]
pub struct StatusArguments {
    /// show what each VM has said so far; this needs an operator's certificate
    #[argh(switch)]
    log: bool,
    /// where operators.pem is, as for push ($DOCK0_KEYS, or else .)
    #[argh(option)]
    identity: Option<PathBuf>,
    /// sha256//…: the key of a VM that made its own certificate, as its console shows it
    #[argh(option)]
    fingerprint: Option<Fingerprint>,
    /// for how many seconds a VM may keep us waiting (10)
    #[argh(option, default = "STATUS_PATIENCE")]
    timeout: u32,
    /// how many VMs are asked at once (8)
    #[argh(option, default = "JOBS")]
    jobs: usize,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// NAME or NAME=ADDRESS[:PORT]
    #[argh(positional)]
    hosts: Vec<Host>,
}

pub fn push(arguments: PushArguments) -> Result<()> {
    let PushArguments { bundle, build, release, identity, fingerprint, timeout, jobs, json, hosts } = arguments;
    let round = Round::new(hosts, timeout, jobs, Output::asked(json))?;
    let vms = Acquaintance { identity, fingerprint }.vms(&round.hosts, Own::Shown)?;
    // All of it is read before the first VM hears anything.
    let cargo = match (release, bundle, &build[..]) {
        (Some(manifest), None, []) => vec![read_release(&manifest)?],
        (None, bundle, []) => read_bundles(&bundle.unwrap_or_else(|| BUNDLE.into()), &round.hosts)?,
        (None, None, files) => build_bundles(files, &round.hosts)?,
        (_, _, _) => bail!("--release, --bundle, --build: one of them at a time"),
    };
    let work: Vec<(Vm, &Cargo)> = vms.into_iter().zip(cargo.iter().cycle()).collect();
    round.run(&work, |(vm, cargo), until, show| {
        let pushed = push::push(vm, cargo, until, show)?;
        Ok((format!("{}: {}", vm.host.name, pushed.words()), describe(&pushed)))
    })?;
    match (round.hosts.len(), json) {
        (1, _) | (_, true) => Ok(()),
        (count, false) => say(&format!("pushed to {count} VMs")),
    }
}

/// The bundle of each host; one for all if its path is the same for all.
fn read_bundles(path: &PathBuf, hosts: &[Host]) -> Result<Vec<Cargo>> {
    let paths = with_host(slice::from_ref(path), hosts)?;
    paths.iter().flatten().map(|path| read_bundle(path)).collect()
}

/// The same, each built of its files.
fn build_bundles(files: &[PathBuf], hosts: &[Host]) -> Result<Vec<Cargo>> {
    with_host(files, hosts)?.iter().map(|files| build(files)).collect()
}

/// Builds a bundle as dock0 config does, and writes it where that does.
fn build(files: &[PathBuf]) -> Result<Cargo> {
    let built = config::build(&Request::of(files))?;
    built.write()?;
    Ok(Cargo::Bundle(built.packed))
}

pub fn status(arguments: StatusArguments) -> Result<()> {
    let StatusArguments { log, identity, fingerprint, timeout, jobs, json, hosts } = arguments;
    let round = Round::new(hosts, timeout, jobs, Output::asked(json))?;
    let own = if log { Own::Shown } else { Own::IfThere };
    let vms = Acquaintance { identity, fingerprint }.vms(&round.hosts, own)?;
    round.run(&vms, |vm, until, _| {
        let failed = |trouble| anyhow!("{vm}: {trouble}");
        if log {
            let text = vm.log(until).map_err(failed)?;
            return Ok((format!("{vm}:\n{}", text.trim_end()), json!({"log": text})));
        }
        let state = vm.state(until).map_err(failed)?;
        Ok((paragraph(vm, &state), serde_json::to_value(&state).context("printing JSON")?))
    })
}

/// How a VM is, a line for each thing that is known. Strangers are not told which configuration it has.
fn paragraph(vm: &Vm, state: &State) -> String {
    let addresses = state.addresses.join(" ");
    let uptime = state.uptime.map(|seconds| format!("{seconds} s"));
    let rows = [
        ("release", state.release.as_deref()),
        ("standing", state.standing.as_deref()),
        ("config", state.config.as_deref().or(vm.own.is_some().then_some("none"))),
        ("addresses", Some(addresses.as_str()).filter(|text| !text.is_empty())),
        ("up for", uptime.as_deref()),
        ("last failure", state.failure.as_deref()),
        ("key", state.fingerprint.as_deref()),
        ("dock0", state.version.as_deref()),
    ];
    let known = rows.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known.fold(format!("{vm}: {}", state.line()), |text, (name, value)| {
        format!("{text}\n    {name:<13} {}", printable(value))
    })
}

fn describe(pushed: &Pushed) -> Value {
    match pushed {
        Pushed::Stored { sha256, size: Some((files, bytes)), .. } => {
            json!({"sha256": sha256, "files": files, "bytes": bytes})
        }
        Pushed::Stored { sha256, size: None, .. } => json!({"sha256": sha256}),
        Pushed::Installing(release) => json!({"release": release}),
    }
}

/// Whether we say who we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Shown,
    IfThere,
}

/// What VMs are known by, and we by them.
struct Acquaintance {
    identity: Option<PathBuf>,
    fingerprint: Option<Fingerprint>,
}

impl Acquaintance {
    fn vms(self, hosts: &[Host], own: Own) -> Result<Vec<Vm>> {
        if self.fingerprint.is_some() && hosts.len() > 1 {
            bail!("--fingerprint is one VM's: push to it alone");
        }
        let papers = Papers::find(self.identity)?;
        let is_shown = own == Own::Shown || papers.own.is_there()?;
        let own = is_shown.then(|| papers.own.certificate.display().to_string());
        let vm = |host: &Host| {
            let expected = match self
                .fingerprint
                .map_or_else(|| Trust::of(&papers, &host.name).known(), |key| Ok(Known::ByKey(key)))?
            {
                Known::ByKey(fingerprint) => Expected::Key(fingerprint),
                Known::ByCa => Expected::OfCa(papers.roots()?, papers.operators.display().to_string()),
                Known::ByToken(_) => bail!("{}: it has not been met yet: dock0 deploy goes on with it", host.name),
            };
            let config = tls::client(expected, is_shown.then(|| papers.own()).transpose()?)?;
            Ok(Vm { host: host.clone(), config, own: own.clone() })
        };
        hosts.iter().map(vm).collect()
    }
}
