//! deploy: VMs at Linode, from nothing to a login.

use super::linodes;
use super::round::{JOBS, Output, Round};
use super::say;
use anyhow::{Context, Result, bail};
use argh::FromArgs;
use dock0::config::{self, Request};
use dock0::linode::account::{Account, Outlook};
use dock0::linode::deploy::{Deployed, Deployment, End, Site};
use dock0::linode::events::Events;
use dock0::linode::image::BootImage;
use dock0::linode::meeting::Standing;
use dock0::linode::plan::{Replace, Taking, Wanted};
use dock0::linode::section::Section;
use dock0::linode::upload;
use dock0::origin::Origin;
use dock0::papers::Papers;
use dock0::socket::cargo::{Cargo, with_host};
use dock0::socket::host::Host;
use dock0::stop;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For how long a VM may keep us waiting, in seconds, if nobody says so: its image may have to be uploaded first.
const PATIENCE: u32 = 1800;
/// What a VM is built of if nobody says so.
const FILES: &str = "{host}.yaml";

/// Deploys VMs at Linode: the boot image, the Linode, its disks, its configuration, until it is good. Run again, it goes on.
#[derive(FromArgs)]
#[argh(subcommand, name = "deploy")]
pub struct DeployArguments {
    /// the YAML files, each over the one before, as for dock0 config ({host}.yaml); {host} in one is each VM's name
    #[argh(option)]
    build: Vec<PathBuf>,
    /// a directory with operators.pem, operator.pem and operator.key ($DOCK0_KEYS, or else .), or BASE of BASE.pem and BASE.key
    #[argh(option)]
    identity: Option<PathBuf>,
    /// replace the boot disk alone: what is on the scratch disk stays
    #[argh(switch)]
    keep_data: bool,
    /// replace both disks, even if they are as they should be
    #[argh(switch)]
    fresh: bool,
    /// take a Linode of that name over that dock0 did not make; all that is on it is lost
    #[argh(switch)]
    take_over: bool,
    /// do not ask before something is lost
    #[argh(switch)]
    yes: bool,
    /// show what would be done, and do nothing
    #[argh(switch)]
    plan: bool,
    /// end when the configuration is pushed, without waiting until the VM calls its release good
    #[argh(switch)]
    no_wait: bool,
    /// for how many seconds a VM may keep us waiting (1800)
    #[argh(option, default = "PATIENCE")]
    timeout: u32,
    /// how many VMs are deployed at once (8)
    #[argh(option, default = "JOBS")]
    jobs: usize,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// NAME, or NAME=ADDRESS[:PORT] where its config socket is reached elsewhere than at its Linode's own address
    #[argh(positional)]
    hosts: Vec<Host>,
}

pub fn deploy(arguments: DeployArguments) -> Result<()> {
    let DeployArguments { build, identity, timeout, jobs, json, .. } = &arguments;
    let round = Round::new(arguments.hosts.clone(), *timeout, *jobs, Output::asked(*json))?;
    let papers = Papers::find(identity.clone())?;
    papers.own()?;
    let files = if build.is_empty() { vec![PathBuf::from(FILES)] } else { build.clone() };
    let deployments = read_all(&round.hosts, &files, &arguments)?;
    let api = linodes::api()?;
    let events = Events::new(&api);
    stop::on_signals()?;
    let outlooks = look(&mut Account::look(&api)?, &deployments, &arguments)?;
    if arguments.plan {
        return deployments
            .iter()
            .zip(&outlooks)
            .try_for_each(|(deployment, outlook)| say(&words(deployment, outlook)));
    }
    linodes::confirm(&losses(&deployments, &outlooks), arguments.yes)?;
    let site = Site::new(&api, &events, &papers, upload::list(&api)?);
    let work: Vec<(Deployment, Outlook)> = deployments.into_iter().zip(outlooks).collect();
    let count = work.len();
    round.run(&work, |(deployment, outlook), until, show| {
        let since = Instant::now();
        let deployed = deployment.carry_out(&site, outlook, until, show)?;
        Ok((report(deployment, &deployed, since.elapsed(), count), describe(&deployed, since.elapsed())))
    })
}

/// All that is deployed, read before the first is begun.
fn read_all(hosts: &[Host], files: &[PathBuf], arguments: &DeployArguments) -> Result<Vec<Deployment>> {
    let replace = match (arguments.keep_data, arguments.fresh) {
        (true, true) => bail!("--keep-data, --fresh: one of them at a time"),
        (true, false) => Replace::Boot,
        (false, true) => Replace::Both,
        (false, false) => Replace::Changed,
    };
    let end = if arguments.no_wait { End::Pushed } else { End::Good };
    let files = with_host(files, hosts)?;
    let mut images = HashMap::new();
    let all = hosts
        .iter()
        .zip(files.iter().cycle())
        .map(|(host, files)| read_one(host, files, (replace, end), &mut images).with_context(|| host.name.clone()));
    all.collect()
}

/// One of them; an image that several have is read once.
fn read_one(
    host: &Host,
    files: &[PathBuf],
    (replace, end): (Replace, End),
    images: &mut HashMap<PathBuf, BootImage>,
) -> Result<Deployment> {
    check_label(&host.name)?;
    let request = Request::of(files);
    let built = config::build(&request)?;
    let section = built.read(&request, Section::read)?;
    let image = match images.get(&section.image) {
        Some(image) => image.clone(),
        None => BootImage::read(&section.image)?,
    };
    let settings = section.settings.as_deref().map(read_settings).transpose()?;
    section.check_room(image.unpacked())?;
    images.insert(section.image.clone(), image.clone());
    let (host, sha256, bundle) = (host.clone(), built.sha256(), Cargo::Bundle(built.packed));
    Ok(Deployment { host, section, image, settings, bundle, sha256, replace, end })
}

/// Held against the VM's own reader.
fn read_settings(path: &Path) -> Result<Vec<u8>> {
    let origin = Origin { settings: Some(path.into()), ..Origin::default() };
    origin.read()?.pop().map(|file| file.bytes).context("there are no settings")
}

/// A Linode is called like its VM.
fn check_label(name: &str) -> Result<()> {
    match name.len() {
        3..=64 => Ok(()),
        _ => bail!("a Linode's name has 3 to 64 characters"),
    }
}

fn look(account: &mut Account, deployments: &[Deployment], arguments: &DeployArguments) -> Result<Vec<Outlook>> {
    let taking = if arguments.take_over { Taking::Any } else { Taking::Own };
    let until = Instant::now() + Duration::from_secs(arguments.timeout.into());
    let look = |deployment: &Deployment| {
        let Deployment { host, section, image, replace, .. } = deployment;
        let wanted = Wanted { name: &host.name, section, image: &image.label(), replace: *replace, taking };
        account.outlook(&wanted, until, &|_| ()).with_context(|| host.name.clone())
    };
    deployments.iter().map(look).collect()
}

/// What would be done, a line for each step.
fn words(deployment: &Deployment, outlook: &Outlook) -> String {
    let steps = outlook.plan.steps.iter().map(|step| format!("\n    {step}"));
    let begin = match outlook.linode.as_ref().map(|linode| linode.id) {
        _ if outlook.plan.steps.is_empty() => format!("{}: nothing is to be done", deployment.host.name),
        Some(id) => format!("{}: with Linode {id}:", deployment.host.name),
        None => format!("{}:", deployment.host.name),
    };
    begin + &steps.collect::<String>()
}

/// What would be lost, a line for each VM.
fn losses(deployments: &[Deployment], outlooks: &[Outlook]) -> Vec<String> {
    let loss = |(deployment, outlook): (&Deployment, &Outlook)| {
        let (id, lost) = (outlook.linode.as_ref()?.id, outlook.plan.destroyed());
        (!lost.is_empty()).then(|| format!("{} (Linode {id}): {}", deployment.host.name, lost.join("; ")))
    };
    deployments.iter().zip(outlooks).filter_map(loss).collect()
}

/// For people: a line where there are several, and each step where there is one.
fn report(deployment: &Deployment, deployed: &Deployed, took: Duration, count: usize) -> String {
    let name = &deployment.host.name;
    let addresses = deployed.addresses();
    let how = match deployed.standing {
        Some(Standing::Good) => "good",
        Some(Standing::Later) => "up, and has its new configuration from its next boot on (dock0 reboot),",
        Some(Standing::Warm) => "up, and good only after another boot, since it was started by kexec (dock0 reboot),",
        Some(Standing::Unknown) => "up, and nothing in it says whether it is good (menagerie receive --stay would),",
        None => "pushed to",
    };
    let first = addresses.first().map(String::as_str).unwrap_or_default();
    let ssh = format!("ssh {}@{first}", deployment.section.user);
    let line = format!("{name}: {how} after {:.1} s: {ssh}", took.as_secs_f64());
    if count > 1 {
        return line;
    }
    let steps = deployed.steps.iter().map(|(step, took)| format!("\n    {:>6.1} s  {step}", took.as_secs_f64()));
    format!("{line}{}\n    addresses {}", steps.collect::<String>(), addresses.join(" "))
}

fn describe(deployed: &Deployed, took: Duration) -> Value {
    let seconds = |took: &Duration| (took.as_secs_f64() * 1000.0).round() / 1000.0;
    let steps: Vec<Value> =
        deployed.steps.iter().map(|(step, took)| json!({"step": step, "seconds": seconds(took)})).collect();
    let good = deployed.standing.map(|standing| standing == Standing::Good);
    json!({"linode": deployed.linode.id, "addresses": deployed.addresses(), "good": good, "seconds": seconds(&took),
        "steps": steps})
}
